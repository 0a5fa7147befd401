import type { Page } from "@playwright/test";

import {
  BLOCKS,
  FIELD_PHONE,
  FLASK,
  HEADPHONES,
  KETTLE,
  LAMP,
  POT,
  type Product,
  RADIO,
  TABLET,
} from "../fixtures/catalogue";
import { expect, test } from "../fixtures/shop";
import { addToCart, buy, cartLine, stockOf, waitForIslands } from "../fixtures/shopper";

test.use({ ownShop: true });

/** One more than a browser's connections to a host, and another one. */
const PRODUCTS = [RADIO, FLASK, KETTLE, LAMP, POT, HEADPHONES, FIELD_PHONE, TABLET];
/** Another window takes over, and the server sends stock at most ten times per second. */
const TAKEOVER_MS = 2_000;

async function expectLeft(page: Page, left: number, timeout?: number): Promise<void> {
  const status = page.getByRole("region", { name: "Buy" }).getByRole("status").first();
  await expect(status).toContainText(`${left} of `, { timeout });
}

test("eight windows load, follow their products by one stream, and survive the closing of any", async ({
  context,
  request,
}) => {
  const windows: [Product, Page][] = [];
  for (const product of PRODUCTS) {
    const page = await context.newPage();
    await page.goto(`/products/${product.slug}`);
    await waitForIslands(page);
    windows.push([product, page]);
  }
  const buyOneOfEach = async (timeout?: number) => {
    for (const [product, page] of windows) {
      await buy(request, product, 1);
      await expectLeft(page, await stockOf(request, product), timeout);
    }
  };
  await buyOneOfEach();
  // The first window opened the stream.
  for (let closed = 0; closed < 3; closed++) {
    const [, leader] = windows.shift()!;
    await leader.close();
    await buyOneOfEach(TAKEOVER_MS);
  }
  // A new window of a product that another window follows gets its stock too.
  const [product] = windows[0]!;
  const late = await context.newPage();
  await late.goto(`/products/${product.slug}`);
  await waitForIslands(late);
  windows.push([product, late]);
  await buyOneOfEach();
});

test("two first windows that add at the same time have one cart", async ({ context }) => {
  const windows = await Promise.all([context.newPage(), context.newPage()]);
  const products = [BLOCKS, RADIO];
  for (const [index, page] of windows.entries()) {
    await page.goto(`/products/${products[index]!.slug}`);
  }
  await Promise.all(
    windows.map((page) => page.getByRole("button", { name: "Add to cart" }).click()),
  );
  for (const page of windows) {
    await expect(page).toHaveURL("/cart");
    await page.reload();
    for (const product of products) {
      await expect(cartLine(page, product)).toBeVisible();
    }
  }
  await addToCart(windows[0]!, FLASK);
  await windows[1]!.reload();
  await expect(cartLine(windows[1]!, FLASK)).toBeVisible();
});
