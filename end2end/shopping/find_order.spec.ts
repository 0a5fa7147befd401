import type { Page } from "@playwright/test";

import { expectAccessible, expectAccessibleAtAnyWidth } from "../fixtures/accessibility";
import { signIn } from "../fixtures/administrator";
import { BLOCKS } from "../fixtures/catalogue";
import { expect, test } from "../fixtures/shop";
import {
  ORDER_ADDRESS,
  expectFilledIn,
  fillIn,
  goToCheckout,
  guest,
  pay,
} from "../fixtures/shopper";

const LINK = /\/orders\/find\?link=[0-9a-f.]+$/;

interface Typed extends Record<string, string> {
  "Order number": string;
  "E-mail": string;
}

/** Orders for `email`. Returns the address of the order's page and its number. */
async function order(page: Page, email?: string): Promise<{ url: string; number: string }> {
  const contact = guest();
  await goToCheckout(page, [BLOCKS, 2]);
  await pay(page, email ? { ...contact, "E-mail": email } : contact);
  await expect(page).toHaveURL(ORDER_ADDRESS);
  const number = /DB-\d{6}/.exec((await page.getByText(/DB-\d{6}/).textContent())!)![0];
  return { url: page.url(), number };
}

/** Fills in the form to find an order, starting from the catalogue. */
async function look(page: Page, typed: Typed): Promise<void> {
  await page.goto("/");
  await page.getByRole("link", { name: "Find your order" }).click();
  await fillIn(page, typed);
  await page.getByRole("button", { name: "Find order" }).click();
}

test("an order is found only by its number and the e-mail address together", async ({
  page,
  anotherBrowser,
}) => {
  const email = guest()["E-mail"];
  const first = await order(page, email);
  // The browser does not refuse a pasted character that cannot be seen.
  const second = await order(page, email.toUpperCase().replace("@", "\u200b@"));
  const digits = `${Number(first.number.slice(3))}`;

  const reader = await anotherBrowser();
  for (const typed of [
    { "Order number": first.number, "E-mail": email },
    { "Order number": ` ${first.number.toLowerCase()} `, "E-mail": email.toUpperCase() },
    { "Order number": `db ${digits}`, "E-mail": `${email} ` },
    { "Order number": `#${digits}`, "E-mail": email.replace("@", "\u200b@") },
  ]) {
    await look(reader, typed);
    await expect(reader).toHaveURL(first.url);
    await expect(reader.getByRole("heading", { level: 1 })).toHaveText("Thank you, Ada Lovelace");
    // Anyone can order with this address: one order leads to no other.
    await expect(reader.getByText(second.number)).toHaveCount(0);
  }

  const answers: string[] = [];
  for (const typed of [
    { "Order number": first.number, "E-mail": "other@example.com" },
    { "Order number": first.number, "E-mail": email.replace("@", "+more@") },
    { "Order number": "DB-999999", "E-mail": email },
    { "Order number": "the blue one", "E-mail": email },
  ]) {
    await look(reader, typed);
    await expect(reader).toHaveURL("/orders/find");
    answers.push((await reader.getByRole("alert").textContent())!);
    await expectFilledIn(reader, typed);
  }
  expect(answers[0]).toContain("This order does not exist.");
  expect(new Set(answers).size, "tells a wrong number from a wrong address").toBe(1);
  await expectAccessibleAtAnyWidth(reader);
});

test("the link for a customer lists their orders", async ({
  page,
  anotherBrowser,
  adminPassword,
}) => {
  const shopper = await anotherBrowser();
  const email = guest()["E-mail"];
  const first = await order(shopper, email);
  const { url, number } = await order(shopper, email.toUpperCase());
  await expect(shopper.locator("a[href*='link=']")).toHaveCount(0);
  await signIn(page.request, adminPassword);
  await page.goto(url.replace("/orders/", "/admin/orders/"));
  await page.getByRole("link", { name: "Link for the customer" }).click();
  await expect(page).toHaveURL(LINK);
  await expect(page.getByRole("rowheader")).toHaveText([number, first.number]);

  // The shop sends it to the customer, who may keep it.
  const customer = await anotherBrowser();
  const response = await customer.goto(page.url());
  expect(response!.headers()["referrer-policy"]).toBe("no-referrer");
  await expectAccessibleAtAnyWidth(customer);
  await customer.getByRole("link", { name: first.number }).click();
  await expect(customer).toHaveURL(first.url);
});

test.describe("a link that the shop did not sign", () => {
  test.use({ expectedComplaint: /404/ });

  test("shows the form", async ({ page }) => {
    await page.goto("/orders/find?link=1.9999999999.00");
    await expect(page.getByRole("alert")).toContainText("This link is not valid.");
    await expect(page.getByLabel("Order number")).toBeVisible();
    await expectAccessible(page);
  });
});
