// The log shows a conversation: one list item for each message, grouped by what stands next to it.

import { $, avatar, el, graphemes, icon, paintAvatar } from "./dom.js";
import { enlarge, sizeText, urlOf } from "./picture.js";

const together = 5 * 60_000; // messages of one person within this time form a group
const timeFormat = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const dayFormat = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const fullFormat = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "short" });

const ticks = { pending: "Waiting to be sent", sent: "Delivered", seen: "Seen by everyone here", failed: "Not sent" };

export class Log {
  // hooks: me() is our person id; name(person) a person's present name; fetch(item) resolves to a picture's data or
  // null; retry(item), discard(item); atBottom() runs when the reader reaches the end.
  constructor(hooks) {
    this.hooks = hooks;
    this.list = $("log");
    this.scroller = $("scroll");
    this.conversation = null;
    this.rows = new Map(); // item -> list item
    this.newFrom = null; // the first message not looked at: a line is drawn above it
    this.unread = 0;
    this.stick = true;
    this.watcher = new IntersectionObserver((es) => es.forEach((e) => e.isIntersecting && this.load(e.target)), {
      root: this.scroller,
      rootMargin: "300px",
    });
    this.wanted = Promise.resolve();
    this.scroller.addEventListener("scroll", () => this.scrolled(), { passive: true });
    new ResizeObserver(() => this.stick && this.toBottom()).observe(this.scroller);
    new ResizeObserver(() => this.stick && this.toBottom()).observe(this.list);
    $("jump").addEventListener("click", () => this.toBottom(true));
  }

  show(conversation) {
    this.conversation = conversation;
    this.newFrom = null;
    this.watcher.disconnect();
    this.rows.clear();
    this.unread = 0;
    this.rebuild();
    this.toBottom();
  }

  // rebuild makes the list anew, without having all of it read out again.
  rebuild() {
    $("live").setAttribute("aria-live", "off");
    const items = this.conversation?.items ?? [];
    this.list.replaceChildren(...items.map((i) => this.row(i)));
    items.forEach((_, n) => this.decorate(n));
    requestAnimationFrame(() => $("live").setAttribute("aria-live", "polite"));
  }

  // place puts one new or moved item where it belongs.
  place(item) {
    const items = this.conversation.items;
    for (const old of this.conversation.trim()) this.forget(old);
    const n = items.indexOf(item);
    const row = this.row(item);
    const next = n + 1 < items.length ? this.rows.get(items[n + 1]) : null;
    if (row.nextSibling !== next || !row.isConnected) this.list.insertBefore(row, next);
    this.update(item);
    for (let i = n - 1; i <= n + 1; i++) this.decorate(i);
    if (this.stick) this.toBottom();
  }

  remove(item) {
    this.forget(item);
    this.conversation?.items.forEach((_, n) => this.decorate(n));
  }

  forget(item) {
    const row = this.rows.get(item);
    if (item.url) URL.revokeObjectURL(item.url);
    item.url = undefined;
    row?.remove();
    this.rows.delete(item);
  }

  row(item) {
    let row = this.rows.get(item);
    if (row) return row;
    row = item.kind === "note" ? this.noteRow(item) : this.messageRow(item);
    row.item = item;
    this.rows.set(item, row);
    return row;
  }

  noteRow(item) {
    return el("li", { class: "note " + (item.tone ?? "") }, el("div", { class: "marks" }), el("span", { text: item.text }));
  }

  messageRow(item) {
    const own = item.from.id === this.hooks.me();
    const bubble = el("div", { class: "bubble" });
    if (item.picture) bubble.append(this.pictureBox(item));
    const meta = el("span", { class: "meta" }, el("time", {}), own ? el("span", { class: "tick", "data-testid": "tick" }) : null);
    if (item.text) bubble.append(richText(item.text));
    bubble.append(meta);
    const row = el(
      "li",
      { class: "msg" + (own ? " own" : ""), "data-testid": "message", "data-cid": item.cid },
      el("div", { class: "marks" }),
      el(
        "div",
        { class: "line" },
        own ? null : avatar(item.from),
        el("div", { class: "stack" }, el("span", { class: "who" + (own ? " sr" : "") }), bubble),
      ),
    );
    if (item.text && !item.picture && onlyEmoji(item.text)) row.classList.add("jumbo");
    if (item.picture) row.classList.add("has-picture");
    if (item.picture && !item.text) row.classList.add("bare-picture");
    return row;
  }

  pictureBox(item) {
    const p = item.picture;
    const from = this.hooks.name(item.from);
    const img = el("img", { "data-testid": "picture", alt: item.text ? "Picture: " + item.text : "Picture from " + from });
    const box = el(
      "button",
      { type: "button", class: "picture loading", title: "Enlarge" },
      img,
      el("span", { class: "picture-state", text: sizeText(p.size) }),
    );
    const scale = Math.min(1, 320 / p.width, 340 / p.height);
    const width = Math.max(p.width * scale, 96);
    box.style.setProperty("--w", Math.round(width) + "px");
    box.style.setProperty("--ratio", p.width + " / " + p.height);
    box.addEventListener("click", () => {
      if (item.url) enlarge(item.url, item.text || "Picture from " + this.hooks.name(item.from));
      else this.load(box, true);
    });
    img.addEventListener("load", () => box.classList.remove("loading"));
    box.item = item;
    this.watcher.observe(box);
    return box;
  }

  // load shows a picture that came into view: one that is here at once, others in their turn.
  load(box, again) {
    const item = box.item;
    this.watcher.unobserve(box);
    if (item.picture.data) {
      item.url = urlOf(item.picture, item.picture.data);
      item.picture.data = undefined;
    }
    const show = () => {
      const img = box.querySelector("img");
      img.addEventListener("error", () => this.pictureState(box, "This picture can’t be shown", true), { once: true });
      img.src = item.url;
    };
    if (item.url) return show();
    if (box.asked && !again) return;
    box.asked = true;
    this.pictureState(box, "Loading… " + sizeText(item.picture.size));
    this.wanted = this.wanted.then(async () => {
      try {
        const data = await this.hooks.fetch(item);
        if (!data) return this.pictureState(box, "This picture is no longer kept", true);
        item.url = urlOf(item.picture, data);
        show();
      } catch {
        this.pictureState(box, "Not loaded. Tap to try again");
        box.asked = false;
        this.watcher.observe(box);
      }
    });
  }

  pictureState(box, text, final) {
    box.querySelector(".picture-state").textContent = text;
    if (final) {
      box.classList.remove("loading");
      box.classList.add("lost");
      box.disabled = true;
    }
  }

  // reload asks again for pictures whose request was lost with a connection.
  reload() {
    for (const box of this.list.querySelectorAll(".picture.loading")) {
      this.watcher.unobserve(box);
      this.watcher.observe(box);
    }
  }

  // update shows what can change about a message: its time, its ticks, its author's name.
  update(item) {
    const row = this.rows.get(item);
    if (!row || item.kind !== "message") return;
    const time = row.querySelector("time");
    const at = new Date(item.at);
    time.textContent = timeFormat.format(at);
    time.dateTime = at.toISOString();
    time.title = fullFormat.format(at);
    row.dataset.id = item.id || "";
    const name = this.hooks.name(item.from);
    row.querySelector(".who").textContent = name;
    const face = row.querySelector(".avatar");
    if (face) {
      paintAvatar(face, { id: item.from.id, name });
      row.dataset.tone = face.dataset.tone;
    }
    this.updateTick(item, row);
  }

  updateTick(item, row) {
    const tick = row.querySelector(".tick");
    if (!tick) return;
    const state = this.conversation.stateOf(item);
    if (tick.dataset.state === state) return;
    tick.dataset.state = state;
    tick.replaceChildren(icon(state, ticks[state]));
    row.classList.toggle("failed", state === "failed");
    row.classList.toggle("pending", state === "pending");
    row.querySelector(".trouble")?.remove();
    if (state === "failed") {
      row.querySelector(".stack").append(
        el(
          "p",
          { class: "trouble", role: "alert" },
          el("span", { text: item.error || "Not sent." }),
          el("button", { type: "button", text: "Try again", onclick: () => this.hooks.retry(item) }),
          el("button", { type: "button", text: "Delete", onclick: () => this.hooks.discard(item) }),
        ),
      );
    }
  }

  updateAll() {
    for (const item of this.rows.keys()) this.update(item);
  }

  // decorate works out what depends on an item's neighbours.
  decorate(n) {
    const items = this.conversation.items;
    const item = items[n];
    if (!item) return;
    const row = this.rows.get(item);
    if (!row) return;
    this.update(item);
    const prev = items[n - 1];
    const next = items[n + 1];
    const newDay = !prev || !sameDay(prev.at, item.at);
    const marks = [];
    if (newDay) marks.push(el("div", { class: "day" }, el("span", { text: dayText(item.at) })));
    if (item === this.newFrom) marks.push(el("div", { class: "new" }, el("span", { text: "New messages" })));
    row.querySelector(".marks").replaceChildren(...marks);
    row.classList.toggle("marked", marks.length > 0);
    if (item.kind !== "message") return;
    row.classList.toggle("first", marks.length > 0 || !grouped(prev, item));
    row.classList.toggle("last", !grouped(item, next) || next === this.newFrom);
  }

  // arrived counts a message of somebody else that nobody is looking at.
  arrived(item, looking) {
    if (looking && this.stick) return;
    if (!looking && this.unread === 0) this.lineAbove(item);
    this.unread++;
    this.paintJump();
  }

  lineAbove(item) {
    const items = this.conversation.items;
    const old = this.newFrom;
    this.newFrom = item;
    for (const i of [old, item]) {
      const n = items.indexOf(i);
      if (i && n >= 0) for (let k = n - 1; k <= n; k++) this.decorate(k);
    }
  }

  looked() {
    this.unread = 0;
    this.paintJump();
  }

  scrolled() {
    const s = this.scroller;
    const stick = s.scrollHeight - s.scrollTop - s.clientHeight < 40;
    if (stick && !this.stick) {
      this.stick = true;
      this.hooks.atBottom();
    }
    this.stick = stick;
    this.paintJump();
  }

  toBottom(smooth) {
    if (!smooth) this.stick = true;
    this.scroller.scrollTo({ top: this.scroller.scrollHeight, behavior: smooth ? "smooth" : "instant" });
    this.paintJump();
  }

  paintJump() {
    $("jump").hidden = this.stick;
    $("jump-text").textContent = this.unread ? (this.unread === 1 ? "1 new message" : this.unread + " new messages") : "Latest";
    $("jump").classList.toggle("unread", this.unread > 0);
  }
}

function grouped(a, b) {
  return a && b && a.kind === "message" && b.kind === "message" && a.from.id === b.from.id &&
    b.at - a.at < together && sameDay(a.at, b.at) && a.state !== "failed";
}

function sameDay(a, b) {
  return new Date(a).toDateString() === new Date(b).toDateString();
}

function dayText(at) {
  if (sameDay(at, Date.now())) return "Today";
  if (sameDay(at, Date.now() - 86_400_000)) return "Yesterday";
  return dayFormat.format(at);
}

// richText makes links of addresses. Everything goes in as text.
function richText(text) {
  const p = el("p", { class: "text", dir: "auto" });
  let from = 0;
  for (const m of text.matchAll(/\bhttps?:\/\/[^\s<>"]+/gi)) {
    const address = m[0].replace(/[.,;:!?'’”)\]]+$/, "");
    if (!URL.canParse?.(address)) continue;
    p.append(text.slice(from, m.index), el("a", { href: address, target: "_blank", rel: "noopener noreferrer", text: address }));
    from = m.index + address.length;
  }
  p.append(text.slice(from));
  return p;
}

function onlyEmoji(text) {
  if (text.length > 40 || !/^[\p{Extended_Pictographic}\p{Regional_Indicator}\p{Emoji_Modifier}\u200d\ufe0f\s]+$/u.test(text)) return false;
  return graphemes(text.replace(/\s/g, "")).length <= 3;
}
