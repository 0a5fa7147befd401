// <run-charts>: all charts of a run on one time axis. The page's WebAssembly supplies the points;
// without it, the page keeps the charts that the server rendered.

import { formatNumber } from "./axes.js";
import { setHidden, setText } from "./changes.js";
import { Lane } from "./lane.js";
import { Panel } from "./panel.js";
import { isCalm, onPrint, onSchemeChange } from "./theme.js";

/** Time limit for drawing in one frame: when it is used up, the other panels wait for the next frame. */
const FRAME_MS = 1;
/** Time between two drawings for visitors who prefer reduced motion. */
const CALM_MS = 1000;
/** One zoom step, by button or key, multiplies the visible time by this factor. */
const ZOOM_STEP = 0.5;
/** The shortest visible time. */
const WINDOW_MIN_S = 0.01;

class RunCharts extends HTMLElement {
  lanes = [];
  /** Numbered moments of the run, in order. */
  markers = [];
  /** Seconds since the lanes started; undefined without a crosshair. */
  crosshair = undefined;
  #zoom = undefined;
  #panels = [];
  #dirty = new Set();
  #frame = 0;
  #drawnAt = -Infinity;
  #isSilent = false;
  #isBehind = false;
  #crosshairMoved = false;
  #pointedPanel = undefined;

  connectedCallback() {
    const names = this.getAttribute("columns").split(" ");
    this.lanes = this.getAttribute("lanes")
      .split(" ")
      .map((lane) => {
        const [strategy, thin] = lane.split("/");
        return new Lane(strategy, names, thin !== undefined);
      });
    this.#panels = [...this.querySelectorAll("[data-columns]")].map((host) => new Panel(host, this));
    this.#watchPanels();
    this.#listen();
  }

  /** Adds points to a lane; with `replace`, removes its existing points first. */
  take(lane, rows, replace) {
    if (replace) {
      this.lanes[lane]?.clear();
    }
    this.lanes[lane]?.append(rows);
    this.#showLiveParts();
    this.#isBehind = true;
    // Not in the frame of the update, which has its own work to do.
    requestAnimationFrame(() => {
      this.#isBehind = false;
      this.#redraw();
    });
  }

  /** Sets the markers: for each, its time in seconds and its lane or -1. */
  mark(moments) {
    this.markers = [];
    for (let at = 0; at < moments.length; at += 2) {
      this.markers.push({ time: moments[at], lane: this.lanes[moments[at + 1]] });
    }
    this.#redraw();
  }

  /** Returns the highest peak of all panels that share a scale. */
  peakOf(stack) {
    return Math.max(0, ...this.#panels.filter((panel) => panel.stack === stack).map(({ peak }) => peak));
  }

  /** The visible time. */
  get window() {
    return this.#zoom ?? { from: 0, to: this.#end };
  }

  get #end() {
    return Math.max(0.1, ...this.lanes.map((lane) => lane.end));
  }

  /** Whether all visible panels show the latest points. */
  get isDrawn() {
    return !this.#isBehind && !this.#panels.some((panel) => panel.visible && this.#dirty.has(panel));
  }

  zoomTo(from, to) {
    const end = this.#end;
    const width = Math.min(end, Math.max(WINDOW_MIN_S, to - from));
    const start = Math.min(Math.max(0, from), end - width);
    this.#zoom = width >= end ? undefined : { from: start, to: start + width };
    this.querySelector("[data-zoom=reset]").disabled = this.#zoom === undefined;
    this.#moveTo(this.crosshair);
    this.#redraw();
  }

  /** Called when the pointer of a panel has moved. A plot also calls it when its crosshair is placed. */
  pointed(panel, time) {
    if (!this.#isSilent && panel.plot) {
      this.#moveTo(time, panel);
    }
  }

  #zoomBy(factor) {
    const { from, to } = this.window;
    const middle = this.crosshair ?? (from + to) / 2;
    const left = middle - (middle - from) * factor;
    this.zoomTo(left, left + (to - from) * factor);
  }

  #moveTo(time, by) {
    const { from, to } = this.window;
    this.crosshair = time === undefined ? undefined : Math.min(to, Math.max(from, time));
    this.#pointedPanel = by;
    this.#crosshairMoved = true;
    this.#schedule();
  }

  #showLiveParts() {
    if (!this.hasAttribute("awake")) {
      this.setAttribute("awake", "");
      this.querySelectorAll("[data-live]").forEach((element) => (element.hidden = false));
      this.querySelectorAll("[data-static]").forEach((element) => (element.hidden = true));
    }
  }

  #redraw() {
    this.#panels.forEach((panel) => this.#dirty.add(panel));
    this.#schedule();
  }

  #schedule() {
    if (this.#frame === 0) {
      this.#frame = requestAnimationFrame(() => this.#onFrame());
    }
  }

  #onFrame() {
    this.#frame = 0;
    const start = performance.now();
    this.#isSilent = true;
    if (this.#crosshairMoved) {
      this.#placeCrosshairs();
    }
    const waiting = isCalm() ? this.#drawnAt + CALM_MS - start : 0;
    if (waiting > 0) {
      setTimeout(() => this.#schedule(), waiting);
    } else {
      this.#drawSome(start);
    }
    this.#isSilent = false;
  }

  #drawSome(start) {
    for (const panel of this.#dirty) {
      if (!panel.visible || !panel.isSized) {
        continue;
      }
      if (performance.now() - start > FRAME_MS) {
        this.#schedule();
        return;
      }
      this.#dirty.delete(panel);
      const peak = panel.stack && this.peakOf(panel.stack);
      panel.draw();
      panel.writeReadouts();
      if (panel.stack && this.peakOf(panel.stack) !== peak) {
        this.#panels.filter(({ stack }) => stack === panel.stack).forEach((other) => this.#dirty.add(other));
      }
    }
    this.#drawnAt = start;
    this.#writeMoment();
    for (const part of this.querySelectorAll("[data-part]")) {
      setHidden(part, !this.lanes.some((lane) => lane.uses(part.dataset.part)));
    }
  }

  #placeCrosshairs() {
    this.#crosshairMoved = false;
    for (const panel of this.#panels) {
      if (panel.visible) {
        if (panel !== this.#pointedPanel) {
          panel.placeCrosshair();
        }
        panel.writeReadouts();
      }
    }
    this.#writeMoment();
  }

  /** Moves the slider to the crosshair and describes the values there in its aria-valuetext. */
  #writeMoment() {
    const slider = this.querySelector("[data-moment]");
    const { from, to } = this.window;
    const at = this.crosshair;
    const value = at === undefined ? slider.max : Math.round(((at - from) / (to - from)) * slider.max);
    if (slider.value !== `${value}`) {
      slider.value = value;
    }
    const moment = at === undefined ? "latest" : `${at.toFixed(at < 10 ? 2 : 1)} s`;
    setText(this.querySelector("[data-moment-label]"), moment);
    if (slider === document.activeElement) {
      const left = this.lanes.map((lane) => `${lane.strategy} ${formatNumber(lane.at("remaining", at))} left`);
      slider.setAttribute("aria-valuetext", `${moment}: ${left.join(", ")}`);
    }
  }

  #watchPanels() {
    const panelOf = new Map(this.#panels.map((panel) => [panel.host, panel]));
    const seen = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        panelOf.get(target).visible = isIntersecting;
      }
      // The crosshair may have moved while the panel was not visible.
      this.#crosshairMoved = true;
      this.#schedule();
    });
    const sized = new ResizeObserver((entries) => {
      for (const { target, contentRect } of entries) {
        panelOf.get(target).resize(contentRect);
        this.#dirty.add(panelOf.get(target));
      }
      this.#schedule();
    });
    for (const host of panelOf.keys()) {
      seen.observe(host);
      sized.observe(host);
    }
    const rebuild = () => {
      this.#panels.forEach((panel) => panel.rebuild());
      this.#redraw();
    };
    onSchemeChange(rebuild);
    onPrint(() => this.#drawForPrint(), rebuild);
  }

  /** Draws every panel now, also those that have not been visible yet. */
  #drawForPrint() {
    const panels = this.#panels.filter((panel) => panel.isSized);
    const draw = (panel) => {
      panel.rebuild();
      panel.draw();
      panel.writeReadouts();
    };
    this.#isSilent = true;
    panels.forEach(draw);
    // The scale that several panels share is known once all of them are drawn.
    panels.filter(({ stack }) => stack).forEach(draw);
    this.#isSilent = false;
  }

  #listen() {
    const zooms = { in: () => this.#zoomBy(ZOOM_STEP), out: () => this.#zoomBy(1 / ZOOM_STEP), reset: () => this.zoomTo(0, Infinity) };
    this.addEventListener("click", ({ target }) => {
      const button = target.closest("button");
      zooms[button?.dataset.zoom]?.();
      if (button?.dataset.lane) {
        this.#toggle(button);
      }
    });
    this.addEventListener("input", ({ target }) => {
      if (target.matches("[data-moment]")) {
        const { from, to } = this.window;
        this.#moveTo(from + ((to - from) * target.value) / target.max);
      }
    });
    this.addEventListener("change", ({ target }) => this.#chose(target));
    const keys = { "+": zooms.in, "=": zooms.in, "-": zooms.out, 0: zooms.reset };
    this.addEventListener("keydown", (event) => {
      if (!event.ctrlKey && !event.metaKey && !event.altKey && keys[event.key]) {
        event.preventDefault();
        keys[event.key]();
      } else if (event.key === "Escape") {
        this.#moveTo(undefined);
      }
    });
  }

  #toggle(button) {
    const lane = this.lanes[button.dataset.lane];
    lane.shown = !lane.shown;
    button.setAttribute("aria-pressed", lane.shown);
    this.#redraw();
  }

  #chose(input) {
    const latency = this.#panels.find((panel) => panel.allColumns.includes("p95"));
    if (input.matches("[data-log]")) {
      latency.setLog(input.checked);
    } else if (input.matches("[data-quantile]")) {
      latency.choose(input.value === "all" ? latency.allColumns : [input.value]);
    }
    this.#redraw();
  }
}

customElements.define("run-charts", RunCharts);
