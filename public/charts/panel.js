// One panel: a uPlot chart of selected columns of selected lanes.

import { STEPS, decades, fromZero, short, tenfold, formatNumber } from "./axes.js";
import { setHidden, setText } from "./changes.js";
import { axisFont, colour, lineOf } from "./theme.js";

/* global uPlot */

/** Maximum number of cells of a panel: more points than pixels cost time and show nothing more. */
const CELLS_MAX = 600;
/** Widths of the lines of one lane in one panel, the main line first. */
const WIDTHS = [2.5, 1.5, 1];
const AXIS_LEFT = 46;
/** Space for the number of a marker. */
const MARKER_WIDTH = 18;
const MARKER_HEIGHT = 13;

/** Columns that contain only whole numbers. */
const WHOLE = new Set(["remaining", "sold", "in-attempt", "pool-in-use"]);

/** Levels: if points share a cell, the last one counts. For all other columns, the highest one does. */
const LEVELS = new Set(["remaining", "sold", "pool-size"]);

/** One panel. `charts` provides the lanes, the time window, the crosshair and the markers. */
export class Panel {
  #plot;
  #size = { width: 0, height: 0 };
  #readouts;
  #charts;

  constructor(host, charts) {
    this.host = host;
    this.visible = false;
    this.#charts = charts;
    const { columns, chosen, lanes, stacked, reference, scale } = host.dataset;
    this.allColumns = columns.split(" ");
    this.columns = chosen?.split(" ") ?? this.allColumns;
    this.lanes = lanes === undefined ? charts.lanes : lanes.split(" ").map((index) => charts.lanes[index]);
    /** Panels with the same value share a scale, so that lanes can be compared. */
    this.stack = stacked;
    this.peak = 0;
    this.reference = reference;
    this.isLog = scale === "log";
    this.#readouts = [...host.closest("figure").querySelectorAll("[data-readout]")].map((element) => {
      const [lane, column] = element.dataset.readout.split(" ");
      return { element, lane: charts.lanes[lane], column };
    });
  }

  /** The uPlot instance, if it has been created. */
  get plot() {
    return this.#plot;
  }

  /** Whether the panel has a size to draw in. */
  get isSized() {
    return this.#size.width > 0;
  }

  /** Draws only the given columns. */
  choose(columns) {
    this.columns = columns;
    this.rebuild();
  }

  setLog(isLog) {
    this.isLog = isLog;
    this.rebuild();
  }

  /** Destroys the plot, so that the next drawing creates one with the current colours and scales. */
  rebuild() {
    this.#plot?.destroy();
    this.#plot = undefined;
  }

  /** Stores the given size: measuring it at each drawing would force a layout each time. */
  resize({ width, height }) {
    this.#size = { width, height };
    this.#plot?.setSize(this.#size);
  }

  draw() {
    const view = this.#view();
    const data = [view.times, ...this.#lines(view)];
    if (!this.#plot) {
      this.#plot = new uPlot(this.#options(), data, this.host);
    }
    const plot = this.#plot;
    this.host.plot = plot;
    plot.batch(() => {
      plot.setData(data, false);
      plot.setScale("x", { min: view.from, max: view.to });
    });
    this.placeCrosshair();
  }

  /** Moves the crosshair to its current time. */
  placeCrosshair() {
    const time = this.#charts.crosshair;
    const left = time === undefined ? -10 : (this.#plot?.valToPos(time, "x") ?? -10);
    this.#plot?.setCursor({ left, top: left < 0 ? -10 : 0 }, false);
  }

  /** Writes the values at the crosshair, or the latest ones. Hides parts that were always 0. */
  writeReadouts() {
    for (const { element, lane, column } of this.#readouts) {
      if (this.stack) {
        setHidden(element.parentElement, !lane.uses(column));
      }
      setText(element, formatNumber(lane.at(column, this.#charts.crosshair)));
    }
  }

  #view() {
    const { from, to } = this.#charts.window;
    const cells = Math.min(CELLS_MAX, Math.max(2, Math.round(this.#size.width - AXIS_LEFT)));
    const step = (to - from) / (cells - 1);
    const times = Array.from({ length: cells }, (_, cell) => from + cell * step);
    return { from, to, cells, times };
  }

  #lines(view) {
    if (this.stack) {
      return this.#stack(view);
    }
    const lines = [];
    for (const lane of this.lanes) {
      for (const column of this.columns) {
        lines.push(lane.shown ? lane.onto(view, column, LEVELS.has(column)) : []);
      }
    }
    if (this.reference) {
      lines.push(this.#charts.lanes[0].onto(view, this.reference, true));
    }
    return this.isLog ? lines.map((line) => line.map((value) => (value > 0 ? value : undefined))) : lines;
  }

  /** The sum of all parts first, then the sum without its last part, and so on: each is painted over the previous one. */
  #stack(view) {
    const [lane] = this.lanes;
    const sums = [];
    let below;
    for (const column of this.columns) {
      const part = lane.onto(view, column, false);
      below = part.map((value, cell) => (value === undefined ? undefined : value + (below?.[cell] ?? 0)));
      sums.unshift(below);
    }
    this.peak = below.reduce((peak, sum) => Math.max(peak, sum ?? 0), 0);
    return sums;
  }

  #series() {
    if (this.stack) {
      return [...this.columns].reverse().map((column) => ({
        fill: colour(`part-${column}`),
        stroke: colour("surface"),
        width: 1,
        points: { show: false },
      }));
    }
    const series = this.lanes.flatMap(({ strategy, isThin }) =>
      this.columns.map((column) => ({
        ...lineOf(strategy),
        width: WIDTHS[this.columns.length === 1 ? 0 : this.allColumns.indexOf(column)] / (isThin ? 2 : 1),
        cap: "butt",
        points: { show: false },
      })),
    );
    if (this.reference) {
      series.push({ stroke: colour("ink"), width: 1.5, dash: [1, 4], cap: "round", points: { show: false } });
    }
    return series;
  }

  #options() {
    const charts = this.#charts;
    const ink = colour("ink-2");
    const axis = {
      font: axisFont(),
      stroke: ink,
      grid: { stroke: colour("line"), width: 1 },
      ticks: { show: false },
      border: { show: false },
    };
    const within = (values) => values.map((value) => (value === null ? "" : short(value)));
    return {
      ...this.#size,
      padding: [8, 12, 0, 0],
      legend: { show: false },
      cursor: {
        y: false,
        drag: { x: true, y: false, setScale: false },
        points: { size: 7, width: 2, fill: colour("surface") },
      },
      scales: {
        x: { time: false, range: (_, min, max) => [min, max] },
        y: { distr: this.isLog ? 3 : 1, range: (_, low, high) => this.#range(low, high) },
      },
      axes: [
        {
          ...axis,
          grid: { show: false },
          size: 26,
          gap: 4,
          space: 64,
          values: (_, values) => values.map((value, index) => (index === values.length - 1 ? `${short(value)} s` : short(value))),
        },
        {
          ...axis,
          size: AXIS_LEFT,
          gap: 6,
          space: 28,
          grid: { ...axis.grid, filter: (_, splits) => (this.isLog ? splits.map(tenfold) : splits) },
          ...(this.isLog ? {} : { incrs: STEPS.filter((step) => step >= 1 || !WHOLE.has(this.columns[0])) }),
          values: (_, values) => within(values),
        },
      ],
      series: [{}, ...this.#series()],
      hooks: {
        draw: [(plot) => this.#drawZero(plot), (plot) => this.#drawMarkers(plot)],
        setCursor: [(plot) => charts.pointed(this, plot.cursor.left < 0 ? undefined : plot.posToVal(plot.cursor.left, "x"))],
        setSelect: [
          (plot) => {
            const { left, width } = plot.select;
            if (width > 4) {
              charts.zoomTo(plot.posToVal(left, "x"), plot.posToVal(left + width, "x"));
            }
            plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          },
        ],
      },
    };
  }

  #range(low, high) {
    if (this.isLog) {
      return decades(low, high);
    }
    return fromZero(low, this.stack ? this.#charts.peakOf(this.stack) : high);
  }

  #drawZero(plot) {
    if (!this.isLog) {
      this.#stroke(plot, colour("line-strong"), [], (ctx, { left, width }) => {
        const y = Math.round(plot.valToPos(0, "y", true)) + 0.5;
        ctx.moveTo(left, y);
        ctx.lineTo(left + width, y);
      });
    }
  }

  #drawMarkers(plot) {
    const { markers, window } = this.#charts;
    const ratio = devicePixelRatio;
    /** Positions of the numbers in each row: numbers that are close move to a lower row, so that they do not overlap. */
    const rows = [];
    markers.forEach(({ time, lane }, index) => {
      const isHere = lane === undefined || (lane.shown && this.lanes.includes(lane));
      if (!isHere || time < window.from || time > window.to) {
        return;
      }
      const ink = lane ? lineOf(lane.strategy).stroke : colour("ink");
      const x = Math.round(plot.valToPos(time, "x", true)) + 0.5;
      this.#stroke(plot, ink, [2 * ratio, 3 * ratio], (ctx, { top, height }) => {
        ctx.moveTo(x, top);
        ctx.lineTo(x, top + height);
      });
      plot.ctx.save();
      plot.ctx.font = `700 ${11 * ratio}px ${axisFont().split("px ")[1]}`;
      plot.ctx.fillStyle = ink;
      let row = 0;
      while (rows[row]?.some((other) => Math.abs(other - x) < MARKER_WIDTH * ratio)) {
        row += 1;
      }
      (rows[row] ??= []).push(x);
      plot.ctx.fillText(`${index + 1}`, x + 3 * ratio, plot.bbox.top + (10 + MARKER_HEIGHT * row) * ratio);
      plot.ctx.restore();
    });
  }

  #stroke(plot, style, dash, path) {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.beginPath();
    ctx.strokeStyle = style;
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash(dash);
    path(ctx, bbox);
    ctx.stroke();
    ctx.restore();
  }
}
