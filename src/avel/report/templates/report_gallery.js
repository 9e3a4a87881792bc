// The videos: the best, the worst, any; only those that are looked at are drawn.

const BATCH = 10;

const near = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) if (isIntersecting) target.dispatchEvent(new Event("near"));
}, { rootMargin: "300px" });

function drawGallery({ gallery }) {
  const state = { order: null, query: "", shown: BATCH, thresholds: gallery.found.map((_, run) => defaultThreshold(gallery, run)) };
  const list = element("div", { className: "videos" });
  const explained = element("p", { className: "faint hint", role: "status" });
  const more = element("button", { type: "button", className: "more" });
  const orders = ordersOf(gallery);
  const cards = new Map();

  const buttons = Object.entries(orders).map(([name, order]) => {
    const button = element("button", { type: "button", textContent: name });
    button.addEventListener("click", () => {
      Object.assign(state, { order: name, videos: order.videos(), shown: BATCH });
      draw();
    });
    return button;
  });
  const field = element("input", { type: "search", placeholder: "Search all videos", ariaLabel: "Search all videos" });
  field.addEventListener("input", () => {
    Object.assign(state, { query: field.value.trim().toLowerCase(), shown: BATCH });
    draw();
  });
  more.addEventListener("click", () => {
    state.shown += BATCH;
    draw();
  });

  function draw() {
    const found = state.query
      ? gallery.videos.map((_, video) => video).filter((video) => gallery.videos[video].toLowerCase().includes(state.query))
      : state.videos;
    explained.textContent = state.query ? `${found.length} of ${count(gallery.videos.length, "video")}.` : orders[state.order].says;
    for (const button of buttons) button.setAttribute("aria-pressed", !state.query && button.textContent === state.order);
    const articles = found.slice(0, state.shown).map((video) => {
      if (!cards.has(video)) cards.set(video, drawCard(gallery, video, state));
      return cards.get(video);
    });
    list.replaceChildren(...articles);
    more.hidden = found.length <= state.shown;
    more.textContent = `${Math.min(BATCH, found.length - state.shown)} more of ${found.length - state.shown}`;
  }

  const sliders = gallery.found.map((_, run) => drawSlider(gallery, state, run, () => {
    for (const article of cards.values()) article.dispatchEvent(new Event("stale"));
    for (const article of list.children) {
      near.unobserve(article); // so that it is told again whether it is near
      near.observe(article);
    }
  }));
  Object.assign(state, { order: Object.keys(orders)[0], videos: Object.values(orders)[0].videos() });
  draw();
  return card(
    "Videos",
    element("div", { className: "tools" }, element("div", { className: "orders", role: "group", ariaLabel: "Which videos" }, ...buttons), field),
    element("div", { className: "tools sliders" }, ...sliders),
    explained, drawKey(gallery), list, more,
  );
}

/** What can be listed, and what that means. */
function ordersOf(gallery) {
  const all = gallery.videos.map((_, video) => video);
  const qualities = all.map((video) => gallery.found.map(({ quality }) => quality[video]));
  const judged = gallery.measure ? all.filter((video) => !qualities[video].includes(null)) : [];
  const by = (value) => () => [...judged].sort((a, b) => value(qualities[b]) - value(qualities[a]));
  const spread = (values) => Math.max(...values) - Math.min(...values);
  const empty = all.filter((video) => !gallery.truth[video].length);
  const surest = (video) => Math.max(...gallery.found.map(({ events }) => events[video][3] ?? 0));
  const measured = `by ${explainMeasure(gallery.measure)}`;
  const averaged = several ? `${measured}, mean over runs` : measured;
  return {
    ...(several && judged.length && { Differ: { videos: by(spread), says: `Where runs differ most ${measured}.` } }),
    ...(judged.length && {
      Worst: { videos: () => by(mean)().reverse(), says: `Worst first, ${averaged}.` },
      Best: { videos: by(mean), says: `Best first, ${averaged}.` },
    }),
    Random: { videos: () => shuffled(all), says: "In an order drawn by chance; press again for another one." },
    ...(empty.length && {
      "Without events": {
        videos: () => [...empty].sort((a, b) => surest(b) - surest(a)), says: "Nothing is annotated here; the surest false alarms first.",
      },
    }),
    All: { videos: () => all, says: `${count(all.length, "video")} by id.` },
  };
}

const explainMeasure = (measure) => ({
  "average precision": "average precision within the video (all classes ranked together, mean over the tIoU grid; videos without events are listed apart)",
  accuracy: "accuracy per second",
})[measure] ?? measure;

function shuffled(values) {
  const mixed = [...values];
  for (let last = mixed.length - 1; last > 0; last -= 1) {
    const place = Math.floor(Math.random() * (last + 1));
    [mixed[last], mixed[place]] = [mixed[place], mixed[last]];
  }
  return mixed;
}

/** The score from which on there are as many predictions as events; where events are decided on, not ranked, all count. */
function defaultThreshold(gallery, run) {
  if (!gallery.kinds.length) return 0;
  const scores = Int32Array.from(gallery.found[run].events.flatMap((flat) => flat.filter((_, place) => place % 4 === 3))).sort();
  const events = gallery.truth.reduce((sum, flat) => sum + flat.length / 3, 0);
  return scores.at(-Math.min(Math.max(events, 1), scores.length)) ?? 0;
}

function drawSlider(gallery, state, run, changed) {
  const highest = gallery.found[run].events.reduce((most, flat) => Math.max(most, flat[3] ?? 0), 100);
  const id = newId("threshold");
  const value = element("output", { htmlFor: id });
  const input = element("input", { type: "range", id, min: 0, max: highest, step: Math.max(Math.round(highest / 200), 1), value: state.thresholds[run] });
  const show = () => {
    value.textContent = (state.thresholds[run] / 10000).toFixed(3);
  };
  input.addEventListener("input", () => {
    state.thresholds[run] = Number(input.value);
    show();
    changed();
  });
  show();
  return element("label", { htmlFor: id }, `Score of ${several ? data.runs[run].name : "predictions"} at least `, value, input);
}

function drawKey(gallery) {
  const mark = (name, text, run) => element("span", {}, element("i", { className: `key ${name}`, style: { "--colour": runColour(run) } }), ` ${text}`);
  const runs = data.runs.map(({ name }, run) => mark("found", several ? name : "predicted", run));
  const judged = gallery.kinds.length ? [mark("found wrong", "wrong", 0)] : [];
  const left = gallery.left_out
    ? ` The ${gallery.most} surest predictions of each video are here; ${gallery.left_out.toLocaleString("en")} less sure ones are not.` : "";
  return element("p", { className: "legend" }, mark("truth", "annotated", 0), ...runs, ...judged, element("span", { className: "faint", textContent: left }));
}

addEventListener("beforeprint", () => {
  for (const article of document.querySelectorAll(".video")) article.dispatchEvent(new Event("near"));
});
