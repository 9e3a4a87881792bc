// What the page knows, and small parts that it is made of. Shares come in units of 1/10,000, times of 1/100 s.

const data = JSON.parse(byId("data").textContent);
const several = data.runs.length > 1;

const percent = (value, digits = 1) => (value === null || value === undefined ? "–" : (value / 100).toFixed(digits));
const inPercent = (value, digits) => (value === null || value === undefined ? "–" : `${percent(value, digits)} %`);
const points = (value) => (value === null ? "–" : `${value > 0 ? "+" : ""}${(value / 100).toFixed(2)}`);
const count = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const runName = ({ name }) => (several ? name : "this run");
const scoreName = (score) => (score === "map" ? "mAP" : score);
const runColour = (run) => `var(--c${run % 6})`;

let lastId = 0;
const newId = (word) => `${word}-${(lastId += 1)}`;

/** An element of SVG, with attributes; a `style` and a `title` as in HTML. */
function vector(name, { style = {}, title, ...attributes } = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  for (const [key, value] of Object.entries(style)) made.style.setProperty(key, value);
  if (title) made.append(vector("title", {}, title));
  made.append(...children);
  return made;
}

/** A label with a select of names; `choose` is called with the place of the chosen one. */
function choice(text, names, chosen, choose) {
  const options = names.map((name, place) => element("option", { textContent: name, value: place }));
  const select = element("select", {}, ...options);
  select.value = chosen;
  select.addEventListener("change", () => choose(Number(select.value)));
  return element("label", { className: "choice" }, `${text} `, select);
}

/** A part of a section: a card with a head. */
function card(title, ...children) {
  return element("section", { className: "card part" }, element("h3", { textContent: title }), ...children);
}

function hint(text) {
  return element("p", { className: "faint hint", textContent: text });
}

/** A plain table; cells are texts or elements, a row may be marked, and all may be words instead of numbers. */
function plainTable(head, rows, { mark = () => false, words = false } = {}) {
  const cell = (content, place) => element(place ? "td" : "th", place ? {} : { scope: "row" }, content);
  return element(
    "div", { className: "scroll", tabIndex: 0 },
    element(
      "table", { className: words ? "plain words" : "plain" },
      element("thead", {}, element("tr", {}, ...head.map((name) => element("th", { scope: "col" }, name)))),
      element("tbody", {}, ...rows.map((row) => (
        element("tr", { className: mark(row) ? "differs" : "" }, ...row.map(cell))
      ))),
    ),
  );
}

/** A name, and below it what it means. */
function named(name, meaning = "") {
  return element("span", { title: meaning }, name, element("small", { className: "faint", textContent: meaning }));
}

/** A number with a bar as long as its share of `most`, in the colour of a run. */
function meter(text, value, most, run = 0) {
  const level = element("i", { style: { width: `${clamp((100 * (value ?? 0)) / (most || 1), 0, 100)}%`, background: runColour(run) } });
  return element("span", { className: "measured" }, element("span", { className: "meter" }, level), text);
}

/** The names of runs with their colours; nothing for a single run. */
function legend() {
  const names = data.runs.map(({ name }, run) => (
    element("span", {}, element("i", { className: "dot", style: { "--colour": runColour(run) } }), ` ${name}`)
  ));
  return element("p", { className: "legend", hidden: !several }, ...names);
}
