import { expectAccessible, expectNoSidewaysScroll } from "../fixtures/accessibility";
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

test("an order is found only by its number and e-mail address together", { tag: "@phone" }, async ({
  page,
  anotherBrowser,
}) => {
  const contact = guest();
  await goToCheckout(page, [BLOCKS, 2]);
  await pay(page, contact);
  await expect(page).toHaveURL(ORDER_ADDRESS);
  const order = page.url();
  const number = /DB-\d{6}/.exec((await page.getByText(/DB-\d{6}/).textContent())!)![0];

  const reader = await anotherBrowser();
  const look = async (typed: { "Order number": string; "E-mail": string }) => {
    await reader.goto("/");
    await reader.getByRole("link", { name: "Find your order" }).click();
    await fillIn(reader, typed);
    await reader.getByRole("button", { name: "Find order" }).click();
  };
  const address = contact["E-mail"];
  for (const typed of [
    { "Order number": number, "E-mail": address },
    { "Order number": ` ${number.toLowerCase()} `, "E-mail": address.toUpperCase() },
    { "Order number": `${Number(number.slice(3))}`, "E-mail": address.replace("@", "+more@") },
  ]) {
    await look(typed);
    await expect(reader).toHaveURL(order);
    await expect(reader.getByRole("heading", { level: 1 })).toHaveText("Thank you, Ada Lovelace");
  }

  const answers: string[] = [];
  for (const typed of [
    { "Order number": number, "E-mail": "other@example.com" },
    { "Order number": "DB-999999", "E-mail": address },
    { "Order number": "the blue one", "E-mail": address },
  ]) {
    await look(typed);
    await expect(reader).toHaveURL("/orders/find");
    answers.push((await reader.getByRole("alert").textContent())!);
    await expectFilledIn(reader, typed);
  }
  expect(answers[0]).toContain("This order does not exist.");
  expect(new Set(answers).size, "tells a wrong number from a wrong address").toBe(1);
  await expectAccessible(reader);
  await expectNoSidewaysScroll(reader);
});
