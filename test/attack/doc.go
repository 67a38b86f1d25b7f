// Package attack does to a server, over real sockets, what no well-behaved client does: one row a test, named by the
// table it comes from (H: HTTP and handshake, E: Engine.IO packets, U: upgrade, W and F: WebSocket handshake and
// frames, P: Socket.IO packets, B: binary attachments; V: recovery; T: what published advisories describe). It holds
// tests only.
//
// After each row a fresh client must be served, nothing of the attacker may be left, each socket that was attacked must
// have been told once why it ended, and the refusal must have been counted under its label.
package attack
