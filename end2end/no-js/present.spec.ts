import { expectAccessible } from "../fixtures/accessibility";
import { expectFinishedRun, signIn, simulate } from "../fixtures/administrator";
import { expect, test } from "../fixtures/shop";

// A shop simulates one sale at a time.
test.use({ ownShop: true });

test("the presentation page reloads itself until the run is over", async ({
  page,
  adminPassword,
}) => {
  await signIn(page.request, adminPassword);
  await simulate(page, { Buyers: "150", Stock: "100", "Race window (ms)": "20" });
  await page.goto(page.url().replace("/admin/simulations/", "/present/"));
  await expect(page.getByTestId("run-state")).toHaveText("Running");
  await expectFinishedRun(page);
  await expect(page.getByTestId("sold")).toHaveText("100");
  await expect(page.getByTestId("undersold")).toHaveText("0");
  await expectAccessible(page);
});

test("files, certificate and comparison need no JavaScript", async ({ page, adminPassword }) => {
  await signIn(page.request, adminPassword);
  await simulate(page, { Buyers: "10", Stock: "5" });
  await expectFinishedRun(page);
  // Actions that need a script are hidden.
  await expect(page.getByRole("button", { name: "Picture (PNG)" })).toBeHidden();
  await page.getByRole("link", { name: "Certificate" }).click();
  await expect(page.getByRole("status")).toContainText("It holds");
  await simulate(page, { Buyers: "10", Stock: "5", Seed: "2" });
  await page.goto("/admin/simulations/runs");
  await page.getByRole("checkbox").nth(0).check();
  await page.getByRole("checkbox").nth(1).check();
  await page.getByRole("button", { name: "Compare selected runs" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Compare runs");
  await expectAccessible(page);
});
