// Keeps the page as it would be if it were read again: the server sends the page whenever it changes, and what is marked
// `data-live` is exchanged where it differs. Nothing else here; without it the page is whole.
"use strict";
(() => {
  const pause = document.getElementById("pause");
  const live = document.getElementById("live");
  if (!window.EventSource || !document.querySelector("[data-live]")) return;
  let source = null;

  const exchange = (text) => {
    const next = new DOMParser().parseFromString(text, "text/html");
    for (const part of document.querySelectorAll("[data-live]")) {
      const fresh = next.getElementById(part.id);
      if (!fresh || fresh.innerHTML === part.innerHTML) continue;
      const focused = part.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
      const scrolled = part.scrollLeft;
      part.replaceChildren(...document.adoptNode(fresh).childNodes);
      part.scrollLeft = scrolled;
      if (focused) part.querySelector(`[aria-label="${CSS.escape(focused)}"]`)?.focus();
    }
  };

  const say = (text) => { live.textContent = text; };

  const follow = () => {
    source = new EventSource("/events?of=" + encodeURIComponent(location.pathname + location.search));
    source.onmessage = (event) => { exchange(event.data); say("Live, as of " + new Date().toISOString().slice(11, 19) + " UTC"); };
    source.onerror = () => say(source.readyState === EventSource.CLOSED ? "Not live: it is refused, or too many others watch; read the page again" : "No answer; trying again");
  };

  pause.hidden = false;
  pause.addEventListener("click", () => {
    const paused = pause.getAttribute("aria-pressed") !== "true";
    pause.setAttribute("aria-pressed", String(paused));
    if (paused) { source.close(); say("Paused"); } else { follow(); }
  });
  follow();
})();
