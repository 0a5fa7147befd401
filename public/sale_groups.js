// Moves the cards of the home page between its groups when a sale starts, sells out or ends, or
// when its plan changes. The islands on the cards follow the sales and write their state into
// `data-sale`; no request is made. Without JavaScript, the page loads again at the next start or
// end.
(() => {
  const root = document.documentElement;
  const groups = [...document.querySelectorAll("[data-states]")];
  const listOf = (group) => group.querySelector("ul");

  const cardsOf = (list) => [...list.children];
  const stateOf = (card) => card.querySelector("[data-sale]").dataset.sale.split(" ");

  // As the server sorts them: what opens next by its start, everything else by its product.
  const rank = (card) => {
    const [state, start] = stateOf(card);
    return [state === "announced" ? Number(start) : 0, Number(card.dataset.product)];
  };
  const isBefore = (card, other) => {
    const [[start, product], [otherStart, otherProduct]] = [rank(card), rank(other)];
    return start === otherStart ? product < otherProduct : start < otherStart;
  };

  // A card that is pointed at or has the focus would slip away from a shopper who is about to press
  // it. It has changed where it is, and moves when it is left.
  const isInUse = (card) => card.matches(":hover, :focus-within");

  const move = (card) => {
    const [state] = stateOf(card);
    const list = listOf(groups.find((group) => group.dataset.states.split(" ").includes(state)));
    const others = cardsOf(list).filter((other) => other !== card);
    const next = others.find((other) => isBefore(card, other)) ?? null;
    if (card.parentElement !== list || card.nextElementSibling !== next) {
      list.insertBefore(card, next);
    }
  };

  /** The cards that have changed and are not in their place yet. */
  const changed = new Set();
  const arrange = () => {
    for (const card of changed) {
      if (!isInUse(card)) {
        changed.delete(card);
        move(card);
      }
    }
    for (const group of groups) {
      group.hidden = listOf(group).childElementCount === 0;
    }
  };

  const add = (card) => {
    if (card) {
      changed.add(card);
    }
  };
  const start = () => {
    const observer = new MutationObserver((changes) => {
      changes.forEach(({ target }) => add(target.closest("[data-product]")));
      arrange();
    });
    for (const group of groups) {
      const list = listOf(group);
      observer.observe(list, { subtree: true, attributeFilter: ["data-sale"] });
      cardsOf(list).forEach(add);
      for (const left of ["pointerout", "focusout"]) {
        // The card is no longer in use once the event is over.
        list.addEventListener(left, () => changed.size && setTimeout(arrange));
      }
    }
    arrange();
  };

  // The page is hydrated in the order of its elements, so nothing moves before that is done.
  if (root.dataset.awake) {
    start();
  } else {
    new MutationObserver((_, observer) => {
      observer.disconnect();
      start();
    }).observe(root, { attributeFilter: ["data-awake"] });
  }
})();
