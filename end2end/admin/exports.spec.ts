import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

import type { Download, Page } from "@playwright/test";
import { PNG } from "pngjs";

import { expectAccessible, expectNoSidewaysScroll } from "../fixtures/accessibility";
import {
  expectFinishedRun,
  expectVerdict,
  signInToSharedSession,
  simulate,
} from "../fixtures/administrator";
import { expect, test } from "../fixtures/shop";
import { waitForIslands } from "../fixtures/shopper";

// A shop simulates one sale at a time.
test.use({ ownShop: true });

test.beforeEach(({ page, adminPassword }) => signInToSharedSession(page, adminPassword));

const VERDICT = { sold: 10, rejected: 20, remaining: 0, oversold: 0, undersold: 0 };

/** Runs 30 buyers for 10 units to the end and returns the run's id. */
async function judged(page: Page, seed: string, strategies = ["row-lock"]): Promise<string> {
  await simulate(
    page,
    { Buyers: "30", Stock: "10", "Race window (ms)": "20", Seed: seed },
    { strategies },
  );
  if (strategies.length === 1) {
    await expectVerdict(page, VERDICT);
  } else {
    await expectFinishedRun(page);
  }
  await page.reload();
  return page.url().split("/").pop() ?? "";
}

async function download(page: Page, name: string): Promise<Download> {
  const started = page.waitForEvent("download");
  await page.getByRole("link", { name }).or(page.getByRole("button", { name })).click();
  return started;
}

async function textOf(page: Page, name: string): Promise<string> {
  return readFileSync(await (await download(page, name)).path(), "utf8");
}

/** Expects no overflow and no accessibility violations, at phone and desktop width. */
async function expectWellMade(page: Page): Promise<void> {
  await expectAccessible(page);
  await page.setViewportSize({ width: 390, height: 844 });
  await expectNoSidewaysScroll(page);
  await page.setViewportSize({ width: 1280, height: 800 });
}

/** The cells of a line of CSV; the name of a run contains a comma, and is quoted. */
const cells = (line: string): string[] =>
  [...line.matchAll(/("(?:[^"]|"")*"|[^,]*)(?:,|$)/g)].map((match) => match[1] ?? "");

test("the certificate appears on the open page when the run ends", async ({ page }) => {
  // Arrivals for a minute: the run ends when it is stopped.
  await page.goto("/admin/simulations?buyers=1200&stock=5&arrivals=open&rate_per_s=20");
  await page.getByRole("button", { name: "Simulate flash sale" }).click();
  await waitForIslands(page);
  await expect(page.getByTestId("run-state")).toHaveText("Running");
  const keep = page.getByRole("region", { name: "Export and share" });
  await expect(keep).toContainText("Results so far. The certificate appears here when the run ends.");
  await expect(keep.getByRole("link", { name: "Certificate" })).toHaveCount(0);
  await page.getByRole("button", { name: /^Stop/ }).click();
  await expect(page.getByTestId("run-state")).toHaveText("Stopped");
  await expect(keep).toContainText("Download the results of this run.");
  await keep.getByRole("link", { name: "Certificate" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Certificate");
});

test("a run can be exported as CSV and as JSON, with the data that the page shows", async ({
  page,
}) => {
  const id = await judged(page, "1");
  const [header = "", ...points] = (await textOf(page, "Samples (CSV)")).trimEnd().split("\r\n");
  const columns = header.split(",");
  const last = points.at(-1)?.split(",") ?? [];
  const value = (name: string) => last[columns.indexOf(name)];
  expect([value("run"), value("strategy")]).toEqual([id, "row-lock"]);
  expect([value("succeeded"), value("rejected"), value("remaining")]).toEqual(["10", "20", "0"]);
  expect(points.length).toBeGreaterThan(1);

  const [names = "", figures = "", ...more] = (await textOf(page, "Figures (CSV)")).trimEnd().split("\r\n");
  expect(more).toEqual([]);
  const figure = (name: string) => cells(figures)[cells(names).indexOf(name)];
  expect([figure("sold"), figure("oversold"), figure("passed")]).toEqual(["10", "0", "true"]);

  const file = await download(page, "Everything (JSON)");
  expect(file.suggestedFilename()).toBe(`doorbuster-${id}-run.json`);
  const { format, version, run } = JSON.parse(readFileSync(await file.path(), "utf8"));
  expect([format, version, run.id, run.plan.buyers]).toEqual(["doorbuster-run", 1, id, 30]);
  expect(run.lanes[0].samples).toHaveLength(points.length);
  expect(run.lanes[0].verdict.sold).toBe(10);
});

test("the replay is one self-contained file that replays the run", async ({
  page,
  anotherBrowser,
}) => {
  await judged(page, "1", ["row-lock", "unguarded"]);
  const file = await download(page, "Replay (HTML)");
  const copy = test.info().outputPath("replay.html");
  await file.saveAs(copy);

  const reader = await anotherBrowser();
  const requests: string[] = [];
  reader.on("request", (request) => requests.push(request.url()));
  const address = pathToFileURL(copy).href;
  await reader.goto(address);
  const rows = reader.getByRole("region", { name: "At this moment" }).getByRole("row");
  const figures = async (row: number) =>
    (await rows.nth(row).getByRole("cell").allTextContents()).map(Number);
  // The replay starts at the end of the run.
  expect(await figures(1)).toEqual([0, 10, 20, 0]);
  expect((await figures(2))[3]).toBeGreaterThan(0);
  await expect(reader.getByRole("img", { name: /^Stock remaining/ })).toBeVisible();
  await expectAccessible(reader);

  await reader.keyboard.press("Home");
  expect((await figures(1)).slice(1, 3)).toEqual([0, 0]);
  await expect(reader.locator("#clock")).toContainText(/^0\.00 s of /);
  const uncovered = () =>
    reader.locator("clipPath rect").first().evaluate((clip) => Number(clip.getAttribute("width")));
  const atStart = await uncovered();
  await reader.keyboard.press("ArrowRight");
  expect(await uncovered()).toBeGreaterThan(atStart);

  await reader.getByLabel("Speed").selectOption("0.25");
  await reader.getByRole("button", { name: "Play" }).click();
  const pause = reader.getByRole("button", { name: "Pause" });
  await expect.poll(async () => (await figures(1))[1]).toBeGreaterThan(0);
  await pause.click();
  const [, sold = 0] = await figures(1);
  await expect(reader.getByRole("button", { name: "Play" })).toBeVisible();
  expect((await figures(1))[1]).toBe(sold);

  await reader.getByRole("slider", { name: "Moment" }).fill("1");
  expect((await figures(1))[1]).toBeLessThanOrEqual(sold);
  await reader.getByLabel("Speed").selectOption("5");
  await reader.getByRole("heading", { level: 1 }).click();
  await reader.keyboard.press("Space");
  await expect.poll(() => figures(1)).toEqual([0, 10, 20, 0]);
  await expect(reader.getByRole("button", { name: "Play" })).toBeVisible();

  await reader.setViewportSize({ width: 390, height: 844 });
  await expectNoSidewaysScroll(reader);
  expect(requests, "the document itself, and nothing else").toEqual([address]);
});

test("the chart can be saved as SVG and as PNG, and is not empty", async ({ page }) => {
  await judged(page, "1");
  const svg = await textOf(page, "Picture (SVG)");
  expect(svg).toContain("Oversold 0 · Undersold 0");
  await waitForIslands(page);
  const file = await download(page, "Picture (PNG)");
  expect(file.suggestedFilename()).toMatch(/^doorbuster-[0-9a-f-]{36}-curves\.png$/);
  const png = PNG.sync.read(readFileSync(await file.path()));
  const [, width, height] = /width="([\d.]+)" height="([\d.]+)"/.exec(svg) ?? [];
  expect([png.width, png.height]).toEqual([2 * Number(width), 2 * Number(height)]);
  const colours = new Map<string, number>();
  for (let at = 0; at < png.data.length; at += 4) {
    const colour = png.data.subarray(at, at + 3).toString("hex");
    colours.set(colour, (colours.get(colour) ?? 0) + 1);
  }
  // Background, header, highlight, and the curve in the colour of its strategy.
  const [, curve = ""] = /lane-line--row-lock \{ stroke: #([0-9a-f]{6})/.exec(svg) ?? [];
  for (const colour of ["ffffff", "0f4a3b", "ffc62b", curve]) {
    expect(colours.get(colour) ?? 0, colour).toBeGreaterThan(500);
  }
});

test("a strategy has one colour and one dash pattern on every page and in every export", async ({
  page,
  anotherBrowser,
}) => {
  const looks = (where: Page, lines: string) =>
    where.locator(lines).evaluateAll((found) =>
      found.map((line) => {
        const { stroke, strokeDasharray } = getComputedStyle(line);
        return `${stroke} ${strokeDasharray}`;
      }),
    );
  const first = await judged(page, "1", ["row-lock", "unguarded"]);
  const ofRun = await looks(page, ".verdict__lanes line");
  expect(new Set(ofRun).size).toBe(2);
  const [rowLock = ""] = ofRun;

  const replay = test.info().outputPath("replay.html");
  await (await download(page, "Replay (HTML)")).saveAs(replay);
  const picture = await textOf(page, "Picture (SVG)");
  const reader = await anotherBrowser();
  await reader.goto(pathToFileURL(replay).href);
  expect(await looks(reader, "#now tbody .curve"), "the replay's table").toEqual(ofRun);
  expect(await looks(reader, "#chart-stock .curve"), "the replay's chart").toEqual(ofRun);
  await reader.setContent(picture);
  expect(await looks(reader, "svg > line.curve"), "the picture").toEqual(ofRun);

  const second = await judged(page, "2");
  await page.goto(`/admin/simulations/compare?run=${first}&run=${second}`);
  expect(await looks(page, ".compare__legend .curve"), "the comparison").toEqual([...ofRun, rowLock]);
  await page.goto(`/present/${second}`);
  expect(await looks(page, ".present__chart .curves--wide .curve"), "for an audience").toEqual([rowLock]);
  await page.emulateMedia({ colorScheme: "dark" });
  const [onDark = ""] = await looks(page, ".present__chart .curves--wide .curve");
  expect(onDark).not.toBe(rowLock);
  await page.goto(`/admin/simulations/${first}`);
  expect((await looks(page, ".verdict__lanes line"))[0], "on a dark page").toBe(onDark);
});

test.describe("the comparison", () => {
  // Comparing a single selected run is rejected.
  test.use({ expectedComplaint: /status of 422/ });

  test("runs selected in the list are compared: curves, changes, parameters, repeats", async ({
    page,
  }) => {
    // Unique seeds: other runs of the same plan would count as repeats.
    const first = await judged(page, "101");
    const second = await judged(page, "101");
    const other = await judged(page, "102", ["conditional-update"]);
    await page.goto("/admin/simulations/runs");
    await expectWellMade(page);
    const boxes = page.getByRole("checkbox");
    const compare = page.getByRole("button", { name: "Compare selected runs" });
    await boxes.nth(0).check();
    await compare.click();
    await expect(page.getByRole("alert")).toContainText("Choose 2 to 4 runs");

    // By keyboard alone.
    for (const box of [0, 1, 2]) {
      await page.getByRole("checkbox").nth(box).focus();
      await page.keyboard.press("Space");
    }
    await compare.focus();
    await page.keyboard.press("Enter");
    await expect(page).toHaveURL(new RegExp(`run=${other}&run=${second}&run=${first}$`));
    await expect(page.getByRole("img", { name: /^Stock remaining over time/ })).toBeVisible();
    const figures = page.getByRole("table", { name: "Figures and changes" });
    await expect(figures.getByRole("row", { name: /^Sold/ })).toContainText("the same");
    await expect(figures.getByRole("row", { name: /^Orders per second/ })).toContainText(
      /\([+−]\d+ %\), (better|worse|too few runs|no difference)|the same/,
    );
    const differing = page.getByRole("table", { name: "Different parameters" });
    await expect(differing.getByRole("row")).toHaveText([/Parameter/, /Seed102101101/, /Strategies/]);
    await expect(page.getByRole("table", { name: "The plan of B, C: 2 runs" })).toBeVisible();
    await expect(page.getByText("It was run once")).toBeVisible();
    await expectWellMade(page);

    await page.goto("/admin/simulations/runs");
    await page.getByLabel("Strategy").selectOption("conditional-update");
    await page.getByRole("button", { name: "Filter" }).click();
    // Other tests of this worker may have left runs of the strategy; the newest is this test's.
    const runs = page
      .getByRole("table", { name: "Runs, newest first" })
      .getByRole("row")
      .filter({ has: page.getByRole("checkbox") });
    await expect(runs.filter({ hasNotText: "conditional-update" })).toHaveCount(0);
    await runs
      .first()
      .getByRole("link", { name: "30 buyers, 10 units · conditional-update", exact: true })
      .click();
    await expect(page).toHaveURL(new RegExp(`${other}$`));
  });
});

test("a certificate states at the top whether it holds, and prints without the shop’s navigation", async ({
  page,
}) => {
  await judged(page, "1", ["row-lock", "unguarded"]);
  await page.getByRole("link", { name: "Certificate" }).click();
  await expect(page.getByRole("status")).toContainText(
    /^It does not hold for unguarded: [1-9]\d* units were oversold/,
  );
  const safe = page.getByRole("region", { name: "row-lock Holds" });
  await expect(safe.getByRole("definition")).toHaveText(["10", "0", "0", "10"]);
  await expect(safe).toContainText("FROM stock_movement");
  await expect(safe.getByRole("table")).toHaveCount(4);
  await expect(page.getByText(/^None of \d+ rules is violated/)).toBeVisible();
  await expectWellMade(page);
  await page.emulateMedia({ media: "print" });
  await expect(page.getByRole("banner")).toBeHidden();
  await expect(page.getByRole("link", { name: "Back to the run" })).toBeHidden();
  await expect(safe.getByText("FROM stock_movement")).toBeVisible();
});
