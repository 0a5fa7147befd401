import { createHmac } from "node:crypto";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

import { expectAccessible, expectNoSidewaysScroll } from "../fixtures/accessibility";
import { signIn } from "../fixtures/administrator";
import { RADIO } from "../fixtures/catalogue";
import { expect, test } from "../fixtures/shop";

test.use({ ownShop: true });

interface Delivery {
  headers: IncomingHttpHeaders;
  body: string;
}

/** A subscriber that rejects the first request and acknowledges all others. */
class Subscriber {
  readonly deliveries: Delivery[] = [];
  private readonly server: Server = createServer(async (request, response) => {
    const body = await text(request);
    response.statusCode = this.deliveries.length === 0 ? 500 : 204;
    this.deliveries.push({ headers: request.headers, body });
    response.end();
  });

  /** Returns its URL. */
  async listen(): Promise<string> {
    this.server.listen(0, "127.0.0.1");
    await once(this.server, "listening");
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/events`;
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}

test("a purchase reaches a subscriber, signed, and again after a failure", async ({
  page,
  adminPassword,
}) => {
  const subscriber = new Subscriber();
  const url = await subscriber.listen();
  try {
    await signIn(page.request, adminPassword);
    await page.goto("/admin");
    await page.getByRole("link", { name: "Events" }).click();
    await expect(page).toHaveURL("/admin/events");
    await page.getByLabel("Send to").fill("warehouse");
    await page.getByRole("button", { name: "Subscribe" }).click();
    await expect(page.getByLabel("Send to")).toHaveValue("warehouse");
    await expect(page.getByText("Enter a URL (https://…)").first()).toBeVisible();

    await page.getByLabel("Send to").fill(url);
    await page.getByRole("button", { name: "Subscribe" }).click();
    await expect(page.getByRole("button", { name: "Unsubscribe" })).toBeVisible();
    const bought = await page.request.post("/api/purchase", {
      data: { productId: RADIO.id, quantity: 1 },
    });
    const { orderId } = await bought.json();

    // The first request is rejected: it comes again after a second.
    const ofOrder = () => subscriber.deliveries.filter(({ body }) => body.includes(orderId));
    await expect.poll(() => subscriber.deliveries.length).toBeGreaterThan(1);
    await expect.poll(() => ofOrder().length).toBeGreaterThan(0);
    await expect(async () => {
      await page.goto("/admin/events");
      await expect(page.getByText("All events are delivered.")).toBeVisible({ timeout: 1_000 });
    }).toPass();
    await expect(page.getByRole("row").filter({ hasText: orderId })).toContainText("delivered");

    await page.getByText("Secret of the signatures").click();
    const secret = (await page.locator("details code").last().textContent()) ?? "";
    for (const { headers, body } of subscriber.deliveries) {
      const [, time, signature] = /^t=(\d+),v1=([0-9a-f]+)$/.exec(
        String(headers["doorbuster-signature"]),
      )!;
      expect(createHmac("sha256", secret).update(`${time}.${body}`).digest("hex")).toBe(signature);
    }
    // On a phone, the state of a delivery is visible without scrolling its table.
    await page.setViewportSize({ width: 390, height: 844 });
    const deliveries = page.getByRole("region", { name: "Deliveries of the latest events" });
    const beside = await deliveries.evaluate((table) => table.scrollWidth - table.clientWidth);
    expect(beside, "pixels of the table beside the screen").toBe(0);
    for (const width of [390, 1280]) {
      await page.setViewportSize({ width, height: 844 });
      await expectNoSidewaysScroll(page);
      await expectAccessible(page);
    }

    await page.getByRole("button", { name: "Unsubscribe" }).click();
    await expect(page.getByRole("button", { name: "Subscribe" })).toBeVisible();
  } finally {
    subscriber.close();
  }
});

test("a server without Redis says so on its pages", async ({ page, adminPassword }) => {
  await signIn(page.request, adminPassword);
  for (const address of ["/admin/redis", "/admin/queue"]) {
    await page.goto(address);
    await expect(page.getByText("This server has no Redis.")).toBeVisible();
    await expectAccessible(page);
    await page.setViewportSize({ width: 390, height: 844 });
    await expectNoSidewaysScroll(page);
    await page.setViewportSize({ width: 1280, height: 800 });
  }
});
