// Hydrates the islands of a page after it has loaded and the browser is idle. The page works
// without hydration, and an earlier script would delay its rendering. Pages without islands
// download only `page.js`.
(() => {
  const { module, wasm } = document.currentScript.dataset;

  // A page may have dozens of islands: together they would keep the browser from answering a tap.
  const SLICE_MS = 12;
  let sliceEnd = 0;
  const untilSlice = async () => {
    if (performance.now() > sliceEnd) {
      await new Promise((resolve) => setTimeout(resolve));
      sliceEnd = performance.now() + SLICE_MS;
    }
  };

  // An island in the children of another island first restores the context of the outer island.
  const hydrate = async (node, exports, restoreContext) => {
    if (node.localName === "leptos-island") {
      const island = exports[node.dataset.component];
      if (!island) {
        throw new Error(`the bundle has no island ${node.dataset.component}: it comes from a different build than the page`);
      }
      await untilSlice();
      restoreContext?.();
      await island(node);
    } else if (node.localName === "leptos-children") {
      restoreContext = node.$$on_hydrate;
    }
    for (const child of node.children) {
      await hydrate(child, exports, restoreContext);
    }
  };

  /** The exports of the bundle, once the whole page is hydrated. */
  let bundle;
  const hydratePage = async () => {
    const exports = await import(module);
    await exports.default({ module_or_path: wasm });
    exports.hydrate();
    await hydrate(document.body, exports);
    bundle = exports;
    document.documentElement.dataset.awake = "true";
  };

  // A timer counts from the request of the whole page, which was earlier than that of a part.
  const countFromRequest = (island) => {
    const props = JSON.parse(island.dataset.props ?? "{}");
    if ("seconds_left" in props) {
      props.seconds_left += Math.floor(performance.now() / 1_000);
      island.dataset.props = JSON.stringify(props);
    }
  };

  window.doorbusterIslands = {
    /**
     * Hydrates the islands of a part of the page that a script has replaced. Without effect before
     * the page is hydrated, which includes the part.
     */
    async hydrate(part) {
      if (bundle) {
        part.querySelectorAll("leptos-island").forEach(countFromRequest);
        await hydrate(part, bundle, part.closest("leptos-children")?.$$on_hydrate);
      }
    },
  };

  const hydrateWhenIdle = () => {
    if (document.querySelector("leptos-island")) {
      "requestIdleCallback" in window ? requestIdleCallback(hydratePage, { timeout: 2000 }) : setTimeout(hydratePage, 1);
    }
  };

  // A payment may take seconds, so the pressed button shows that it was pressed. The server
  // recognises a second press of the same form and does not create a second order.
  addEventListener("submit", ({ submitter }) => submitter?.setAttribute("aria-busy", "true"));
  addEventListener("pageshow", () => document.querySelectorAll("[aria-busy]").forEach((button) => button.removeAttribute("aria-busy")));

  document.readyState === "complete" ? hydrateWhenIdle() : addEventListener("load", hydrateWhenIdle);
})();
