// The points of one lane, stored as columns of numbers, and their mapping to the pixels of a chart.

/** Points of a lane. An unknown value is NaN. */
export class Lane {
  #names;
  #columns;
  #used;

  /** `names` are the columns; the first one is the time. The lines of a second lane are thin. */
  constructor(strategy, names, isThin) {
    this.strategy = strategy;
    this.isThin = isThin;
    this.shown = true;
    this.#names = names;
    this.clear();
  }

  clear() {
    this.#used = new Set();
    this.#columns = Object.fromEntries(this.#names.map((name) => [name, []]));
  }

  /** Appends complete rows, one after the other. */
  append(rows) {
    const width = this.#names.length;
    for (let at = 0; at + width <= rows.length; at += width) {
      this.#names.forEach((name, place) => {
        const value = rows[at + place];
        this.#columns[name].push(value);
        if (value > 0) {
          this.#used.add(name);
        }
      });
    }
  }

  /** Returns whether any value of the column was above 0. */
  uses(column) {
    return this.#used.has(column);
  }

  get length() {
    return this.times.length;
  }

  get times() {
    return this.#columns[this.#names[0]];
  }

  /** The time of the latest point; 0 if there is none. */
  get end() {
    return this.times.at(-1) ?? 0;
  }

  /** Returns the last known value at or before `time`; without `time`, the latest one. */
  at(column, time = Infinity) {
    const values = this.#columns[column];
    let index = this.#firstAfter(time) - 1;
    while (index >= 0 && Number.isNaN(values[index])) {
      index -= 1;
    }
    return index < 0 ? undefined : values[index];
  }

  /**
   * Maps the column to equal cells over `[from, to]`. A cell without a point is undefined, and the line
   * connects its neighbours. If several points share a cell, the last one counts if `isLevel`, else the
   * highest, so that no peak is lost. Where a line crosses an edge, its value there is interpolated.
   */
  onto({ from, to, cells }, column, isLevel) {
    const laid = new Array(cells);
    const { times } = this;
    const values = this.#columns[column];
    const scale = (cells - 1) / (to - from || 1);
    const begin = this.#firstAfter(from);
    for (let index = begin; index < times.length && times[index] <= to; index += 1) {
      const value = values[index];
      if (!Number.isNaN(value)) {
        const cell = Math.round((times[index] - from) * scale);
        laid[cell] = isLevel || laid[cell] === undefined ? value : Math.max(laid[cell], value);
      }
    }
    laid[0] ??= this.#between(values, from);
    laid[cells - 1] ??= this.#between(values, to);
    return laid;
  }

  /** Interpolates the value between two points. */
  #between(values, time) {
    const after = this.#firstAfter(time);
    const [x0, x1] = [this.times[after - 1], this.times[after]];
    const [y0, y1] = [values[after - 1], values[after]];
    const value = y0 + ((y1 - y0) * (time - x0)) / (x1 - x0);
    return Number.isFinite(value) ? value : undefined;
  }

  #firstAfter(time) {
    let [low, high] = [0, this.times.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.times[middle] <= time) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }
}
