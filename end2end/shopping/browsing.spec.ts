import { expectAccessible, expectNoSidewaysScroll } from "../fixtures/accessibility";
import {
  BICYCLE,
  BLOCKS,
  CATEGORIES,
  CHESS,
  KETTLE,
  SMARTPHONE,
  euros,
} from "../fixtures/catalogue";
import { expect, test } from "../fixtures/shop";
import {
  ORDER_ADDRESS,
  fillIn,
  goToCheckout,
  guest,
  pay,
  payButton,
  disableValidation,
  waitForIslands,
} from "../fixtures/shopper";

const PRODUCTS = Object.values(CATEGORIES).reduce((sum, count) => sum + count);

test("the catalogue shows every product with its price and stock", { tag: "@phone" }, async ({ page }) => {
  await page.goto("/");
  await expect(page).toHaveTitle(/Doorbuster/);
  const hero = page.getByRole("region", { name: SMARTPHONE.name });
  await expect(hero).toContainText(euros(SMARTPHONE.priceCents));
  await expect(hero).toContainText(`of ${SMARTPHONE.stock} left`);
  const products = page.getByRole("main").getByRole("article");
  await expect(products).toHaveCount(PRODUCTS - 1);
  const card = (name: string) => products.filter({ has: page.getByRole("link", { name }) });
  await expect(card(BLOCKS.name)).toContainText(euros(BLOCKS.priceCents));
  await expect(card(BLOCKS.name)).toContainText("In stock");
  await expect(card(CHESS.name)).toContainText("Only 5 left");
  const over = page.getByRole("region", { name: "Sold out or ended" }).getByRole("article");
  await expect(over.filter({ hasText: BICYCLE.name })).toContainText("Sold out");
  for (const image of await page.getByRole("main").locator("img").all()) {
    await image.scrollIntoViewIfNeeded();
    await expect(image).toHaveJSProperty("complete", true);
    await expect
      .poll(() => image.evaluate((img: HTMLImageElement) => img.naturalWidth))
      .not.toBe(0);
  }
});

test("a category shows only its own products", { tag: "@phone" }, async ({ page }) => {
  await page.goto("/");
  const filter = page.getByRole("navigation", { name: "Categories" });
  await expect(filter.getByRole("link")).toHaveText(["Everything", ...Object.keys(CATEGORIES)]);
  for (const [category, count] of Object.entries(CATEGORIES)) {
    await filter.getByRole("link", { name: category }).click();
    await expect(page.getByRole("heading", { level: 1 })).toHaveText(category);
    await expect(filter.getByRole("link", { name: category })).toHaveAttribute(
      "aria-current",
      "true",
    );
    await expect(page.getByRole("main").getByRole("article")).toHaveCount(count);
  }
  await filter.getByRole("link", { name: "Everything" }).click();
  await expect(page.getByRole("main").getByRole("article")).toHaveCount(PRODUCTS - 1);
});

test("a product page shows description, price and stock", async ({ page }) => {
  await page.goto("/");
  await page.getByRole("link", { name: SMARTPHONE.name }).click();
  await expect(page).toHaveURL(`/products/${SMARTPHONE.slug}`);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText(SMARTPHONE.name);
  await expect(page.getByRole("main")).toContainText(euros(SMARTPHONE.priceCents));
  await expect(page.getByRole("region", { name: "Buy" }).getByRole("status")).toContainText(
    `${SMARTPHONE.stock} of ${SMARTPHONE.stock} left`,
  );
  await expect(page.getByRole("button", { name: "Add to cart" })).toBeEnabled();
  await page
    .getByRole("navigation", { name: "Breadcrumb" })
    .getByRole("link", { name: "Mobile" })
    .click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Mobile");
});

test("a sold-out product is marked and cannot be added to the cart", async ({ page }) => {
  await page.goto(`/products/${BICYCLE.slug}`);
  const buyBox = page.getByRole("region", { name: "Buy" });
  await expect(buyBox.getByRole("status")).toContainText("Sold out");
  await expect(buyBox.getByRole("button", { name: "Sold out" })).toBeDisabled();
  await expect(buyBox.getByRole("button", { name: "Buy now" })).toBeDisabled();
});

test.describe("missing pages", () => {
  test.use({ expectedComplaint: /the server responded with a status of 404/ });

  for (const [what, path, headline] of [
    ["an unknown product", "/products/perpetual-motion", "Page not found"],
    ["an unknown page", "/no/such/page", "Page not found"],
    ["an unknown order", "/orders/00000000-0000-4000-8000-000000000000", "Order not found"],
    ["an order number that is none", "/orders/1", "Order not found"],
  ] as const) {
    test(`${what} returns a page with status 404`, async ({ page }) => {
      const response = await page.goto(path);
      expect(response?.status()).toBe(404);
      await expect(page.getByRole("heading", { level: 1 })).toHaveText(headline);
      await page.getByRole("main").getByRole("link", { name: "Go to the shop" }).click();
      await expect(page).toHaveURL("/");
    });
  }

  test("the 404 page is accessible and fits the window", { tag: "@phone" }, async ({ page }) => {
    await page.goto("/no/such/page");
    await expectAccessible(page);
    await expectNoSidewaysScroll(page);
  });
});

test.describe("every page of the shop is accessible and fits the window", { tag: "@phone" }, () => {
  for (const [name, path] of [
    ["the catalogue", "/"],
    ["a category", "/categories/outdoors"],
    ["search results", "/search?q=phone"],
    ["a search without a result", "/search?q=perpetual+motion"],
    ["the empty cart", "/cart"],
    ["the checkout of an empty cart", "/checkout"],
    ["the form that finds an order", "/orders/find"],
    ["the page to try the API", "/api/docs"],
    ["the types of problems", "/api/problems"],
  ] as const) {
    test(name, async ({ page }) => {
      await page.goto(path);
      await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
      await expectAccessible(page);
      await expectNoSidewaysScroll(page);
    });
  }

  for (const product of [SMARTPHONE, BICYCLE]) {
    test(`the product page of ${product.name}`, async ({ page }) => {
      await page.goto(`/products/${product.slug}`);
      await waitForIslands(page);
      await expectAccessible(page);
      await expectNoSidewaysScroll(page);
    });
  }

  test("an invalid quantity, the filled cart, the checkout, its errors, and the order", async ({
    page,
  }) => {
    await page.goto(`/products/${BLOCKS.slug}`);
    await disableValidation(page.getByLabel("Quantity"));
    await page.getByLabel("Quantity").fill("-7");
    await page.getByRole("button", { name: "Add to cart" }).click();
    await expect(page.getByRole("alert")).toBeVisible();
    await expectAccessible(page);
    await expectNoSidewaysScroll(page);

    await goToCheckout(page, [BLOCKS, 1], [KETTLE, 2]);
    await expectAccessible(page);
    await expectNoSidewaysScroll(page);

    await page.goBack();
    await waitForIslands(page);
    await expectAccessible(page);
    await expectNoSidewaysScroll(page);

    await page.getByRole("button", { name: "Checkout" }).click();
    await disableValidation(page.getByLabel("E-mail"));
    await fillIn(page, { ...guest(), "E-mail": "invalid", City: "" });
    await payButton(page).click();
    await expect(page.getByRole("alert")).toBeVisible();
    await expectAccessible(page);
    await expectNoSidewaysScroll(page);

    await pay(page, guest());
    await expect(page).toHaveURL(ORDER_ADDRESS);
    await expectAccessible(page);
    await expectNoSidewaysScroll(page);
  });
});
