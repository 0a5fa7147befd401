// Counts answers by class.

// A page or a purchase. No product is sold out during the load.
const isServed = (status) => status >= 200 && status < 400;
const isRefused = (status) => status === 429 || status === 503;

// Returns the value that a part of the sorted values does not exceed; 0 without values.
export function quantile(values, part) {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
}

class OfClass {
  served = 0;
  refused = 0;
  failed = 0;
  latencies = [];

  get all() {
    return this.served + this.refused + this.failed;
  }

  get servedShare() {
    return this.all === 0 ? 1 : this.served / this.all;
  }
}

export class Tally {
  paying = new OfClass();
  browsing = new OfClass();
  // Requests for which the clients had no connection.
  unsent = 0;
  endedAt = 0;
  // The time at which the last request was due that was not served in `goodMs`.
  lastBadAt = 0;
  #late = [];
  #seconds;

  constructor(seconds) {
    this.#seconds = seconds;
  }

  // How late the clients were to send a request.
  late(ms) {
    this.#late.push(ms);
  }

  answered(pays, status, due, now) {
    const ofClass = pays ? this.paying : this.browsing;
    const latency = now - due;
    if (isServed(status)) {
      ofClass.served += 1;
      ofClass.latencies.push(latency);
    } else if (isRefused(status)) {
      ofClass.refused += 1;
    } else {
      ofClass.failed += 1;
    }
    if (!isServed(status) || latency > Tally.GOOD_MS) {
      this.lastBadAt = Math.max(this.lastBadAt, due);
    }
  }

  // An answer within this time is a good one.
  static GOOD_MS = 500;

  get served() {
    return this.paying.served + this.browsing.served;
  }

  get refused() {
    return this.paying.refused + this.browsing.refused;
  }

  get failed() {
    return this.paying.failed + this.browsing.failed;
  }

  get perSecond() {
    return this.served / this.#seconds;
  }

  get p99Ms() {
    return quantile([...this.paying.latencies, ...this.browsing.latencies], 0.99);
  }

  get lateP99Ms() {
    return quantile(this.#late, 0.99);
  }

  // How much of the time of a shop was spent on what it served, by what it can serve of each class
  // alone: a purchase costs more than a page, so their sum would say little.
  work(capacity) {
    const work = this.paying.served / capacity.paying + this.browsing.served / capacity.browsing;
    return work / this.#seconds;
  }
}
