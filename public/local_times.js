// Shows times in the visitor's own time zone, and names the zone. The HTML contains them in UTC, as
// `2026-12-12 12:12 UTC` or, less than a day away, as `12:12:12 UTC`: that is what a page without
// JavaScript shows. Sentences of errors contain times too, so every text of the page is looked at.
(() => {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (!zone || /^(Etc\/)?(UTC|Universal|Zulu)$/.test(zone)) {
    return;
  }
  const MOMENT = /\b(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d)(?::(\d\d))? UTC\b|\b(\d\d):(\d\d):(\d\d) UTC\b/g;
  const DAY_MS = 86_400_000;
  // Times that are no texts for people, or that a person edits.
  const SKIPPED = "script, style, noscript, textarea, pre, code, [data-utc]";

  const two = (number) => `${number}`.padStart(2, "0");
  const zoneName = (at) =>
    new Intl.DateTimeFormat("en-GB", { timeZoneName: "short" })
      .formatToParts(at)
      .find(({ type }) => type === "timeZoneName").value;

  const clock = (at, withSeconds) =>
    `${two(at.getHours())}:${two(at.getMinutes())}${withSeconds ? `:${two(at.getSeconds())}` : ""}`;

  // The next time at which clocks in UTC show this, or the last one if that was just now.
  const nextTime = (hours, minutes, seconds) => {
    const at = new Date();
    const now = at.getTime();
    at.setUTCHours(hours, minutes, seconds, 0);
    const distance = at.getTime() - now;
    return new Date(at.getTime() + (distance < -DAY_MS / 2 ? DAY_MS : distance > DAY_MS / 2 ? -DAY_MS : 0));
  };

  const local = (whole, year, month, day, hours, minutes, seconds, ...time) => {
    if (year === undefined) {
      const at = nextTime(+time[0], +time[1], +time[2]);
      return `${clock(at, true)} ${zoneName(at)}`;
    }
    const at = new Date(Date.UTC(+year, +month - 1, +day, +hours, +minutes, +(seconds ?? 0)));
    if (Number.isNaN(at.getTime())) {
      return whole;
    }
    const date = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
    return `${date} ${clock(at, seconds !== undefined)} ${zoneName(at)}`;
  };

  const localize = (text) => {
    if (!text.data.includes(" UTC") || text.parentElement?.closest(SKIPPED)) {
      return;
    }
    const data = text.data.replace(MOMENT, local);
    if (data !== text.data) {
      text.data = data;
    }
  };

  const localizeAll = (root) => {
    if (root.nodeType === Node.TEXT_NODE) {
      localize(root);
      return;
    }
    const texts = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      localize(texts.currentNode);
    }
  };

  localizeAll(document.body);
  new MutationObserver((changes) => {
    for (const { type, target, addedNodes } of changes) {
      type === "characterData" ? localize(target) : addedNodes.forEach(localizeAll);
    }
  }).observe(document.body, { subtree: true, childList: true, characterData: true });
})();
