// Sends the requests of the page to try the API, and shows their answers. The server has rendered
// everything else.
(() => {
  // A little longer than the server takes for any request.
  const TIMEOUT_MS = 10_000;

  const inputs = (form, place) => [...form.querySelectorAll(`[data-api-place="${place}"]`)];
  const filled = (form, place) => inputs(form, place).filter((input) => input.value !== "");

  const addressOf = (form) => {
    let path = form.dataset.apiPath;
    for (const input of inputs(form, "path")) {
      path = path.replace(`{${input.name}}`, encodeURIComponent(input.value));
    }
    const address = new URL(path, location.origin);
    for (const input of filled(form, "query")) {
      address.searchParams.append(input.name, input.value);
    }
    return address;
  };

  const fieldsOf = (form) => {
    const fields = new URLSearchParams();
    for (const input of filled(form, "form")) {
      const isList = "apiList" in input.dataset;
      for (const value of isList ? input.value.split(",") : [input.value]) {
        fields.append(input.name, value.trim());
      }
    }
    return fields;
  };

  const requestOf = (form) => {
    const headers = new Headers({ Accept: "application/json" });
    for (const input of filled(form, "header")) {
      headers.set(input.name, input.value);
    }
    const request = {
      method: form.dataset.apiMethod,
      headers,
      signal: AbortSignal.timeout(TIMEOUT_MS),
    };
    const json = form.querySelector("[data-api-body]");
    if (json) {
      headers.set("Content-Type", "application/json");
      request.body = json.value;
    } else if (request.method !== "GET") {
      request.body = fieldsOf(form);
    }
    return new Request(addressOf(form), request);
  };

  const element = (name, text, attributes = {}) => {
    const made = document.createElement(name);
    made.textContent = text;
    for (const [key, value] of Object.entries(attributes)) {
      made.setAttribute(key, value);
    }
    return made;
  };

  // JSON with indents, anything else as it is; and the address that explains a problem.
  const read = (text, mediaType) => {
    if (!/[/+]json/.test(mediaType)) {
      return { text };
    }
    try {
      const value = JSON.parse(text);
      const type = typeof value?.type === "string" ? value.type : "";
      return {
        text: JSON.stringify(value, null, 2),
        problem: type.startsWith("/api/problems#") ? type : undefined,
      };
    } catch {
      return { text };
    }
  };

  const show = async (answer, response, startedAt) => {
    const body = await response.text();
    const took = Math.round(performance.now() - startedAt);
    const { text, problem } = read(body, response.headers.get("Content-Type") ?? "");
    const headers = [...response.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
    const status = `${response.status} ${response.statusText}`.trim();
    answer.append(element("p", `${status}, in ${took} ms`, { class: "api-op__status" }));
    if (problem) {
      const line = element("p", "");
      line.append(element("a", "What this problem means", { href: problem }));
      answer.append(line);
    }
    answer.append(
      element("pre", headers, { class: "source", tabindex: "0", "aria-label": "Headers" }),
      element("pre", text, { class: "source", tabindex: "0", "aria-label": "Body" }),
    );
  };

  const send = async (form) => {
    const button = form.querySelector("[type=submit]");
    const answer = form.querySelector("[data-api-answer]");
    if (button.getAttribute("aria-busy") === "true") {
      return;
    }
    button.setAttribute("aria-busy", "true");
    answer.replaceChildren();
    const startedAt = performance.now();
    try {
      await show(answer, await fetch(requestOf(form)), startedAt);
    } catch (error) {
      const reason = error.name === "TimeoutError" ? "there was no answer in time" : error.message;
      answer.append(element("p", `The request failed: ${reason}.`, { class: "field__error" }));
    } finally {
      button.removeAttribute("aria-busy");
    }
  };

  for (const form of document.querySelectorAll("form[data-api-path]")) {
    form.querySelector("fieldset").disabled = false;
    form.querySelector("[type=submit]").hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      send(form);
    });
  }

  // A link to an operation opens it.
  const openTarget = () => {
    const target = document.getElementById(location.hash.slice(1));
    if (target instanceof HTMLDetailsElement) {
      target.open = true;
      target.scrollIntoView();
    }
  };
  addEventListener("hashchange", openTarget);
  openTarget();
})();
