import type { Locator, Page } from "@playwright/test";

import { expectAccessibleAtAnyWidth } from "../fixtures/accessibility";
import { ESPRESSO_MAKER, KETTLE, POT, type Product } from "../fixtures/catalogue";
import { PATIENCE_MS, planSoon } from "../fixtures/sales";
import { expect, test } from "../fixtures/shop";
import { buyDownTo, waitForIslands } from "../fixtures/shopper";

test.use({ freshShop: true });

function card(page: Page, product: Product): Locator {
  return page
    .getByRole("main")
    .getByRole("article")
    .filter({ has: page.getByRole("link", { name: product.name }) });
}

for (const [name, path] of [
  ["a category", "/categories/home"],
  ["search results", "/search?q=e&sort=price-up"],
] as const) {
  test(`the cards of ${name} follow their sales without a reload`, async ({ page, sales }) => {
    await planSoon(
      (start) => sales.plan(KETTLE, start),
      async () => {
        await page.goto(path);
        await waitForIslands(page);
      },
    );
    let loads = 0;
    page.on("load", () => (loads += 1));
    await expect(card(page, KETTLE)).toContainText(/Not open yet Opens in 0:\d\d/);
    await expect(card(page, POT)).toContainText("In stock");

    await buyDownTo(page.request, POT, 1);
    await expect(card(page, POT)).toContainText("Last one");
    await buyDownTo(page.request, POT, 0);
    await expect(card(page, POT)).toContainText(/Sold out \d+ of \d+ sold in /);
    await sales.plan(ESPRESSO_MAKER, Date.now() - 60_000, undefined, {
      priceCents: 12_345,
      compareAtCents: 23_456,
    });
    await expect(card(page, ESPRESSO_MAKER)).toContainText("€123.45 Was €234.56");
    await sales.end(ESPRESSO_MAKER);
    await expect(card(page, ESPRESSO_MAKER)).toContainText("Sale ended");
    await expect(card(page, KETTLE)).toContainText("In stock", { timeout: PATIENCE_MS });
    expect(loads, "page loads").toBe(0);
    await expectAccessibleAtAnyWidth(page);
  });
}
