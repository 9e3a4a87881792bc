// The timeline: a row per class, the surest class first, so that lowering the threshold adds rows at the end.

const bars = new Map(); // event -> its bar, made when it is first shown
const content = byId("content");

const classRows = data.classes.map((name, label) => {
  const count = element("span", { className: "faint" });
  const button = element(
    "button",
    { className: "name", title: `${name}\nClick: only this class` },
    element("i", { className: "dot" }), element("b", { textContent: name }), count,
  );
  const track = element("div", { className: "track" });
  const row = element("div", { className: "row", style: { "--colour": colour(label) } }, button, track);
  button.addEventListener("click", () => {
    state.only = state.only === label ? null : label;
    drawAll();
  });
  return { row, track, count, button };
});
byId("classes").append(...classRows.map(({ row }) => row));

function makeBar(event) {
  const strength = event.score === null ? 1 : clamp(event.score / highest, 0, 1);
  const [start, end] = [event.start, event.end].map((seconds) => clamp(seconds, 0, duration));
  const bar = element("div", {
    className: "event",
    title: describe(event),
    style: {
      left: `${(100 * start) / duration}%`,
      width: `${(100 * (end - start)) / duration}%`,
      "--strength": `${20 + 80 * strength}%`,
    },
  });
  bar.addEventListener("click", () => choose(event));
  bars.set(event, bar);
  return bar;
}

function drawBars() {
  const sure = Map.groupBy(events.filter(isSure), (event) => event.label);
  classRows.forEach(({ row, track, count, button }, label) => {
    const own = (sure.get(label) ?? []).sort((a, b) => b.length - a.length); // the shortest on top
    track.replaceChildren(...own.map((event) => bars.get(event) ?? makeBar(event)));
    row.hidden = own.length === 0;
    row.classList.toggle("off", state.only !== null && state.only !== label);
    button.setAttribute("aria-pressed", state.only === label);
    count.textContent = own.length;
  });
}

/** Show a position: playhead, clock, and what goes on there. */
function move(time) {
  state.time = time;
  const head = byId("playhead");
  head.style.setProperty("--at", clamp(time / duration, 0, 1));
  head.setAttribute("aria-valuemax", duration);
  head.setAttribute("aria-valuenow", time.toFixed(1));
  head.setAttribute("aria-valuetext", clock(time));
  byId("clock").textContent = clock(time);
  markCurrent();
}

let current = new Set(); // the events that go on at the position

function markCurrent() {
  const before = current;
  current = new Set(events.filter((event) => isSure(event) && event.start <= state.time && state.time < event.end));
  for (const event of [...before, ...current]) {
    for (const marks of [bars, rows]) marks.get(event)?.classList.toggle("now", current.has(event));
  }
  const labels = [...new Set([...current].map((event) => event.label))];
  if (String(labels) === byId("now").dataset.labels) return;
  byId("now").dataset.labels = labels;
  byId("now").replaceChildren(...labels.map((label) => (
    element("span", { textContent: data.classes[label], style: { "--colour": colour(label) } })
  )));
}

function markSelected() {
  for (const marks of [bars, rows]) {
    for (const [event, marked] of marks) marked.classList.toggle("selected", event === state.selected);
  }
}

/** Bring an event into view, in the timeline and in the list. */
function reveal(event) {
  keepInView(event.start);
  bars.get(event)?.scrollIntoView({ block: "nearest", inline: "nearest" });
  const row = rows.get(event);
  if (row?.isConnected) {
    row.scrollIntoView({ block: "nearest" });
    setTabStop(row);
  }
}

// A press goes to that place, dragging goes on, letting go plays; on an event its own click decides.
const timeAt = (clientX) => {
  const box = byId("ticks").getBoundingClientRect();
  return clamp((clientX - box.left) / box.width, 0, 1) * duration;
};
const isPlace = (target) => target.closest(".track, #axis") && !target.closest(".event, .name");

content.addEventListener("pointerdown", (press) => {
  if (press.button !== 0 || !isPlace(press.target)) return;
  press.preventDefault();
  content.setPointerCapture(press.pointerId);
  const scrub = (at) => seek(timeAt(at.clientX));
  const release = (at) => seek(timeAt(at.clientX), { play: true });
  const end = () => {
    content.removeEventListener("pointermove", scrub);
    content.removeEventListener("pointerup", release);
  };
  scrub(press);
  content.addEventListener("pointermove", scrub);
  content.addEventListener("pointerup", release);
  content.addEventListener("lostpointercapture", end, { once: true });
});

content.addEventListener("pointermove", (at) => {
  const pointer = byId("pointer");
  pointer.hidden = !at.target.closest(".track, #axis");
  const time = timeAt(at.clientX);
  pointer.style.setProperty("--at", time / duration);
  pointer.classList.toggle("left", at.clientX > scroll.getBoundingClientRect().right - 90);
  pointer.replaceChildren(element("span", { textContent: clock(time) }));
});
content.addEventListener("pointerleave", () => (byId("pointer").hidden = true));
