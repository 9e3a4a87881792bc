// How much of the timeline is seen: zoom, time axis, and the overview of the whole.

const scroll = byId("scroll");
const overview = byId("overview");
const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 36000];
const SHORTEST = 4; // seconds, seen at the greatest zoom
const greatest = Math.max(duration / SHORTEST, 1);
let zoom = 1;

const sides = () => content.clientWidth - byId("ticks").clientWidth; // what is left and right of the tracks
const trackWidth = () => (scroll.clientWidth - sides()) * zoom;
const seen = () => ({ from: scroll.scrollLeft / trackWidth(), share: 1 / zoom });

/** Zoom so that the time `anchor` (default: the playhead, if it is seen, or the middle) stays where it is. */
function setZoom(value, anchor = defaultAnchor()) {
  const offset = (anchor / duration) * trackWidth() - scroll.scrollLeft;
  zoom = clamp(value, 1, greatest);
  content.style.width = zoom === 1 ? "100%" : `${sides() + trackWidth()}px`;
  scroll.scrollLeft = (anchor / duration) * trackWidth() - offset;
  byId("zoom").value = Math.log(zoom) / Math.log(greatest) || 0;
  drawScale();
}

function defaultAnchor() {
  const { from, share } = seen();
  const at = state.time / duration;
  return (from <= at && at <= from + share ? at : from + share / 2) * duration;
}

/** Draw what depends on the part that is seen. */
function drawScale() {
  const { from, share } = seen();
  const begin = Math.max(from - 0.1 * share, 0) * duration;
  const end = Math.min(from + 1.1 * share, 1) * duration;
  const step = STEPS.find((seconds) => (seconds / duration) * trackWidth() > 74) ?? duration;
  const labels = [];
  const lines = [];
  for (let tick = Math.ceil(begin / step); tick * step <= end + 1e-9; tick += 1) {
    const left = { left: `${(100 * tick * step) / duration}%` };
    const near = tick * step > duration * (1 - 20 / trackWidth());
    labels.push(element("span", {
      textContent: clock(tick * step, step < 1 ? 1 : 0),
      style: { ...left, transform: near ? "translateX(-100%)" : tick ? "translateX(-50%)" : "none" },
    }));
    lines.push(element("i", { style: left }));
  }
  byId("ticks").replaceChildren(...labels);
  byId("grid").replaceChildren(...lines);
  const whole = zoom < 1.01;
  if (overview.hidden !== whole) {
    overview.hidden = whole;
    drawOverview();
  }
  Object.assign(byId("window").style, { left: `${100 * from}%`, width: `${100 * share}%` });
}

/** Draw all events small. */
function drawOverview() {
  const canvas = overview.querySelector("canvas");
  const density = window.devicePixelRatio;
  canvas.width = canvas.clientWidth * density;
  canvas.height = canvas.clientHeight * density;
  const brush = canvas.getContext("2d");
  const shown = events.filter(isShown);
  const lanes = [...new Set(shown.map((event) => event.label))].sort((a, b) => a - b);
  const height = canvas.height / Math.max(lanes.length, 1);
  const style = getComputedStyle(overview);
  for (const { label, start, length } of shown) {
    brush.fillStyle = style.getPropertyValue(`--c${label % 6}`);
    const width = Math.max((length / duration) * canvas.width, 2 * density);
    const gap = Math.min(height / 5, 2 * density);
    brush.fillRect((start / duration) * canvas.width, lanes.indexOf(label) * height + gap, width, height - 2 * gap);
  }
}

function keepInView(time) {
  const { from, share } = seen();
  const at = time / duration;
  if (at < from || at > from + share) scroll.scrollLeft = (at - 0.1 * share) * trackWidth();
}

scroll.addEventListener("scroll", () => requestAnimationFrame(drawScale));
scroll.addEventListener("wheel", (turn) => {
  if (!turn.ctrlKey && !turn.metaKey) return;
  turn.preventDefault();
  setZoom(zoom * Math.exp(-turn.deltaY / 300), timeAt(turn.clientX));
}, { passive: false });

overview.addEventListener("pointerdown", (press) => {
  const pan = (at) => {
    const box = overview.getBoundingClientRect();
    scroll.scrollLeft = ((at.clientX - box.left) / box.width - 0.5 / zoom) * trackWidth();
  };
  overview.setPointerCapture(press.pointerId);
  pan(press);
  overview.addEventListener("pointermove", pan);
  overview.addEventListener("lostpointercapture", () => overview.removeEventListener("pointermove", pan), { once: true });
});

byId("zoom").addEventListener("input", (change) => setZoom(greatest ** change.target.value));
byId("zoom-in").addEventListener("click", () => setZoom(2 * zoom));
byId("zoom-out").addEventListener("click", () => setZoom(zoom / 2));
byId("fit").addEventListener("click", () => setZoom(1));
new ResizeObserver(() => {
  setZoom(zoom);
  drawOverview();
}).observe(scroll);
