// Package ends goes through the ways in which a session ends, on each transport, and wants four things of each:
// input stops, the peer is told in the form that its transport has, memory is freed, and the user is notified
// exactly once with the right reason. It holds tests only.
package ends
