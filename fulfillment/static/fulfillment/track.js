"use strict";
/* Keeps the page up to date every two seconds; without it the page reloads itself. */
(() => {
  const body = document.body;
  const every = 2000;
  let state = body.dataset.state;
  let heardAt = Date.now();
  let age = Number(document.querySelector('[data-field="age_s"]').textContent || 0);

  const show = (seen) => {
    for (const part of document.querySelectorAll("[data-field]")) {
      const value = seen[part.dataset.field];
      if (part.tagName === "PROGRESS") { part.value = value || 0; continue; }
      const text = value === null || value === undefined ? "" : String(value);
      if (part.textContent !== text) { part.textContent = text; }
    }
    for (const part of document.querySelectorAll("[data-show]")) {
      const value = seen[part.dataset.show];
      part.hidden = value === null || value === "" || value === false;
    }
    document.querySelector("[data-points]").setAttribute("points", seen.curve);
    const line = document.querySelector("[data-age]");
    line.hidden = seen.age_s === null;
    line.classList.toggle("stale", seen.stale);
    document.title = seen.words + " · " + seen.station;
    heardAt = Date.now();
    age = seen.age_s || 0;
  };

  const look = async () => {
    if (document.hidden) { return; }
    try {
      const answer = await fetch(body.dataset.json, { cache: "no-store", credentials: "omit" });
      if (answer.status === 404) { location.reload(); return; }
      if (!answer.ok) { return; }
      const seen = await answer.json();
      if (seen.state !== state && seen.lines.length) { location.reload(); return; }
      state = seen.state;
      body.dataset.state = state;
      show(seen);
    } catch (err) {
      /* Offline: the age below keeps counting, the last values stay. */
    }
  };

  const tick = () => {
    const seconds = age + Math.round((Date.now() - heardAt) / 1000);
    document.querySelector('[data-field="age_s"]').textContent = String(seconds);
    const stale = seconds > 15;
    document.querySelector("[data-age]").classList.toggle("stale", stale);
    document.querySelector('[data-show="stale"]').hidden = !stale;
  };

  if (!["ended", "failed", "cancelled"].includes(state)) {
    setInterval(look, every);
    setInterval(tick, 1000);
    document.addEventListener("visibilitychange", look);
  }
})();
