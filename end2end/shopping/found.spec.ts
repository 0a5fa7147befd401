import type { Page } from "@playwright/test";
import { expectNoSidewaysScroll } from "../fixtures/accessibility";
import { CATEGORIES, SMARTPHONE, euros } from "../fixtures/catalogue";
import { expect, test } from "../fixtures/shop";

const LISTED = Object.values(CATEGORIES).reduce((sum, count) => sum + count);

async function search(page: Page, text: string): Promise<void> {
  await page.getByRole("searchbox", { name: "Search products" }).fill(text);
  await page.getByRole("search").getByRole("button", { name: "Search" }).click();
}

test("a search from any page finds a product by words of its name", { tag: "@phone" }, async ({ page }) => {
  await page.goto("/cart");
  await search(page, "SMARTPHONE  flash");
  await expect(page).toHaveURL("/search?q=SMARTPHONE++flash");
  await expect(page.getByRole("heading", { level: 1 })).toHaveText(
    "Results for “SMARTPHONE flash”",
  );
  const card = page.getByRole("article").first();
  await expect(card).toContainText(SMARTPHONE.name);
  await expect(card).toContainText(euros(SMARTPHONE.priceCents));
  await expect(page.getByRole("searchbox")).toHaveValue("SMARTPHONE flash");
});

test("a search without a result says what to do next", { tag: "@phone" }, async ({ page }) => {
  await page.goto("/search?q=perpetual+motion");
  await expect(page.getByRole("main")).toContainText("Check the spelling");
  await page.getByRole("link", { name: "Show all products" }).click();
  await expect(page.getByRole("article")).toHaveCount(LISTED);
});

test("a list keeps its search when its order changes", async ({ page }) => {
  await page.goto("/search?q=phone");
  const order = page.getByRole("navigation", { name: "Sort by" });
  await expect(order.getByRole("link", { name: "Featured" })).toHaveAttribute("aria-current", "true");
  await order.getByRole("link", { name: "Lowest price" }).click();
  await expect(page).toHaveURL("/search?q=phone&sort=price-up");
  await expect(order.getByRole("link", { name: "Lowest price" })).toHaveAttribute(
    "aria-current",
    "true",
  );
  const prices = await page.locator(".card__price").allTextContents();
  const cents = prices.map((price) => Number(price.replace(/\D/g, "")));
  expect(cents).toEqual([...cents].sort((a, b) => a - b));
});

test("the old address of a category leads to the new one", async ({ page }) => {
  await page.goto("/?category=Outdoors");
  await expect(page).toHaveURL("/categories/outdoors");
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Outdoors");
});

test("long texts of every script fit the window", { tag: "@phone" }, async ({ page }) => {
  for (const text of ["W".repeat(200), "قهوة".repeat(50), "字".repeat(200), "a ".repeat(100)]) {
    await page.goto(`/search?${new URLSearchParams({ q: text })}`);
    await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
    await expectNoSidewaysScroll(page);
  }
});

test("the header does not move while the page loads", { tag: "@phone" }, async ({ page }) => {
  await page.addInitScript(() => {
    const shifts: number[] = [];
    Object.assign(window, { shifts });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) {
        shifts.push((entry as PerformanceEntry & { value: number }).value);
      }
    }).observe({ type: "layout-shift", buffered: true });
  });
  for (const path of ["/", "/categories/outdoors", "/search?q=phone", "/cart"]) {
    await page.goto(path);
    await page.evaluate(
      () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))),
    );
    const shifts = await page.evaluate(() => (window as unknown as { shifts: number[] }).shifts);
    expect(shifts, path).toEqual([]);
  }
});

test("a product's head has one title, address and picture, and its data is valid", async ({ page, request }) => {
  await page.goto(`/products/${SMARTPHONE.slug}`);
  await expect(page).toHaveTitle(`${SMARTPHONE.name} – Doorbuster`);
  const canonical = page.locator("link[rel=canonical]");
  await expect(canonical).toHaveAttribute("href", new RegExp(`/products/${SMARTPHONE.slug}$`));
  await expect(page.locator("meta[name=description]")).toHaveCount(1);
  const data = await page.locator("script[type='application/ld+json']").allTextContents();
  const kinds = data.map((text) => (JSON.parse(text) as { "@type": string })["@type"]);
  expect(kinds).toEqual(["Product", "BreadcrumbList"]);
  const picture = await page.locator("meta[property='og:image']").getAttribute("content");
  const answer = await request.get(new URL(picture ?? "").pathname);
  expect(answer.headers()["content-type"]).toBe("image/png");
});
