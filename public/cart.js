// Keeps the sums of an open cart right. The islands on its lines say at once when a sale starts or
// ends, or its price or limit changes, and write that into `data-terms`. The sums are the server's:
// this fetches the cart and takes its parts, without a page load. Without JavaScript, the page
// loads again at the next start or end.
(() => {
  /** The carts that see the same change come within this time, not all at once. */
  const SPREAD_MS = 2_000;
  /** If the server's answer is still another one than what the stream says, the next comes later. */
  const SPREAD_MS_MAX = 60_000;
  /** After so long without a wait, the next change is spread over the shortest time again. */
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
  const keyOf = ({ localName, className, id, href, form, dataset }) =>
    JSON.stringify([
      localName,
      className,
      id,
      href,
      dataset.step,
      form?.action,
      form?.elements.product_id?.value,
    ]);

  const send = (event, input) => input.dispatchEvent(new Event(event, { bubbles: true }));

  const typedQuantities = () =>
    new Map(
      [...document.querySelectorAll(".quantity input")]
        .filter((input) => input.value !== input.defaultValue)
        .map((input) => [input.id, { value: input.value, isValid: input.validity.valid }]),
    );

  /** The browser reports no change of a value that a script has set. */
  const reportWhenLeft = (input) => {
    const report = () => {
      if (input.value !== input.defaultValue && !("sent" in input.form.dataset)) {
        send("change", input);
      }
    };
    input.addEventListener("blur", report, { once: true });
  };

  const restoreTyped = (typed, key) => {
    for (const input of document.querySelectorAll(".quantity input")) {
      const before = typed.get(input.id);
      if (before) {
        input.value = before.value;
        if (keyOf(input) === key) {
          // It may be half typed.
          reportWhenLeft(input);
        } else if (before.isValid) {
          send("change", input);
        }
      }
      // The buttons beside it show its bounds.
      send("input", input);
    }
  };

  /** Puts the focus where it was; if that control is gone, on the page's content. */
  const restoreFocus = (key) => {
    const main = document.querySelector("main");
    const controls = [...main.querySelectorAll("a, button, input")];
    const control = controls.find((control) => keyOf(control) === key && !control.disabled);
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
    restoreTyped(typed, key);
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

  /** True if the shopper has sent a form: another page is on its way. */
  const isLeaving = () => document.querySelector("form[data-sent]") !== null;

  /** The islands of another release may need other properties. */
  const releaseOf = (page) => page.querySelector("script[data-module]")?.dataset.module;

  let timer;
  let spread = SPREAD_MS;
  let refreshedAt = -Infinity;
  let isRefreshing = false;
  let hasChanged = false;

  const takeLatest = async () => {
    const page = await fetchCart();
    if (isLeaving()) {
      return;
    }
    // Another window may have emptied the cart.
    if (!part(page, "lines") || releaseOf(page) !== releaseOf(document)) {
      location.reload();
      return;
    }
    // From now on, only the new lines count.
    hasChanged = false;
    await take(page);
    say("A sale has changed. The subtotal is up to date.");
  };

  const refresh = async () => {
    timer = undefined;
    if (document.hidden) {
      document.addEventListener("visibilitychange", schedule, { once: true });
      return;
    }
    if (isLeaving()) {
      return;
    }
    // The page is hydrated in the order of its elements: until then, no part is replaced.
    if (!document.documentElement.dataset.awake) {
      schedule();
      return;
    }
    const isCalm = performance.now() - refreshedAt > spread + CALM_MS;
    spread = isCalm ? SPREAD_MS : Math.min(2 * spread, SPREAD_MS_MAX);
    isRefreshing = true;
    try {
      await takeLatest();
    } catch {
      say("A sale has changed. Reload the page to see the new subtotal.");
      hasChanged = true;
    }
    refreshedAt = performance.now();
    isRefreshing = false;
    if (hasChanged) {
      schedule();
    }
  };

  /** One at a time: an earlier answer must not replace a later one. */
  const schedule = () => {
    hasChanged = true;
    if (!isRefreshing) {
      timer ??= setTimeout(refresh, Math.random() * spread);
    }
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
