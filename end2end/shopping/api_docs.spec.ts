import type { Locator, Page } from "@playwright/test";

import { expectAccessible, expectNoSidewaysScroll } from "../fixtures/accessibility";
import { RADIO } from "../fixtures/catalogue";
import { expect, test } from "../fixtures/shop";
import { stockOf } from "../fixtures/shopper";

test.use({ ownShop: true });

/** Opens an operation of the page to try the API. */
async function open(page: Page, id: string): Promise<Locator> {
  await page.goto(`/api/docs#${id}`);
  const operation = page.locator(`#${id}`);
  await expect(operation).toHaveAttribute("open");
  return operation;
}

test("a request is sent with its parameters, and its answer is shown", { tag: "@phone" }, async ({
  page,
}) => {
  const operation = await open(page, "getProduct");
  await operation.getByLabel("id", { exact: true }).fill(String(RADIO.id));
  await operation.getByRole("button", { name: "Send" }).click();
  const answer = operation.getByRole("status");
  await expect(answer).toContainText("200");
  await expect(answer.getByLabel("Body")).toContainText(`"slug": "${RADIO.slug}"`);
  await expectAccessible(page);
  await expectNoSidewaysScroll(page);
});

test.describe("a rejected request", () => {
  // The browser reports every rejected request itself.
  test.use({ expectedComplaint: /status of 422 .*\/api\/purchase/ });

  test("a purchase by the page sells, and a problem leads to its explanation", async ({ page }) => {
    const before = await stockOf(page.request, RADIO);
    const operation = await open(page, "purchase");
    const body = operation.getByRole("textbox", { name: "Body" });
    const send = operation.getByRole("button", { name: "Send" });
    await body.fill(JSON.stringify({ productId: RADIO.id, quantity: 1 }));
    await send.click();
    const answer = operation.getByRole("status");
    await expect(answer).toContainText("Purchase successful");
    expect(await stockOf(page.request, RADIO)).toBe(before - 1);
    await body.fill(JSON.stringify({ productId: RADIO.id, quantity: 0 }));
    await send.click();
    await expect(answer).toContainText("422");
    await answer.getByRole("link", { name: "What this problem means" }).click();
    await expect(page).toHaveURL("/api/problems#quantity-invalid");
    await expect(page.locator("#quantity-invalid")).toBeInViewport();
  });
});

test("a form is sent with its fields", async ({ page }) => {
  const operation = await open(page, "form-cart-add");
  await operation.getByLabel("product_id", { exact: true }).fill(String(RADIO.id));
  await operation.getByLabel("quantity", { exact: true }).fill("2");
  await operation.getByRole("button", { name: "Send" }).click();
  await expect(operation.getByRole("status")).toContainText("location: /cart");
  await page.goto("/cart");
  await expect(page.getByRole("main")).toContainText(RADIO.name);
});
