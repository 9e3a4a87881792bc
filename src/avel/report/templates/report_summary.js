// What was run, what came out beside what is trivial, and how the training went.

const SCORES = {
  map: "mean average precision: over classes and the tIoU grid",
  "recall@1": "share of events found by the surest predictions of their video and class, as many as there are events",
  "recall@5": "the same by five times as many",
  accuracy: "share of seconds with the right class, or rightly background",
  accuracy_partial: "the same in videos that hold both event and background",
  event_background: "event of any class against background, mean of both recalls; by chance 50",
  event_f1: "whole events of the right class at tIoU 0.5",
  pointing: "share of seconds in which the network looks at what sounds",
  matching: "share of answers that begin where the event does, mean of both directions",
  a2v: "the event is heard and sought in the picture",
  v2a: "the event is seen and sought in the sound",
  a2v_overlap: "share of the event's seconds in the answer",
  v2a_overlap: "share of the event's seconds in the answer",
};

const DASHES = ["6 4", "1.5 3", "9 3 2 3"]; // of baselines, which are all grey

/** What speaks against taking numbers as they are. */
function warnings(notes) {
  return notes.map((note) => element("p", { className: "warning", textContent: note }));
}

function drawRuns() {
  const notes = data.runs.flatMap(({ name, notes: ofRun }) => ofRun.map((note) => (several ? `${name}: ${note}` : note)));
  const overview = data.sections.length > 1 ? [drawOverview()] : [];
  return card(several ? "Runs" : "Run", ...warnings(notes), legend(), ...overview, several ? factsTable() : factsList(data.runs[0].facts));
}

/** The scores that count of several data sets, before what there is to say about each. */
function drawOverview() {
  const baselines = [...new Set(data.sections.flatMap((section) => Object.keys(section.baselines)))];
  const rows = data.sections.map(({ task, score, scores, baselines: of }) => [
    `${task}, ${scoreName(score)}`,
    ...(scores[score] ?? data.runs.map(() => null)).map((value) => element("strong", { textContent: percent(value, 2) })),
    ...baselines.map((name) => percent(of[name]?.[score], 2)),
  ]);
  return plainTable(["%", ...data.runs.map(runName), ...baselines], rows);
}

function factsList(facts) {
  const pairs = Object.entries(facts).map(([fact, text]) => (
    element("div", {}, element("dt", { textContent: fact }), element("dd", { textContent: text }))
  ));
  return element("dl", {}, ...pairs);
}

function factsTable() {
  const facts = [...new Set(data.runs.flatMap((run) => Object.keys(run.facts)))];
  const rows = facts.map((fact) => [fact, ...data.runs.map((run) => run.facts[fact] ?? "–")]);
  const differs = ([, ...values]) => new Set(values).size > 1;
  return plainTable(["", ...data.runs.map((run) => run.name)], rows, { mark: differs, words: true });
}

/** "map@0.50" -> 0.5; null for other scores. */
const tiouOf = (score) => (score.startsWith("map@") ? Number(score.slice(4)) : null);

function drawScores(section) {
  const names = Object.keys(section.scores).filter((name) => tiouOf(name) === null);
  names.sort((a, b) => (b === section.score) - (a === section.score));
  const baselines = Object.entries(section.baselines);
  const rows = names.map((name) => [
    named(name, SCORES[name]),
    ...section.scores[name].map((value) => element(name === section.score ? "strong" : "span", { textContent: percent(value, 2) })),
    ...baselines.map(([, scores]) => percent(scores[name], 2)),
  ]);
  const head = ["%", ...data.runs.map(runName), ...baselines.map(([name]) => name)];
  return card(
    "Scores",
    ...warnings(section.notes),
    ...section.differences.map((difference, place) => sayDifference(section, difference, place + 1)),
    element("div", { className: "pair" }, plainTable(head, rows), ...(section.precision ? [drawPerTiou(section, baselines)] : [])),
  );
}

function sayDifference(section, { difference, low, high }, run) {
  const names = `${data.runs[run].name} minus ${data.runs[0].name}`;
  if (difference === null) return hint(`${names}: ${scoreName(section.score)} is not defined.`);
  const text = `${names}: ${points(difference)} points of ${scoreName(section.score)},`
    + (low === null ? " no interval: too few events" : ` 95 % interval ${points(low)} to ${points(high)}`);
  const verdict = low !== null && low <= 0 && high >= 0 ? ", which holds 0: no sure difference" : "";
  return element("p", { className: "difference", textContent: `${text}${verdict}.` });
}

function drawPerTiou(section, baselines) {
  const names = Object.keys(section.scores).filter((name) => tiouOf(name) !== null);
  const curve = (value) => (
    names.filter((name) => (value(name) ?? null) !== null).map((name) => [tiouOf(name), value(name) / 100])
  );
  const lines = [
    ...data.runs.map((run, place) => ({
      name: runName(run), colour: runColour(place), points: curve((name) => section.scores[name][place]),
    })),
    ...baselines.map(([name, scores], place) => ({
      name, colour: "var(--faint)", dash: DASHES[place % DASHES.length], points: curve((score) => scores[score]),
    })),
  ].filter(({ points: ofLine }) => ofLine.length);
  const rows = [
    ...data.runs.map((run, place) => [runName(run), ...names.map((name) => percent(section.scores[name][place]))]),
    ...baselines.map(([name, scores]) => [name, ...names.map((score) => percent(scores[score]))]),
  ];
  return element(
    "div", {},
    lineChart(lines, { label: "tIoU", low: Math.min(...names.map(tiouOf)), high: Math.max(...names.map(tiouOf)) }, { label: "mAP in %", low: 0, high: 100 }),
    plainTable(["tIoU", ...names.map((name) => tiouOf(name).toFixed(2))], rows),
  );
}

/** Curves of `metrics.csv`: at first the score that counts, and the loss. */
function drawTraining() {
  const names = [...new Set(data.runs.flatMap((run) => Object.keys(run.curves)))];
  if (!names.length) return null;
  const first = (...wanted) => names.findIndex((name) => wanted.some((word) => name.endsWith(word)));
  const place = element("div", { className: "pair" });
  const wanted = [first(...data.sections.map(({ score }) => `val/${score}`)), first("train/loss", "/loss")];
  const chosenOnes = wanted.filter((number) => number >= 0);
  for (const chosen of chosenOnes.length ? chosenOnes : [0]) {
    const figure = element("div");
    const draw = (number) => {
      const lines = data.runs.map((run, place) => {
        const [steps, values] = run.curves[names[number]] ?? [[], []];
        return { name: several ? run.name : names[number], colour: runColour(place), points: steps.map((step, at) => [step, values[at]]) };
      });
      figure.replaceChildren(lineChart(lines, { label: "step", least: 1 }, { label: names[number] }));
    };
    draw(chosen);
    place.append(element("div", {}, choice("Show", names, chosen, draw), figure));
  }
  return card("Training", place);
}
