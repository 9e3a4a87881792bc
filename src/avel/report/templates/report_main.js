// Puts the page together; the theme is what the system has, until the button says otherwise.

const THEMES = ["system", "light", "dark"];

const dark = [...document.styleSheets[0].cssRules].find((rule) => rule.media?.mediaText.includes("prefers-color-scheme"));

/** Light or dark by the button: the rule of `base.css` for dark systems is made to hold always or never. */
function setTheme(theme) {
  dark.media.mediaText = { system: "(prefers-color-scheme: dark)", light: "not all", dark: "all" }[theme];
  document.documentElement.style.colorScheme = theme === "system" ? "" : theme;
  document.documentElement.dataset.theme = theme;
  byId("theme").textContent = { system: "◐ System", light: "☀ Light", dark: "☾ Dark" }[theme];
  byId("theme").title = "Light, dark, or what the system has";
}

function drawSection(section) {
  const parts = [
    ["Scores", drawScores(section)],
    ["Classes", section.columns.length ? drawClasses(section) : null],
    ["Mistakes", drawErrors(section)],
    ["Videos", drawGallery(section)],
  ].filter(([, part]) => part);
  const title = section.task ? [element("h2", { textContent: section.task })] : [];
  return { parts, root: element("div", { className: "section" }, ...title, ...parts.map(([, part]) => part)) };
}

function drawReport() {
  const contents = [];
  const add = (name, part) => {
    part.id = newId("part");
    contents.push(element("a", { href: `#${part.id}`, textContent: name }));
  };
  const runs = drawRuns();
  add(several ? "Runs" : "Run", runs);
  byId("report").append(runs);
  for (const section of data.sections) {
    const { parts, root } = drawSection(section);
    for (const [name, part] of parts) add(section.task ? `${section.task}: ${name}` : name, part);
    byId("report").append(root);
  }
  const training = drawTraining();
  if (training) {
    add("Training", training);
    byId("report").append(training);
  }
  byId("contents").append(...contents);
}

byId("theme").addEventListener("click", () => {
  setTheme(THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length]);
});
setTheme("system");
drawReport();
