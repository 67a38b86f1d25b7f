// Package documents runs the shell lines of the documents, as a reader would: in a copy of the repository, one after
// the other, with the ports that they name. It holds tests only.
//
// On Linux this happens in a network of its own, so that nobody else has the port 3000; elsewhere it must be free.
package documents
