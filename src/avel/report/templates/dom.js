// What every page needs: to find, to make and to name things.

const byId = (id) => document.getElementById(id);
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const colour = (label) => `var(--c${label % 6})`;

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
