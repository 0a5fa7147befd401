// Colours and dash patterns from the page's style sheet: they change with the colour scheme.

const DARK = matchMedia("(prefers-color-scheme: dark)");
const CALM = matchMedia("(prefers-reduced-motion: reduce)");

/** Whether the visitor prefers reduced motion. */
export const isCalm = () => CALM.matches;

/** The custom properties of a light page, while it is printed: paper is white, whatever the visitor's colour scheme is. */
let paper = undefined;

const lightProperties = () => {
  const found = new Map();
  for (const sheet of document.styleSheets) {
    for (const rule of sheet.cssRules) {
      for (const name of rule.selectorText === ":root" ? rule.style : []) {
        found.set(name, rule.style.getPropertyValue(name).trim());
      }
    }
  }
  return found;
};

/** Calls back before the page is printed, with the colours of paper, and after it. */
export const onPrint = (before, after) => {
  const print = () => {
    paper = lightProperties();
    before();
  };
  const end = () => {
    paper = undefined;
    after();
  };
  addEventListener("beforeprint", print);
  addEventListener("afterprint", end);
  // A page that is shown as on paper, without being printed.
  matchMedia("print").addEventListener("change", ({ matches }) => (matches ? print() : end()));
};

/** Cached values: reading a style forces the browser to recompute styles, which would happen ten times a second. */
const cache = new Map();
DARK.addEventListener("change", () => cache.clear());

/** Calls back when the colour scheme of the page changes. */
export const onSchemeChange = (callback) => DARK.addEventListener("change", callback);

const token = (name) => {
  if (paper?.has(name)) {
    return paper.get(name);
  }
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
