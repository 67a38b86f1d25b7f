// What must not compile: each line that is expected to be an error, and is none, is an error itself.
import { io, Manager } from "sio-browser";
import type { Engine } from "sio-browser";

interface ServerToClient {
  news: (title: string) => void;
}

interface ClientToServer {
  say: (text: string) => void;
  add: (a: number, b: number, sum: (result: number) => void) => void;
}

const socket = io<ServerToClient, ClientToServer>();

// @ts-expect-error: no such event
socket.on("olds", () => {});
// @ts-expect-error: an event of the other direction
socket.on("say", () => {});
// @ts-expect-error: no listener
socket.on("news");
// @ts-expect-error: the argument is text
socket.on("news", (title: number) => {});
// @ts-expect-error: it has one argument
socket.on("news", (title, more) => {});
// @ts-expect-error: connect has no arguments
socket.on("connect", (arg) => {});
// @ts-expect-error: a name is no number
socket.on(2, () => {});

// @ts-expect-error: an event of the other direction
socket.emit("news", "x");
// @ts-expect-error: without its argument
socket.emit("say");
// @ts-expect-error: with another type
socket.emit("say", 1);
// @ts-expect-error: with one too many
socket.emit("say", "x", "y");
// @ts-expect-error: its own events can't be emitted
socket.emit("connect");
// @ts-expect-error: the callback has one argument
socket.emit("add", 1, 2, (result, more) => {});
// @ts-expect-error: behind a timeout the first argument is an error
socket.timeout(1).emit("add", 1, 2, (err: number) => {});
// @ts-expect-error: one argument is missing
socket.emitWithAck("add", 1);
// @ts-expect-error: it is a number
const text: Promise<string> = socket.emitWithAck("add", 1, 2);
// @ts-expect-error: not with the callback
socket.emitWithAck("add", 1, 2, () => {});

socket.on("disconnect", (reason) => {
  // @ts-expect-error: no such reason
  if (reason === "boredom") return;
});
// @ts-expect-error: nobody sets it
socket.active = true;
// @ts-expect-error: data is an object
socket.auth = "token";

// @ts-expect-error: of Node's client, without effect in a page
io({ rejectUnauthorized: false });
// @ts-expect-error: a number
io({ retries: "3" });
// @ts-expect-error: either names or classes
io({ transports: ["polling", class {}] });
// @ts-expect-error: no such form
socket.io.engine.binaryType = "nodebuffer";
// @ts-expect-error: no number
new Manager("x").reconnectionDelay("1");
// @ts-expect-error: no such event
new Manager("x").on("reconnecting", () => {});
// @ts-expect-error: a type, not a value
new Engine("x", {});

export { text };
