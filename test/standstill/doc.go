// Package standstill stops a server as a whole, for longer than its deadlines are, and looks at who is still connected
// when it goes on: a paused virtual machine, a debugger or a long collection do the same. It holds tests only.
package standstill
