// What the page knows: events never change, everything else lives in `state`.

const data = JSON.parse(document.getElementById("data").textContent);
const duration = data.duration;
const events = data.events.map(([start, end, label, score], id) => ({
  id, start, end, label, score, length: end - start, name: data.classes[label], certainty: score ?? Infinity,
}));
const best = events.reduce((most, { score }) => Math.max(most, score ?? 0), 0);
const highest = Math.max(Math.ceil(10 * best) / 10, 0.1); // end of the scale of scores: some methods stay far below 1

const state = {
  threshold: data.threshold,
  only: null, // a class, if the others are out of interest
  selected: null, // the event that was chosen last
  time: 0,
};

const byId = (id) => document.getElementById(id);
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const colour = (label) => `var(--c${label % 6})`;
const isSure = (event) => event.certainty >= state.threshold;
const isShown = (event) => isSure(event) && (state.only === null || event.label === state.only);

/** m:ss.d or h:mm:ss.d; whole seconds as players show them, rounded down. */
function clock(seconds, digits = 1) {
  const unit = 10 ** digits;
  const all = digits ? Math.round(seconds * unit) : Math.floor(seconds);
  const whole = Math.floor(all / unit);
  const pad = (value) => String(value).padStart(2, "0");
  const minutes = Math.floor(whole / 60) % 60;
  const hours = Math.floor(whole / 3600);
  const text = hours ? `${hours}:${pad(minutes)}:${pad(whole % 60)}` : `${minutes}:${pad(whole % 60)}`;
  return digits ? `${text}.${String(all % unit).padStart(digits, "0")}` : text;
}

function element(name, { style = {}, ...properties } = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  for (const [key, value] of Object.entries(style)) made.style.setProperty(key, value);
  made.append(...children);
  return made;
}

function describe(event) {
  const score = event.score === null ? "" : `, score ${event.score.toFixed(2)}`;
  return `${event.name}\n${clock(event.start)} – ${clock(event.end)} (${event.length.toFixed(1)} s)${score}`;
}
