"use strict";
// Copy buttons, menus that close, and parts that live. Without this script every page still says all it has to say.
(() => {
  const select = (text) => {
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "unshown";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy"); // the clipboard's own interface is for https and this machine only
    area.remove();
    return done;
  };

  const copy = async (button) => {
    const text = button.dataset.copy;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      if (!select(text)) return;
    }
    if (button.classList.contains("done")) return;
    const words = button.querySelector("span") ?? button;
    const before = words.textContent;
    words.textContent = button.dataset.done;
    button.classList.add("done");
    announce(button.dataset.done);
    setTimeout(() => {
      words.textContent = before;
      button.classList.remove("done");
    }, 1500);
  };

  const voice = document.createElement("p");
  voice.className = "unshown";
  voice.setAttribute("aria-live", "polite");
  document.body.append(voice);
  const announce = (text) => {
    voice.textContent = "";
    setTimeout(() => { voice.textContent = text; }, 50);
  };

  const prepare = (root) => {
    for (const button of root.querySelectorAll("button[data-copy]")) button.hidden = false;
    for (const field of root.querySelectorAll("[data-submits]")) {
      field.addEventListener("change", () => field.form.requestSubmit());
    }
    for (const part of root.querySelectorAll("[data-needs-script]")) part.hidden = false;
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-copy]");
    if (button) copy(button);
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
  document.addEventListener("keydown", (event) => {
    const menu = event.target.closest("details.menu[open]");
    if (event.key === "Escape" && menu) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
    if (event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey
        && !event.target.closest("input, textarea, select")) {
      const field = document.querySelector("input[type=search]");
      if (field) {
        event.preventDefault();
        field.focus();
      }
    }
  });

  // Parts that live: when the stream says that something changed, the page is asked for once more, and the new parts
  // take the place of the old ones. What a reader has opened stays open, and the focus where it was.
  const live = document.querySelector("[data-events]");
  let stream = null;
  let wanted = null;
  let timer = 0;

  const replace = (old, fresh) => {
    const open = new Set([...old.querySelectorAll("details[open][id]")].map((one) => one.id));
    const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
    if (old.contains(document.activeElement) && document.activeElement.matches("input, select, textarea")) return;
    if (old.innerHTML === fresh.innerHTML) return;
    old.replaceWith(fresh);
    for (const id of open) {
      const part = document.getElementById(id);
      if (part) part.open = true;
    }
    prepare(fresh);
    if (focused) document.getElementById(focused)?.focus();
  };

  const renew = async () => {
    const names = wanted;
    wanted = null;
    timer = 0;
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, credentials: "same-origin" });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const old of document.querySelectorAll("[data-live]")) {
      const name = old.dataset.live;
      if (names.size && !names.has(name)) continue;
      const fresh = page.querySelector(`[data-live="${CSS.escape(name)}"]`);
      if (fresh) replace(old, document.adoptNode(fresh));
    }
  };

  const changed = (event) => {
    const names = JSON.parse(event.data || "[]");
    if (wanted === null) wanted = new Set(names);
    else if (names.length && wanted.size) names.forEach((name) => wanted.add(name));
    else wanted.clear();
    if (!timer) timer = setTimeout(() => renew().catch(() => {}), 1000);
  };

  let missed = false;
  const listen = () => {
    if (document.hidden) {
      missed = true;
      stream?.close();
      stream = null;
    } else if (!stream) {
      stream = new EventSource(live.dataset.events);
      stream.addEventListener("changed", changed);
      if (missed) changed({ data: "[]" });
    }
  };
  if (live) {
    listen();
    document.addEventListener("visibilitychange", listen);
    addEventListener("pagehide", () => stream?.close());
  }
  prepare(document);
})();
