// Runs on every page. A page that the browser shows from its memory (Back, Forward) is loaded again:
// its forms have been sent, its stock and its cart have changed. What was typed stays.
(() => {
  // The number of the attempt with which the page has come, after an outage.
  if (/[?&]retry=/.test(location.search)) {
    const address = new URL(location.href);
    address.searchParams.delete("retry");
    history.replaceState(history.state, "", address);
  }
  const STORED_AS = `doorbuster-typed:${location.pathname}${location.search}`;
  // Never kept anywhere: a password, a card.
  const isSecret = (field) => field.type === "password" || /\bcc-/.test(field.autocomplete);
  const isChoice = (field) => field.type === "checkbox" || field.type === "radio";
  const IGNORED = ["hidden", "submit", "button", "reset", "image", "file"];

  const fields = () =>
    [...document.querySelectorAll("form input, form select, form textarea")].filter(
      (field) => field.name && field.form && !IGNORED.includes(field.type) && !isSecret(field),
    );

  const isTyped = (field) => {
    if (isChoice(field)) {
      return field.checked !== field.defaultChecked;
    }
    if (field.localName === "select") {
      const options = [...field.options];
      const first = options.some((option) => option.defaultSelected);
      return options.some((option, index) => option.selected !== (first ? option.defaultSelected : index === 0));
    }
    return field.value !== field.defaultValue;
  };

  // Several forms of a page may have a field of the same name.
  const keyOf = (field) =>
    JSON.stringify([
      field.form.getAttribute("action"),
      field.id,
      field.name,
      isChoice(field) ? field.value : "",
    ]);

  const remember = () => {
    const typed = fields()
      // The values of a form that was sent have done their work.
      .filter((field) => !("sent" in field.form.dataset) && isTyped(field))
      .map((field) => [keyOf(field), isChoice(field) ? field.checked : field.value]);
    try {
      typed.length ? sessionStorage.setItem(STORED_AS, JSON.stringify(typed)) : sessionStorage.removeItem(STORED_AS);
    } catch {
      // Without storage, the page is only fresh.
    }
  };

  const restore = () => {
    let stored;
    try {
      stored = sessionStorage.getItem(STORED_AS);
      sessionStorage.removeItem(STORED_AS);
    } catch {
      return;
    }
    const typed = new Map(JSON.parse(stored ?? "[]"));
    for (const field of typed.size ? fields() : []) {
      const value = typed.get(keyOf(field));
      if (value === undefined || isTyped(field)) {
        continue;
      }
      isChoice(field) ? (field.checked = value) : (field.value = value);
      field.dispatchEvent(new Event("input", { bubbles: true }));
      field.dispatchEvent(new Event("change", { bubbles: true }));
    }
  };

  addEventListener("pageshow", ({ persisted }) => {
    if (persisted) {
      remember();
      // Until then, nothing of the old page can be pressed.
      document.body.inert = true;
      location.reload();
    }
  });
  addEventListener("pagehide", () => {
    for (const field of document.querySelectorAll("input")) {
      if (isSecret(field)) {
        field.value = "";
      }
    }
  });
  addEventListener("submit", (event) => {
    if (!event.defaultPrevented) {
      event.target.dataset.sent = "";
    }
  });
  // An order that waits in the queue. A page in the background waits until it is shown.
  const seconds = document.querySelector("[data-reload-after]")?.dataset.reloadAfter;
  if (seconds) {
    setInterval(() => document.hidden || location.reload(), seconds * 1000);
  }
  restore();
})();
