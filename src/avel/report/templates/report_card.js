// The card of a video: its timeline, what there is to say about it, and the way to the player.

/** The card of a video; what is in it is drawn when it comes near the screen, and again when it is out of date. */
function drawCard(gallery, video, state) {
  const file = gallery.files[video] ?? "";
  const duration = gallery.durations[video] / 100;
  const name = gallery.videos[video];
  const title = element("strong", { textContent: name, title: name });
  const summary = element("span", { className: "faint" });
  const timeline = element("div");
  const play = element("button", { type: "button", className: "play", textContent: "▶", ariaLabel: `Play ${name}`, title: "Play", hidden: !file });
  const article = element(
    "article", { className: file ? "video playable" : "video" },
    element("header", {}, play, title, summary), element("div", { className: "screen" }), timeline,
  );
  let all = false;
  let fresh = false;
  const qualities = gallery.found.map(({ quality: of }) => of[video]);
  const measured = qualities.some((quality) => quality !== null) ? `${qualities.map((quality) => percent(quality)).join(" / ")} % · ` : "";

  function draw() {
    if (fresh) return;
    fresh = true;
    const content = contentOf(gallery, video, state.thresholds);
    timeline.replaceChildren(drawTimeline(gallery, video, content, all, () => {
      all = true;
      fresh = false;
      draw();
    }));
    summary.textContent = `${measured}${clock(duration, 0)} · ${countsOf(content)}`;
    if (playing.card === article) movePlayhead();
  }

  play.addEventListener("click", () => playAt(article, file, duration, (gallery.truth[video][0] ?? 0) / 100));
  timeline.addEventListener("click", (click) => {
    const track = file && click.target.closest(".lane")?.querySelector(".track");
    if (!track) return;
    const box = track.getBoundingClientRect();
    if (click.clientX >= box.left) playAt(article, file, duration, ((click.clientX - box.left) / box.width) * duration);
  });
  article.addEventListener("near", draw);
  article.addEventListener("stale", () => {
    fresh = false;
  });
  near.observe(article);
  return article;
}
