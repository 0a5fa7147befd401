// Makes the buttons beside a quantity work, and lets the cart follow a changed quantity by itself.
// Without JavaScript the buttons are not shown, and the cart has a button to update it.
(() => {
  // Longer than the time between two presses of a button, shorter than a shopper waits.
  const PAUSE_MS = 600;

  const inputOf = (button) => button.parentElement.querySelector("input");
  const bounds = (input) => [Number(input.min) || 1, Number(input.max) || Infinity];

  const showBounds = (input) => {
    const [least, most] = bounds(input);
    const value = Number(input.value);
    for (const button of input.parentElement.querySelectorAll("[data-step]")) {
      const isLess = Number(button.dataset.step) < 0;
      // A disabled button would lose the focus of a keyboard.
      button.setAttribute("aria-disabled", String(isLess ? value <= least : value >= most));
    }
  };

  const inputs = () => document.querySelectorAll(".quantity input");

  addEventListener("click", ({ target }) => {
    const button = target instanceof Element ? target.closest("[data-step]") : null;
    if (!button) {
      return;
    }
    const input = inputOf(button);
    const [least, most] = bounds(input);
    const wanted = (Number(input.value) || 0) + Number(button.dataset.step);
    const value = String(Math.min(Math.max(wanted, least), most));
    if (value !== input.value) {
      input.value = value;
      input.dispatchEvent(new Event("input", { bubbles: true }));
      input.dispatchEvent(new Event("change", { bubbles: true }));
    }
  });

  addEventListener("input", ({ target }) => {
    if (target instanceof Element && target.matches(".quantity input")) {
      showBounds(target);
    }
  });

  const waiting = new WeakMap();
  addEventListener("change", ({ target }) => {
    const form = target instanceof Element ? target.closest("form[data-posts-change]") : null;
    if (!form) {
      return;
    }
    clearTimeout(waiting.get(form));
    // Meanwhile `cart.js` may have replaced the form; it reports what was typed again.
    const send = () => form.isConnected && form.requestSubmit();
    waiting.set(form, setTimeout(send, PAUSE_MS));
  });
  // A form that is sent already is not sent again.
  addEventListener("submit", ({ target }) => clearTimeout(waiting.get(target)));

  // On a product's page, the bound follows the stock.
  const observer = new MutationObserver((changes) => changes.forEach(({ target }) => showBounds(target)));
  inputs().forEach((input) => observer.observe(input, { attributeFilter: ["max"] }));

  const showAll = () => inputs().forEach(showBounds);
  addEventListener("pageshow", showAll);
  showAll();
})();
