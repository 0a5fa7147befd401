import type { APIResponse } from "@playwright/test";

import { BLOCKS, CONTROLLER, FLASK, RADIO, TABLET } from "../fixtures/catalogue";
import { expect, test } from "../fixtures/shop";
import { QUANTITY_SENTENCE, stockOf } from "../fixtures/shopper";

test.use({ ownShop: true });

const NO_PRODUCT = 999_999;
const BODY_BYTES_MAX = 64 * 1024;
const JSON_TYPE = { "Content-Type": "application/json" };

async function expectProblem(
  response: APIResponse,
  status: number,
  detail: string | RegExp,
): Promise<void> {
  expect(response.status()).toBe(status);
  expect(response.headers()["content-type"]).toBe("application/problem+json");
  const problem = await response.json();
  expect(problem.status).toBe(status);
  expect(problem.detail).toMatch(detail);
  expect(problem.error).toBe(problem.detail);
}

test("a purchase returns the remaining stock and an order with a working link", async ({
  page,
}) => {
  const before = await stockOf(page.request, RADIO);
  const response = await page.request.post("/api/purchase", {
    data: { productId: RADIO.id, quantity: 2 },
  });
  await expect(response).toBeOK();
  const answer = await response.json();
  expect(answer).toEqual({
    message: "Purchase successful",
    remainingStock: before - 2,
    orderId: expect.stringMatching(/^[0-9a-f-]{36}$/),
  });
  expect(await stockOf(page.request, RADIO)).toBe(before - 2);
  await page.goto(`/orders/${answer.orderId}`);
  await expect(page.getByRole("row").filter({ hasText: RADIO.name })).toContainText("2");
});

test.describe("an invalid purchase returns a readable error and takes no stock", () => {
  const whole = /productId must be a whole number/;
  for (const [what, body, status, detail] of [
    ["an unknown product", { productId: NO_PRODUCT, quantity: 1 }, 404, /This product does not exist/],
    ["a quantity of 0", { productId: BLOCKS.id, quantity: 0 }, 422, QUANTITY_SENTENCE],
    ["a quantity of -7", { productId: BLOCKS.id, quantity: -7 }, 422, QUANTITY_SENTENCE],
    ["a quantity of 1.5", { productId: BLOCKS.id, quantity: 1.5 }, 422, QUANTITY_SENTENCE],
    ["a quantity of 1001", { productId: BLOCKS.id, quantity: 1001 }, 422, QUANTITY_SENTENCE],
    ["a quantity of 1e19", { productId: BLOCKS.id, quantity: 1e19 }, 422, QUANTITY_SENTENCE],
    ["a quantity in quotes", { productId: BLOCKS.id, quantity: "1" }, 422, QUANTITY_SENTENCE],
    ["a quantity of null", { productId: BLOCKS.id, quantity: null }, 422, QUANTITY_SENTENCE],
    ["no product", { quantity: 1 }, 422, whole],
    ["a product by name", { productId: "chess-set", quantity: 1 }, 422, whole],
    ["half a product", { productId: 1.5, quantity: 1 }, 422, whole],
    ["a list", [BLOCKS.id, 1], 422, /must be an object/],
    [
      "more than there is",
      { productId: TABLET.id, quantity: 46 },
      409,
      "Insufficient stock for Reading Tablet (available: 45, requested: 46)",
    ],
    [
      "a product with a limit per customer",
      { productId: CONTROLLER.id, quantity: 1 },
      409,
      `Wireless Game Controller is limited to 5 per customer. Buy it in the shop, at /products/${CONTROLLER.slug}: an express purchase names no customer.`,
    ],
  ] as const) {
    test(`${what}: ${status}`, async ({ request }) => {
      const stock = () =>
        Promise.all([BLOCKS, CONTROLLER, TABLET].map((product) => stockOf(request, product)));
      const before = await stock();
      await expectProblem(await request.post("/api/purchase", { data: body }), status, detail);
      expect(await stock()).toEqual(before);
    });
  }

  for (const [what, data, headers, status, detail] of [
    ["half a JSON object", '{"productId": 19, "quant', JSON_TYPE, 400, /malformed/],
    ["an empty body", "", JSON_TYPE, 400, /malformed/],
    [
      "a form",
      "productId=19&quantity=1",
      { "Content-Type": "application/x-www-form-urlencoded" },
      415,
      "Send the request body as application/json.",
    ],
    [
      "JSON that is called plain text",
      '{"productId": 19, "quantity": 1}',
      { "Content-Type": "text/plain" },
      415,
      "Send the request body as application/json.",
    ],
    [
      "a body that is too large",
      JSON.stringify({ productId: 19, quantity: 1, note: "x".repeat(BODY_BYTES_MAX) }),
      JSON_TYPE,
      413,
      "The request is larger than 65536 bytes.",
    ],
    [
      "an idempotency key of other letters",
      '{"productId": 19, "quantity": 1}',
      { ...JSON_TYPE, "Idempotency-Key": "what is this?" },
      422,
      /An idempotency key has 16 to 100 characters/,
    ],
    [
      "an idempotency key that another client could choose too",
      '{"productId": 19, "quantity": 1}',
      { ...JSON_TYPE, "Idempotency-Key": "1" },
      422,
      /An idempotency key has 16 to 100 characters/,
    ],
  ] as const) {
    test(`${what}: ${status}`, async ({ request }) => {
      const before = await stockOf(request, BLOCKS);
      // As bytes: Playwright would send a string as a JSON string.
      const response = await request.post("/api/purchase", { data: Buffer.from(data), headers });
      await expectProblem(response, status, detail);
      expect(await stockOf(request, BLOCKS)).toBe(before);
    });
  }

  test("an unknown strategy: 422, and an unsafe one: 403", async ({ request }) => {
    const before = await stockOf(request, BLOCKS);
    const data = { productId: BLOCKS.id, quantity: 1 };
    await expectProblem(
      await request.post("/api/purchase?strategy=hope", { data }),
      422,
      "This strategy does not exist.",
    );
    await expectProblem(
      await request.post("/api/purchase?strategy=unguarded", { data }),
      403,
      /can sell only from a private lane/,
    );
    expect(await stockOf(request, BLOCKS)).toBe(before);
  });

  test("another method: 405", async ({ request }) => {
    await expectProblem(await request.get("/api/purchase"), 405, /does not support that HTTP method/);
  });
});

test("the same idempotency key and body buy once and return the same response", async ({ request }) => {
  const before = await stockOf(request, FLASK);
  const headers = { "Idempotency-Key": crypto.randomUUID() };
  const purchase = (quantity: number) =>
    request.post("/api/purchase", { data: { productId: FLASK.id, quantity }, headers });
  const answers = await Promise.all([purchase(2), purchase(2), purchase(2)]);
  answers.push(await purchase(2));
  const bodies = await Promise.all(answers.map((answer) => answer.text()));
  for (const [index, answer] of answers.entries()) {
    await expect(answer).toBeOK();
    expect(bodies[index]).toBe(bodies[0]);
  }
  expect(await stockOf(request, FLASK)).toBe(before - 2);

  await expectProblem(
    await purchase(1),
    409,
    "This idempotency key was already used for another request.",
  );
  expect(await stockOf(request, FLASK)).toBe(before - 2);
});

test("an idempotency key of a rejected request can be reused", async ({ request }) => {
  const headers = { "Idempotency-Key": crypto.randomUUID() };
  const purchase = (quantity: number) =>
    request.post("/api/purchase", { data: { productId: FLASK.id, quantity }, headers });
  const before = await stockOf(request, FLASK);
  await expectProblem(await purchase(999), 409, /^Insufficient stock for Vacuum Flask/);
  await expect(await purchase(1)).toBeOK();
  expect(await stockOf(request, FLASK)).toBe(before - 1);
});

test("a cross-site request is rejected on every route", async ({
  request,
  shop,
}) => {
  const before = await stockOf(request, BLOCKS);
  const fromElsewhere = { Origin: "https://elsewhere.example", "Sec-Fetch-Site": "cross-site" };
  const sentence = "This request came from another site and was blocked.";
  for (const headers of [
    fromElsewhere,
    { Origin: "https://elsewhere.example" },
    { Origin: "null" },
    { "Sec-Fetch-Site": "same-site" },
  ]) {
    await expectProblem(
      await request.post("/api/purchase", {
        data: { productId: BLOCKS.id, quantity: 1 },
        headers: headers as Record<string, string>,
      }),
      403,
      sentence,
    );
  }
  for (const form of [
    "cart/add",
    "checkout/enter",
    "checkout/change",
    "checkout/pay",
    "admin/login",
    "admin/order",
    "admin/simulate",
  ]) {
    await expectProblem(
      await request.post(`/api/form/${form}`, { form: {}, headers: fromElsewhere }),
      403,
      sentence,
    );
  }
  expect(await stockOf(request, BLOCKS)).toBe(before);
  await expect(
    await request.post("/api/purchase", {
      data: { productId: BLOCKS.id, quantity: 1 },
      headers: { Origin: shop.url, "Sec-Fetch-Site": "same-origin" },
    }),
  ).toBeOK();
});

test("a malformed form is rejected with a status and the same errors", async ({
  request,
}) => {
  const add = (form: Record<string, string>) => request.post("/api/form/cart/add", { form });
  const product_id = `${BLOCKS.id}`;
  await expectProblem(await add({ product_id, quantity: "-7" }), 422, QUANTITY_SENTENCE);
  await expectProblem(await add({ product_id }), 422, QUANTITY_SENTENCE);
  await expectProblem(await add({ product_id: "x", quantity: "1" }), 404, /This product does not exist/);
  await expectProblem(
    await add({ product_id: `${NO_PRODUCT}`, quantity: "1" }),
    404,
    /This product does not exist/,
  );
  await expectProblem(
    await add({ product_id, quantity: "1", note: "x".repeat(BODY_BYTES_MAX) }),
    413,
    "The request is larger than 65536 bytes.",
  );
  await expectProblem(
    await request.post("/api/form/cart/add", { data: { product_id, quantity: "1" } }),
    415,
    "Send the request body as application/x-www-form-urlencoded.",
  );
  await expectProblem(
    await request.post("/api/form/cart/steal", { form: {} }),
    404,
    "This page does not exist.",
  );
  await expectProblem(
    await request.post("/api/form/checkout/pay", { form: { name: "Ada" } }),
    409,
    "Your cart is empty.",
  );
});
