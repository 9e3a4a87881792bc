// Curves: y over x, a colour per line, numbers where the pointer is.

const SIZE = { width: 520, height: 260, left: 52, right: 12, top: 10, bottom: 38 };
const DIGIT = 7; // widest width of a character of a number
const FEW = 20; // points of a line that are marked

/** About five round numbers from low to high, at least `least` apart. */
function roundNumbers(low, high, least = 0) {
  const raw = Math.max((high - low || 1) / 5, least);
  const unit = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * unit).find((size) => size >= raw * 0.999);
  const first = Math.ceil(low / step - 1e-9);
  const many = Math.max(Math.floor(high / step + 1e-9) - first + 1, 0);
  return Array.from({ length: many }, (_, place) => (first + place) * step);
}

const short = (number) => String(Number(number.toPrecision(4)));
const nearestTo = (values, wanted, of = (value) => value) => (
  values.reduce((best, value) => (Math.abs(of(value) - wanted) < Math.abs(of(best) - wanted) ? value : best), values[0])
);

/** From values of an axis to places in the picture and back; ends are those of the axis, or of the values. */
function scale(axis, values, from, to) {
  const low = axis.low ?? values.reduce((a, b) => Math.min(a, b));
  const high = axis.high ?? values.reduce((a, b) => Math.max(a, b));
  const [first, last] = high > low ? [low, high] : [low - 0.5, low + 0.5];
  return {
    first, last,
    at: (value) => from + ((value - first) / (last - first)) * (to - from),
    value: (place) => first + ((place - from) / (to - from)) * (last - first),
  };
}

/**
 * Draw curves: lines have `name`, `colour`, `dash` and `points` [x, y]; axes have `label` and may have `low`, `high`, and
 * `least`, the least distance of their numbers.
 */
function lineChart(lines, x, y) {
  const all = lines.flatMap((line) => line.points);
  if (!all.length) return hint("There is nothing to draw: no number is defined.");
  const { width, height, right, top, bottom } = SIZE;
  const up = scale(y, all.map(([, value]) => value), height - bottom, top);
  const widest = Math.max(...roundNumbers(up.first, up.last).map((value) => short(value).length));
  const left = Math.max(SIZE.left, 24 + DIGIT * widest); // the name of the axis stands beside its numbers
  const across = scale(x, all.map(([value]) => value), left, width - right);
  const told = lines.map((line) => `${line.name}: ${line.points.length} points, the last is ${short(line.points.at(-1)?.[1] ?? 0)}`);
  const picture = vector(
    "svg", { viewBox: `0 0 ${width} ${height}`, role: "img", class: "chart", "aria-label": `${y.label} over ${x.label}. ${told.join("; ")}` },
    ...drawScales(x, y, across, up, left),
    ...lines.flatMap((line) => drawLine(line, across, up)),
  );
  const cursor = vector("line", { class: "cursor", y1: top, y2: height - bottom, visibility: "hidden" });
  picture.append(cursor);
  const readout = makeReadout(lines, x.label);
  const xs = [...new Set(all.map(([value]) => value))];
  picture.addEventListener("pointermove", (move) => {
    const box = picture.getBoundingClientRect();
    const at = nearestTo(xs, across.value(((move.clientX - box.left) / box.width) * width));
    cursor.setAttribute("visibility", "visible");
    for (const end of ["x1", "x2"]) cursor.setAttribute(end, across.at(at));
    readout.show(at);
  });
  picture.addEventListener("pointerleave", () => {
    cursor.setAttribute("visibility", "hidden");
    readout.hide();
  });
  return element("figure", {}, picture, readout.root);
}

function drawScales(x, y, across, up, left) {
  const { width, height, right, bottom } = SIZE;
  const middle = (height - bottom) / 2;
  return [
    ...roundNumbers(up.first, up.last).flatMap((value) => [
      vector("line", { class: "grid", x1: left, x2: width - right, y1: up.at(value), y2: up.at(value) }),
      vector("text", { x: left - 6, y: up.at(value) + 4, "text-anchor": "end" }, short(value)),
    ]),
    ...roundNumbers(across.first, across.last, x.least).map((value) => (
      vector("text", { x: across.at(value), y: height - bottom + 16, "text-anchor": "middle" }, short(value))
    )),
    vector("text", { x: (left + width - right) / 2, y: height - 4, "text-anchor": "middle", class: "name" }, x.label),
    vector("text", { x: 12, y: middle, "text-anchor": "middle", class: "name", transform: `rotate(-90 12 ${middle})` }, y.label),
  ];
}

function drawLine({ points: ofLine, colour: stroke, dash = "" }, across, up) {
  const path = ofLine.map(([a, b], place) => `${place ? "L" : "M"}${across.at(a).toFixed(1)} ${up.at(b).toFixed(1)}`).join("");
  const marks = ofLine.length > FEW ? [] : ofLine;
  return [
    vector("path", { d: path, class: "line", style: { stroke, "stroke-dasharray": dash } }),
    ...marks.map(([a, b]) => vector("circle", { cx: across.at(a), cy: up.at(b), r: 3, style: { fill: stroke } })),
  ];
}

/** The names of lines below the picture, with their values where the pointer is. */
function makeReadout(lines, label) {
  const values = lines.map(() => element("b"));
  const place = element("span", { className: "faint" });
  const names = lines.map(({ name, colour: own, dash = "" }, line) => {
    const stroke = vector("path", { d: "M0 4H24", style: { stroke: own, "stroke-dasharray": dash } });
    return element("span", {}, vector("svg", { class: "sample", viewBox: "0 0 24 8" }, stroke), ` ${name} `, values[line]);
  });
  const tell = (text, at) => {
    place.textContent = text;
    lines.forEach(({ points: ofLine }, line) => {
      values[line].textContent = text && ofLine.length ? short(nearestTo(ofLine, at, ([value]) => value)[1]) : "";
    });
  };
  return {
    root: element("figcaption", { className: "readout" }, ...names, place),
    show: (at) => tell(`at ${label} ${short(at)}`, at),
    hide: () => tell("", 0),
  };
}
