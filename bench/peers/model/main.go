// Command model is the floor with the JSON that handlers with declared types can't do without.
package main

import "sio.example/socketio/bench/internal/floor"

func main() { floor.Main(floor.Typed) }
