import type { Page } from "@playwright/test";

import { KETTLE, LAMP } from "../fixtures/catalogue";
import { expect, test } from "../fixtures/shop";
import { goToCheckout, hold, waitForIslands } from "../fixtures/shopper";

test.use({ ownShop: true });

const MINUTE_MS = 60_000;

/**
 * Lets the computer of `page` sleep: the wall clock goes on, and the clock of the page does not, as
 * in Chromium on Linux and macOS.
 */
async function prepareSleep(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const now = Date.now.bind(Date);
    let slept_ms = 0;
    Date.now = () => now() + slept_ms;
    Object.assign(window, { sleepFor: (ms: number) => (slept_ms += ms) });
  });
}

async function sleep(page: Page, ms: number): Promise<void> {
  await page.evaluate((ms) => {
    (window as unknown as { sleepFor: (ms: number) => void }).sleepFor(ms);
    document.dispatchEvent(new Event("visibilitychange"));
  }, ms);
}

test("the countdown of a reservation is right after a sleep, and says when it has run out", async ({
  page,
}) => {
  await prepareSleep(page);
  await goToCheckout(page, [KETTLE, 1]);
  await waitForIslands(page);
  const clock = page.getByRole("timer");
  await expect(clock).toHaveText(/^(10:00|9:\d\d)$/);
  await sleep(page, 5 * MINUTE_MS);
  await expect(clock).toHaveText(/^(5:00|4:\d\d)$/);
  await sleep(page, 6 * MINUTE_MS);
  await expect(hold(page)).toContainText("Your reservation has expired");
  await expect(page.getByRole("button", { name: "Reserve again" })).toBeVisible();
});

test("the countdown does not go back with the computer’s clock", async ({ page }) => {
  await prepareSleep(page);
  await goToCheckout(page, [LAMP, 1]);
  await waitForIslands(page);
  const clock = page.getByRole("timer");
  await expect(clock).toHaveText(/^(10:00|9:\d\d)$/);
  await sleep(page, -60 * MINUTE_MS);
  await expect(clock).toHaveText(/^(10:00|9:\d\d)$/);
});
