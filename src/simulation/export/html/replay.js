// Replays a run from the data in this document. The complete curves are drawn once; a clip path that follows the clock
// reveals them, so that a frame costs the same for six lanes of 600 points as for one.
"use strict";
(() => {
  const { lanes } = JSON.parse(document.getElementById("data").textContent);
  const [MS, REMAINING, SUCCEEDED, UNSUCCESSFUL, SOLD] = [0, 1, 2, 3, 4];
  const SPEEDS = [0.1, 0.25, 0.5, 1, 2, 5];
  const STEPS = 100;
  // Rates are averaged over this share of the run to reduce noise.
  const RATE_SHARE = 0.05;
  const FRAME = { width: 760, height: 300, left: 64, right: 744, top: 14, bottom: 266 };
  const end = Math.max(1, ...lanes.flatMap(({ points }) => points.map((point) => point[MS])));
  const byId = (id) => document.getElementById(id);

  const svg = (name, attributes, text) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) {
      element.setAttribute(key, value);
    }
    if (text !== undefined) {
      element.textContent = text;
    }
    return element;
  };

  // The smallest round step that divides `span` into at most `parts`.
  const roundStep = (span, parts) => {
    const power = 10 ** Math.floor(Math.log10(span / parts));
    return [1, 2, 5, 10].map((step) => step * power).find((step) => span / step <= parts);
  };

  const x = (ms) => FRAME.left + ((FRAME.right - FRAME.left) * ms) / end;

  const rates = (points) => {
    let from = 0;
    return points.map((point, index) => {
      while (from < index && point[MS] - points[from][MS] > end * RATE_SHARE) {
        from++;
      }
      const since = points[Math.max(0, from - 1)];
      const ms = point[MS] - since[MS];
      return [point[MS], ms > 0 ? ((point[SUCCEEDED] - since[SUCCEEDED]) * 1000) / ms : 0];
    });
  };

  const grid = (picture, low, high, y) => {
    const step = Math.max(1, roundStep(high - low, 5));
    for (let value = Math.ceil(low / step) * step; value <= high; value += step) {
      picture.append(
        svg("line", { class: "grid", x1: FRAME.left, x2: FRAME.right, y1: y(value), y2: y(value) }),
        svg("text", { class: "end", x: FRAME.left - 8, y: y(value) + 4 }, value.toLocaleString("en")),
      );
    }
    const tick = roundStep(end, 8);
    for (let ms = 0, count = 0; ms <= end; ms += tick, count++) {
      const label = ms === 0 ? "0 ms" : Math.round(ms).toLocaleString("en");
      picture.append(
        svg("text", { class: count % 2 ? "mid minor" : "mid", x: x(ms), y: FRAME.height - 12 }, label),
      );
    }
    picture.append(
      svg("line", { class: "axis", x1: FRAME.left, x2: FRAME.right, y1: y(Math.max(low, 0)), y2: y(Math.max(low, 0)) }),
    );
  };

  /** Draws a chart. The returned function reveals it up to a moment. */
  const chart = (id, title, seriesOf, marked) => {
    const series = lanes.map((lane) => seriesOf(lane.points));
    const values = [...series.flat().map(([, value]) => value), ...marked];
    const low = Math.min(0, ...values);
    const high = Math.max(1, ...values) * 1.04;
    const y = (value) => FRAME.bottom - ((FRAME.bottom - FRAME.top) * (value - low)) / (high - low);
    const picture = svg("svg", { viewBox: `0 0 ${FRAME.width} ${FRAME.height}`, role: "img", "aria-label": `${title}; the table above has the figures of each moment` });
    grid(picture, low, high, y);
    for (const value of new Set(marked)) {
      picture.append(svg("line", { class: "initial-stock", x1: FRAME.left, x2: FRAME.right, y1: y(value), y2: y(value) }));
    }
    const clip = svg("rect", { x: 0, y: 0, width: 0, height: FRAME.height });
    const path = svg("clipPath", { id: `clip-${id}` });
    path.append(clip);
    const uncovered = svg("g", { "clip-path": `url(#clip-${id})` });
    lanes.forEach((lane, index) => {
      const group = svg("g", { class: lane.line });
      const points = series[index].map(([ms, value]) => `${x(ms).toFixed(1)},${y(value).toFixed(1)}`);
      group.append(svg("polyline", { class: "curve", points: points.join(" ") }));
      uncovered.append(group);
    });
    const cursor = svg("line", { class: "cursor", y1: FRAME.top, y2: FRAME.bottom });
    picture.append(path, uncovered, cursor);
    byId(`chart-${id}`).append(picture);
    return (ms) => {
      clip.setAttribute("width", x(ms) + 2);
      cursor.setAttribute("x1", x(ms));
      cursor.setAttribute("x2", x(ms));
    };
  };

  /** Returns the last point at or before a moment. */
  const pointAt = (points, ms) => {
    let [low, high] = [0, points.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (points[middle][MS] <= ms) low = middle + 1;
      else high = middle;
    }
    return points[low - 1];
  };

  const column = (index) => (points) => points.map((point) => [point[MS], point[index]]);
  const charts = [
    chart("stock", "Stock remaining", column(REMAINING), lanes.map(({ stock }) => stock)),
    chart("successes", "Successes per second", rates, []),
    chart("unsuccessful", "Rejected or failed", column(UNSUCCESSFUL), []),
  ];
  const rows = [...document.querySelectorAll("#now tbody tr")].map((row) => ({
    row,
    cell: Object.fromEntries([...row.querySelectorAll("[data-figure]")].map((cell) => [cell.dataset.figure, cell])),
  }));
  const [play, moment, clock, speed] = ["play", "moment", "clock", "speed"].map(byId);
  const seconds = (ms) => (ms / 1000).toFixed(2);

  // The document first shows the end, so that a reader who does not play it, or prints it, sees the whole run.
  let now = end;
  let before;

  const show = () => {
    charts.forEach((follow) => follow(now));
    lanes.forEach(({ points, stock }, index) => {
      const point = pointAt(points, now) ?? [0, stock, 0, 0, 0];
      const { cell } = rows[index];
      const oversold = Math.max(0, point[SOLD] - stock);
      cell.remaining.textContent = point[REMAINING];
      cell.sold.textContent = point[SOLD];
      cell.unsuccessful.textContent = point[UNSUCCESSFUL];
      cell.oversold.textContent = oversold;
      cell.oversold.className = oversold > 0 ? "n bad" : "n";
    });
    moment.value = now;
    moment.setAttribute("aria-valuetext", `${seconds(now)} seconds`);
    clock.textContent = `${seconds(now)} s of ${seconds(end)} s`;
  };

  const isPlaying = () => before !== undefined;
  const pause = () => {
    before = undefined;
    play.textContent = "Play";
  };
  const frame = (time) => {
    if (!isPlaying()) {
      return;
    }
    now = Math.min(end, now + (time - before) * Number(speed.value));
    before = time;
    show();
    if (now >= end) pause();
    else requestAnimationFrame(frame);
  };
  const start = () => {
    if (now >= end) now = 0;
    before = performance.now();
    play.textContent = "Pause";
    show();
    requestAnimationFrame(frame);
  };
  const toggle = () => (isPlaying() ? pause() : start());
  const seek = (ms) => {
    now = Math.min(end, Math.max(0, ms));
    show();
  };
  const changeSpeed = (steps) => {
    speed.selectedIndex = Math.min(SPEEDS.length - 1, Math.max(0, speed.selectedIndex + steps));
  };

  const keys = {
    " ": toggle,
    ArrowLeft: () => seek(now - end / STEPS),
    ArrowRight: () => seek(now + end / STEPS),
    Home: () => seek(0),
    End: () => seek(end),
    "+": () => changeSpeed(1),
    "-": () => changeSpeed(-1),
  };
  document.addEventListener("keydown", (event) => {
    const act = keys[event.key];
    // A focused control handles its own keys.
    const isOwn =
      event.target.closest("select") ||
      (event.key.length > 1 && event.target.closest("input")) ||
      (event.key === " " && event.target.closest("button"));
    if (act && !isOwn && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      act();
    }
  });
  for (const factor of SPEEDS) {
    speed.append(new Option(`${factor}×`, factor, factor === 1, factor === 1));
  }
  moment.max = end;
  moment.step = Math.max(1, Math.round(end / 1000));
  moment.addEventListener("input", () => seek(Number(moment.value)));
  play.addEventListener("click", toggle);
  byId("controls").hidden = false;
  byId("now").hidden = false;
  show();
})();
