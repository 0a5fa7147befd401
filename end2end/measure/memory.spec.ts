import {
  RUN_ADDRESS,
  signIn,
  simulateButton,
} from "../fixtures/administrator";
import { expect, test } from "../fixtures/shop";
import { waitForIslands } from "../fixtures/shopper";
import { formatReport, scriptTime } from "./script_time";

// Watches a real run of six lanes for MEASURE_MINUTES (default ten): the memory of its page must
// level off.

test.use({ ownShop: true });

const MINUTES = Number(process.env.MEASURE_MINUTES ?? "10");
const EVERY_S = 15;
const RATE_PER_S = 12;
const LANES = ["row-lock", "conditional-update", "optimistic", "single-statement", "micro-batch", "unguarded"];

test(`the memory of a run’s page levels off within ${MINUTES} minutes`, async ({
  page,
  browser,
  adminPassword,
}) => {
  test.setTimeout((MINUTES + 5) * 60_000);
  await signIn(page.request, adminPassword);
  const buyers = Math.min(1_600, RATE_PER_S * 60 * (MINUTES + 1));
  const plan = `strategies=${LANES.join(",")}&together=yes&arrivals=open&rate_per_s=${RATE_PER_S}`;
  const rounds = Math.ceil((RATE_PER_S * 60 * (MINUTES + 1)) / buyers);
  await page.goto(`/admin/simulations?${plan}&pool_size=4&buyers=${buyers}&rounds=${rounds}&stock=5000`);
  await simulateButton(page).click();
  await expect(page).toHaveURL(RUN_ADDRESS);
  await waitForIslands(page);
  const session = await page.context().newCDPSession(page);
  const sizesMiB: number[] = [];
  for (let at = 0; at < MINUTES * 60; at += EVERY_S) {
    await page.waitForTimeout(EVERY_S * 1_000);
    await session.send("HeapProfiler.collectGarbage");
    const { usedSize, backingStorageSize } = (await session.send("Runtime.getHeapUsage")) as {
      usedSize: number;
      backingStorageSize: number;
    };
    sizesMiB.push((usedSize + backingStorageSize) / 1024 / 1024);
  }
  console.log(`MiB every ${EVERY_S} s: ${sizesMiB.map((size) => size.toFixed(1)).join(" ")}`);
  const time = await scriptTime(browser, page, () => page.waitForTimeout(10_000));
  console.log(formatReport("a real run of six lanes", time));
  await page.getByRole("button", { name: /^Abort/ }).click();
  const mean = (sizes: number[]) => sizes.reduce((sum, size) => sum + size, 0) / sizes.length;
  const third = Math.floor(sizesMiB.length / 3);
  const [middle, end] = [mean(sizesMiB.slice(third, 2 * third)), mean(sizesMiB.slice(-third))];
  expect(end, `the last third, after ${middle} MiB in the middle`).toBeLessThan(middle * 1.1 + 0.5);
});
