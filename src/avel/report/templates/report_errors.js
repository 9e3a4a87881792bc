// Where runs fail: mistakes by kind, events by what they are like, seconds by the class they are taken for.

const KINDS = {
  double: "of an event that a surer prediction has found",
  localization: "the right class, but too early, late, long or short",
  class: "well placed, but of another class",
  both: "of another class, and badly placed",
  background: "where nothing of any class is annotated",
  missed: "events that no prediction finds",
  heard: "on what is only heard",
  seen: "on what is only seen",
};
const CHARACTERISTICS = {
  length: "Length of the event",
  coverage: "Share of the video that it lasts",
  instances: "Events of its class in the video",
  overlap: "Share of it under events of other classes",
};

function drawErrors(section) {
  if (section.confusion.length) return drawConfusions(section);
  if (!section.errors.length) return null;
  return card(
    "Mistakes", legend(),
    ...section.errors.map((errors, run) => hint(`${several ? `${data.runs[run].name}: ` : ""}${sayProfile(errors)}`)),
    hint(
      "A kind of mistake costs what the mAP over the whole grid would gain without it: events that are found here may be"
      + " missed, and cost, at a higher tIoU. Costs do not add up: mistakes hide each other. Shares are of the predictions that are counted, of missed events of all events.",
    ),
    mistakesTable(section.errors.map((errors) => [...errors.false_positives, ...errors.one_sided, errors.missed])),
    ...drawBins(section.errors),
  );
}

/** What is missed, by what events are like; nothing where there are no events. */
function drawBins(byRun) {
  const names = Object.keys(byRun[0].characteristics);
  if (!names.length) return [];
  return [
    element("h4", { textContent: "What is missed, and what is done well, by what events are like" }),
    hint(
      `mAPₙ: mAP as if there were equally many events of each kind; of all events`
      + ` ${byRun.map((errors) => inPercent(errors.ap_normalized)).join(" / ")}.`,
    ),
    element(
      "div", { className: several ? "bins wide" : "bins" },
      ...names.map((name) => binsTable(name, byRun.map((errors) => errors.characteristics[name]))),
    ),
  ];
}

/** Columns of all runs, those of one quantity beside each other; a run is named where there are several. */
const headsByRun = (...names) => names.flatMap((name) => data.runs.map((run) => (several ? `${name} ${run.name}` : name)));

function sayProfile(errors) {
  const right = errors.predictions - errors.false_positives.reduce((sum, { count: number }) => sum + number, 0);
  const looked = errors.top === null ? "of all" : `of the surest, ${errors.top} times as many as there are events of their class`;
  return `At tIoU ${errors.tiou}, ${right.toLocaleString("en")} of ${errors.predictions.toLocaleString("en")} predictions are right`
    + ` (${looked}; there are ${errors.total.toLocaleString("en")}). The mAP over the tIoU grid is ${inPercent(errors.ap)}.`;
}

/** By run the same kinds of mistakes. */
function mistakesTable(byRun) {
  const highest = Math.max(...byRun.flat().map(({ cost }) => cost ?? 0), 1);
  const rows = byRun[0].map(({ kind }, place) => {
    const ofKind = byRun.map((mistakes) => mistakes[place]);
    return [
      named(kind, KINDS[kind]),
      ...ofKind.map(({ count: number }) => number.toLocaleString("en")),
      ...ofKind.map(({ share }, run) => meter(inPercent(share), share, 10000, run)),
      ...ofKind.map(({ cost }, run) => meter(percent(cost, 2), cost, highest, run)),
    ];
  });
  return plainTable(["kind", ...headsByRun("how many", "share", "costs points of mAP")], rows);
}

/** By run the same bins: all runs were judged by the same events. */
function binsTable(name, byRun) {
  const rows = byRun[0].map(({ label, events }, place) => {
    const ofBin = byRun.map((bins) => bins[place]);
    return [
      label, events.toLocaleString("en"),
      ...ofBin.map(({ missed }, run) => meter(inPercent(missed), missed, 10000, run)),
      ...ofBin.map(({ ap }, run) => meter(inPercent(ap), ap, 10000, run)),
    ];
  });
  return element(
    "div", {},
    element("h5", { textContent: CHARACTERISTICS[name] ?? name }),
    plainTable(["", "events", ...headsByRun("missed", "mAPₙ")], rows),
  );
}

const LARGEST = 40; // classes of a matrix that can still be read

function drawConfusions(section) {
  return card(
    "Which classes are taken for which", legend(),
    ...section.confusion.flatMap((cells, run) => [
      ...(several ? [element("h4", { textContent: data.runs[run].name })] : []),
      element("div", { className: "pair" }, matrix(section.classes, cells), frequentConfusions(section.classes, cells)),
    ]),
  );
}

function matrix(classes, cells) {
  if (classes.length > LARGEST) return hint("Too many classes for a matrix.");
  const size = 360 / classes.length;
  const totals = new Map();
  for (const [truth, , number] of cells) totals.set(truth, (totals.get(truth) ?? 0) + number);
  const marks = cells.map(([truth, given, number]) => vector("rect", {
    x: 90 + given * size, y: 8 + truth * size, width: size, height: size,
    title: `${classes[truth]} taken for ${classes[given]}: ${number} s, ${percent((10000 * number) / totals.get(truth))} %`,
    style: { fill: truth === given ? "var(--accent)" : "var(--head)", opacity: 0.12 + (0.88 * number) / totals.get(truth) },
  }));
  const labels = classes.flatMap((name, label) => {
    const text = name.length > 14 ? `${name.slice(0, 13)}…` : name;
    const at = (label + 0.5) * size;
    return [
      vector("text", { x: 84, y: 8 + at + 4, "text-anchor": "end" }, text),
      vector("text", { x: 0, y: 0, "text-anchor": "end", transform: `translate(${94 + at} 376) rotate(-60)` }, text),
    ];
  });
  return element(
    "figure", {},
    vector("svg", { viewBox: "0 0 460 460", class: "chart matrix", style: { "font-size": `${clamp(0.8 * size, 5, 10)}px` }, role: "img", "aria-label": "Confusion matrix; the list beside it says the most frequent ones" },
      vector("rect", { x: 90, y: 8, width: 360, height: 360, class: "frame" }), ...marks, ...labels),
    element("figcaption", { className: "faint", textContent: "Rows: what is annotated. Columns: what it is taken for. The darker, the larger the share of the row." }),
  );
}

function frequentConfusions(classes, cells) {
  const wrong = cells.filter(([truth, given]) => truth !== given).sort((a, b) => b[2] - a[2]).slice(0, 15);
  const most = wrong[0]?.[2];
  if (!wrong.length) return hint("Every second is right.");
  return plainTable(["annotated", "taken for", "seconds"], wrong.map(([truth, given, number]) => (
    [classes[truth], classes[given], meter(number.toLocaleString("en"), number, most)]
  )));
}
