// One event stream for all windows of a browser: over HTTP/1.1, it opens only six connections to a
// host. The visible windows choose a leader by a lock. The leader opens one stream of everything
// that they follow, and passes its events on. When it is closed or hidden, another visible window
// gets the lock. A hidden window follows nothing, and catches up when it is shown.
//
// Locks need https or localhost. Without them, each visible window has its own stream.
(() => {
  const NAME = "doorbuster-streams";
  /** The server follows at most this many subjects in one stream. */
  const URLS_MAX = 32;
  /**
   * After a failure, the leader waits between half of this and one and a half times this, and twice
   * as long after each further one. The pages of a server that was restarted do not return at once.
   */
  const RETRY_MS = 2_000;
  const RETRY_MS_MAX = 40_000;
  /** A stream that was open for less is one more failure: the server may be overloaded. */
  const STABLE_MS = 10_000;
  /** Several windows may change what they follow at the same time. */
  const COLLECT_MS = 40;
  /** How often the leader asks who is still there: a window that crashed cannot say goodbye. */
  const ROLL_CALL_MS = 30_000;
  /** A timer that is late by this much has slept with the computer, and so has the connection. */
  const SLEPT_MS = 10_000;
  const TICK_MS = 2_000;

  const me = `${Date.now()}-${Math.random()}`;
  /** What this window follows: `{ url, names, onEvent, isReady }`. */
  let followed = [];
  /** For the leader: what each window follows, by its id, and when it last reported it. */
  const windows = new Map();
  let channel, source, timer, rollCall, pulse, endLeadership, abandonElection;
  let isLeader = false;
  /** How often in a row the stream has failed. */
  let failures = 0;
  /** When the stream was opened, by the clock of the page. */
  let openedAt;
  /** What the leader's stream follows, in order. */
  let open = [];

  const isVisible = () => document.visibilityState === "visible";
  const hasLocks = "locks" in navigator && "BroadcastChannel" in window;

  const wanted = () => {
    const urls = {};
    for (const { url, names } of isVisible() ? followed : []) {
      urls[url] = [...new Set([...(urls[url] ?? []), ...names])];
    }
    return urls;
  };

  const say = (message) => channel?.postMessage(message);

  // ---- Every window ----

  const receive = (message) => {
    if (message.type === "opened") {
      for (const follower of followed) {
        follower.isReady = message.urls.includes(follower.url);
      }
    } else if (message.type === "event") {
      deliver(message);
    } else if (message.type === "refused") {
      followed = followed.filter(({ url }) => url !== message.url);
      update();
    } else if (message.type === "leader" && !isLeader) {
      say({ type: "want", from: me, urls: wanted() });
    } else if (message.type === "want" && isLeader) {
      note(message.from, message.urls, message.isFresh);
    }
  };

  const deliver = ({ url, name, data }) => {
    const ended = followed.filter(
      (follower) =>
        follower.isReady && follower.url === url && follower.names.includes(name) && !follower.onEvent(name, data),
    );
    if (ended.length) {
      followed = followed.filter((follower) => !ended.includes(follower));
      update();
    }
  };

  /**
   * Tells what this window follows now, and takes part in the election or leaves it. With
   * `isFresh`, a part of the window has received nothing yet.
   */
  const update = (isFresh = false) => {
    const urls = wanted();
    if (Object.keys(urls).length === 0) {
      withdraw();
      return;
    }
    if (!hasLocks) {
      if (!isLeader) {
        isLeader = true;
        watchForSleep();
      }
      note(me, urls, isFresh);
      return;
    }
    if (!channel) {
      channel = new BroadcastChannel(NAME);
      channel.onmessage = ({ data }) => receive(data);
    }
    isLeader ? note(me, urls, isFresh) : say({ type: "want", from: me, urls, isFresh });
    if (!isLeader && !abandonElection) {
      const election = new AbortController();
      abandonElection = () => election.abort();
      navigator.locks.request(NAME, { signal: election.signal }, lead).catch(() => {});
    }
  };

  /** Stops following: closes the streams that this window has open. */
  const withdraw = () => {
    abandonElection?.();
    abandonElection = undefined;
    if (isLeader) {
      resign();
    } else {
      say({ type: "want", from: me, urls: {} });
    }
    for (const follower of followed) {
      follower.isReady = false;
    }
    channel?.close();
    channel = undefined;
  };

  // ---- The leader ----

  const lead = () => {
    if (Object.keys(wanted()).length === 0) {
      return undefined;
    }
    isLeader = true;
    say({ type: "leader" });
    note(me, wanted());
    rollCall = setInterval(() => {
      for (const [id, { at }] of windows) {
        if (id !== me && Date.now() - at > 1.5 * ROLL_CALL_MS) {
          note(id, {});
        }
      }
      say({ type: "leader" });
    }, ROLL_CALL_MS);
    watchForSleep();
    return new Promise((resolve) => (endLeadership = resolve));
  };

  /** A connection that died during a sleep may look open for minutes. */
  const watchForSleep = () => {
    let last = Date.now();
    clearInterval(pulse);
    pulse = setInterval(() => {
      const now = Date.now();
      if (now - last > SLEPT_MS) {
        reopen(0);
      }
      last = now;
    }, TICK_MS);
  };

  const resign = () => {
    isLeader = false;
    clearInterval(rollCall);
    clearInterval(pulse);
    clearTimeout(timer);
    close();
    windows.clear();
    endLeadership?.();
    endLeadership = undefined;
  };

  /** Notes what a window follows, and opens a new stream if it has not received all of that. */
  const note = (id, urls, isFresh = false) => {
    const before = windows.get(id)?.urls ?? {};
    const isKnown = windows.has(id);
    Object.keys(urls).length ? windows.set(id, { urls, at: Date.now() }) : windows.delete(id);
    const isNew = Object.keys(urls).some((url) => !(url in before));
    const isGone = Object.keys(before).some((url) => !(url in urls));
    // A new window needs the whole state of what others have followed for long.
    if (isNew || isGone || isFresh || !isKnown) {
      reopen(COLLECT_MS);
    }
  };

  const union = () => {
    const urls = new Map();
    for (const { urls: ofWindow } of windows.values()) {
      for (const [url, names] of Object.entries(ofWindow)) {
        urls.set(url, [...new Set([...(urls.get(url) ?? []), ...names])]);
      }
    }
    return [...urls].slice(0, URLS_MAX);
  };

  const reopen = (after) => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      const now = union();
      close();
      if (now.length) {
        connect(now);
      }
    }, after);
  };

  /** Bounded exponential backoff with jitter. A stream that was stable ends a row of failures. */
  const retryDelay = () => {
    if (performance.now() - openedAt >= STABLE_MS) {
      failures = 0;
    }
    return Math.min(RETRY_MS * 2 ** failures, RETRY_MS_MAX) * (0.5 + Math.random());
  };

  const close = () => {
    source?.close();
    source = undefined;
    openedAt = undefined;
    open = [];
  };

  const tell = (message) => {
    say(message);
    receive(message);
  };

  const connect = (urls) => {
    open = urls.map(([url]) => url);
    const isAlone = urls.length === 1;
    const query = open.map((url) => `follow=${encodeURIComponent(url)}`).join("&");
    source = new EventSource(isAlone ? open[0] : `/live/all?${query}`);
    if (isAlone) {
      const [url, names] = urls[0];
      for (const name of names) {
        source.addEventListener(name, ({ data }) => tell({ type: "event", url, name, data }));
      }
    } else {
      source.addEventListener("follow", ({ data }) => passOn(data));
      source.addEventListener("end", ({ data }) => end(data));
    }
    source.addEventListener("open", () => (openedAt = performance.now()));
    source.addEventListener("error", onError);
    tell({ type: "opened", urls: open });
  };

  /** The first line has the number of the subject and the name of its event. */
  const passOn = (text) => {
    const [, number, name, data] = text.match(/^(\d+) (\S+)\n?([^]*)$/) ?? [];
    if (number in open) {
      tell({ type: "event", url: open[number], name, data });
    }
  };

  /** One subject of the stream has ended, or the server refused it. */
  const end = (text) => {
    const [number, reason] = text.split(" ");
    const url = open[number];
    if (reason === "refused" && url) {
      forget(url);
    } else if (url && union().some(([wantedUrl]) => wantedUrl === url)) {
      // As after a stream that ends: all windows of a shop may see this end now.
      reopen(retryDelay());
    }
  };

  const forget = (url) => {
    tell({ type: "refused", url });
    for (const { urls } of windows.values()) {
      delete urls[url];
    }
  };

  /**
   * The connection broke, or the server refused the stream: the database may be unavailable, or the
   * visitor signed out. A browser would connect again by itself, always after the same time.
   */
  const onError = ({ target }) => {
    if (target !== source) {
      return;
    }
    reopen(retryDelay());
    failures += 1;
    close();
  };

  // ---- What islands call ----

  window.doorbusterStreams = {
    /**
     * Follows `url`, and calls `onEvent(name, data)` for each event whose name is among `names`
     * (comma-separated), until it returns false.
     */
    follow(url, names, onEvent) {
      followed.push({ url, names: names.split(","), onEvent, isReady: false });
      update(true);
    },
  };
  document.addEventListener("visibilitychange", () => update());
  // A window that is closed, or that the browser keeps for Back: `page.js` loads that one again.
  addEventListener("pagehide", withdraw);
})();
