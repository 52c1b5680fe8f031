"use strict";
/* Keeps the driver's page true: by one stream of news, by asking where there is none, and by the server's own HTML where
   the page takes another shape. Without it every figure is there all the same and the page loads anew by itself. */
(() => {
  const LONGEST_WAIT_MS = 60000, STALE_S = 15, SPEAK_MS = 300000, TABLE_ROWS = 30;
  const OVER = ["ended", "failed", "cancelled"];
  const body = document.body;
  const SILENCE_MS = Number(body.dataset.silenceMs), ASK_MS = Number(body.dataset.askMs);
  const one = (selector) => document.querySelector(selector);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const { words, zone, started, seen: first } = JSON.parse(one("#live").textContent);
  const clock = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit" });
  const clockS = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit", second: "2-digit" });

  let seen = first;
  let ageAt = Date.now();
  const over = () => OVER.includes(seen.state);
  const fill = (text, ...values) => values.reduce((done, value) => done.replace("{}", value), text);
  const rupees = (text) => "₹" + String(text).replace(/(\d)(?=(\d\d)+\d\.)/g, "$1,");

  /* Words for ears: one status region, at a change of state, each 5 % and each 5 minutes. */

  let spokenAt = Date.now();
  let spokenStep = Math.floor(first.percent / 5);
  const speak = (text) => { one("[data-speak]").textContent = text; spokenAt = Date.now(); };
  const speakProgress = () => {
    const step = Math.floor(seen.percent / 5);
    if (!seen.live || (step === spokenStep && Date.now() - spokenAt < SPEAK_MS)) { return; }
    spokenStep = step;
    speak(fill(words.progress, seen.percent, seen.energy_kwh, seen.cost));
  };

  /* Who is silent, the charger or the line? Half the silence without a word, heartbeats too, and it may be the line. */
  let connected = true, wordAt = Date.now();
  const mute = (ms) => !over() && Date.now() - wordAt > ms;
  const connect = (works) => {
    if (works === connected) { return; }
    connected = works;
    const line = one("[data-line]");
    line.textContent = works ? "" : words.reconnecting;
    line.hidden = works;
    speak(works ? words.back : words.reconnecting);
  };

  /* One snapshot onto the page. */

  const codes = (from) => from.notices.map((notice) => notice.code || notice).filter((code) => code !== "stale");
  const shape = (from) => JSON.stringify([
    from.state, codes(from), from.lines.length ?? from.lines, from.refund, from.refund_by, from.problem, from.ends_by, from.total,
    from.target_kwh, from.soc_percent === null, from.series.length < 2, from.minutes_left === null,
  ]);

  const write = (part, value) => {
    if (part.tagName === "PROGRESS") { part.value = value || 0; return; }
    const text = value === null || value === undefined ? "" : String(value);
    if (part.textContent !== text) { part.textContent = text; }
  };

  const show = (next) => {
    const before = shape(seen);
    seen = next;
    ageAt = Date.now();
    for (const part of all("[data-field]")) { write(part, seen[part.dataset.field]); }
    for (const part of all("[data-cost]")) { write(part, rupees(over() ? seen.total || seen.cost : seen.cost)); }
    for (const part of all("[data-ends-at]")) { write(part, seen.ends_at ? clock.format(new Date(seen.ends_at)) : ""); }
    for (const part of all("[data-points]")) { part.setAttribute("points", seen.curve); }
    tick();
    curve.draw();
    fillTable();
    if (shape(seen) !== before) { reshape(); } else { speakProgress(); }
  };

  const span = (seconds) => {
    const minutes = Math.max(0, Math.floor(seconds / 60));
    if (minutes >= 2880) { return fill(words.days, Math.floor(minutes / 1440), Math.floor(minutes % 1440 / 60)); }
    return minutes >= 60 ? fill(words.hours, Math.floor(minutes / 60), minutes % 60) : fill(words.minutes, minutes);
  };

  const tick = () => {
    if (over()) { one("[data-awake]").hidden = true; letSleep(); }
    const line = one("[data-age-line]");
    const known = seen.live && seen.age_s !== null;
    line.hidden = !known;
    if (known) {
      const age = seen.age_s + Math.max(0, Math.round((Date.now() - ageAt) / 1000));
      write(one("[data-age]"), age < 90 ? fill(words.age_s, age) : fill(words.age_min, Math.floor(age / 60)));
      line.classList.toggle("stale", age > STALE_S);
      one("[data-stale]").hidden = age <= STALE_S || !connected || mute(SILENCE_MS / 2);
    }
    const left = one("[data-refund-left]");
    if (left && seen.refund_by) {
      const seconds = (Date.parse(seen.refund_by) - Date.now()) / 1000;
      write(left, seconds > 0 ? fill(words.in, span(seconds)) : words.overdue);
      if (seconds <= 0 && left.dataset.refundLeft !== "overdue") { left.dataset.refundLeft = "overdue"; reshape(); }
    }
  };

  /* Another shape of the page: the server's HTML, part by part; a part in which somebody is at work waits. */

  let shaping = false, shapeAgain = false;
  const parts = () => new Map(all("[data-part]").map((part) => [part.dataset.part, part.outerHTML]));
  let drawn = parts();

  /* A question that nobody answers is given up like a silent stream: a dead line answers nothing, not even no. */
  const asked = (url) => fetch(url, { cache: "no-store", credentials: "omit", signal: AbortSignal.timeout?.(SILENCE_MS) });

  const reshape = async () => {
    if (shaping) { shapeAgain = true; return; }
    shaping = true;
    try {
      const answer = await asked(location.pathname + location.search);
      if (answer.status === 404) { location.reload(); return; }
      if (answer.ok) { place(new DOMParser().parseFromString(await answer.text(), "text/html")); }
    } catch (err) {
      setTimeout(reshape, ASK_MS);
    } finally {
      shaping = false;
    }
    if (shapeAgain) { shapeAgain = false; reshape(); }
  };

  const place = (fresh) => {
    const state = fresh.body.dataset.state;
    let waits = false;
    for (const part of fresh.querySelectorAll("[data-part]")) {
      const name = part.dataset.part, old = one(`[data-part="${name}"]`), html = part.outerHTML;
      if (!old || html === drawn.get(name)) { continue; }
      if (old.contains(document.activeElement) || old.querySelector("details[open] form")) {
        const once = part.querySelector("[name=once]");
        old.querySelectorAll("[name=once]").forEach((field) => { if (once) { field.value = once.value; } });
        waits = true;
        continue;
      }
      if (name === "curve") { curve.drop(); }
      const open = [...old.querySelectorAll("details")].map((each) => each.open);
      old.replaceWith(document.importNode(part, true));
      all(`[data-part="${name}"] details`).forEach((each, place) => { each.open = Boolean(open[place]); });
      drawn.set(name, html);
    }
    document.title = fresh.title;
    const changed = body.dataset.state !== state;
    body.dataset.state = state;
    if (changed) { speak(one("[data-state-words]").textContent); }
    one("[data-line]").textContent = connected ? "" : words.reconnecting;
    one("[data-line]").hidden = connected;
    if (waits) { document.addEventListener("focusout", () => setTimeout(reshape, 500), { once: true }); }
    tick();
    curve.draw();
  };

  /* News: one stream, read by hand because an EventSource tells neither heartbeats nor refusals. */

  let lastId = "", retryMs = 3000, heardAt = Date.now(), stream = null, wake = () => {};
  const wait = (ms) => new Promise((done) => { const timer = setTimeout(done, ms); wake = () => { clearTimeout(timer); done(); }; });

  const take = (block) => {
    const told = { event: "", data: "", id: "", retry: "" };
    for (const line of block.split("\n")) {
      const at = line.indexOf(":"), name = line.slice(0, at);
      if (at > 0 && name in told) { told[name] += (told[name] ? "\n" : "") + line.slice(at + 1).replace(/^ /, ""); }
    }
    lastId = told.id || lastId;
    retryMs = Number(told.retry) || retryMs;
    if (told.event === "snapshot") { show(JSON.parse(told.data)); }
  };

  const listen = async () => {
    stream = new AbortController();
    heardAt = Date.now();
    const headers = lastId ? { Accept: "text/event-stream", "Last-Event-ID": lastId } : { Accept: "text/event-stream" };
    const answer = await fetch(body.dataset.events, { headers, cache: "no-store", credentials: "omit", signal: stream.signal });
    if (!answer.ok) {
      streamAt = Date.now() + 1000 * (Number(answer.headers.get("Retry-After")) || 0);
      throw new Error(`no stream: ${answer.status}`);
    }
    connect(true);
    if (answer.status === 204) { streamAt = Date.now() + LONGEST_WAIT_MS; return; }
    const reader = answer.body.getReader(), decoder = new TextDecoder();
    let text = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) { return; }
      heardAt = wordAt = Date.now();
      connect(true);
      const blocks = (text + decoder.decode(value, { stream: true })).replace(/\r\n/g, "\n").split("\n\n");
      text = blocks.pop();
      blocks.forEach(take);
    }
  };

  const look = async () => {
    if (document.hidden) { return; }
    const askedAt = Date.now();
    try {
      const answer = await asked(body.dataset.json);
      if (answer.status === 404) { location.reload(); return; }
      if (!answer.ok) { throw new Error(`no answer: ${answer.status}`); }
      const next = await answer.json();
      wordAt = Date.now();
      if (ageAt <= askedAt) { show(next); }
      connect(true);
    } catch (err) {
      connect(false);
    }
  };

  let failures = 0, streamAt = 0;
  const follow = async () => {
    while (!over()) {
      if (Date.now() >= streamAt) {
        try {
          await listen();
          failures = 0;
          await wait(retryMs * (0.5 + Math.random()));
          continue;
        } catch (err) {
          failures += 1;
          streamAt = Math.max(streamAt, Date.now() + Math.min(LONGEST_WAIT_MS, ASK_MS * 2 ** (failures - 1)));
        } finally {
          stream = null;
        }
      }
      await look();
      await wait(ASK_MS);
    }
    setInterval(look, LONGEST_WAIT_MS);
  };

  const hurry = () => {
    if (document.hidden) { return; }
    streamAt = 0;
    wordAt = Math.max(wordAt, Date.now() - SILENCE_MS / 2);
    if (stream && Date.now() - heardAt > SILENCE_MS / 2) { stream.abort(); }
    wake();
    keepAwake();
  };
  document.addEventListener("visibilitychange", hurry);
  window.addEventListener("online", hurry);
  setInterval(() => {
    if (mute(SILENCE_MS)) { connect(false); }
    tick();
    if (stream && Date.now() - heardAt > SILENCE_MS) { stream.abort(); }
  }, 1000);

  /* The live curve and the table behind it. */

  const curve = window.liveCurve({ words, started, clock, clockS, figures: () => seen });

  const fillTable = () => {
    const table = one("[data-table]");
    if (!table || !table.open) { return; }
    const last = seen.series.length - 1, most = Math.min(TABLE_ROWS, seen.series.length);
    const rows = Array.from({ length: most }, (_, place) => seen.series[most > 1 ? Math.floor(place * last / (most - 1)) : 0])
      .map(([at, watts, wh]) => [at, curve.label(started + at), (watts / 1000).toFixed(1), (wh / 1000).toFixed(2)]);
    seen.gaps.forEach(([begin, end]) => rows.push([begin + 0.5, curve.label(started + begin), `${words.gap} – ${curve.label(started + end)}`]));
    rows.sort((left, right) => left[0] - right[0]);
    table.querySelector("tbody").replaceChildren(...rows.map((row) => {
      const line = document.createElement("tr");
      row.slice(1).forEach((text) => { line.insertCell().textContent = text; });
      if (row.length === 3) { line.lastChild.colSpan = 2; }
      return line;
    }));
  };

  /* What a browser may have: a screen that stays on, and handing the link on. */

  let lock = null;
  const letSleep = () => { if (lock) { lock.release(); } };
  const keepAwake = async () => {
    const button = one("[data-awake]");
    if (button.getAttribute("aria-pressed") !== "true" || lock || over()) { return; }
    try {
      lock = await navigator.wakeLock.request("screen");
      lock.addEventListener("release", () => { lock = null; });
    } catch (err) {
      button.setAttribute("aria-pressed", "false");
    }
  };
  if (navigator.wakeLock && !over()) {
    const button = one("[data-awake]");
    button.hidden = one("[data-tools]").hidden = false;
    button.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(on));
      if (on) { keepAwake(); } else { letSleep(); }
    });
  }
  if (navigator.share) {
    const button = one("[data-share]");
    button.hidden = one("[data-tools]").hidden = false;
    button.addEventListener("click", () => navigator.share({ title: document.title, url: location.origin + location.pathname }).catch(() => {}));
  }

  const query = new URLSearchParams(location.search);
  if (query.has("said")) {
    query.delete("said");
    history.replaceState(null, "", location.pathname + (query.size ? `?${query}` : ""));
    const said = one("[data-said]");
    if (said) { said.focus(); }
  }
  tick();
    follow();
})();
