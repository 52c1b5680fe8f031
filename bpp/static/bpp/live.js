// Keeps the live board fresh: news come by a stream of events, or by asking where there is none. The page says
// everything without it, as of the moment it was loaded.
"use strict";
(() => {
  const room = document.getElementById("live");
  if (!room) return;
  const age = document.getElementById("live-age"), news = document.getElementById("live-news");
  const SOONEST_MS = 1000, POLL_MS = 5000, STREAMING_MS = 15000, AGAIN_MS = 30000;
  let stream = null, heard = false, timer = 0, retry = 0, busy = false, wanted = false, over = false;
  let shown = performance.now(), fetched = performance.now(), trouble = "";

  const say = (words) => { if (news.textContent !== words) news.textContent = words; };
  const ageNow = () => {
    const seconds = Math.round((performance.now() - shown) / 1000);
    const how = seconds < 2 ? "just now" : seconds < 120 ? `${seconds} s ago` : `${Math.floor(seconds / 60)} min ago`;
    age.textContent = over ? trouble : `Updated ${how}${trouble ? `. ${trouble}` : heard ? ", live" : `, every ${POLL_MS / 1000} s`}`;
    age.classList.toggle("vb-late", Boolean(trouble) || seconds > 30);
  };

  // Each part is replaced only where it differs, so that what is read or focused stays in place.
  const place = (text) => {
    const fresh = new DOMParser().parseFromString(text, "text/html");
    const parts = fresh.querySelectorAll("[data-live]");
    if (!parts.length) return false;
    const active = document.activeElement, key = active && active.closest("[data-live]") ? active.getAttribute("href") : null;
    for (const part of parts) {
      const old = room.querySelector(`[data-live="${part.dataset.live}"]`);
      if (!old || old.outerHTML === part.outerHTML) continue;
      const at = [...old.querySelectorAll(".vb-scroll, .vb-places")].map((box) => [box.scrollLeft, box.scrollTop]);
      const mine = document.adoptNode(part), holds = key !== null && old.contains(active);
      old.replaceWith(mine);
      mine.querySelectorAll(".vb-scroll, .vb-places").forEach((box, number) => {
        if (at[number]) [box.scrollLeft, box.scrollTop] = at[number];
      });
      if (holds) [...mine.querySelectorAll("a[href]")].find((link) => link.getAttribute("href") === key)?.focus({ preventScroll: true });
    }
    room.dispatchEvent(new CustomEvent("live:rows"));
    return true;
  };

  const load = async () => {
    if (busy || over) { wanted = true; return; }
    busy = true; wanted = false; fetched = performance.now();
    try {
      const answer = await fetch(room.dataset.rows, { credentials: "same-origin", signal: AbortSignal.timeout(15000) });
      if (answer.redirected || answer.status === 403) { end(); return; }
      if (!answer.ok || !place(await answer.text())) throw new Error(String(answer.status));
      shown = performance.now(); trouble = ""; say("");
    } catch {
      trouble = "No answer; trying again"; say("The board cannot be reached. It tries again.");
    } finally {
      busy = false; ageNow(); plan(wanted ? SOONEST_MS : heard ? STREAMING_MS : POLL_MS);
    }
  };
  const end = () => {
    over = true; stop();
    trouble = "You are signed out. Load the page again to sign in.";
    say(trouble);
  };
  const plan = (wait) => {
    clearTimeout(timer);
    if (!document.hidden && !over) timer = setTimeout(load, wait);
  };
  const soon = () => {
    if (busy) { wanted = true; return; }
    plan(Math.max(0, SOONEST_MS - (performance.now() - fetched)));
  };

  const listen = () => {
    clearTimeout(retry);
    if (stream || over || document.hidden || !window.EventSource) return;
    stream = new EventSource(room.dataset.events);
    stream.addEventListener("open", () => { heard = true; ageNow(); soon(); });
    stream.addEventListener("change", soon);
    stream.addEventListener("error", () => {
      // A stream that tries again fails every few seconds: only the first time may put off the next question.
      if (heard) { heard = false; ageNow(); plan(POLL_MS); }
      if (stream && stream.readyState === EventSource.CLOSED) { stream = null; retry = setTimeout(listen, AGAIN_MS); }
    });
  };
  const stop = () => {
    clearTimeout(timer); clearTimeout(retry);
    if (stream) stream.close();
    stream = null; heard = false;
  };
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { stop(); return; }
    listen(); soon();
  });
  window.addEventListener("pagehide", stop);
  setInterval(() => { if (!document.hidden) ageNow(); }, 1000);
  ageNow(); listen(); plan(POLL_MS);
})();
