// One video: a row per class, above what is annotated, below what each run has found.

const LANE = 9;
const MOST_ROWS = 6; // at first

/** Split a flat list into rows of some numbers. */
function rowsOf(flat, width) {
  return Array.from({ length: flat.length / width }, (_, row) => flat.slice(row * width, (row + 1) * width));
}

/** What a video holds: annotated events, and the predictions of each run that are sure enough, the surest first. */
function contentOf(gallery, video, thresholds) {
  const truth = rowsOf(gallery.truth[video], 3).map(([start, length, label]) => ({ start, length, label }));
  const found = gallery.found.map(({ events, kinds }, run) => (
    rowsOf(events[video], 4)
      .map(([start, length, label, score], place) => ({ start, length, label, score, kind: kinds[video][place] }))
      .filter(({ score }) => score >= thresholds[run])
  ));
  return { truth, found };
}

/** Classes in the order of their rows: the annotated ones as they begin, then what was found, the surest first. */
function labelsOf({ truth, found }) {
  const surest = found.flat().sort((a, b) => b.score - a.score);
  return [...new Set([...truth, ...surest].map(({ label }) => label))];
}

function describeBar(gallery, { start, length, label, score, kind }, whose) {
  const span = `${clock(start / 100)} – ${clock((start + length) / 100)} (${(length / 100).toFixed(1)} s)`;
  const sure = score === undefined ? "" : `, score ${(score / 10000).toFixed(3)}`;
  const verdict = kind === undefined ? "" : Number(kind) ? `\nwrong: ${gallery.kinds[kind - 1]}` : "\nright";
  return `${gallery.labels[label]}, ${whose}\n${span}${sure}${verdict}`;
}

function drawBar(gallery, event, duration, lane, run) {
  const whose = run === null ? "annotated" : several ? data.runs[run].name : "predicted";
  const wrong = Number(event.kind ?? 0) > 0;
  return vector("rect", {
    class: run === null ? "truth" : wrong ? "found wrong" : "found",
    x: `${(100 * event.start) / duration}%`, width: `${Math.max((100 * event.length) / duration, 0.3)}%`,
    y: lane * LANE + 1.5, height: LANE - 3, rx: 1.5,
    title: describeBar(gallery, event, whose),
    style: run === null ? {} : { "--colour": runColour(run) },
  });
}

function drawRow(gallery, { truth, found }, label, duration) {
  const ofLabel = (event) => event.label === label;
  const bars = [
    ...truth.filter(ofLabel).map((event) => drawBar(gallery, event, duration, 0, null)),
    ...found.flatMap((events, run) => (
      events.filter(ofLabel).reverse().map((event) => drawBar(gallery, event, duration, run + 1, run)) // surest on top
    )),
  ];
  const name = gallery.labels[label];
  return element(
    "div", { className: "lane" },
    element("span", { className: "name", textContent: name, title: name }),
    vector("svg", { class: "track", height: LANE * (found.length + 1), "aria-hidden": "true" }, ...bars),
  );
}

function drawAxis(duration) {
  const numbers = roundNumbers(0, duration / 100).filter((number) => number <= 0.97 * (duration / 100));
  const ticks = numbers.map((seconds) => element("span", {
    textContent: clock(seconds, Number.isInteger(seconds) ? 0 : 1), style: { left: `${(10000 * seconds) / duration}%` },
  }));
  return element("div", { className: "lane axis" }, element("span", { className: "name" }), element("div", { className: "track" }, ...ticks));
}

/** How it went, in words: also for those who cannot see the bars. */
function countsOf({ truth, found }) {
  const ofRun = found.map((events, run) => {
    const wrong = events.filter(({ kind }) => Number(kind ?? 0) > 0).length;
    const verdict = events.length && events[0].kind !== undefined ? `, ${wrong} wrong` : "";
    return `${several ? `${data.runs[run].name} ` : ""}${events.length} shown${verdict}`;
  });
  return [count(truth.length, "event"), ...ofRun].join(" · ");
}

/** All rows of a video, the first ones unless `all` is set; `more` shows the others. */
function drawTimeline(gallery, video, content, all, more) {
  const labels = labelsOf(content);
  const shown = all ? labels : labels.slice(0, MOST_ROWS);
  const duration = Math.max(gallery.durations[video], 1);
  const rest = element("button", { className: "more", type: "button", textContent: `${labels.length - shown.length} more classes` });
  rest.addEventListener("click", more);
  return element(
    "div", { className: "lanes" },
    ...shown.map((label) => drawRow(gallery, content, label, duration)),
    ...(labels.length ? [] : [element("p", { className: "faint", textContent: "Nothing is annotated, and nothing so sure was found." })]),
    drawAxis(duration),
    element("div", { className: "head", hidden: true }),
    ...(shown.length < labels.length ? [rest] : []),
  );
}
