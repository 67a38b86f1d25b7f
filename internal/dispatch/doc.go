// Package dispatch holds what a socket needs to hand events to user code, whichever end it is on: a table of
// listeners, the acknowledgements it waits for, and an inbox whose runner calls the handlers one at a time.
//
// It knows nothing of packets or transports; its types are generic. Each has a lock of its own that is a leaf: no
// function of the caller runs while it is held.
package dispatch
