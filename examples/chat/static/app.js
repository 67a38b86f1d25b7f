// The chat's page. Everything that is sent goes through Link, everything shown of a room through Log.

import { $, avatar, el, icon, paintAvatar, randomId, remembered, session, toast } from "./dom.js";
import { Composer } from "./composer.js";
import { Conversation } from "./conversation.js";
import { Link } from "./link.js";
import { Log } from "./log.js";
import { closeDrawer, narrow, setUpDialog, setUpMenu } from "./menu.js";
import { setUpLightbox } from "./picture.js";

const lobby = "Lobby";
const roomKey = (name) => name.toLowerCase().replaceAll(" ", "");
const coarse = matchMedia("(pointer: coarse)");

const state = {
  me: null, // { id, name }, once the server gave it
  want: "", // the nickname asked for
  inside: false, // past the welcome
  room: null, // the Conversation shown, or null outside of any room
  rooms: new Map(), // key -> what the server told of the room
  conversations: new Map(), // key -> Conversation
  people: new Map(), // id -> person, of the room shown
  leaving: new Map(), // id -> timer: gone a moment ago, maybe back in a moment
  typists: new Map(), // id -> { name, timer }
};

const link = new Link(tabKey(), {
  status: paintStatus,
  connected: hello,
  disconnected: () => clearTypists(),
  message: (m) => received(m),
  came: (p) => inRoom(p.room) && came(p.who),
  went: (p) => inRoom(p.room) && went(p.who),
  renamed: (p) => inRoom(p.room) && renamed(p.who),
  room: (info) => roomChanged(info),
  seen: (s) => inRoom(s.room) && everybodySaw(s.id),
  typing: (t) => typist(t),
});

const log = new Log({
  me: () => state.me?.id,
  name: (person) => (person.id === state.me?.id ? state.me.name : (state.people.get(person.id)?.name ?? person.name)),
  fetch: async (item) => {
    if (item.era !== state.room?.era) return null;
    return (await link.ask("picture", { id: item.id }, 20_000)).data;
  },
  retry: (item) => {
    item.state = "pending";
    item.error = "";
    item.tries = 0;
    log.update(item);
    flush();
  },
  discard: (item) => {
    state.room.drop(item);
    log.remove(item);
    paintEmpty();
  },
  atBottom: () => looked(),
});

const composer = new Composer({
  open: () => state.room !== null,
  submit,
  typing: (on) => (on ? startTyping() : stopTyping()),
});

// tabKey is the secret by which the server knows this tab again.
function tabKey() {
  const key = session.get("key") || randomId();
  session.set("key", key);
  return key;
}

// --- coming in -------------------------------------------------------------------------------------------------------

function hashRoom() {
  try {
    return decodeURIComponent(location.hash.slice(1)).replaceAll("+", " ").trim().slice(0, 32);
  } catch {
    return "";
  }
}

function hashOf(room) {
  return "#" + encodeURIComponent(room).replaceAll("%20", "+");
}

function welcome() {
  $("welcome").hidden = false;
  $("chat").hidden = true;
  $("nick").value = state.want || remembered.get("nick") || "";
  const room = hashRoom();
  if (room && roomKey(room) !== roomKey(lobby)) {
    $("welcome-lead").replaceChildren("Pick a nickname to join ", el("strong", { text: "#" + room }), ".");
  }
  $("nick").focus();
  $("nick").select();
}

$("join-form").addEventListener("submit", (e) => {
  e.preventDefault();
  const name = $("nick").value.trim();
  if (!name) {
    joinError("A nickname, please.");
    return;
  }
  joinError("");
  state.want = name;
  busy(true);
  if (link.online) hello();
  else link.open();
});

$("nick").addEventListener("input", () => joinError(""));

function busy(on) {
  $("join-button").toggleAttribute("aria-busy", on);
  $("join-button").firstElementChild.textContent = on ? "Joining…" : "Join the chat";
}

function joinError(text, suggest) {
  const e = $("join-error");
  e.replaceChildren(text);
  if (suggest) {
    e.append(" ", el("button", {
      type: "button", class: "suggest", "data-testid": "suggestion", text: "Use “" + suggest + "”",
      onclick: () => {
        $("nick").value = suggest;
        $("join-form").requestSubmit();
      },
    }));
  }
  $("nick").setAttribute("aria-invalid", text ? "true" : "false");
}

// hello runs at each connection: the nickname first, then the room, both sent at once, for the server handles them in
// order. What was missed comes with the answer, and what waits here goes out after it.
async function hello() {
  const gen = link.generation;
  try {
    const named = link.ask("name", { name: state.want });
    const room = state.inside ? state.room : conversation(hashRoom() || remembered.get("room") || lobby);
    const entered = room ? link.ask("enter", wish(room)) : null;
    entered?.catch(() => {}); // looked at below, unless the name was refused
    const re = await named;
    if (gen !== link.generation) return;
    if (re.taken) return await nameTaken(re);
    if (re.you.name !== state.me?.name && state.inside) toast("You are now " + re.you.name + ".");
    iAm(re.you);
    roomList(re.rooms);
    if (room) await settle(room, entered, gen);
    comeInside();
  } catch (err) {
    if (gen !== link.generation || err.lost) return;
    busy(false);
    if (!state.inside) joinError(err.message);
    else toast(err.message, "bad");
  }
}

async function nameTaken(re) {
  if (!state.inside && !state.returning) {
    busy(false);
    joinError("Somebody here is called that already.", re.suggest);
    return;
  }
  state.want = re.suggest; // somebody took it while we were away
  await hello();
}

function comeInside() {
  if (state.inside) return;
  state.inside = true;
  busy(false);
  session.set("inside", "1");
  remembered.set("nick", state.me.name);
  $("welcome").hidden = true;
  $("chat").hidden = false;
  composer.fit();
  log.toBottom();
  looked();
  focusMessage();
}

function iAm(me) {
  state.me = me;
  state.want = me.name;
  paintAvatar($("me-avatar"), me);
  $("me-name").textContent = me.name;
}

// --- rooms -----------------------------------------------------------------------------------------------------------

function conversation(name) {
  const key = roomKey(name);
  let c = state.conversations.get(key);
  if (!c) state.conversations.set(key, (c = new Conversation(name)));
  return c;
}

const inRoom = (name) => state.room !== null && roomKey(name) === roomKey(state.room.name);
const wish = (c) => ({ room: c.name, epoch: c.epoch, after: c.last });

// go shows another room at once, and enters it as soon as there is a connection.
async function go(name) {
  const c = conversation(name);
  if (c === state.room) return;
  show(c);
  if (!link.online || !state.me) return;
  const gen = link.generation;
  try {
    await settle(c, link.ask("enter", wish(c)), gen);
  } catch (err) {
    if (gen !== link.generation || err.lost) return;
    toast(err.message, "bad");
    leaveRoom();
  }
}

// show makes a conversation the one on screen.
function show(c) {
  stopTyping();
  state.room = c;
  state.people = new Map();
  for (const t of state.leaving.values()) clearTimeout(t);
  state.leaving.clear();
  clearTypists();
  link.ready = false;
  if (c && roomKey(hashRoom()) !== roomKey(c.name)) history.pushState(null, "", hashOf(c.name));
  if (!c) history.pushState(null, "", location.pathname + location.search);
  if (c) remembered.set("room", c.name);
  log.show(c);
  paintRoom();
  paintRooms();
  paintPeople();
  paintEmpty();
  closeDrawer();
  focusMessage();
}

// settle takes the server's answer to entering a room.
async function settle(c, entered, gen) {
  let re;
  try {
    re = await entered;
  } catch (err) {
    if (err.lost || gen !== link.generation || state.inside) throw err;
    toast(err.message, "bad"); // the room in the address is none: to the lobby
    return go(lobby);
  }
  if (gen !== link.generation || (state.room !== c && state.inside)) return;
  if (state.room !== c) show(c);
  const hadSome = c.items.length > 0;
  const asked = roomKey(c.name);
  const first = c.begin(re);
  if (asked !== roomKey(c.name)) { // the server writes the name differently
    state.conversations.delete(asked);
    state.conversations.set(roomKey(c.name), c);
    history.replaceState(null, "", hashOf(c.name));
  }
  state.people = new Map(re.people.map((p) => [p.id, p]));
  if (re.reset && hadSome) log.place(c.note("The server was restarted. What is above is only here.", { tone: "warn" }));
  if (re.gap) log.place(c.note("Some messages in between are no longer kept.", { tone: "warn" }));
  let fresh = null;
  for (const m of re.messages) {
    const item = c.message(m, state.me.id);
    if (!item) continue;
    log.place(item);
    if (!first && !fresh && m.from.id !== state.me.id) fresh = item;
  }
  if (fresh && document.hidden) log.lineAbove(fresh);
  link.ready = true;
  link.release();
  log.updateAll();
  log.reload();
  if (first) log.toBottom();
  roomChanged(re.room);
  paintRoom();
  paintPeople();
  paintEmpty();
  looked();
  flush();
}

async function leaveRoom() {
  if (!state.room) return;
  show(null);
  if (link.online) link.ask("leave", {}).catch(() => {});
}

addEventListener("hashchange", () => {
  if (!state.inside) return;
  const name = hashRoom();
  if (name) go(name);
  else if (state.room) leaveRoom();
});
addEventListener("popstate", () => state.inside && !hashRoom() && state.room && leaveRoom());

function roomList(infos) {
  state.rooms.clear();
  for (const info of infos) state.rooms.set(roomKey(info.name), info);
  paintRooms();
}

function roomChanged(info) {
  const key = roomKey(info.name);
  if (info.gone) state.rooms.delete(key);
  else state.rooms.set(key, info);
  paintRooms();
}

// unreadIn is how many messages a room has got since it was last looked at; rooms never visited do not nag.
function unreadIn(info) {
  const c = state.conversations.get(roomKey(info.name));
  if (!c || !c.entered || c === state.room) return 0;
  return c.epoch === info.epoch ? Math.max(0, info.last - c.last) : info.last;
}

function paintRooms() {
  const list = $("rooms");
  const infos = [...state.rooms.values()];
  if (state.room && !state.rooms.has(roomKey(state.room.name))) infos.push({ name: state.room.name, people: 0, last: 0 });
  const first = roomKey(lobby);
  infos.sort((a, b) => (roomKey(b.name) === first) - (roomKey(a.name) === first) || a.name.localeCompare(b.name));
  const rows = new Map([...list.children].map((li) => [li.dataset.key, li]));
  const wanted = infos.map((info) => {
    const key = roomKey(info.name);
    let li = rows.get(key);
    if (!li) {
      li = el("li", { "data-key": key }, el(
        "a",
        { "data-testid": "room-item", href: hashOf(info.name) },
        el("span", { class: "hash", "aria-hidden": "true", text: "#" }),
        el("span", { class: "name" }),
        el("span", { class: "unread" }),
        el("span", { class: "count" }),
      ));
    }
    const here = inRoom(info.name);
    const unread = unreadIn(info);
    const a = li.firstChild;
    a.toggleAttribute("data-here", here);
    if (here) a.setAttribute("aria-current", "page");
    else a.removeAttribute("aria-current");
    a.querySelector(".name").textContent = info.name;
    const badge = a.querySelector(".unread");
    badge.textContent = unread ? (unread > 99 ? "99+" : unread) : "";
    badge.setAttribute("aria-label", unread ? unread + " unread" : "");
    const count = a.querySelector(".count");
    count.textContent = info.people || "";
    count.title = info.people === 1 ? "1 person there" : info.people + " people there";
    return li;
  });
  if (wanted.length !== list.children.length || wanted.some((li, i) => li !== list.children[i])) list.replaceChildren(...wanted);
  $("drawer-open").classList.toggle("dot", infos.some((i) => unreadIn(i) > 0));
}

function paintRoom() {
  const c = state.room;
  $("chat").classList.toggle("outside", !c);
  $("room-name").textContent = c ? "#" + c.name : "No room";
  $("invite").hidden = $("leave").hidden = !c;
  $("message").placeholder = c ? "Message #" + c.name : "Message";
  $("live").setAttribute("aria-label", c ? "Messages in " + c.name : "Messages");
  paintTitle();
}

function paintTitle() {
  const n = document.hidden ? log.unread : 0;
  document.title = (n ? "(" + n + ") " : "") + (state.room ? "#" + state.room.name + " · " : "") + "sio chat";
}

function paintEmpty() {
  const e = $("empty");
  const c = state.room;
  e.hidden = !!c && c.items.some((i) => i.kind === "message");
  if (e.hidden) return;
  if (!c) {
    e.replaceChildren(
      el("div", { class: "empty-art" }, icon("leave")),
      el("h2", { text: "You are in no room" }),
      el("p", { text: "Choose one from the list, or make your own." }),
      el("button", { type: "button", class: "primary", text: "Back to #" + lobby, onclick: () => go(lobby) }),
    );
  } else if (!c.entered) {
    e.replaceChildren(
      el("div", { class: "spinner", "aria-hidden": "true" }),
      el("p", { text: link.online ? "Entering #" + c.name + "…" : "Waiting for the connection…" }),
    );
  } else {
    const alone = state.people.size < 2;
    e.replaceChildren(
      el("div", { class: "empty-art hi", text: "👋" }),
      el("h2", { text: alone ? "You are the first one here" : "Nothing said here yet" }),
      el("p", { text: alone ? "Open this page in a second window, or send somebody the link." : "Say hello: everybody is waiting for it." }),
      alone ? el("button", { type: "button", class: "primary", text: "Copy the link", onclick: invite }) : null,
    );
  }
}

// --- who is here -----------------------------------------------------------------------------------------------------

// Somebody whose connection breaks is back within seconds most of the time: the list shows each change at once, the
// log only those that last.
const grace = 6000;

function came(who) {
  const back = state.leaving.has(who.id);
  clearTimeout(state.leaving.get(who.id));
  state.leaving.delete(who.id);
  const known = state.people.has(who.id);
  state.people.set(who.id, who);
  if (!known && !back && who.id !== state.me.id) note(who.name + " joined");
  paintPeople();
  log.updateAll();
}

function went(who) {
  if (who.id === state.me.id || !state.people.delete(who.id)) return;
  untype(who.id);
  clearTimeout(state.leaving.get(who.id));
  const room = state.room;
  state.leaving.set(who.id, setTimeout(() => {
    state.leaving.delete(who.id);
    if (state.room === room) note(who.name + " left");
  }, grace));
  paintPeople();
}

function renamed(who) {
  const old = state.people.get(who.id)?.name;
  state.people.set(who.id, who);
  if (who.id === state.me.id) iAm(who);
  if (old && old !== who.name) note(old + " is now " + who.name);
  paintPeople();
  log.updateAll();
}

function note(text) {
  log.place(state.room.note(text));
}

function paintPeople() {
  const people = [...state.people.values()];
  const mine = state.me?.id;
  people.sort((a, b) => (b.id === mine) - (a.id === mine) || a.name.localeCompare(b.name));
  $("people").replaceChildren(...people.map((p) => el(
    "li",
    { class: "person", "data-id": p.id },
    avatar(p),
    el("span", { class: "name", text: p.name }),
    p.id === mine ? el("span", { class: "you", text: "you" }) : null,
  )));
  $("people-count").textContent = people.length || "";
  $("people-section").hidden = !state.room;
  const n = people.length;
  $("room-sub").textContent = !state.room ? "" : n === 0 ? "…" : n === 1 ? "Only you are here" : n + " people here";
  const others = people.filter((p) => p.id !== mine).slice(0, 4);
  $("faces").replaceChildren(...others.map((p) => avatar(p, { title: p.name })));
  if (n - 1 > 4) $("faces").append(el("span", { class: "avatar more", text: "+" + (n - 5) }));
}

// --- who is typing ---------------------------------------------------------------------------------------------------

function typist(t) {
  if (!state.room || t.from.id === state.me?.id) return;
  untype(t.from.id);
  if (t.on) state.typists.set(t.from.id, { name: t.from.name, timer: setTimeout(() => untype(t.from.id), 5000) });
  paintTypists();
}

function untype(id) {
  clearTimeout(state.typists.get(id)?.timer);
  if (state.typists.delete(id)) paintTypists();
}

function clearTypists() {
  for (const id of [...state.typists.keys()]) untype(id);
}

function paintTypists() {
  const names = [...state.typists.values()].map((t) => t.name);
  const text = names.length === 0 ? "" : names.length === 1 ? names[0] + " is typing" : names.length === 2
    ? names.join(" and ") + " are typing" : "Several people are typing";
  const e = $("typing");
  if (e.dataset.text === text) return;
  e.dataset.text = text;
  e.replaceChildren(...(text ? [el("span", { class: "dots", "aria-hidden": "true" }, el("i"), el("i"), el("i")), el("span", { text })] : []));
}

let typedAt = 0;
function startTyping() {
  if (!link.ready || Date.now() - typedAt < 2500) return;
  typedAt = Date.now();
  link.hint("typing", { on: true });
}

function stopTyping() {
  if (typedAt && link.ready) link.hint("typing", { on: false });
  typedAt = 0;
}

// --- messages --------------------------------------------------------------------------------------------------------

function received(m) {
  if (!inRoom(m.room)) return;
  untype(m.from.id);
  const item = state.room.message(m, state.me.id);
  if (!item) return;
  log.place(item);
  paintEmpty();
  if (item.from.id === state.me.id) return looked();
  log.arrived(item, !document.hidden);
  looked();
  paintTitle();
}

// looked tells the server up to where this page was looked at: shown, and at the end.
function looked() {
  if (document.hidden || !log.stick || !state.room || $("chat").hidden) return;
  log.looked();
  paintTitle();
  const c = state.room;
  if (!link.ready || (c.told === c.last && c.toldEra === c.era && c.toldGen === link.generation)) return;
  c.told = c.last;
  c.toldEra = c.era;
  c.toldGen = link.generation;
  link.tell("seen", { room: c.name, id: c.last });
}

document.addEventListener("visibilitychange", looked);

function everybodySaw(id) {
  if (id <= state.room.seenByAll) return;
  state.room.seenByAll = id;
  log.updateAll();
}

// submit puts a message of our own at the end of the log, and sends it as soon as that is possible.
function submit(text, picture) {
  if (!state.room) return false;
  if (state.room.waiting().length >= 50) {
    toast("Too much is waiting to be sent already.", "bad");
    return false;
  }
  typedAt = 0; // the message itself says that the typing is over
  log.stick = true;
  log.place(state.room.compose(randomId(), state.me, text, picture));
  log.toBottom();
  paintEmpty();
  flush();
  return true;
}

// flush sends what waits in this room, one after the other, so that the order stays. A message may go out twice, when
// a connection breaks before its acknowledgement came: the server knows it by its cid and tells it once.
let flushing = null;
function flush() {
  flushing ??= sendAll().finally(() => (flushing = null));
}

async function sendAll() {
  for (;;) {
    const c = state.room;
    const item = link.ready && c?.waiting()[0];
    if (!item) return;
    try {
      const q = { room: c.name, cid: item.cid, text: item.text };
      if (item.data) q.picture = item.data;
      const re = await link.ask("say", q, item.data ? 60_000 : 15_000);
      c.confirm(item, re);
    } catch (err) {
      if (err.lost && !link.online) return; // again after the reconnection
      item.tries = (item.tries ?? 0) + 1;
      if (err.lost && item.tries < 3) continue;
      item.state = "failed";
      item.error = err.lost ? "The server did not answer." : err.message;
    }
    if (state.room !== c) continue;
    log.place(item);
    looked();
  }
}

// --- status ----------------------------------------------------------------------------------------------------------

let backTimer = 0;

// paintStatus shows how the connection is doing: "online", "connecting", "offline", or "refused" with a reason.
function paintStatus(status, detail) {
  const online = `Online, ${{ polling: "polling", websocket: "WebSocket", webtransport: "WebTransport" }[link.transport]}`;
  $("me-state").textContent = { online, connecting: "Connecting…", offline: "Offline", refused: "Refused" }[status];
  $("me-state").dataset.status = status;
  $("chat").classList.toggle("offline", status !== "online");
  if (!state.inside) {
    if (status === "offline" && detail.attempt > 0) joinError("The server can’t be reached. Trying again…");
    if (status === "refused") {
      busy(false);
      joinError(detail.reason);
    }
    if (status === "online") joinError("");
    return;
  }
  const banner = $("banner");
  clearTimeout(backTimer);
  if (status === "online") {
    if (banner.hidden) return;
    banner.className = "banner good";
    $("banner-text").textContent = "You are back online.";
    $("retry").hidden = true;
    backTimer = setTimeout(() => (banner.hidden = true), 2500);
    return;
  }
  banner.hidden = false;
  banner.className = "banner";
  $("retry").hidden = false;
  if (status === "refused") $("banner-text").textContent = "The server refuses the connection: " + detail.reason;
  else if (navigator.onLine === false) $("banner-text").textContent = "You are offline. What you write is sent later.";
  else $("banner-text").textContent = "Connection lost. Reconnecting… What you write is sent then.";
  paintEmpty();
}

$("retry").addEventListener("click", () => link.retry());
addEventListener("online", () => state.inside && !link.online && link.retry());

// --- what the buttons do ---------------------------------------------------------------------------------------------

function focusMessage() {
  if (!coarse.matches && !narrow.matches && state.room && !$("chat").hidden) composer.focus();
}

async function invite() {
  try {
    await navigator.clipboard.writeText(location.href);
    toast("The link is in your clipboard.");
  } catch {
    $("link").value = location.href; // no clipboard over plain HTTP from another machine
    $("link-dialog").showModal();
    $("link").select();
  }
}

const renaming = setUpDialog($("name-dialog"), async (name) => {
  const re = await link.ask("name", { name });
  if (re.taken) throw new Error("Somebody is called that already. “" + re.suggest + "” is free.");
  iAm(re.you);
  remembered.set("nick", re.you.name);
  paintPeople();
  log.updateAll();
});

const creating = setUpDialog($("room-dialog"), (typed) => {
  const name = typed.replace(/^[#\s]+|\s+$/g, "").replace(/\s+/g, " ");
  if (!name) throw new Error("A room needs a name.");
  go(name);
});

$("rename").addEventListener("click", () => renaming(state.me.name));
$("new-room").addEventListener("click", () => {
  closeDrawer();
  creating("");
});
$("leave").addEventListener("click", leaveRoom);
$("invite").addEventListener("click", invite);

// --- start -----------------------------------------------------------------------------------------------------------

for (const e of document.querySelectorAll("[data-icon]")) e.prepend(icon(e.dataset.icon));
$("attach-label").prepend(icon("image"));
$("jump").prepend(icon("down"));
setUpLightbox();
setUpMenu();

if (!link.available) {
  welcome();
  busy(false);
  joinError("The Socket.IO client did not load. Is the server up? Reload to try again.");
  $("join-button").disabled = true;
} else if (session.get("inside") && remembered.get("nick")) {
  state.returning = true; // a reload: the same person comes back
  state.want = remembered.get("nick");
  link.open();
  welcome();
  busy(true);
} else {
  welcome();
}
