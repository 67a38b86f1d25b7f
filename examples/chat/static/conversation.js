// A conversation is what this page knows of one room: the messages it got, its own that are still on their way, and
// lines of its own about who came and went.

const maxItems = 600;

export class Conversation {
  constructor(name) {
    this.name = name;
    this.epoch = ""; // the server's; message ids begin anew with each
    this.era = 0; // counts epochs, so that what came before sorts before
    this.last = 0; // id of the latest message
    this.seenByAll = 0;
    this.items = []; // in the order shown
    this.entered = false; // the history has arrived at least once
    this.serial = 0;
  }

  // insert puts an item in its place and returns where that is.
  insert(item) {
    let i = this.items.length;
    while (i > 0 && before(item, this.items[i - 1])) i--;
    this.items.splice(i, 0, item);
    return i;
  }

  // trim forgets the oldest items and returns them.
  trim() {
    return this.items.length > maxItems ? this.items.splice(0, this.items.length - maxItems + 100) : [];
  }

  // message takes a message from the server. It returns the item that is new or changed, or null if it is known.
  message(m, me) {
    if (m.id > this.last) this.last = m.id;
    const known = this.items.find((i) => i.kind === "message" && i.era === this.era && i.id === m.id);
    if (known) return null;
    // One of our own that we sent before the connection broke, and whose acknowledgement was lost.
    const own = m.from.id === me ? this.items.find((i) => i.kind === "message" && !i.id && i.cid === m.cid) : null;
    if (own) return this.confirm(own, m);
    const item = { ...m, kind: "message", era: this.era, serial: ++this.serial, state: "sent" };
    this.insert(item);
    return item;
  }

  // compose adds a message of our own that the server has not seen.
  compose(cid, from, text, picture) {
    const item = {
      kind: "message", era: Infinity, serial: ++this.serial, id: 0, cid, from, text, at: Date.now(), state: "pending",
      picture: picture ? { type: picture.type, width: picture.width, height: picture.height, size: picture.size } : undefined,
      data: picture?.data, url: picture?.url,
    };
    this.insert(item);
    return item;
  }

  // confirm moves a message of ours to the place the server gave it.
  confirm(item, reply) {
    this.items.splice(this.items.indexOf(item), 1);
    item.id = reply.id;
    item.at = reply.at;
    item.text = reply.text;
    item.era = this.era;
    item.state = "sent";
    item.data = undefined;
    if (reply.id > this.last) this.last = reply.id;
    this.insert(item);
    return item;
  }

  drop(item) {
    this.items.splice(this.items.indexOf(item), 1);
  }

  // note adds a line of the page's own at the end of what there is.
  note(text, attrs = {}) {
    const item = { kind: "note", era: this.era, id: this.last, serial: ++this.serial, at: Date.now(), text, ...attrs };
    this.insert(item);
    return item;
  }

  // begin takes the state of the room with which the server lets us in.
  begin(reply) {
    const first = !this.entered;
    this.entered = true;
    if (this.epoch !== reply.room.epoch) {
      this.epoch = reply.room.epoch;
      this.era++;
      this.last = 0;
      this.seenByAll = 0;
    }
    this.name = reply.room.name;
    this.seenByAll = Math.max(this.seenByAll, reply.seen);
    return first;
  }

  // waiting are the messages that are to be sent, in order.
  waiting() {
    return this.items.filter((i) => i.kind === "message" && i.state === "pending");
  }

  // stateOf is what the ticks of a message show. "seen" stays, also when the epoch ends.
  stateOf(item) {
    if (item.state === "sent" && item.era === this.era && item.id <= this.seenByAll) item.state = "seen";
    return item.state;
  }
}

// before orders by epoch, then id, then the order of arrival. Messages not sent yet come last.
function before(a, b) {
  if (a.era !== b.era) return a.era < b.era;
  if (a.id !== b.id) return a.id < b.id;
  if (a.kind !== b.kind) return a.kind === "message";
  return a.serial < b.serial;
}
