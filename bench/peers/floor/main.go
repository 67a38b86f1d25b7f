// Command floor answers with the right bytes, and decodes no JSON: what no server on net/http can be much cheaper than.
package main

import "sio.example/socketio/bench/internal/floor"

func main() { floor.Main(floor.Copy) }
