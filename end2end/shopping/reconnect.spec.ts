import type { Page } from "@playwright/test";

import { RADIO } from "../fixtures/catalogue";
import { expect, test } from "../fixtures/shop";

/** A failed stream is what these tests are about. */
test.use({ expectedComplaint: /Failed to load resource|EventSource/ });

/** How many times the delay grows, and then stays. */
const FAILURES = 8;

/**
 * Lets `Math.random` return `random`, records for how long the script of the streams waits, and
 * lets it go on at once. With `stable`, each stream seems to have been open for long.
 */
async function recordDelays(page: Page, random: number, stable = false): Promise<void> {
  await page.addInitScript(
    ({ random, stable }) => {
      const delays: number[] = [];
      Object.assign(window, { delays });
      const isOfStreams = () => new Error().stack?.includes("/streams.js") ?? false;
      Math.random = () => random;
      const later = window.setTimeout.bind(window);
      const record = (callback: () => void, delay = 0) => {
        if (!isOfStreams() || delay < 500) {
          return later(callback, delay);
        }
        delays.push(delay);
        return later(callback, 0);
      };
      Object.assign(window, { setTimeout: record });
      let jump = 0;
      const now = performance.now.bind(performance);
      performance.now = () => now() + (stable && isOfStreams() ? (jump += 20_000) : 0);
    },
    { random, stable },
  );
}

async function delays(page: Page): Promise<number[]> {
  const recorded = async () =>
    page.evaluate(() => (window as unknown as { delays: number[] }).delays);
  await expect.poll(async () => (await recorded()).length).toBeGreaterThanOrEqual(FAILURES);
  return (await recorded()).slice(0, FAILURES);
}

const GROWING = [2_000, 4_000, 8_000, 16_000, 32_000, 40_000, 40_000, 40_000];

for (const [random, factor] of [
  [0, 0.5],
  [0.5, 1],
  [0.999, 1.499],
] as const) {
  test(`a stream that fails is tried again later and later, by chance ${random}`, async ({ page }) => {
    await recordDelays(page, random);
    await page.route("**/live/**", (route) => route.abort());
    await page.goto(`/products/${RADIO.slug}`);
    const expected = GROWING.map((delay) => delay * factor);
    const recorded = await delays(page);
    for (const [index, delay] of recorded.entries()) {
      expect(delay, `failure ${index}`).toBeCloseTo(expected[index]!, 3);
    }
  });
}

test("a stream that the server ends at once counts as a failure", async ({ page }) => {
  await recordDelays(page, 0.5);
  await page.route("**/live/**", (route) =>
    route.fulfill({ contentType: "text/event-stream", body: ": ended\n\n" }),
  );
  await page.goto(`/products/${RADIO.slug}`);
  expect(await delays(page)).toEqual(GROWING);
});

test("a stream that was open for long is tried again soon", async ({ page }) => {
  await recordDelays(page, 0.5, true);
  await page.route("**/live/**", (route) =>
    route.fulfill({ contentType: "text/event-stream", body: ": ended\n\n" }),
  );
  await page.goto(`/products/${RADIO.slug}`);
  expect(await delays(page)).toEqual(Array(FAILURES).fill(2_000));
});

test("a refused stream is tried again later and later", async ({ page }) => {
  await recordDelays(page, 0.5);
  await page.route("**/live/**", (route) => route.fulfill({ status: 503, body: "" }));
  await page.goto(`/products/${RADIO.slug}`);
  expect(await delays(page)).toEqual(GROWING);
});
