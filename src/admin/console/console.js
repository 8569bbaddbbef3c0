"use strict";
// Makes the pages pleasanter; all of them work without it.
(() => {
  const root = document.documentElement;
  const one = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // Keys. Whoever composes a character, as Chinese is typed, presses none.
  const isTyping = (target) =>
    target.matches?.("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]");
  const rows = () => all("[data-row]").filter((row) => row.checkVisibility());
  const move = (by) => {
    const found = rows();
    const at = found.indexOf(document.activeElement);
    const next = found[at < 0 ? (by > 0 ? 0 : found.length - 1) : at + by];
    next?.focus();
    next?.scrollIntoView({ block: "nearest" });
  };
  const keys = {
    "/": () => {
      const search = one("[data-search]") ?? one(".filters input:not([type=hidden])");
      search?.focus();
      search?.select?.();
    },
    j: () => move(1),
    k: () => move(-1),
    e: () => one("[data-edit]")?.click(),
    "?": () => one("#keys")?.showModal(),
  };
  document.addEventListener("keydown", (event) => {
    if (event.isComposing || event.keyCode === 229) return;
    const target = event.target;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      const form = target.closest?.("form") ?? one("form[data-save]");
      if (!form) return;
      event.preventDefault();
      form.requestSubmit(one("button.primary", form) ?? undefined);
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || one("dialog[open]")) return;
    if (isTyping(target)) {
      if (event.key === "Escape") target.blur();
      return;
    }
    if (root.dataset.keys === "off" || !Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    keys[event.key]();
  });
  one("#keys .close")?.addEventListener("click", () => one("#keys").close());

  // Regions of the page are taken anew from the server, and keep focus and what was opened.
  const swap = (id, fresh) => {
    const old = document.getElementById(id);
    const now = fresh.getElementById(id);
    if (!old || !now || old.innerHTML === now.innerHTML) return;
    const within = "a, button, input, select, textarea, summary, [tabindex]";
    const focused = all(within, old).indexOf(document.activeElement);
    const opened = all("details", old).map((details) => details.open);
    old.replaceChildren(...now.childNodes);
    all("details", old).forEach((details, at) => (details.open = opened[at] ?? details.open));
    if (focused >= 0) all(within, old)[focused]?.focus({ preventScroll: true });
  };
  const parse = (text) => new DOMParser().parseFromString(text, "text/html");

  // Forms that answer while one types.
  for (const form of all("form[data-typing]")) {
    let timer, running;
    const ask = async () => {
      // An earlier policy is compiled for each answer: that is for the button.
      if (form.elements.version?.value) return;
      running?.abort();
      running = new AbortController();
      const body = new URLSearchParams(new FormData(form));
      try {
        const answer = await fetch(form.action, { method: "POST", body, signal: running.signal, redirect: "manual" });
        if (answer.headers.get("content-type")?.startsWith("text/html")) swap(form.dataset.typing, parse(await answer.text()));
      } catch {
        // The next key asks again.
      }
    };
    form.addEventListener("input", (event) => {
      if (event.isComposing) return;
      clearTimeout(timer);
      timer = setTimeout(ask, 300);
    });
    form.addEventListener("compositionend", () => {
      clearTimeout(timer);
      timer = setTimeout(ask, 300);
    });
  }

  // A file is read into a field: as UTF-8, or as old lists in Chinese are written.
  const decoded = (bytes) => {
    const marks = { "255,254": "utf-16le", "254,255": "utf-16be" };
    try {
      return new TextDecoder(marks[bytes.slice(0, 2)] ?? "utf-8", { fatal: true }).decode(bytes);
    } catch {
      return new TextDecoder("gb18030").decode(bytes);
    }
  };
  for (const region of all("[data-reads]")) region.hidden = false;
  for (const input of all("input[data-into]")) {
    input.addEventListener("change", async () => {
      const [file] = input.files;
      if (file) one(`#${input.dataset.into}`).value = decoded(new Uint8Array(await file.arrayBuffer()));
    });
  }

  // Live regions. A tick says a number for each topic; where it is another one than before, the
  // page is asked for again. One tab of all listens and tells the others: a browser has but six
  // connections to a server.
  const topics = new Set(all("[data-live]").map((region) => region.dataset.live));
  if (!topics.size || !window.EventSource || !window.BroadcastChannel) return;
  const channel = new BroadcastChannel("callgate-live");
  const seen = {};
  let stale = false;
  let asking = false;
  const refresh = async () => {
    if (document.hidden || asking) {
      stale = true;
      return;
    }
    stale = false;
    asking = true;
    try {
      // What is new may be new since something.
      const asked = one("[data-fresh]")?.dataset.fresh ?? location.href;
      const answer = await fetch(asked, { headers: { accept: "text/html" }, redirect: "manual" });
      if (answer.type === "opaqueredirect" || answer.status === 401) location.reload();
      else if (answer.ok) {
        const fresh = parse(await answer.text());
        for (const region of all("[data-live][id]")) swap(region.id, fresh);
      }
    } catch {
      lost(true);
    }
    asking = false;
  };
  const lost = (is) => (one("#offline").hidden = !is);
  const hear = (tick) => {
    lost(false);
    let changed = stale;
    for (const topic of topics) {
      changed ||= seen[topic] !== tick[topic];
      seen[topic] = tick[topic];
    }
    if (changed) refresh();
  };
  channel.onmessage = (event) => hear(event.data);
  const listen = (end) => {
    const source = new EventSource("/api/v1/events");
    source.addEventListener("tick", (event) => {
      const tick = JSON.parse(event.data);
      hear(tick);
      channel.postMessage(tick);
    });
    source.onerror = () => {
      lost(true);
      // Refused: the session may have ended, which the page itself says.
      if (source.readyState === EventSource.CLOSED) {
        refresh();
        setTimeout(end, 5000);
      }
    };
    return source;
  };
  const lead = async () => {
    for (;;) await navigator.locks.request("callgate-live", () => new Promise(listen));
  };
  if (navigator.locks) lead();
  else {
    // Without TLS there are no locks: then a tab listens while it can be seen.
    let source;
    const look = () => {
      if (document.hidden) {
        source?.close();
        source = undefined;
      } else source ??= listen(() => {
        source = undefined;
        look();
      });
    };
    document.addEventListener("visibilitychange", look);
    look();
  }
  document.addEventListener("visibilitychange", () => stale && refresh());
})();
