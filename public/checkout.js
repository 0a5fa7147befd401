// Sends the checkout without a page load, so that nothing that was typed is lost, not even the
// card, which the shop never stores. The form is sent as a browser would send it; from the page
// that the shop answers with, this takes the parts that it may change, and does not change the fields.
(() => {
  // Longer than the shop and its payment provider take together.
  const TIMEOUT_MS = 45_000;
  const form = document.querySelector("form.checkout");
  if (!form || !window.fetch || !window.DOMParser) {
    return;
  }

  const part = (root, name) => root.querySelector(`[data-part="${name}"]`);
  const field = (root, name) => root.querySelector(`#${name}`)?.closest(".field");

  // An element with this text; the text is never HTML.
  const element = (name, className, text) => {
    const created = document.createElement(name);
    created.className = className;
    created.textContent = text;
    return created;
  };

  const showProblem = (title, text, link) => {
    const notice = element("div", "notice notice--error", "");
    notice.setAttribute("role", "alert");
    const rest = element("p", "", text);
    if (link) {
      const anchor = element("a", "", link.text);
      anchor.href = link.href;
      rest.append(" ", anchor);
    }
    notice.append(element("p", "notice__title", title), rest);
    part(form, "problem").replaceChildren(notice);
    part(form, "problem").focus();
  };

  const takeField = (name, from) => {
    const [old, updated] = [field(form, name), field(from, name)];
    if (!old || !updated) {
      return;
    }
    const control = old.querySelector(`#${name}`);
    old.classList.toggle("field--error", updated.classList.contains("field--error"));
    old.querySelector(".field__error")?.remove();
    const error = updated.querySelector(".field__error");
    if (error) {
      old.append(error.cloneNode(true));
    }
    for (const attribute of ["aria-invalid", "aria-describedby"]) {
      const value = updated.querySelector(`#${name}`).getAttribute(attribute);
      value === null ? control.removeAttribute(attribute) : control.setAttribute(attribute, value);
    }
  };

  const take = async (from, act) => {
    for (const hidden of from.querySelectorAll("input[type=hidden]")) {
      const own = form.querySelector(`input[type=hidden][name="${hidden.name}"]`);
      if (own) {
        own.value = hidden.value;
      }
    }
    for (const control of form.querySelectorAll(".field input, .field select")) {
      takeField(control.id, from);
    }
    for (const updated of from.querySelectorAll("[data-part]")) {
      const own = part(form, updated.dataset.part);
      own?.replaceChildren(...updated.cloneNode(true).childNodes);
    }
    // The code as the shop understood it, unless it has to be corrected.
    const code = from.querySelector("#code").value;
    if (act === "apply-code" && code && !part(from, "code").querySelector(".code__news--bad")) {
      form.querySelector("#code").value = code;
    }
    await window.doorbusterIslands?.hydrate(part(form, "reservation"));
  };

  const focusProblem = (act) => {
    const wrong = form.querySelector(".field--error input, .field--error select");
    const notice = part(form, "problem");
    if (act === "apply-code" && part(form, "code").querySelector(".code__news--bad")) {
      form.querySelector("#code").focus();
    } else if (wrong) {
      wrong.focus();
    } else if (notice.querySelector("a[href='#card_number']")) {
      // The declined card stays, selected: another number replaces it.
      const number = form.querySelector("#card_number");
      number.focus();
      number.select();
    } else if (notice.firstElementChild) {
      notice.focus();
    }
  };

  // The answer is no checkout: another window has paid for the cart, or the shop failed.
  const showOtherPage = (page, address, isOk) => {
    const text = (selector) => page.querySelector(selector)?.textContent.trim() ?? "";
    const title = text("main .notice__title") || text("main .page-head__lead") || text("main h1") || "Something went wrong.";
    const link = isOk ? { href: address, text: "Open that page" } : null;
    showProblem(title, "Your details are still here.", link);
  };

  const receive = async (response, act) => {
    const { pathname } = new URL(response.url);
    if (response.ok && pathname.startsWith("/orders/")) {
      location.assign(response.url);
      // The button stays busy until the other page is there.
      return false;
    }
    const text = await response.text();
    if (response.headers.get("content-type")?.includes("json")) {
      showProblem(JSON.parse(text).detail, "Your details are still here.");
      return true;
    }
    const page = new DOMParser().parseFromString(text, "text/html");
    const from = page.querySelector("form.checkout");
    if (from) {
      await take(from, act);
      showPostalCode();
      focusProblem(act);
    } else {
      showOtherPage(page, response.url, response.ok);
    }
    return true;
  };

  const fields = (submitter) => {
    const data = new URLSearchParams(new FormData(form));
    if (submitter?.name) {
      data.set(submitter.name, submitter.value);
    }
    return data;
  };

  const showUnreachable = (isPayment) =>
    isPayment
      ? showProblem(
          "We could not reach the shop. Your card may or may not have been charged.",
          "Press Pay again when you are online: you won’t be charged twice.",
        )
      : showProblem("We could not reach the shop.", "Everything that you typed is still here. Try again.");

  const send = async (submitter) => {
    const action = submitter?.getAttribute("formaction") ?? form.getAttribute("action");
    const act = submitter?.name === "act" ? submitter.value : "pay";
    let isDone = true;
    try {
      const response = await fetch(action.split("#")[0], {
        method: "POST",
        body: fields(submitter),
        headers: { Accept: "text/html" },
        signal: AbortSignal.timeout?.(TIMEOUT_MS),
      });
      isDone = await receive(response, act);
    } catch {
      showUnreachable(act === "pay");
    }
    return isDone;
  };

  let isSending = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (isSending) {
      return;
    }
    isSending = true;
    if (await send(event.submitter)) {
      isSending = false;
      form.querySelectorAll("[aria-busy]").forEach((button) => button.removeAttribute("aria-busy"));
    }
  });
  addEventListener("pageshow", () => {
    isSending = false;
  });

  // The Enter key in the code's field applies the code, and does not pay.
  form.querySelector("#code").addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      event.preventDefault();
      form.querySelector("button[value='apply-code']").click();
    }
  });

  // The chosen country says whether there is a postal code. The field keeps its place, so nothing
  // moves.
  const country = form.querySelector("#country");
  const showPostalCode = () => {
    const { postal, city } = country.selectedOptions[0]?.dataset ?? {};
    const code = form.querySelector("#postal_code");
    const wrapper = field(form, "postal_code");
    wrapper.classList.toggle("field--absent", postal === "absent");
    code.required = postal === "required";
    code.disabled = postal === "absent";
    wrapper.querySelector(".field__hint")?.classList.toggle("field__hint--absent", postal === "required");
    form.querySelector("#city").required = !postal || city !== undefined;
  };
  country.addEventListener("change", showPostalCode);
  addEventListener("pageshow", showPostalCode);
  showPostalCode();
})();
