// Threshold, keys, and drawing all for the first time.

const slider = byId("threshold");

function drawAll() {
  drawBars();
  drawList();
  drawOverview();
  markCurrent();
  markSelected();
}

/** How many events have which score, the taller ones compressed. */
function drawHistogram() {
  const BINS = 50;
  const counts = new Array(BINS).fill(0);
  for (const { score } of events) {
    if (score !== null) counts[clamp(Math.floor((score / highest) * BINS), 0, BINS - 1)] += 1;
  }
  const most = Math.sqrt(Math.max(...counts, 1));
  const columns = counts.map((count) => element("i", { style: { height: `${(100 * Math.sqrt(count)) / most}%` } }));
  byId("histogram").replaceChildren(...columns);
}

function setThreshold(value) {
  state.threshold = value;
  byId("threshold-value").textContent = value.toFixed(2);
  const columns = [...byId("histogram").children];
  columns.forEach((column, bin) => column.classList.toggle("in", (bin + 1) / columns.length * highest > value + 1e-9));
  drawAll();
}

function press(stroke) {
  if (stroke.ctrlKey || stroke.metaKey || stroke.altKey || stroke.target.closest("input[type=range]")) return;
  const onVideo = stroke.target === video; // which has keys of its own
  const onButton = stroke.target.closest("button, input, a");
  const keys = {
    " ": onVideo || onButton ? null : togglePlay,
    ArrowLeft: onVideo ? null : () => seek(state.time - 5),
    ArrowRight: onVideo ? null : () => seek(state.time + 5),
    n: () => step(1),
    p: () => step(-1),
    "+": () => setZoom(2 * zoom),
    "=": () => setZoom(2 * zoom),
    "-": () => setZoom(zoom / 2),
    0: () => setZoom(1),
    Escape: () => {
      state.only = null;
      drawAll();
    },
  };
  const act = keys[stroke.key.length === 1 ? stroke.key.toLowerCase() : stroke.key];
  if (!act) return;
  stroke.preventDefault();
  act();
}

byId("duration").textContent = clock(duration, 0);
byId("previous").addEventListener("click", () => step(-1));
byId("next").addEventListener("click", () => step(1));
document.addEventListener("keydown", press);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawOverview);

if (slider) {
  slider.max = highest;
  slider.value = state.threshold;
  drawHistogram();
  setThreshold(state.threshold);
  slider.addEventListener("input", () => setThreshold(Number(slider.value)));
} else {
  drawAll();
}
setZoom(1);
move(0);
