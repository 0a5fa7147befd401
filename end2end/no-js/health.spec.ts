import { expectAccessible, expectNoSidewaysScroll } from "../fixtures/accessibility";
import { signIn } from "../fixtures/administrator";
import { expect, test } from "../fixtures/shop";

test("figures have a history and lead to the incident guide without JavaScript", async ({
  page,
  adminPassword,
}) => {
  await signIn(page.request, adminPassword);
  await page.goto("/admin");
  await page.getByRole("link", { name: "Health" }).click();
  await expect(page).toHaveURL("/admin/health");
  const figure = page.getByRole("region", { name: "Age of the continuous audit" });
  // The page loads itself again every ten seconds.
  await expect(figure.getByRole("img", { name: /in the last hour: now/ })).toBeVisible({
    timeout: 40_000,
  });
  await expect(page.getByTestId("uptime")).toContainText("This server started");
  for (const width of [390, 1280]) {
    await page.setViewportSize({ width, height: 844 });
    await expectNoSidewaysScroll(page);
    await expectAccessible(page);
  }
  await page.getByRole("link", { name: "Last day" }).click();
  await expect(page).toHaveURL("/admin/health?period=day");
  await expect(figure.getByRole("img", { name: /in the last day/ })).toBeVisible();

  await figure.getByRole("link", { name: "What to do" }).click();
  await expect(page).toHaveURL("/admin/health/guide#the-audit-is-late");
  await expect(page.getByRole("heading", { name: "The audit is late" })).toBeInViewport();
  for (const width of [1280, 390]) {
    await page.setViewportSize({ width, height: 844 });
    await expectNoSidewaysScroll(page);
    await expectAccessible(page);
  }
});
