import { signIn, simulate } from "../fixtures/administrator";
import { expect, test } from "../fixtures/shop";
import { waitForIslands } from "../fixtures/shopper";
import { formatReport, scriptTime } from "./script_time";

// Measures the script time of a run's page with the maximum number of points. The points are
// synthetic, so that each measurement draws the same data, and arrive ten times per second, as in a
// real run.

test.use({ ownShop: true });

const LANES = ["row-lock", "conditional-update", "optimistic", "single-statement", "micro-batch", "unguarded"];
const POINTS = 600;
const WATCHED_S = 8;
/** Maximum script time per frame; with a slowed-down processor, the length of a frame. */
const LIMIT_MS = new Map([
  [1, 4],
  [4, 1000 / 60],
]);

for (const [slowdown, limitMs] of LIMIT_MS) {
  test(`${LANES.length} lanes of ${POINTS} points, on a processor slowed down ${slowdown} times`, async ({
    page,
    browser,
    adminPassword,
  }) => {
    test.setTimeout(240_000);
    await signIn(page.request, adminPassword);
    await simulate(page, { Buyers: "4", Stock: "2" }, { strategies: LANES });
    await expect(page.getByTestId("run-state")).toHaveText("Finished", { timeout: 60_000 });
    const stream = await (await page.request.get(page.url().replace("/admin/", "/live/"))).text();
    const run: unknown = JSON.parse(/^data: ?(.*)$/m.exec(stream)?.[1] ?? "null");
    await page.addInitScript(replay, { run, points: POINTS });
    await page.reload();
    await waitForIslands(page);
    await expect(page.locator("run-charts")).toHaveAttribute("awake", "");
    const session = await page.context().newCDPSession(page);
    await session.send("Emulation.setCPUThrottlingRate", { rate: slowdown });
    // Draw all panels first, so that the code is compiled.
    const bottom = page.locator("[data-columns]").last();
    await bottom.scrollIntoViewIfNeeded();
    await page.waitForTimeout(2_000);
    for (const [name, place] of [
      ["top of the page", page.getByRole("heading", { level: 1 })],
      ["among the panels", page.getByRole("img", { name: /^Retries/ })],
      ["among the stacks", bottom],
    ] as const) {
      await place.scrollIntoViewIfNeeded();
      await page.waitForTimeout(1_000);
      const time = await scriptTime(browser, page, () => page.waitForTimeout(WATCHED_S * 1_000));
      console.log(formatReport(`${slowdown}x, ${name}`, time));
      expect(time.frames).toBeGreaterThan(WATCHED_S * 5);
      expect(time.p95Ms, name).toBeLessThan(limitMs);
    }
  });
}

/**
 * Runs in the page: replaces the stream by one that sends all points, then a new point per lane ten
 * times per second.
 */
function replay({ run, points }: { run: unknown; points: number }): void {
  interface Lane {
    samples: object[];
    verdict: unknown;
    stock: number;
    latencyMs: object;
  }
  const whole = run as { state: string; lanes: Lane[]; events: object[] };
  const random = (() => {
    let seed = 42;
    return () => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647;
  })();
  const sample = (lane: number, index: number) => {
    const p50Us = Math.round(2_000 + 800 * lane + 900 * random());
    return {
      elapsedMs: index * 100 + lane,
      remaining: Math.max(0, 5_000 - index * (4 + lane)),
      succeeded: index * (4 + lane) + Math.round(3 * random()),
      rejected: index * 20 + Math.round(10 * random()),
      failed: 0,
      units: index * (4 + lane),
      refusals: { soldOut: index * 12, fromMemory: index * 8 + Math.round(10 * random()) },
      retries: index * (lane + 1) + Math.round(5 * random()),
      lately: {
        timed: 50,
        p50Us,
        p95Us: p50Us * 2,
        p99Us: p50Us * 3,
        poolWaitUs: Math.round(900 * random()),
        lockWaitUs: Math.round(1_200 * random()),
        executeUs: 600,
        commitUs: Math.round(500 * random()),
      },
      inAttempt: Math.round(200 + 50 * random()),
      poolInUse: Math.round(8 * random()),
      poolSize: 8,
    };
  };
  let sent = points;
  whole.state = "running";
  for (const [index, lane] of whole.lanes.entries()) {
    Object.assign(lane, { verdict: null, stock: 5_000 });
    lane.samples = Array.from({ length: points }, (_, point) => sample(index, point));
  }
  class Replayed extends EventTarget {
    readonly timer: number;
    constructor() {
      super();
      const send = (name: string, data: unknown) =>
        this.dispatchEvent(new MessageEvent(name, { data: JSON.stringify(data) }));
      setTimeout(() => send("run", whole), 50);
      this.timer = window.setInterval(() => {
        const lanes = whole.lanes.map(({ latencyMs }, lane) => ({
          samples: [sample(lane, sent)],
          latencyMs,
        }));
        sent += 1;
        send("news", { lanes });
      }, 100);
    }
    close(): void {
      clearInterval(this.timer);
    }
  }
  Object.assign(window, { EventSource: Replayed });
}
