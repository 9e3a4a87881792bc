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

const isSure = (event) => event.certainty >= state.threshold;
const isShown = (event) => isSure(event) && (state.only === null || event.label === state.only);

function describe(event) {
  const score = event.score === null ? "" : `, score ${event.score.toFixed(2)}`;
  return `${event.name}\n${clock(event.start)} – ${clock(event.end)} (${event.length.toFixed(1)} s)${score}`;
}
