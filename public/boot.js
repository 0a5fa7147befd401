// Wakes the islands of a page once it has loaded and the browser is idle: everything on it works before that, and a script that comes
// early would only delay what the shopper came to see. Pages without islands fetch nothing.
(() => {
  const { module, wasm } = document.currentScript.dataset;

  // An island inside another's children first restores the context that the outer one provides.
  const hydrate = async (node, exports, restoreContext) => {
    if (node.localName === "leptos-island") {
      const island = exports[node.dataset.component];
      if (!island) {
        throw new Error(`the bundle has no island ${node.dataset.component}: it is of another build than the page`);
      }
      restoreContext?.();
      await island(node);
    } else if (node.localName === "leptos-children") {
      restoreContext = node.$$on_hydrate;
    }
    for (const child of node.children) {
      await hydrate(child, exports, restoreContext);
    }
  };

  const wake = async () => {
    const exports = await import(module);
    await exports.default({ module_or_path: wasm });
    exports.hydrate();
    await hydrate(document.body, exports);
    document.documentElement.dataset.awake = "true";
  };

  const whenIdle = () => {
    if (document.querySelector("leptos-island")) {
      "requestIdleCallback" in window ? requestIdleCallback(wake, { timeout: 2000 }) : setTimeout(wake, 1);
    }
  };

  // A payment may take seconds: the button that was pressed shows that it was. The server tells a second press from another order.
  addEventListener("submit", ({ submitter }) => submitter?.setAttribute("aria-busy", "true"));
  addEventListener("pageshow", () => document.querySelectorAll("[aria-busy]").forEach((button) => button.removeAttribute("aria-busy")));

  document.readyState === "complete" ? whenIdle() : addEventListener("load", whenIdle);
})();
