// Live page: rows of received events, and lists of pending events. The application's notes name the strategy
// of each event. A note and its event are matched by name and sender, oldest first.
const byId = (id) => document.getElementById(id);
const rows = byId("rows");
const MAX_ROWS = 500;
// Age in milliseconds at which an event counts as undelivered. mixpanel-js sends every five seconds.
const OVERDUE_AFTER = 15_000;
// Longest delay of a note behind its event, in milliseconds. A note usually precedes its event, unless the
// server sends the event before it responds.
const MAX_NOTE_DELAY = 10_000;
// By sender and event name: events that were not received yet, and received events without a note.
const pending = new Map();
const unmatched = new Map();
// By event name: events that the next page will deliver.
const delayed = new Map();
// By request: notes of the strategies that declined.
const declined = new Map();
// By `$insert_id`: the row of the first copy.
const firstCopies = new Map();
// Senders that send to another host than this stand-in.
const externalSenders = document.querySelector("main").dataset.externalSenders.split(" ").filter(Boolean);
let lastEntry = 0;
let eventCount = 0;

function element(tag, className, text) {
  const created = document.createElement(tag);
  if (className) created.className = className;
  if (text !== undefined && text !== null) created.textContent = text;
  return created;
}

function row(kind, cells) {
  byId("empty")?.remove();
  const tr = element("tr", kind);
  tr.append(...cells);
  rows.prepend(tr);
  while (rows.children.length > MAX_ROWS) rows.lastChild.remove();
}

function timeCell(milliseconds) {
  const time = milliseconds ? new Date(milliseconds) : new Date();
  return element("td", "time", time.toLocaleTimeString());
}

function detailsCell(value) {
  const cell = element("td", "wide");
  const fold = element("details");
  const names = Object.keys(value || {}).filter((name) => !/^(\$|mp_|token$|time$|distinct_id$|ip$)/.test(name));
  const summary = names.map((name) => name + ": " + JSON.stringify(value[name])).join(", ");
  fold.append(element("summary", "", summary.slice(0, 160) || "All properties"), element("pre", "", JSON.stringify(value, null, 2)));
  cell.append(fold);
  return cell;
}

function userCell(id) {
  const isDevice = typeof id === "string" && id.startsWith("$device:");
  const cell = element("td", id && !isDevice ? "user known" : "user", isDevice ? "Anonymous " + id.slice(8, 12) : id || (id === "" ? "No user" : id));
  if (id) cell.title = id;
  return cell;
}

// Sender of the events of a strategy: `page` stands for the next page.
const senderOf = (strategy) => (strategy === "delayed" ? "page" : strategy.endsWith("client_side") ? "browser" : "server");

function chip(strategy, title) {
  const span = element("span", "chip " + senderOf(strategy), strategy);
  span.title = title;
  return span;
}

// Returns the list at `key`, which is created if it is missing.
function listAt(map, key) {
  if (!map.has(key)) map.set(key, []);
  return map.get(key);
}

// Matches pending events with received events, and shows their strategies.
function match(key) {
  const sent = listAt(pending, key);
  const received = listAt(unmatched, key);
  while (sent.length && received.length && received[0].at < sent[0].at - MAX_NOTE_DELAY) received.shift();
  while (sent.length && received.length) {
    const { cell } = received.shift();
    sent.shift().steps.forEach(({ strategy, request }, index) => {
      const step = chip(strategy, request);
      const slot = element("span", index ? "then" : "");
      slot.append(step);
      cell.append(slot);
    });
  }
}

// Adds the events of a note to the pending ones.
function addPending(note, request, at) {
  const step = { strategy: note.strategy, request };
  for (const name of note.events) {
    const steps = [...(delayed.get(name)?.steps || []), step];
    if (note.strategy === "delayed") {
      delayed.set(name, { steps, at, name });
      continue;
    }
    delayed.delete(name);
    const sender = senderOf(note.strategy);
    if (externalSenders.includes(sender)) continue;
    const key = sender + " " + name;
    listAt(pending, key).push({ steps, at, name });
    match(key);
  }
}

// Adds one row for a set of calls: the strategy that accepted it, and those that declined it with reasons.
function showNote(note, at) {
  const request = note.method + " " + note.path;
  if (note.declined !== null) {
    listAt(declined, request).push(note);
    return;
  }
  const cell = element("td", "wide");
  cell.append(chip(note.strategy, request));
  for (const { strategy, declined: reason } of declined.get(request) || []) {
    cell.append(element("div", "soft", `${strategy} declined: ${reason}`));
  }
  declined.delete(request);
  const summary = note.events.join(", ") || (note.calls === 1 ? "1 call" : note.calls + " calls");
  row("note", [timeCell(at), element("td", "", "Decision for " + request), element("td"), cell, element("td"), element("td", "wide", summary)]);
  addPending(note, request, at);
}

function showReceived(entry) {
  const isEvent = entry.kind === "event";
  const first = isEvent && entry.insert_id ? firstCopies.get(entry.insert_id) : undefined;
  if (first) {
    first.copies += 1;
    first.chip.textContent = first.copies === 1 ? "1 duplicate ignored" : first.copies + " duplicates ignored";
    if (!first.chip.isConnected) first.cell.append(first.chip);
    return;
  }
  const strategy = element("td");
  const sender = element("td");
  sender.append(element("span", "chip", (entry.via === "browser" ? "Browser, " : "Server, ") + entry.endpoint));
  const isCustom = isEvent && !entry.what.startsWith("$");
  const title = element("td", "title", isEvent ? entry.what : "Profile: " + entry.what);
  row(isCustom ? "event" : "profile", [timeCell(entry.time || entry.at), title, userCell(entry.whom), strategy, sender, detailsCell(entry.details)]);
  if (!isCustom) return;
  eventCount += 1;
  if (entry.insert_id) {
    const chip = element("span", "duplicates", "");
    chip.title = "When a visitor leaves a page, the page sends its recent events again. Mixpanel counts each event once.";
    firstCopies.set(entry.insert_id, { copies: 0, cell: sender, chip });
  }
  const key = entry.via + " " + entry.what;
  listAt(unmatched, key).push({ cell: strategy, at: entry.at });
  match(key);
}

function show(entry) {
  if (entry.kind === "note") return showNote(entry.note, entry.at);
  if (entry.kind === "refused") {
    const title = element("td", "title", "Rejected: " + (entry.what || "a record without an event name"));
    return row("refused", [timeCell(), title, element("td"), element("td"), element("td", "", entry.endpoint), detailsCell({ reason: entry.message, record: entry.details })]);
  }
  if (entry.kind === "trouble") {
    const title = element("td", "title", entry.status === null ? "Request without a response" : "Response with status " + entry.status);
    return row("failed", [timeCell(), title, element("td"), element("td"), element("td", "", entry.endpoint), element("td")]);
  }
  showReceived(entry);
}

function showList(id, list, now) {
  byId(id + "-count").textContent = list.length;
  byId(id + "-list").replaceChildren(
    ...list.slice(-10).map(({ name, at }) => {
      const item = element("li");
      item.append(element("span", "chip " + id, name), element("span", "soft", Math.max(0, Math.round((now - at) / 1000)) + " s"));
      return item;
    }),
  );
}

function showPending() {
  const now = Date.now();
  const pendingOf = (sender) => [...pending].filter(([key]) => key.startsWith(sender + " ")).flatMap(([, list]) => list);
  const inBrowser = pendingOf("browser");
  showList("page", [...delayed.values()], now);
  showList("browser", inBrowser, now);
  showList("server", pendingOf("server"), now);
  const overdue = inBrowser.filter(({ at }) => now - at > OVERDUE_AFTER);
  byId("overdue").hidden = overdue.length === 0;
  if (overdue.length === 0) return;
  const names = [...new Set(overdue.map(({ name }) => name))].join(", ");
  byId("overdue").textContent =
    `The browser has not sent ${overdue.length === 1 ? "1 event" : overdue.length + " events"} of its pages: ${names}. ` +
    "Possible causes: mixpanel-js did not load (it is blocked or unreachable), it cannot reach this stand-in, " +
    "or the client does not run scripts.";
}

async function poll() {
  try {
    const response = await fetch("live.json?after=" + lastEntry);
    for (const [number, entry] of await response.json()) {
      lastEntry = number;
      show(entry);
    }
    byId("state").textContent = eventCount === 1 ? "1 event so far." : eventCount + " events so far.";
    showPending();
  } catch (error) {
    byId("state").textContent = "The application does not respond.";
  }
  setTimeout(poll, 700);
}

for (const kind of ["note", "profile"]) {
  byId(kind).addEventListener("change", (change) => byId("table").classList.toggle("hide-" + kind, !change.target.checked));
}
for (const sender of externalSenders) byId(sender).hidden = true;
poll();
