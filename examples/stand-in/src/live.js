// The live page: rows of what arrived, and what is still to arrive. The application's notes say by which
// strategy events left; a note and its event find each other by name and by sender, the oldest first.
const byId = (id) => document.getElementById(id);
const rows = byId("rows");
const MAX_ROWS = 500;
// mixpanel-js sends every five seconds.
const SILENT_AFTER = 15_000;
// A note precedes its event, except where the server delivered before it responded.
const NOTE_DELAY = 10_000;
// By sender and name of the event: what left and has not arrived, and what arrived without a note.
const departures = new Map();
const arrivals = new Map();
// By name of the event: what waits for the next page.
const delayed = new Map();
// By request: strategies that declined.
const declined = new Map();
// By `$insert_id`: the row of the first copy.
const firsts = new Map();
// Senders whose events go to another Mixpanel, and never arrive here.
const elsewhere = document.querySelector("main").dataset.elsewhere.split(" ").filter(Boolean);
let after = 0;
let events = 0;

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined && text !== null) made.textContent = text;
  return made;
}

function row(kind, cells) {
  byId("empty")?.remove();
  const made = element("tr", kind);
  made.append(...cells);
  rows.prepend(made);
  while (rows.children.length > MAX_ROWS) rows.lastChild.remove();
}

function clock(milliseconds) {
  const time = milliseconds ? new Date(milliseconds) : new Date();
  return element("td", "time", time.toLocaleTimeString());
}

function details(value) {
  const cell = element("td", "wide");
  const fold = element("details");
  const names = Object.keys(value || {}).filter((name) => !/^(\$|mp_|token$|time$|distinct_id$|ip$)/.test(name));
  const brief = names.map((name) => name + ": " + JSON.stringify(value[name])).join(", ");
  fold.append(element("summary", "", brief.slice(0, 160) || "All properties"), element("pre", "", JSON.stringify(value, null, 2)));
  cell.append(fold);
  return cell;
}

function user(id) {
  const isDevice = typeof id === "string" && id.startsWith("$device:");
  const cell = element("td", id && !isDevice ? "user known" : "user", isDevice ? "Anonymous " + id.slice(8, 12) : id || (id === "" ? "Nobody" : id));
  if (id) cell.title = id;
  return cell;
}

// Where the events of a strategy are sent from.
const colorOf = (strategy) => (strategy === "delayed" ? "page" : strategy.endsWith("client_side") ? "browser" : "server");

function chip(strategy, title) {
  const made = element("span", "chip " + colorOf(strategy), strategy);
  made.title = title;
  return made;
}

function listed(map, key) {
  if (!map.has(key)) map.set(key, []);
  return map.get(key);
}

function pair(key) {
  const left = listed(departures, key);
  const came = listed(arrivals, key);
  while (left.length && came.length && came[0].at < left[0].at - NOTE_DELAY) came.shift();
  while (left.length && came.length) {
    const { cell } = came.shift();
    left.shift().steps.forEach(({ strategy, where }, place) => {
      const step = chip(strategy, where);
      const slot = element("span", place ? "then" : "");
      slot.append(step);
      cell.append(slot);
    });
  }
}

function depart(note, where, at) {
  const step = { strategy: note.strategy, where };
  for (const name of note.events) {
    const steps = [...(delayed.get(name)?.steps || []), step];
    if (note.strategy === "delayed") {
      delayed.set(name, { steps, at, name });
      continue;
    }
    delayed.delete(name);
    const sender = colorOf(note.strategy);
    if (elsewhere.includes(sender)) continue;
    const key = sender + " " + name;
    listed(departures, key).push({ steps, at, name });
    pair(key);
  }
}

// One row a set of calls: the strategies that declined it, with their reasons, and the one that took it.
function showNote(note, at) {
  const where = note.method + " " + note.path;
  if (note.declined !== null) {
    listed(declined, where).push(note);
    return;
  }
  const cell = element("td", "wide");
  cell.append(chip(note.strategy, where));
  for (const { strategy, declined: why } of declined.get(where) || []) {
    cell.append(element("div", "soft", `Not by ${strategy}: ${why}`));
  }
  declined.delete(where);
  const what = note.events.join(", ") || (note.calls === 1 ? "1 call" : note.calls + " calls");
  row("note", [clock(at), element("td", "", "Decision for " + where), element("td"), cell, element("td"), element("td", "wide", what)]);
  depart(note, where, at);
}

function showReceived(entry) {
  const isEvent = entry.kind === "event";
  const first = isEvent && entry.insert_id ? firsts.get(entry.insert_id) : undefined;
  if (first) {
    first.copies += 1;
    first.chip.textContent = first.copies === 1 ? "1 duplicate dropped" : first.copies + " duplicates dropped";
    if (!first.chip.isConnected) first.cell.append(first.chip);
    return;
  }
  const strategy = element("td");
  const sender = element("td");
  sender.append(element("span", "chip", (entry.via === "browser" ? "Browser, " : "Server, ") + entry.endpoint));
  const isOwn = isEvent && !entry.what.startsWith("$");
  const what = element("td", "what", isEvent ? entry.what : "Profile: " + entry.what);
  row(isOwn ? "event" : "profile", [clock(entry.time || entry.at), what, user(entry.whom), strategy, sender, details(entry.details)]);
  if (!isOwn) return;
  events += 1;
  if (entry.insert_id) {
    const chip = element("span", "dup", "");
    chip.title = "A page that is left sends its events once more, to be sure. Mixpanel counts each once.";
    firsts.set(entry.insert_id, { copies: 0, cell: sender, chip });
  }
  const key = entry.via + " " + entry.what;
  listed(arrivals, key).push({ cell: strategy, at: entry.at });
  pair(key);
}

function show(entry) {
  if (entry.kind === "note") return showNote(entry.note, entry.at);
  if (entry.kind === "refused") {
    const what = element("td", "what", "Refused: " + (entry.what || "a record without an event"));
    return row("refused", [clock(), what, element("td"), element("td"), element("td", "", entry.endpoint), details({ reason: entry.message, record: entry.details })]);
  }
  if (entry.kind === "trouble") {
    const what = element("td", "what", entry.status === null ? "Request without a response" : "Request answered with status " + entry.status);
    return row("trouble", [clock(), what, element("td"), element("td"), element("td", "", entry.endpoint), element("td")]);
  }
  showReceived(entry);
}

function fill(place, waiting, now) {
  byId(place + "-count").textContent = waiting.length;
  byId(place + "-list").replaceChildren(
    ...waiting.slice(-10).map(({ name, at }) => {
      const item = element("li");
      item.append(element("span", "chip " + place, name), element("span", "soft", Math.max(0, Math.round((now - at) / 1000)) + " s"));
      return item;
    }),
  );
}

function showWaiting() {
  const now = Date.now();
  const left = (sender) => [...departures].filter(([key]) => key.startsWith(sender + " ")).flatMap(([, waiting]) => waiting);
  const inBrowser = left("browser");
  fill("page", [...delayed.values()], now);
  fill("browser", inBrowser, now);
  fill("server", left("server"), now);
  const silent = inBrowser.filter(({ at }) => now - at > SILENT_AFTER);
  byId("silent").hidden = silent.length === 0;
  if (silent.length === 0) return;
  const names = [...new Set(silent.map(({ name }) => name))].join(", ");
  byId("silent").textContent =
    `No browser has sent ${silent.length === 1 ? "an event" : silent.length + " events"} that its page carried: ${names}. ` +
    "Either mixpanel-js did not load there (blocked, or its address cannot be reached), or it cannot reach this stand-in, " +
    "or a program that runs no scripts asked for the page.";
}

async function look() {
  try {
    const response = await fetch("live.json?after=" + after);
    for (const [number, entry] of await response.json()) {
      after = number;
      show(entry);
    }
    byId("state").textContent = events === 1 ? "1 event so far." : events + " events so far.";
    showWaiting();
  } catch (error) {
    byId("state").textContent = "The application does not respond.";
  }
  setTimeout(look, 700);
}

for (const kind of ["note", "profile"]) {
  byId(kind).addEventListener("change", (change) => byId("table").classList.toggle("hide-" + kind, !change.target.checked));
}
for (const sender of elsewhere) byId(sender).hidden = true;
look();
