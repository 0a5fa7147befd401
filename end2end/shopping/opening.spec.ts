import type { Page } from "@playwright/test";

import {
  expectAccessible,
  expectAccessibleAtAnyWidth,
  expectNoSidewaysScroll,
} from "../fixtures/accessibility";
import {
  BACKPACK,
  CONSOLE,
  CONTROLLER,
  FIELD_PHONE,
  FLASK,
  HEADPHONES,
  LAMP,
  MINI_PHONE,
  POT,
  type Product,
  RADIO,
  TABLET,
  TENT,
  VACUUM,
} from "../fixtures/catalogue";
import {
  PATIENCE_MS,
  buyBox,
  buyNow,
  cardIn,
  expectChangedAt,
  expectCloses,
  expectOpens,
  planSoon,
  recordChanges,
  shutter,
  stockLine,
} from "../fixtures/sales";
import { expect, test } from "../fixtures/shop";
import { buy, payButton, waitForIslands } from "../fixtures/shopper";

test.use({ ownShop: true });

const HOUR_MS = 3_600_000;

async function open(page: Page, product: Product): Promise<void> {
  await page.goto(`/products/${product.slug}`);
  await waitForIslands(page);
}

/** Expects the page of a product whose sale is announced, and records its start. */
async function expectAnnounced(page: Page): Promise<void> {
  await expect(buyNow(page)).toBeDisabled();
  await expect(shutter(page)).toContainText("Opens in");
  await recordChanges(page);
}

/** Opens the page of a product whose sale is announced. */
async function openAnnounced(page: Page, product: Product): Promise<void> {
  await open(page, product);
  await expectAnnounced(page);
}

/** Expects the page of a product that is for sale, and records its end. */
async function expectOpen(page: Page): Promise<void> {
  await expect(buyNow(page)).toBeEnabled();
  await recordChanges(page);
}

test("a page opens by itself at the start, without a request", { tag: "@phone" }, async ({
  page,
  sales,
}) => {
  const start = await planSoon(
    (start) => sales.plan(FIELD_PHONE, start),
    () => open(page, FIELD_PHONE),
  );
  await expectAnnounced(page);
  await expect(stockLine(page)).toHaveText(`Not open yet ${FIELD_PHONE.stock} units`);
  await expect(page.getByRole("timer")).toHaveText(/^0:\d\d$/);
  const requests: string[] = [];
  page.on("request", (request) => requests.push(request.url()));
  await expectOpens(page);
  await expectChangedAt(page, start);
  await expect(buyBox(page).getByRole("button", { name: "Add to cart" })).toBeEnabled();
  await expect(stockLine(page)).toHaveText(`In stock ${FIELD_PHONE.stock} of ${FIELD_PHONE.stock} left`);
  await expect(shutter(page)).toBeHidden();
  await expect(page.getByText("The sale is open. You can buy now.")).toHaveAttribute(
    "role",
    "status",
  );
  expect(requests, "requests at the start").toEqual([]);
});

test("Buy now is usable within 1.5 s of the start", { tag: "@phone" }, async ({ page, sales }) => {
  const start = await planSoon(
    (start) => sales.plan(LAMP, start),
    async () => {
      await page.goto(`/products/${LAMP.slug}`);
    },
  );
  await expect(buyNow(page)).toBeDisabled();
  // Waits until it is enabled, stable and not covered.
  await buyNow(page).click({ trial: true, timeout: PATIENCE_MS });
  expect(Date.now() - start, "milliseconds after the start").toBeLessThan(1_500);
  await buyNow(page).click();
  await expect(payButton(page)).toBeVisible();
});

test("a page closes by itself at the end", async ({ page, sales }) => {
  const end = await planSoon(
    (end) => sales.plan(MINI_PHONE, end - HOUR_MS, end),
    () => open(page, MINI_PHONE),
  );
  await expectOpen(page);
  await expectCloses(page);
  await expectChangedAt(page, end);
  await expect(buyBox(page).getByRole("button", { name: "Sale ended" })).toBeDisabled();
  await expect(shutter(page)).toContainText("Sale ended");
  await expect(page.getByRole("link", { name: "Add to calendar" })).toBeHidden();
});

for (const [name, hours] of [
  ["fast", 1],
  ["slow", -1],
] as const) {
  test(`a computer whose clock is an hour ${name} opens at the start`, async ({ page, sales }) => {
    const product = hours > 0 ? CONTROLLER : RADIO;
    await page.addInitScript((wrongBy) => {
      const RightDate = Date;
      class WrongDate extends RightDate {
        constructor(...values: []) {
          super(...(values.length > 0 ? values : ([RightDate.now() + wrongBy] as unknown as [])));
        }
        static override now(): number {
          return RightDate.now() + wrongBy;
        }
      }
      globalThis.Date = WrongDate as unknown as DateConstructor;
    }, hours * HOUR_MS);
    const start = await planSoon(
      (start) => sales.plan(product, start),
      () => open(page, product),
    );
    await expectAnnounced(page);
    await expect(page.getByRole("timer")).toHaveText(/^0:\d\d$/);
    await expectOpens(page);
    await expectChangedAt(page, start);
  });
}

/**
 * Lets the page sleep: no timer and no event of it runs until `until_ms`. The lifecycle state
 * "frozen" of the DevTools protocol does not stop the timers of a visible page.
 */
async function sleepUntil(page: Page, until_ms: number): Promise<void> {
  await page.evaluate((until_ms) => {
    while (Date.now() < until_ms) {
      // Asleep.
    }
  }, until_ms);
}

test("a laptop that slept through the start is right on waking", async ({ page, sales }) => {
  const start = await planSoon(
    (start) => sales.plan(TABLET, start),
    () => open(page, TABLET),
  );
  await expectAnnounced(page);
  const wakes = start + 2_000;
  await sleepUntil(page, wakes);
  await expectOpens(page);
  await expectChangedAt(page, wakes);
});

test("a laptop that slept learns of a change of the plan on waking", async ({ page, sales }) => {
  const begin = Date.now();
  await sales.plan(CONSOLE, Date.now() + HOUR_MS);
  const command_ms = Date.now() - begin;
  await openAnnounced(page, CONSOLE);
  // Longer than the next command takes, also if the machine becomes busy.
  const asleep = sleepUntil(page, Date.now() + 3_000 + 4 * command_ms);
  await sales.open(CONSOLE);
  await asleep;
  // A browser whose connection broke waits up to five seconds before it connects again.
  await expect(buyNow(page)).toBeEnabled({ timeout: 8_000 });
});

test("the home page features what opens next, and follows it", async ({ page, sales }) => {
  await sales.plan(BACKPACK, Date.now() + 49 * HOUR_MS);
  await sales.plan(FLASK, Date.now() + HOUR_MS / 2);
  await page.goto("/");
  await waitForIslands(page);
  const hero = page.getByRole("region", { name: FLASK.name });
  await expect(hero.getByRole("timer")).toHaveText(/^[23]\d:\d\d$/);
  await expect(hero).toContainText("Opens in");
  const next = page.getByRole("region", { name: "Opens next" });
  await expect(next.getByRole("article").filter({ hasText: BACKPACK.name })).toContainText(
    /Opens in \d d \d\d:\d\d:\d\d/,
  );
  const open = page.getByRole("region", { name: "Open now" });
  await expect(open.getByRole("article").filter({ hasText: CONTROLLER.name })).toBeVisible();
  await expectAccessibleAtAnyWidth(page);
  await planSoon(
    (start) => sales.plan(FLASK, start),
    () => expect(hero.getByRole("timer")).toHaveText(/^0:\d\d$/),
  );
  await expect(hero.locator("#stock")).toContainText("In stock", { timeout: PATIENCE_MS });
  await expect(hero.getByRole("timer")).toBeHidden();
});

test("a card of the home page moves to the group of its sale, without a request", { tag: "@phone" }, async ({
  page,
  sales,
}) => {
  await planSoon(
    async (at) => {
      // What opens first is featured, and stays so.
      await sales.plan(FLASK, at - 500);
      await sales.plan(HEADPHONES, at);
      await sales.plan(POT, at - HOUR_MS, at);
    },
    async () => {
      // The page opens its stream once it is hydrated.
      const stream = page.waitForRequest(/\/live\/stock/);
      await page.goto("/");
      await waitForIslands(page);
      await stream;
    },
  );
  await expect(cardIn(page, "Opens next", HEADPHONES)).toBeVisible();
  await expect(cardIn(page, "Open now", POT)).toBeVisible();
  const requests: string[] = [];
  page.on("request", (request) => {
    // A card that moves into view loads its picture.
    if (request.resourceType() !== "image") {
      requests.push(request.url());
    }
  });
  await expect(cardIn(page, "Open now", HEADPHONES)).toContainText("In stock", { timeout: PATIENCE_MS });
  await expect(cardIn(page, "Opens next", HEADPHONES)).toHaveCount(0);
  await expect(cardIn(page, "Sold out or ended", POT)).toContainText("Sale ended");
  await expect(cardIn(page, "Open now", POT)).toHaveCount(0);
  expect(requests, "requests at the start").toEqual([]);
  await expectAccessible(page);

  // It is in its place among the others, as the server would show it.
  const products = await page
    .locator("[aria-labelledby='open-now'] [data-product]")
    .evaluateAll((cards: HTMLElement[]) => cards.map((card) => Number(card.dataset.product)));
  expect(products).toEqual(products.toSorted((a, b) => a - b));
});

test("a card follows a change of the plan, and stays while it has the focus", async ({ page, sales }) => {
  // Featured, so that the other card is in a group.
  await sales.plan(FLASK, Date.now() + HOUR_MS);
  await sales.open(POT);
  await page.goto("/");
  await waitForIslands(page);
  await expect(cardIn(page, "Open now", POT)).toBeVisible();
  await sales.plan(POT, Date.now() + 2 * HOUR_MS);
  await expect(cardIn(page, "Opens next", POT)).toContainText("Opens in");
  const link = page.getByRole("link", { name: POT.name });
  await link.focus();
  await sales.end(POT);
  await expect(cardIn(page, "Opens next", POT)).toContainText("Sale ended");
  await expect(link).toBeFocused();
  await link.blur();
  await expect(cardIn(page, "Sold out or ended", POT)).toBeVisible();
  await expect(cardIn(page, "Opens next", POT)).toHaveCount(0);
});

test("the pages of an announced and of an ended sale are accessible", { tag: "@phone" }, async ({
  page,
  sales,
}) => {
  await sales.plan(BACKPACK, Date.now() + HOUR_MS);
  await openAnnounced(page, BACKPACK);
  await expectAccessible(page);
  await expectNoSidewaysScroll(page);
  await sales.end(BACKPACK);
  await expect(shutter(page)).toContainText("Sale ended");
  await expectAccessible(page);
  await expectNoSidewaysScroll(page);
});

test("the start of a sale is a calendar file", async ({ page, sales }) => {
  const start = Date.UTC(2099, 11, 12, 12, 12);
  await sales.plan(BACKPACK, start);
  await page.goto(`/products/${BACKPACK.slug}`);
  const link = page.getByRole("link", { name: "Add to calendar" });
  const response = await page.request.get((await link.getAttribute("href"))!);
  expect(response.headers()["content-type"]).toBe("text/calendar; charset=utf-8");
  expect(await response.text()).toContain("DTSTART:20991212T121200Z\r\n");
});

test.describe("with other prices and no stock", () => {
  test.use({ freshShop: true });

  test("an open page follows each change of the plan by another process", async ({
    page,
    sales,
  }) => {
    const start = Date.now() + HOUR_MS;
    await sales.plan(VACUUM, start);
    await openAnnounced(page, VACUUM);
    await sales.plan(VACUUM, start + 2 * HOUR_MS, start + 3 * HOUR_MS, {
      priceCents: 19_900,
      compareAtCents: 27_900,
      limit: 2,
    });
    await expect(page.getByRole("timer")).toHaveText(/^2:5\d:\d\d$/, { timeout: 1_500 });
    await expect(page.getByRole("main")).toContainText("Price €199.00");
    await expect(page.getByRole("main")).toContainText("Was €279.00");
    await expect(buyBox(page)).toContainText("2 is the limit per customer.");
    await expect(page.getByLabel("Quantity", { exact: true })).toHaveAttribute("max", "2");
    await sales.open(VACUUM);
    await expect(buyNow(page)).toBeEnabled({ timeout: 1_500 });
    await sales.end(VACUUM);
    await expect(buyNow(page)).toBeDisabled({ timeout: 1_500 });
    await expect(stockLine(page)).toContainText("Sale ended");
  });

  test("a product page says how fast it sold out", async ({ page, sales }) => {
    const start = Date.now() - 60_000;
    await sales.plan(TENT, start);
    await open(page, TENT);
    await expectOpen(page);
    await buy(page.request, TENT, TENT.stock);
    await expect(stockLine(page)).toHaveText(
      new RegExp(`^Sold out ${TENT.stock} of ${TENT.stock} sold in \\d+ (s|min)`),
    );
    await expect(buyNow(page)).toBeDisabled();
    await expect(page.getByText("Sold out. If one is returned")).toHaveCount(2);
  });
});
