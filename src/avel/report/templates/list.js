// The list of events.

const MOST_ROWS = 1000; // more would make the page slow, and nobody reads them
const rows = new Map(); // event -> its row, made when it is first shown
const sorting = { key: "start", direction: 1 };
const headers = [...document.querySelectorAll("th button")];

function makeRow(event) {
  const cells = [
    element("td", { className: "time", textContent: clock(event.start) }),
    element("td", { className: "time", textContent: `${event.length.toFixed(1)} s` }),
    element("td", { title: event.name }, element("i", { className: "dot" }), event.name),
  ];
  if (event.score !== null) {
    const level = element("i", { style: { width: `${100 * clamp(event.score / highest, 0, 1)}%` } });
    cells.push(element("td", {}, element("span", { className: "meter" }, level), event.score.toFixed(2)));
  } else if (byId("threshold")) {
    cells.push(element("td", { className: "faint", textContent: "annotated" }));
  }
  const row = element("tr", { tabIndex: -1, style: { "--colour": colour(event.label) } }, ...cells);
  row.addEventListener("click", () => choose(event));
  rows.set(event, row);
  return row;
}

function drawList() {
  const { key, direction } = sorting;
  const compare = (a, b) => (a[key] < b[key] ? -direction : a[key] > b[key] ? direction : a.start - b.start);
  const shown = events.filter(isShown).sort(compare);
  const drawn = shown.slice(0, MOST_ROWS).map((event) => rows.get(event) ?? makeRow(event));
  byId("events").replaceChildren(...drawn);
  for (const button of headers) {
    const order = direction > 0 ? "ascending" : "descending";
    if (button.dataset.key === key) button.parentElement.setAttribute("aria-sort", order);
    else button.parentElement.removeAttribute("aria-sort");
  }
  tell(shown.length);
  setTabStop(drawn.find((row) => row.classList.contains("selected")) ?? drawn[0]);
}

/** Say what is left out, and how much there is. */
function tell(count) {
  const more = count - MOST_ROWS;
  const note = byId("note");
  note.hidden = count > 0 && more <= 0;
  if (more > 0) note.textContent = `and ${more} more: raise the score, or choose a class in the timeline`;
  else note.textContent = events.length ? "No event is so sure: lower the score." : "No events were found.";
  const classes = new Set(events.filter(isShown).map((event) => event.label)).size;
  const of = count < events.length ? ` of ${events.length}` : "";
  byId("summary").textContent =
    `${count}${of} event${count === 1 && !of ? "" : "s"} · ${classes} class${classes === 1 ? "" : "es"} · ${clock(duration, 0)}`;
}

/** One row can be reached with Tab; arrows go on from there. */
function setTabStop(row) {
  for (const other of byId("events").querySelectorAll('[tabindex="0"]')) other.tabIndex = -1;
  if (row) row.tabIndex = 0;
}

for (const button of headers) {
  button.addEventListener("click", () => {
    const key = button.dataset.key;
    if (sorting.key === key) sorting.direction *= -1;
    else Object.assign(sorting, { key, direction: key === "certainty" || key === "length" ? -1 : 1 });
    drawList();
  });
}

byId("events").addEventListener("keydown", (press) => {
  const row = press.target.closest("tr");
  const target = { ArrowDown: row?.nextElementSibling, ArrowUp: row?.previousElementSibling }[press.key];
  if (press.key === "Enter") row.click();
  else if (target) {
    setTabStop(target);
    target.focus();
  } else return;
  press.preventDefault();
});
