//go:build unix

package websocket

const haveRaw = true
