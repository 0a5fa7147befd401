import jsQR from "jsqr";
import { PNG } from "pngjs";

import type { Page } from "@playwright/test";

import { expectAccessible, expectNoSidewaysScroll } from "../fixtures/accessibility";
import {
  expectFinishedRun,
  expectVerdict,
  signIn,
  simulate,
  simulateArrivals,
} from "../fixtures/administrator";
import { OFTEN } from "../fixtures/changes";
import { expect, test } from "../fixtures/shop";
import { waitForIslands } from "../fixtures/shopper";

/** Decodes the QR code on the page. */
async function scanQrCode(page: Page): Promise<string | undefined> {
  const picture = await page.getByRole("img", { name: /^QR code of/ }).screenshot();
  const { data, width, height } = PNG.sync.read(picture);
  return jsQR(new Uint8ClampedArray(data), width, height)?.data;
}

/** Returns the address of the presentation page, from the run's page. */
async function presentAddress(page: Page): Promise<string> {
  await page.getByText("Present", { exact: true }).click();
  const link = page.getByTestId("present-address");
  await expect(link).toBeVisible();
  // The page of a running run still grows above the picture.
  await expect.poll(() => scanQrCode(page)).toBe(await link.textContent());
  return (await link.getAttribute("href")) ?? "";
}

test.describe("the presentation page", () => {
  // A shop simulates one sale at a time.
  test.use({ ownShop: true });

  test.beforeEach(({ page, adminPassword }) => signIn(page.request, adminPassword));

  test("follows a run in a browser that is not signed in, to its verdict", async ({
    page,
    shop,
    anotherBrowser,
  }) => {
    await simulateArrivals(page, { buyers: 60, stock: 40, perSecond: 20 });
    // The audience arrives before anyone buys, however long that takes.
    await page.getByRole("button", { name: "Pause arrivals" }).click();
    await expect(page.getByTestId("run-state")).toHaveText("Paused");
    const address = await presentAddress(page);
    await expect(page.getByRole("note")).toContainText(
      /^Only this machine can open this link: the server listens on 127\.0\.0\.1:\d+\./,
    );
    const phone = await anotherBrowser();
    await phone.setViewportSize({ width: 390, height: 844 });
    await phone.goto(`${shop.url}${address}`);
    await waitForIslands(phone);
    await expect(phone.getByTestId("run-state")).toHaveText("Running");
    await expect(phone.getByTestId("undersold")).toContainText("not known yet");
    await page.getByRole("button", { name: "Resume" }).click();
    const seen = new Set<string>();
    const different = async () => seen.add((await phone.getByTestId("sold").textContent()) ?? "").size;
    await expect.poll(different, { intervals: OFTEN }).toBeGreaterThan(3);
    const verdict = { sold: 40, rejected: 20, remaining: 0, oversold: 0, undersold: 0 };
    await expectVerdict(page, verdict);
    await expect(phone.getByTestId("run-state")).toHaveText("Finished");
    for (const [name, value] of Object.entries(verdict)) {
      await expect(phone.getByTestId(name), name).toHaveText(`${value}`);
    }
    await expect(
      phone.getByRole("img", { name: "Stock remaining over time. row-lock: 0 of 40 remaining" }),
    ).toBeVisible();
    await expectNoSidewaysScroll(phone);
    await expectAccessible(phone);
    // The page offers no controls.
    await expect(phone.getByRole("button")).toHaveCount(0);
    await expect(phone.getByRole("link")).toHaveCount(0);
    await phone.goto(page.url());
    await expect(phone).toHaveURL(/\/admin\/login$/);
  });

  test("reacts to the presenter's keys", async ({ page }) => {
    await simulate(
      page,
      { Buyers: "60", Stock: "10", "Race window (ms)": "5" },
      { strategies: ["row-lock", "unguarded"] },
    );
    await expectFinishedRun(page);
    const address = await presentAddress(page);
    await page.setViewportSize({ width: 1920, height: 1080 });
    await page.goto(address);
    await waitForIslands(page);
    expect(Number(await page.getByTestId("oversold").textContent())).toBeGreaterThan(0);
    await expect(page.getByRole("row", { name: /^row-lock/ })).toContainText("0");
    await expectNoSidewaysScroll(page);
    await expectAccessible(page);

    const chart = page.getByRole("img", { name: /^Stock remaining over time/ });
    await page.keyboard.press("t");
    await expect(chart).toBeHidden();
    await expect(page.getByRole("table", { name: "Stock remaining" })).toBeVisible();
    await page.keyboard.press("t");
    await expect(chart).toBeVisible();

    const blankScreen = page.getByTestId("blank-screen");
    await page.keyboard.press("b");
    await expect(blankScreen).toBeVisible();
    await page.keyboard.press("Escape");
    await expect(blankScreen).toBeHidden();

    const width = async () => (await page.getByRole("img", { name: /^QR/ }).boundingBox())?.width ?? 0;
    const small = await width();
    await page.keyboard.press("q");
    await expect.poll(width).toBeGreaterThan(2 * small);
    expect(await scanQrCode(page)).toBe(page.url());
    await page.keyboard.press("q");

    const isFull = () => page.evaluate(() => document.fullscreenElement !== null);
    await page.keyboard.press("f");
    await expect.poll(isFull).toBe(true);
    await page.keyboard.press("f");
    await expect.poll(isFull).toBe(false);
  });

  test("returns 404 for an unknown run", async ({ browser, shop }) => {
    const stranger = await browser.newContext();
    const unknown = "01890000-0000-7000-8000-000000000000";
    for (const path of [`/present/${unknown}`, `/live/present/${unknown}`]) {
      expect((await stranger.request.get(`${shop.url}${path}`)).status(), path).toBe(404);
    }
    await stranger.close();
  });
});

test.describe("with a public address", () => {
  test.use({ freshShop: true, settings: { PUBLIC_URL: "http://sale.example:8080" } });

  test("the QR code contains the public address", async ({ page, adminPassword, shop }) => {
    // The server rejects forms from any origin other than PUBLIC_URL or its own.
    await signIn(page.request, adminPassword);
    await simulate(page, { Buyers: "5", Stock: "3" });
    await expectFinishedRun(page);
    const id = page.url().split("/").pop();
    const path = await presentAddress(page);
    expect(path).toBe(`/present/${id}`);
    await expect(page.getByTestId("present-address")).toHaveText(`http://sale.example:8080${path}`);
    await page.goto(`${shop.url}${path}`);
    expect(await scanQrCode(page)).toBe(`http://sale.example:8080${path}`);
  });
});
