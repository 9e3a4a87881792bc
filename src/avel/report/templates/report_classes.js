// The classes: a table, and precision over recall of one of them or of all.

function drawClasses(section) {
  const { precision } = section;
  const state = { tiou: precision ? nearest(precision.tiou_grid, 0.5) : 0, label: null };
  const rows = section.classes.map((name, label) => ({ name, label }));
  const shown = element("p", { className: "faint", role: "status" });
  const curves = element("div");

  const columns = [
    { name: "class", text: true, value: ({ name }) => name, show: ({ name }) => name },
    ...section.columns.flatMap(columnsOf),
    ...(precision ? atTiou(precision, state) : []),
  ];
  const table = sortableTable(columns, rows, {
    noun: "classes",
    search: ({ name }) => name,
    sorted: columns.findIndex(({ name }) => name.startsWith("AP") || name.startsWith("accuracy")),
    choose: precision && ((row) => choose(state.label === row.label ? null : row)),
  });

  function choose(row) {
    state.label = row?.label ?? null;
    table.select(row);
    drawCurves();
  }
  function drawCurves() {
    shown.textContent = state.label === null
      ? "Mean over classes. Click a class, or press Enter on it, to see it alone."
      : `${section.classes[state.label]}. Click it again for the mean over classes.`;
    curves.replaceChildren(precisionChart(precision, state));
  }

  table.draw();
  if (!precision) return card("Classes", legend(), table.root);
  drawCurves();
  const grid = precision.tiou_grid.map((tiou) => tiou.toFixed(2));
  const chooseTiou = choice("tIoU", grid, state.tiou, (place) => {
    state.tiou = place;
    table.redraw();
    drawCurves();
  });
  return card(
    "Classes", legend(),
    several
      ? element("div", {}, chooseTiou, table.root, shown, curves)
      : element("div", { className: "pair" }, table.root, element("div", {}, chooseTiou, shown, curves)),
  );
}

const nearest = (grid, wanted) => (
  grid.reduce((best, value, place) => (Math.abs(value - wanted) < Math.abs(grid[best] - wanted) ? place : best), 0)
);

/** A column per run where runs differ; of shares also how much the last run is better than the first. */
function columnsOf({ name, hint: title, values, share }) {
  const show = share ? (value) => percent(value) : (value) => (value ?? "–").toLocaleString("en");
  const single = (of, suffix) => ({
    name: `${name}${suffix}`, hint: title, value: ({ label }) => of[label], show: ({ label }) => show(of[label]),
  });
  if (values.length === 1) return [single(values[0], "")];
  const columns = values.map((of, run) => single(of, ` ${data.runs[run].name}`));
  return share ? [...columns, ...gains((label, run) => values[run][label], name)] : columns;
}

function atTiou(precision, state) {
  const ap = (label, run) => precision.ap[run][label][state.tiou];
  const columns = precision.ap.map((_, run) => ({
    name: several ? `AP at tIoU ${data.runs[run].name}` : "AP at tIoU",
    hint: "average precision at the chosen tIoU",
    value: ({ label }) => ap(label, run),
    show: ({ label }) => percent(ap(label, run)),
  }));
  return several ? [...columns, ...gains(ap, "AP at tIoU")] : columns;
}

/** How much better the other runs are than the first. */
function gains(of, name) {
  return data.runs.slice(1).map((run, place) => {
    const value = ({ label }) => (of(label, 0) === null ? null : of(label, place + 1) - of(label, 0));
    return { name: `Δ ${name}${data.runs.length > 2 ? ` ${run.name}` : ""}`, hint: `${run.name} minus ${data.runs[0].name}`, value, show: (row) => points(value(row)) };
  });
}

function precisionChart({ curves }, { tiou, label }) {
  const lines = curves.map((ofRun, run) => {
    const classes = (label === null ? ofRun : [ofRun[label]]).filter((of) => of !== null);
    const steps = classes[0]?.[tiou].length ?? 0;
    const points = Array.from({ length: steps }, (_, at) => (
      [(100 * at) / (steps - 1), mean(classes.map((of) => of[tiou][at])) / 100]
    ));
    return { name: several ? data.runs[run].name : "precision", colour: runColour(run), points };
  });
  return lineChart(lines, { label: "recall in %", low: 0, high: 100 }, { label: "precision in %", low: 0, high: 100 });
}
