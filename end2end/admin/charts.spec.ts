import type { Locator, Page } from "@playwright/test";

import { expectAccessible, expectNoSidewaysScroll, tabTo } from "../fixtures/accessibility";
import {
  chart,
  expectFinishedRun,
  expectVerdict,
  laneRow,
  type Plot,
  RUN_ADDRESS,
  chooseStrategies,
  fillInPlan,
  signInToSharedSession,
  simulate,
  simulateButton,
  waitForCharts,
} from "../fixtures/administrator";
import { expect, test } from "../fixtures/shop";
import { waitForIslands } from "../fixtures/shopper";

// A shop simulates one sale at a time.
test.use({ ownShop: true });

const SIX = [
  "row-lock",
  "conditional-update",
  "optimistic",
  "single-statement",
  "micro-batch",
  "unguarded",
];
/** One large panel, seven with all lanes, and two per lane. */
const PANELS_OF_SIX = 1 + 7 + 2 * 6;

test.beforeEach(({ page, adminPassword }) => signInToSharedSession(page, adminPassword));

/** The panel with this name. */
function panel(page: Page, name: RegExp): Locator {
  return page.getByRole("img", { name });
}

/** The element of a panel, with its plot. */
type Host = Element & { plot: Plot };

/** Reads a value from the plot of a panel. */
async function read<T>(panel: Locator, reader: (host: Host) => T): Promise<T> {
  await panel.scrollIntoViewIfNeeded();
  await expect(panel.locator("canvas")).toBeVisible();
  await waitForCharts(panel.page());
  return panel.evaluate(reader as (host: Element) => T);
}

/** The element of all charts, with the state that it exposes. */
type Charts = Element & { crosshair: number; markers: unknown[] };

const crosshairOf = (page: Page) =>
  page.locator("run-charts").evaluate((charts: Element) => (charts as Charts).crosshair);

const windowOf = ({ plot }: Host) => [plot.scales.x.min, plot.scales.x.max];

/** The value of a column at the crosshair, for a lane. */
function readout(page: Page, lane: number, column: string): Locator {
  return page.locator(`[data-readout="${lane} ${column}"]`);
}

async function simulateTogether(page: Page, strategies: string[], plan: Parameters<typeof fillInPlan>[1]) {
  await page.goto("/admin/simulations");
  await chooseStrategies(page, ...strategies);
  await page.getByText("Advanced", { exact: true }).click();
  await page.getByLabel("Connections").fill("4");
  await page.getByLabel(/at the same time/).check();
  await fillInPlan(page, plan);
  await simulateButton(page).click();
  await expect(page).toHaveURL(RUN_ADDRESS);
}

test("six running lanes are drawn together, each in its own colour and dash", async ({
  page,
}) => {
  await simulateTogether(page, SIX, { Buyers: "60", Stock: "40", "Race window (ms)": "60" });
  await waitForIslands(page);
  await expect(page.getByTestId("run-state")).toHaveText("Running");
  await expect(page.locator("run-charts")).toHaveAttribute("awake", "");
  await expect(page.locator("[data-columns]")).toHaveCount(PANELS_OF_SIX);
  const drawn = () => read(chart(page), ({ plot }) => plot.data.slice(1).filter((line) => line.some((value) => value != null)).length);
  await expect.poll(drawn).toBe(SIX.length);
  await expectFinishedRun(page);

  const looks = await page.locator(".lanes .lane-name--toggle line").evaluateAll((lines) =>
    lines.map((line) => {
      const { stroke, strokeDasharray } = getComputedStyle(line);
      return `${stroke} ${strokeDasharray}`;
    }),
  );
  expect(new Set(looks).size).toBe(SIX.length);
  for (const [index, strategy] of SIX.entries()) {
    for (const column of ["remaining", "sold"]) {
      const name = column === "sold" ? /^Units sold/ : /^Stock remaining/;
      await panel(page, name).scrollIntoViewIfNeeded();
      const figure = await laneRow(page, strategy).getByTestId(column).textContent();
      await expect(readout(page, index, column), `${column} of ${strategy}`).toHaveText(`${figure}`);
    }
  }
  // Each panel draws once it is visible.
  for (const host of await page.locator("[data-columns]").all()) {
    await host.scrollIntoViewIfNeeded();
    await expect(host.locator("canvas")).toBeVisible();
  }
  await expectAccessible(page);
  await page.setViewportSize({ width: 390, height: 844 });
  await expectNoSidewaysScroll(page);
});

test("on paper every chart is drawn, in light colours, and no column is cut off", async ({ page }) => {
  await page.emulateMedia({ colorScheme: "dark" });
  await simulate(page, { Buyers: "33", Stock: "20" }, { strategies: ["row-lock", "unguarded"] });
  await expectFinishedRun(page);
  await page.reload();
  await waitForIslands(page);
  await expect(page.locator("run-charts")).toHaveAttribute("awake", "");
  await page.getByText("Table of samples").first().click();
  const hosts = page.locator("[data-columns]");
  const undrawn = () => hosts.evaluateAll((all) => all.filter((host) => !host.querySelector("canvas")).length);
  expect(await undrawn(), "panels below the window").toBeGreaterThan(0);

  // The width of A4 without its margins.
  await page.setViewportSize({ width: 718, height: 1000 });
  await page.emulateMedia({ colorScheme: "dark", media: "print" });
  await expect.poll(undrawn).toBe(0);
  const cutOff = await page.locator("main").evaluate((main) => {
    const right = main.getBoundingClientRect().right + 1;
    return [...main.querySelectorAll("canvas, td, th")]
      .filter((part) => part.checkVisibility() && part.getBoundingClientRect().right > right)
      .map((part) => `${part.localName} ${part.textContent}`);
  });
  expect(cutOff).toEqual([]);
  const stroke = await read(chart(page), ({ plot }) => (plot as unknown as { series: { _stroke: string }[] }).series[1]?._stroke);
  const light = await page.evaluate(() => {
    const rules = [...document.styleSheets].flatMap((sheet) => [...sheet.cssRules]);
    const roots = rules.filter((rule) => rule instanceof CSSStyleRule && rule.selectorText === ":root");
    return (roots.at(-1) as CSSStyleRule).style.getPropertyValue("--s-row-lock").trim();
  });
  expect(stroke).toBe(light);

  await page.emulateMedia({ colorScheme: "dark", media: "screen" });
  const dark = await page.evaluate(() => getComputedStyle(document.documentElement).getPropertyValue("--s-row-lock").trim());
  await expect
    .poll(() => read(chart(page), ({ plot }) => (plot as unknown as { series: { _stroke: string }[] }).series[1]?._stroke))
    .toBe(dark);
});

test("the verdict and the stock chart are visible without scrolling", async ({ page }) => {
  await simulate(page, { Buyers: "33", Stock: "20" });
  await expectVerdict(page, { sold: 20, rejected: 13, remaining: 0, oversold: 0, undersold: 0 });
  for (const part of [page.getByTestId("oversold"), page.getByTestId("undersold"), chart(page)]) {
    await expect(part).toBeInViewport({ ratio: 0.9 });
  }
});

test("the crosshair shows the same values in all panels as the table", async ({ page }) => {
  await simulate(page, { Buyers: "33", Stock: "20", "Race window (ms)": "20" });
  await expectFinishedRun(page);
  await page.reload();
  await waitForIslands(page);
  // The browser fetches the table when it is opened.
  await page.getByText("Table of samples").click();
  const table = page.getByRole("table", { name: "Samples of this run" });
  await expect(table).toBeVisible();
  const rows = await table
    .locator("tbody tr")
    .evaluateAll((rows) =>
      rows.map((row) => [...row.children].map((cell) => cell.textContent.trim())),
    );
  expect(rows.length).toBeGreaterThan(5);
  const end = Number(rows.at(-1)?.[0]) / 1000;
  const times = await read(chart(page), ({ plot }) => plot.data[0]?.length ?? 0);
  expect(times).toBeGreaterThan(300);
  expect((await read(chart(page), windowOf))[1]).toBeCloseTo(end, 3);

  const check = async () => {
    const at = await crosshairOf(page);
    const row = rows.findLast(([ms]) => Number(ms) / 1000 <= at) ?? [];
    const [, remaining, sold, , , , , , p50] = row;
    await chart(page).scrollIntoViewIfNeeded();
    await expect(readout(page, 0, "remaining")).toHaveText(`${remaining}`);
    await waitForCharts(page);
    await panel(page, /^Units sold/).scrollIntoViewIfNeeded();
    await expect(readout(page, 0, "sold")).toHaveText(`${sold}`);
    if (p50 !== "–") {
      await panel(page, /^Latency in/).scrollIntoViewIfNeeded();
      const shown = Number((await readout(page, 0, "p50").textContent())?.replaceAll(",", ""));
      expect(Math.abs(shown - Number(p50))).toBeLessThanOrEqual(0.6);
    }
    return at;
  };

  // By mouse.
  const moment = page.getByRole("slider", { name: /^Values at/ });
  await chart(page).scrollIntoViewIfNeeded();
  const box = await chart(page).boundingBox();
  expect(box).not.toBeNull();
  await page.mouse.move(box!.x + box!.width * 0.6, box!.y + box!.height / 2);
  await expect(page.locator("[data-moment-label]")).toHaveText(/^\d+\.\d+ s$/);
  const byMouse = await crosshairOf(page);
  expect(byMouse).toBeGreaterThan(end * 0.4);
  expect(byMouse).toBeLessThan(end * 0.75);
  await page.mouse.move(5, 5);
  await expect(page.locator("[data-moment-label]")).toHaveText("latest");

  // By keyboard.
  await moment.focus();
  await page.keyboard.press("Home");
  await expect(page.locator("[data-moment-label]")).toHaveText("0.00 s");
  for (let presses = 0; presses < 40; presses += 1) {
    await page.keyboard.press("PageUp");
    const at = await check();
    if (at >= end) {
      break;
    }
    await moment.focus();
  }
  await expect(moment).toHaveAttribute("aria-valuetext", /: row-lock 0 left$/);
  await chart(page).scrollIntoViewIfNeeded();
  await waitForCharts(page);
  const cursors = await page.locator("[data-columns] .u-cursor-x").evaluateAll((lines) =>
    lines
      .filter((line) => {
        const { top, bottom } = line.getBoundingClientRect();
        return bottom > 0 && top < innerHeight;
      })
      .map((line) => new DOMMatrix(getComputedStyle(line).transform).e > 0),
  );
  expect(cursors.length).toBeGreaterThan(0);
  expect(cursors).not.toContain(false);
  await page.keyboard.press("Escape");
  await expect(page.locator("[data-moment-label]")).toHaveText("latest");
});

test("charts can be zoomed by mouse and by keyboard", async ({ page }) => {
  await simulate(page, { Buyers: "33", Stock: "20", "Race window (ms)": "10" });
  await expectFinishedRun(page);
  await waitForIslands(page);
  const whole = page.getByRole("button", { name: "Whole run" });
  const [from, to] = await read(chart(page), windowOf);
  await expect(whole).toBeDisabled();
  const box = await chart(page).boundingBox();
  const y = box!.y + box!.height / 2;
  await page.mouse.move(box!.x + box!.width * 0.4, y);
  await page.mouse.down();
  await page.mouse.move(box!.x + box!.width * 0.7, y, { steps: 5 });
  await page.mouse.up();
  await expect(whole).toBeEnabled();
  const [left = 0, right = 0] = await read(chart(page), windowOf);
  expect(left).toBeGreaterThan(from!);
  expect(right - left).toBeLessThan((to! - from!) / 2);
  expect(await read(panel(page, /^Units sold/), windowOf), "all panels share the window").toEqual([left, right]);
  await whole.click();
  expect(await read(chart(page), windowOf)).toEqual([from, to]);

  await page.getByRole("slider", { name: /^Values at/ }).focus();
  await page.keyboard.press("+");
  await page.keyboard.press("+");
  const [near = 0, far = 0] = await read(chart(page), windowOf);
  expect(far - near).toBeCloseTo((to! - from!) / 4, 2);
  await page.keyboard.press("-");
  const [nearer = 0, farther = 0] = await read(chart(page), windowOf);
  expect(farther - nearer).toBeCloseTo((to! - from!) / 2, 2);
  await page.keyboard.press("0");
  expect(await read(chart(page), windowOf)).toEqual([from, to]);
  await page.getByRole("button", { name: "Zoom in" }).click();
  await expect(whole).toBeEnabled();
});

test("lanes can be hidden, the latency scale changed, and events are marked", async ({
  page,
}) => {
  await simulateTogether(page, ["row-lock", "unguarded"], {
    Buyers: "60",
    Stock: "20",
    "Race window (ms)": "5",
  });
  await expectFinishedRun(page);
  await waitForIslands(page);
  const lines = () => read(chart(page), ({ plot }) => plot.data.slice(1).map((line) => line.some((value) => value != null)));
  await expect.poll(lines).toEqual([true, true]);
  const toggle = laneRow(page, "unguarded").getByRole("button", { name: "unguarded" });
  await expect(toggle).toHaveAttribute("aria-pressed", "true");
  await tabTo(page, toggle);
  await page.keyboard.press("Enter");
  await expect(toggle).toHaveAttribute("aria-pressed", "false");
  await expect.poll(lines).toEqual([true, false]);
  await toggle.click();
  await expect.poll(lines).toEqual([true, true]);

  const latency = panel(page, /^Latency in/);
  const scale = () => read(latency, ({ plot }) => plot.scales.y.distr);
  const series = () => read(latency, ({ plot }) => plot.data.length - 1);
  expect(await scale()).toBe(3);
  await page.getByLabel("log scale").uncheck();
  await expect.poll(scale).toBe(1);
  expect(await series()).toBe(2);
  await page.getByRole("radio", { name: "all" }).check();
  await expect.poll(series).toBe(6);

  const events = page.getByRole("list", { name: "Events" }).getByRole("listitem");
  await expect(events.filter({ hasText: "row-lock: Sold out" })).toHaveCount(1);
  await expect(events.filter({ hasText: "unguarded: Oversold" })).toHaveCount(1);
  const marked = await page
    .locator("run-charts")
    .evaluate((charts: Element) => (charts as Charts).markers.length);
  expect(marked).toBe(await events.count());
  await expectAccessible(page);
});

test("reduced motion means fewer updates, and still the final one", async ({
  page,
}) => {
  await page.emulateMedia({ reducedMotion: "reduce" });
  await simulate(page, { Buyers: "120", Stock: "80", "Race window (ms)": "30" });
  await waitForIslands(page);
  const remaining = page.getByTestId("remaining");
  const changes = await remaining.evaluateHandle((element) => {
    const seen: number[] = [];
    new MutationObserver(() => seen.push(performance.now())).observe(element, {
      characterData: true,
      childList: true,
      subtree: true,
    });
    return seen;
  });
  await expectFinishedRun(page);
  const seen = await changes.evaluate((times) => times);
  const between = seen.slice(1, -1).map((time, index) => time - (seen[index] ?? 0));
  expect(between.filter((ms) => ms < 900)).toEqual([]);
  await expect(remaining).toHaveText("0");
  await expect.poll(() => read(chart(page), ({ plot }) => plot.data[1]?.findLast((value) => value != null))).toBe(0);
});

test("a screen reader gets periodic announcements and a final one", async ({ page }) => {
  await simulate(page, { Buyers: "33", Stock: "20", "Race window (ms)": "60" });
  await waitForIslands(page);
  const announcement = page.locator("run-charts > [role=status]");
  await expectFinishedRun(page);
  await expect(announcement).toHaveText(
    "Finished. row-lock 0 of 20 remaining, 20 sold, 13 rejected or failed, oversold 0, undersold 0.",
  );
});
