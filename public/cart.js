// Keeps the sums of an open cart right. The islands on its lines say at once when a sale starts or
// ends, or its price or limit changes, and write that into `data-terms`. The sums are the server's:
// this fetches the cart and takes its parts, without a page load. Without JavaScript, the page
// loads again at the next start or end.
(() => {
  /** The carts that see the same change come within this time, not all at once. */
  const SPREAD_MS = 2_000;
  /** If the server's answer is still another one than what the stream says, the next comes later. */
  const SPREAD_MS_MAX = 60_000;
  /** Without a change for so long, the next one is spread over the shortest time again. */
  const CALM_MS = 20_000;
  const TIMEOUT_MS = 20_000;
  const PARTS = ["notices", "lines", "summary"];

  const part = (root, name) => root.querySelector(`[data-part="${name}"]`);
  const lines = () => [...part(document, "lines").children];
  const unitPrice = (line) => line.querySelector(".line__unit").textContent;

  /** The prices as this page first showed them, by product. */
  const shownPrices = new Map(lines().map((line) => [line.dataset.product, unitPrice(line)]));

  const showOldPrices = () => {
    for (const line of lines()) {
      const before = shownPrices.get(line.dataset.product);
      if (before !== undefined && before !== unitPrice(line)) {
        const note = document.createElement("p");
        note.className = "line__was";
        note.textContent = `It was ${before} when you opened this page.`;
        line.querySelector(".line__unit").after(note);
      }
    }
  };

  const say = (text) => {
    document.querySelector(".summary__news").textContent = text;
  };

  /** What tells a control of the cart from all others, also after its line was replaced. */
  const keyOf = ({ localName, className, id, href, form }) =>
    JSON.stringify([localName, className, id, href, form?.action, form?.elements.product_id?.value]);

  const typedQuantities = () =>
    new Map(
      [...document.querySelectorAll(".quantity input")]
        .filter((input) => input.value !== input.defaultValue)
        .map((input) => [input.id, input.value]),
    );

  const restoreTyped = (typed) => {
    for (const input of document.querySelectorAll(".quantity input")) {
      const value = typed.get(input.id);
      if (value !== undefined) {
        input.value = value;
        input.dispatchEvent(new Event("change", { bubbles: true }));
      }
      // The buttons beside it show its bounds.
      input.dispatchEvent(new Event("input", { bubbles: true }));
    }
  };

  /** Puts the focus where it was; if that control is gone, on the page's content. */
  const restoreFocus = (key) => {
    const main = document.querySelector("main");
    const control = [...main.querySelectorAll("a, button, input")].find((control) => keyOf(control) === key);
    (control ?? main).focus({ preventScroll: true });
  };

  const take = async (page) => {
    const typed = typedQuantities();
    const { activeElement } = document;
    const key = activeElement?.closest("[data-part]") ? keyOf(activeElement) : undefined;
    for (const name of PARTS) {
      part(document, name).replaceChildren(...part(page, name).cloneNode(true).childNodes);
    }
    showOldPrices();
    restoreTyped(typed);
    if (key !== undefined) {
      restoreFocus(key);
    }
    for (const name of PARTS) {
      await window.doorbusterIslands?.hydrate(part(document, name));
    }
  };

  const fetchCart = async () => {
    const response = await fetch(location.href, {
      headers: { Accept: "text/html" },
      signal: AbortSignal.timeout?.(TIMEOUT_MS),
    });
    if (!response.ok) {
      throw new Error(`status ${response.status}`);
    }
    return new DOMParser().parseFromString(await response.text(), "text/html");
  };

  let spread = SPREAD_MS;
  let timer;
  let refreshedAt = -CALM_MS;

  const refresh = async () => {
    timer = undefined;
    if (document.hidden) {
      document.addEventListener("visibilitychange", schedule, { once: true });
      return;
    }
    // Another page is on its way.
    if (document.querySelector("form[data-sent]")) {
      return;
    }
    spread = performance.now() - refreshedAt > CALM_MS ? SPREAD_MS : Math.min(2 * spread, SPREAD_MS_MAX);
    refreshedAt = performance.now();
    try {
      const page = await fetchCart();
      if (!part(page, "lines")) {
        // Another window has emptied the cart.
        location.reload();
        return;
      }
      await take(page);
      say("A sale has changed. The subtotal is up to date.");
    } catch {
      say("A sale has changed. Reload the page to see the new subtotal.");
      schedule();
    }
  };

  const schedule = () => {
    timer ??= setTimeout(refresh, Math.random() * spread);
  };

  new MutationObserver((changes) => {
    if (changes.some(({ target, oldValue }) => target.dataset.terms !== oldValue)) {
      schedule();
    }
  }).observe(part(document, "lines"), {
    subtree: true,
    attributeFilter: ["data-terms"],
    attributeOldValue: true,
  });
})();
