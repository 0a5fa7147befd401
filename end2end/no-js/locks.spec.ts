import { expectAccessible } from "../fixtures/accessibility";
import { expectVerdict, signIn, simulate } from "../fixtures/administrator";
import { expect, test } from "../fixtures/shop";

// A shop simulates one sale at a time.
test.use({ ownShop: true });

test("without JavaScript, the server draws the lock queue during and after the run", async ({
  page,
  adminPassword,
}) => {
  await signIn(page.request, adminPassword);
  await simulate(page, { Buyers: "12", Stock: "6", "Race window (ms)": "500" });
  const queue = page.getByRole("region", { name: "Lock queue" });
  // The page reloads itself every two seconds.
  await expect(queue.getByTestId("lock-waiter").first()).toContainText(/Session \d+/);
  await expect(queue).toContainText("Now");
  await expectVerdict(page, { sold: 6, rejected: 6, remaining: 0, oversold: 0, undersold: 0 });
  await expect(queue).toContainText("Lane ended: longest queue");
  const waiters = await queue.getByTestId("lock-waiter").count();
  expect(waiters).toBeGreaterThan(1);
  await expect(queue.getByTestId("locks-sentence")).toContainText(`${waiters} sessions waited.`);
  await queue.getByText("Show as table").click();
  await expect(queue.getByRole("row")).toHaveCount(waiters + 2);
  await expect(
    page.getByRole("img", { name: /^Time spent by the first buyers, one row each/ }),
  ).toBeVisible();
  await expectAccessible(page);
});
