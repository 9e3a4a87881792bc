// Tables that can be sorted by every column and searched.

/**
 * Tabulate rows. A column has a `name`, a `hint`, what it sorts a row by (`value`) and what it shows of it (`show`);
 * `text` where that is no number. `search` says what a row is found by, `choose` is called with a row that is clicked.
 */
function sortableTable(columns, rows, { search, noun, choose, sorted = 0 }) {
  const sorting = { column: sorted, direction: columns[sorted].text ? 1 : -1 };
  const body = element("tbody");
  const summary = element("span", { className: "faint", role: "status" });
  const field = element("input", { type: "search", placeholder: `Search ${noun}`, ariaLabel: `Search ${noun}` });
  const made = new Map();

  const heads = columns.map(({ name, hint: title = "", text }, place) => {
    const button = element("button", { type: "button", textContent: name, title });
    button.addEventListener("click", () => {
      if (sorting.column === place) sorting.direction *= -1;
      else Object.assign(sorting, { column: place, direction: text ? 1 : -1 });
      draw();
    });
    return element("th", { scope: "col", className: text ? "text" : "" }, button);
  });

  function makeRow(row) {
    const cells = columns.map(({ show, text }) => element("td", { className: text ? "text" : "" }, show(row)));
    const tr = element("tr", choose ? { tabIndex: -1, className: "live" } : {}, ...cells);
    if (choose) tr.addEventListener("click", () => choose(row));
    made.set(row, tr);
    return tr;
  }

  function compare(a, b) {
    const [one, other] = [a, b].map(columns[sorting.column].value);
    if (one === null || other === null) return (one === null) - (other === null); // undefined ones last, either way
    return sorting.direction * (typeof one === "string" ? one.localeCompare(other) : one - other);
  }

  function draw() {
    const wanted = field.value.trim().toLowerCase();
    const shown = rows.filter((row) => search(row).toLowerCase().includes(wanted)).sort(compare);
    body.replaceChildren(...shown.map((row) => made.get(row) ?? makeRow(row)));
    heads.forEach((head, place) => {
      if (place === sorting.column) head.setAttribute("aria-sort", sorting.direction > 0 ? "ascending" : "descending");
      else head.removeAttribute("aria-sort");
    });
    summary.textContent = shown.length < rows.length ? `${shown.length} of ${rows.length}` : "";
    if (choose) setTabStop(body.querySelector(".selected") ?? body.firstElementChild);
  }

  /** One row can be reached with Tab; arrows go on from there. */
  function setTabStop(row) {
    for (const other of body.querySelectorAll('[tabindex="0"]')) other.tabIndex = -1;
    if (row) row.tabIndex = 0;
  }

  body.addEventListener("keydown", (press) => {
    const row = press.target.closest("tr");
    const target = { ArrowDown: row.nextElementSibling, ArrowUp: row.previousElementSibling }[press.key];
    if (press.key === "Enter") row.click();
    else if (target) {
      setTabStop(target);
      target.focus();
    } else return;
    press.preventDefault();
  });
  field.addEventListener("input", draw);

  return {
    root: element(
      "div", {},
      element("div", { className: "tools" }, field, summary),
      element("div", { className: "scroll tall", tabIndex: -1 }, element("table", { className: "sortable" }, element("thead", {}, element("tr", {}, ...heads)), body)),
    ),
    /** Make rows anew, after what they show has changed. */
    redraw: () => {
      made.clear();
      draw();
    },
    select: (chosen) => {
      for (const [row, tr] of made) tr.classList.toggle("selected", row === chosen);
    },
    draw,
  };
}
