// The player: one for all videos, in the card of the one that it plays.

const player = element("video", { controls: true, preload: "metadata" });
const playing = { card: null, duration: 1 };

/** Play the file of a card from a time on, in seconds. */
function playAt(article, file, duration, seconds) {
  if (playing.card !== article) {
    closePlayer();
    Object.assign(playing, { card: article, duration });
    article.querySelector(".screen").append(player);
    player.src = file;
  }
  player.currentTime = clamp(seconds, 0, duration); // before anything is loaded, this is where it will begin
  movePlayhead();
  player.play().catch(() => {}); // what cannot be played says so itself
}

function closePlayer() {
  playing.card?.querySelector(".head")?.setAttribute("hidden", "");
  playing.card?.querySelector(".screen").replaceChildren();
  playing.card = null;
}

function movePlayhead() {
  const head = playing.card?.querySelector(".head");
  if (!head) return;
  head.hidden = false;
  head.style.setProperty("--at", clamp(player.currentTime / playing.duration, 0, 1));
}

function followPlayer() {
  movePlayhead();
  if (!player.paused) requestAnimationFrame(followPlayer);
}

player.addEventListener("play", followPlayer);
player.addEventListener("seeked", movePlayhead);
player.addEventListener("error", () => {
  const screen = playing.card?.querySelector(".screen");
  screen?.replaceChildren(hint("This browser cannot play the video: it must lie where it lay when the report was written, and be of a kind that browsers know, such as MP4 with H.264 and AAC."));
});
