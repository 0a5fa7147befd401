import { BLOCKS } from "../fixtures/catalogue";
import { expect, test } from "../fixtures/shop";
import { ORDER_ADDRESS, fillIn, goToCheckout, guest, pay } from "../fixtures/shopper";

test("without JavaScript, a customer finds their order", async ({
  page,
  anotherBrowser,
}) => {
  const contact = guest();
  await goToCheckout(page, [BLOCKS, 1]);
  await pay(page, contact);
  await expect(page).toHaveURL(ORDER_ADDRESS);
  const order = page.url();
  const number = /DB-\d{6}/.exec((await page.getByText(/DB-\d{6}/).textContent())!)![0];

  const reader = await anotherBrowser();
  await reader.goto("/orders/find");
  await fillIn(reader, { "Order number": `#${Number(number.slice(3))}`, "E-mail": "x@example.com" });
  await reader.getByRole("button", { name: "Find order" }).click();
  await expect(reader.getByRole("alert")).toContainText("This order does not exist.");
  await fillIn(reader, { "E-mail": contact["E-mail"] });
  await reader.getByRole("button", { name: "Find order" }).click();
  await expect(reader).toHaveURL(order);
});
