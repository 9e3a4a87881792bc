// The video, if there is one; without one only the position moves.

const video = byId("video");
let stopAt = null; // where the event ends that was asked for

/** Go to a time; `play` also plays, up to `end` if there is one and the page is told to stop there. */
function seek(seconds, { play = false, end = null } = {}) {
  const time = clamp(seconds, 0, duration);
  if (video) {
    video.currentTime = time;
    stopAt = play && byId("stop").checked ? end : null;
    if (play) video.play().catch(() => {}); // what cannot be played says so itself
  }
  move(time);
}

function choose(event, { play = true } = {}) {
  state.selected = event;
  seek(event.start, { play, end: event.end });
  markSelected();
  reveal(event);
}

/** Choose the next (1) or previous (-1) event in time. */
function step(direction) {
  const shown = events.filter(isShown);
  const at = state.selected && isShown(state.selected) ? shown.indexOf(state.selected) : -1;
  const near = Math.abs(state.time - (state.selected?.start ?? -1)) < 1e-3;
  const later = at >= 0 && near
    ? shown[at + direction]
    : direction > 0
      ? shown.find((event) => event.start > state.time)
      : shown.findLast((event) => event.start < state.time - 0.5);
  if (later) choose(later, { play: Boolean(video && !video.paused) });
}

function togglePlay() {
  if (!video) return;
  if (video.paused) seek(video.ended ? 0 : video.currentTime, { play: true });
  else video.pause();
}

function follow() {
  if (video.paused) return;
  if (stopAt !== null && video.currentTime >= stopAt) {
    video.pause();
    video.currentTime = stopAt;
    stopAt = null;
  }
  move(video.currentTime);
  keepInView(video.currentTime);
  requestAnimationFrame(follow);
}

if (video) {
  const show = () => byId("play").classList.toggle("on", !video.paused);
  byId("play").addEventListener("click", togglePlay);
  video.addEventListener("play", () => {
    show();
    follow();
  });
  video.addEventListener("pause", () => {
    show();
    move(video.currentTime);
  });
  video.addEventListener("seeked", () => {
    if (stopAt !== null && video.currentTime > stopAt) stopAt = null; // someone went elsewhere
    move(video.currentTime);
  });
  video.addEventListener("error", () => {
    video.hidden = true;
    byId("unplayable").hidden = false;
    byId("play").disabled = true;
    video.parentElement.classList.add("unplayable");
  });
  if (video.error) video.dispatchEvent(new Event("error"));
}
