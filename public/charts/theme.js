// Colours and dashes, out of the page's style sheet: they change with the colour scheme.

const DARK = matchMedia("(prefers-color-scheme: dark)");
const CALM = matchMedia("(prefers-reduced-motion: reduce)");

/** True for who asked for less motion. */
export const isCalm = () => CALM.matches;

/** What was read: asking for a style makes the browser work out all that has changed on the page, ten times a second. */
const known = new Map();
DARK.addEventListener("change", () => known.clear());

/** Calls back whenever the page's colours have become others. */
export const onSchemeChange = (callback) => DARK.addEventListener("change", callback);

const token = (name) => {
  if (!known.has(name)) {
    known.set(name, getComputedStyle(document.documentElement).getPropertyValue(name).trim());
  }
  return known.get(name);
};

/** The colour of a custom property. */
export const colour = (name) => token(`--${name}`);

/** What tells a strategy's line from all others. */
export const lineOf = (strategy) => ({
  stroke: token(`--s-${strategy}`),
  dash: token(`--d-${strategy}`)
    .split(" ")
    .map(Number)
    .filter((length) => length > 0),
});

/** The font of an axis. */
export const axisFont = () => `500 12px ${token("--sans")}`;
