// Package browser drives pages in Chromium: a page of its own that uses what a client has to offer, and the chat. Each
// test runs with the client that the server hands out and with the official bundle in its place.
package browser
