import type { Browser, Page } from "@playwright/test";

/** The needed fields of a trace event. Times are in microseconds. */
interface TraceEvent {
  name: string;
  ph: string;
  pid: number;
  tid: number;
  ts: number;
  dur?: number;
  /** The CPU time of the thread. */
  tdur?: number;
  args: { name?: string };
}

/** Script time per frame, of the frames with script, in milliseconds. */
export interface ScriptTime {
  frames: number;
  medianMs: number;
  p95Ms: number;
  p99Ms: number;
  maxMs: number;
  /** Share of the time in which script ran. */
  busy: number;
}

/** Trace events that run script, including WebAssembly and microtasks. */
const SCRIPT = new Set([
  "EvaluateScript",
  "EventDispatch",
  "FireAnimationFrame",
  "FunctionCall",
  "RunMicrotasks",
  "TimerFire",
]);

/** Length of a frame at 60 Hz, in microseconds. */
const FRAME_US = 1_000_000 / 60;

/**
 * Traces the page while `work` runs. Script that starts within the same sixtieth of a second
 * belongs to one frame. The result counts the CPU time of the thread, not the time that it waited
 * for the processor.
 */
export async function scriptTime(
  browser: Browser,
  page: Page,
  work: () => Promise<void>,
): Promise<ScriptTime> {
  await browser.startTracing(page, { categories: ["devtools.timeline", "__metadata"] });
  await work();
  const trace = JSON.parse((await browser.stopTracing()).toString()) as {
    traceEvents: TraceEvent[];
  };
  const main = mainThread(trace.traceEvents);
  const spent = new Map<number, number>();
  let [reached, total] = [0, 0];
  for (const { ts, dur = 0, tdur = dur } of main.filter(isScript)) {
    // A nested event is part of the enclosing one.
    if (ts < reached) {
      continue;
    }
    reached = ts + dur;
    const frame = Math.floor(ts / FRAME_US);
    spent.set(frame, (spent.get(frame) ?? 0) + tdur);
    total += tdur;
  }
  const ms = [...spent.values()].map((us) => us / 1000).sort((one, other) => one - other);
  const at = (share: number) => ms[Math.min(ms.length - 1, Math.floor(share * ms.length))] ?? 0;
  const span = (main.at(-1)?.ts ?? 1) - (main[0]?.ts ?? 0);
  return {
    frames: ms.length,
    medianMs: at(0.5),
    p95Ms: at(0.95),
    p99Ms: at(0.99),
    maxMs: ms.at(-1) ?? 0,
    busy: total / span,
  };
}

const isScript = ({ name, ph }: TraceEvent) => ph === "X" && SCRIPT.has(name);

/** Returns the events of the renderer main thread with the most script. */
function mainThread(events: TraceEvent[]): TraceEvent[] {
  const names = events.filter(({ name, args }) => name === "thread_name" && args.name === "CrRendererMain");
  const threads = names.map(({ pid, tid }) => events.filter((event) => event.pid === pid && event.tid === tid && event.ts > 0));
  const busiest = threads.sort((one, other) => other.filter(isScript).length - one.filter(isScript).length)[0] ?? [];
  return busiest.sort((one, other) => one.ts - other.ts);
}

/** One line for a report. */
export function formatReport(name: string, time: ScriptTime): string {
  const ms = (value: number) => `${value.toFixed(2)} ms`;
  return `${name}: ${time.frames} frames with script, median ${ms(time.medianMs)}, p95 ${ms(time.p95Ms)}, p99 ${ms(time.p99Ms)}, max ${ms(time.maxMs)}; script ran ${(time.busy * 100).toFixed(1)} % of the time`;
}
