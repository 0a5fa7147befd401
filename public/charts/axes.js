// Ranges, grid lines and number formats of axes.

/** Distances between two grid lines: 1, 2 or 5 times a power of ten. */
export const STEPS = Array.from({ length: 12 }, (_, power) => [1, 2, 5].map((step) => +`${step}e${power - 3}`)).flat();

/** Formats a number for an axis label. */
export const short = (number) => {
  const size = Math.abs(number);
  if (size >= 10_000) {
    return `${+(number / 1000).toFixed(1)}k`;
  }
  return `${+number.toFixed(size < 1 ? 3 : size < 10 ? 1 : 0)}`;
};

// Created once: creating a formatter takes longer than a hundred uses.
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

/** Formats a value for readers, with thousands separators. */
export const formatNumber = (value) => (value === undefined ? "–" : (Math.abs(value) < 10 ? fine : whole).format(value));

/** Returns a range that contains 0 and ends above the highest value. */
export function fromZero(low, high) {
  const top = Math.max(0, high ?? 0);
  const bottom = Math.min(0, low ?? 0);
  return [bottom === 0 ? 0 : bottom * 1.08, top === 0 && bottom === 0 ? 1 : top * 1.08];
}

/** Keeps only the powers of ten of a logarithmic grid: the lines in between would hide the curves. */
export const tenfold = (value) => (Number.isInteger(+Math.log10(value).toFixed(6)) ? value : null);

/** Returns the powers of ten that enclose all values. */
export function decades(low, high) {
  if (!(low > 0)) {
    return [0.1, 1000];
  }
  const [bottom, top] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  return [10 ** bottom, 10 ** (top === bottom ? top + 1 : top)];
}
