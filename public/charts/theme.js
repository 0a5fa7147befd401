// Colours and dash patterns from the page's style sheet: they change with the colour scheme.

const DARK = matchMedia("(prefers-color-scheme: dark)");
const CALM = matchMedia("(prefers-reduced-motion: reduce)");

/** Whether the visitor prefers reduced motion. */
export const isCalm = () => CALM.matches;

/** Cached values: reading a style forces the browser to recompute styles, which would happen ten times a second. */
const cache = new Map();
DARK.addEventListener("change", () => cache.clear());

/** Calls back when the colour scheme of the page changes. */
export const onSchemeChange = (callback) => DARK.addEventListener("change", callback);

const token = (name) => {
  if (!cache.has(name)) {
    cache.set(name, getComputedStyle(document.documentElement).getPropertyValue(name).trim());
  }
  return cache.get(name);
};

/** Returns the colour of a custom property. */
export const colour = (name) => token(`--${name}`);

/** Returns the colour and dash pattern of a strategy. */
export const lineOf = (strategy) => ({
  stroke: token(`--s-${strategy}`),
  dash: token(`--d-${strategy}`)
    .split(" ")
    .map(Number)
    .filter((length) => length > 0),
});

/** Returns the font of an axis. */
export const axisFont = () => `500 12px ${token("--sans")}`;
