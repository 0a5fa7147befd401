import { FLASK, KETTLE, LAMP, RADIO, euros } from "../fixtures/catalogue";
import {
  PATIENCE_MS,
  buyBox,
  buyNow,
  cardIn,
  expectCloses,
  expectOpens,
  planSoon,
  shutter,
  stockLine,
} from "../fixtures/sales";
import { expect, test } from "../fixtures/shop";
import { addToCart, cartLine, payButton } from "../fixtures/shopper";

test.use({ ownShop: true });

test("without JavaScript, a page loads again at the start by itself, and its buttons work", async ({
  page,
  sales,
}) => {
  const start = await planSoon(
    (start) => sales.plan(RADIO, start),
    async () => {
      await page.goto(`/products/${RADIO.slug}`);
    },
  );
  await expect(buyNow(page)).toBeDisabled();
  await expect(shutter(page)).toContainText("Opens");
  await expect(page.getByRole("timer")).toBeHidden();
  await expect(page.getByRole("link", { name: "Add to calendar" })).toBeVisible();
  await expectOpens(page);
  // At the start, or at most three seconds later, so that not all pages come at once.
  expect(Date.now() - start, "milliseconds after the start").toBeLessThan(5_000);
  await buyNow(page).click();
  await expect(payButton(page)).toBeVisible();
});

test("without JavaScript, a page loads again at the end by itself", async ({ page, sales }) => {
  await planSoon(
    (end) => sales.plan(FLASK, end - 3_600_000, end),
    async () => {
      await page.goto(`/products/${FLASK.slug}`);
    },
  );
  await expect(buyNow(page)).toBeEnabled();
  await expectCloses(page);
  await expect(stockLine(page)).toContainText("Sale ended");
  await expect(buyBox(page).getByRole("button", { name: "Sale ended" })).toBeDisabled();
});

test("without JavaScript, the home page loads again, and the card is in another group", async ({
  page,
  sales,
}) => {
  await planSoon(
    (end) => sales.plan(FLASK, end - 3_600_000, end),
    async () => {
      await page.goto("/");
    },
  );
  await expect(cardIn(page, "Open now", FLASK)).toBeVisible();
  await expect(cardIn(page, "Sold out or ended", FLASK)).toBeVisible({ timeout: PATIENCE_MS });
  await expect(cardIn(page, "Open now", FLASK)).toHaveCount(0);
});

test("without JavaScript, a cart loads again at the end, and its total is right", async ({
  page,
  sales,
}) => {
  await addToCart(page, LAMP);
  await addToCart(page, KETTLE);
  const summary = page.getByRole("complementary", { name: "Order summary" });
  await planSoon(
    (end) => sales.plan(KETTLE, end - 3_600_000, end),
    async () => {
      await page.goto("/cart");
    },
  );
  await expect(summary).toContainText(euros(LAMP.priceCents + KETTLE.priceCents));
  await expect(cartLine(page, KETTLE)).toContainText("This sale has ended.", { timeout: PATIENCE_MS });
  await expect(summary).toContainText(euros(LAMP.priceCents));
});
