// Drives one journey by hand over the buyer app's own API, and shows every message. Texts from the network are only
// ever set as text, never as markup.
"use strict";

const STEPS = ["search", "select", "init", "confirm", "start", "end", "rate"];
const ACTIONS = [
  ["init", "Accept quote", {}], ["confirm", "Pay and confirm", {}], ["track", "Live page", {}], ["status", "Status", {}],
  ["update_start", "Start charging", {}], ["update_end", "End charging", {}], ["cancel", "Cancel", { reason_id: "1" }],
  ["rating", "Rate 5 of 5", { value: "5" }], ["support", "Support", {}],
  ["get_cancellation_reasons", "Cancel reasons", {}], ["get_rating_categories", "Rating categories", {}],
];
const MARKS = { search: "search", select: "select", init: "init", confirm: "confirm", update_start: "start", update_end: "end", rating: "rate" };

let transaction = "";
let newest = 0;
let orderId = "";
const done = new Set();
const find = (id) => document.getElementById(id);

function make(tag, text, className) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  return element;
}

function notice(text, bad) {
  find("notice").textContent = text;
  find("notice").className = bad ? "bad" : "";
}

async function call(action, wishes) {
  notice(`${action}: sent, waiting for the answer…`);
  lock(true);
  try {
    const response = await fetch(`/api/${action}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ transaction_id: transaction, wait_s: 20, ...wishes }),
    });
    const content = await response.json();
    if (!response.ok) throw new Error(content.error);
    transaction = content.sent.transaction_id;
    report(action, content);
    return content.answer && !content.answer.body.error ? content : null;
  } catch (error) {
    notice(`${action}: ${error.message}`, true);
    return null;
  } finally {
    lock(false);
    await refresh();
  }
}

function report(action, content) {
  const { sent, answer } = content;
  if (sent.ack !== "ACK") {
    notice(`${action}: not acknowledged (HTTP ${sent.status}) ${sent.error.message || sent.response}`, true);
  } else if (!answer) {
    notice(`${action}: acknowledged, but no answer came within 20 s`, true);
  } else if (answer.body.error) {
    notice(`${answer.action}: refused, ${answer.body.error.code} ${answer.body.error.message}`, true);
  } else {
    if (MARKS[action]) done.add(MARKS[action]);
    notice(`${answer.action}: ${answer.verdict}`, !answer.genuine);
  }
  showSteps();
}

function lock(locked) {
  for (const button of document.querySelectorAll("#controls button")) button.disabled = locked;
}

function showSteps() {
  find("steps").replaceChildren(...STEPS.map((name) => make("li", name, done.has(name) ? "done" : "")));
}

function showOffers(offers) {
  find("offers").hidden = false;
  const list = find("offer-list");
  list.replaceChildren();
  if (!offers.length) list.append(make("li", "No charger there. Try another place or a larger radius."));
  for (const offer of offers) {
    const button = make("button", `${offer.name || offer.item_id} · ${offer.price} ${offer.currency}`);
    button.type = "button";
    button.append(make("small", [offer.station, offer.provider_name, offer.connector_type, offer.power, offer.availability].filter(Boolean).join(" · ")));
    button.addEventListener("click", () => pick(offer));
    const item = make("li");
    item.append(button);
    list.append(item);
  }
}

async function pick(offer) {
  const content = await call("select", { offer, value: find("value").value, unit: find("unit").value });
  if (content) {
    find("order").hidden = false;
    showOrder(content.answer.body);
    find("order").scrollIntoView({ behavior: "smooth" });
  }
}

function showOrder(body) {
  const message = body.message || {};
  if (message.tracking && /^https?:/.test(message.tracking.url || "")) {
    const link = make("a", "Open the live page");
    link.href = message.tracking.url;
    link.target = "_blank";
    link.rel = "noopener noreferrer";
    find("live").replaceChildren(link);
  }
  const order = message.order;
  if (!order) return;
  orderId = order.id || orderId;
  find("order-id").textContent = orderId;
  const fulfillment = (order.fulfillments || [])[0] || {};
  const code = ((fulfillment.state || {}).descriptor || {}).code || "";
  find("state").textContent = [order.status || order.type, code].filter(Boolean).join(" · ");
  showQuote(order.quote);
  const group = (fulfillment.tags || []).find((tag) => (tag.descriptor || {}).code === "charging-details");
  find("details").replaceChildren(...((group || {}).list || []).flatMap((entry) => [make("dt", entry.descriptor.code), make("dd", entry.value)]));
}

function showQuote(quote) {
  if (!quote) return;
  const rows = (quote.breakup || []).map((line) => row(line.title, line.price.value));
  const total = row("total", `${quote.price.value} ${quote.price.currency}`);
  total.className = "total";
  find("quote").tBodies[0].replaceChildren(...rows, total);
}

function row(name, value) {
  const line = make("tr");
  line.append(make("td", name), make("td", value));
  return line;
}

function pretty(text) {
  try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; }
}

function entry(item) {
  const box = make("details");
  const head = make("summary");
  const good = item.genuine && (item.ack === "ACK" || item.status === 200);
  head.append(
    make("span", item.direction === "out" ? "→ sent" : "← received", "meta"), make("b", item.action),
    make("span", `${item.ack || item.status}`, good ? "" : "bad"),
    make("span", item.verdict, item.genuine ? "meta" : "bad"),
    make("span", `${item.latency_ms} ms · ${item.at.slice(11, 23)}${item.duplicate ? " · again" : ""}`, "meta"),
  );
  box.append(head);
  box.addEventListener("toggle", () => fill(box, item), { once: true });
  const line = make("li");
  line.append(box);
  return line;
}

function fill(box, item) {
  const inside = make("div", undefined, "inside");
  const headers = Object.entries(item.headers).map(([name, value]) => `${name}: ${value}`).join("\n");
  for (const [title, text] of [["Address", item.url], ["Headers", headers], ["Body", pretty(item.body)], [`Answer, HTTP ${item.status}`, pretty(item.response)]]) {
    inside.append(make("h3", title), make("pre", text));
  }
  box.append(inside);
}

async function refresh() {
  if (!transaction) return;
  const asked = transaction;
  const response = await fetch(`/api/exchanges?transaction_id=${encodeURIComponent(asked)}&after=${newest}`);
  const items = await response.json();
  // The clock and a button may both have asked: what the other one showed, or what belongs to a journey left behind, is skipped.
  for (const item of asked === transaction ? items.filter((one) => one.number > newest) : []) {
    newest = Math.max(newest, item.number);
    find("timeline").prepend(entry(item));
    if (item.direction !== "in" || !item.genuine) continue;
    try { showOrder(JSON.parse(item.body)); } catch { notice(`${item.action}: the body is not JSON`, true); }
  }
}

function startAnew() {
  transaction = "";
  orderId = "";
  newest = 0;
  done.clear();
  find("timeline").replaceChildren();
  find("offers").hidden = find("order").hidden = true;
  find("details").replaceChildren();
  find("live").replaceChildren();
  notice("");
  showSteps();
}

find("search-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  startAnew();
  const wishes = Object.fromEntries(new FormData(event.target));
  const content = await call("search", { ...wishes, direct: Boolean(wishes.direct) });
  if (content) showOffers(content.offers);
});
find("fresh").addEventListener("click", startAnew);
for (const [action, title, wishes] of ACTIONS) {
  const button = make("button", title, action === "cancel" ? "plain" : "");
  button.type = "button";
  button.addEventListener("click", async () => {
    const content = await call(action, wishes);
    if (content) showOrder(content.answer.body);
  });
  find("actions").append(button);
}
fetch("/api/info").then((response) => response.json()).then((info) => {
  find("who").textContent = `${info.subscriber_id} · callbacks at ${info.uri} · provider ${info.bpp_id || "found by search"}`;
}).catch(() => notice("The buyer app does not answer.", true));
showSteps();
setInterval(() => { if (!document.hidden) refresh().catch(() => notice("The buyer app does not answer.", true)); }, 2000);
