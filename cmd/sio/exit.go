package main

// The exit statuses beyond 0, all is well; 1, something went wrong; and 2, the command line is wrong.
const (
	exitNoConnection = 3 // there is no connection, or it was lost for good
	exitRefused      = 4 // the server is there, and refuses
	exitNoAck        = 5 // an acknowledgement did not come
	exitInterrupted  = 130
)

const exitUsage = `
Exit status: 0 all is well, 1 something else went wrong, 2 the command line is wrong,
3 no connection, 4 refused by the server, 5 an acknowledgement did not come, 130 Ctrl-C.
`

// An exitError ends the program with a status of its own. Without a text nothing is printed.
type exitError struct {
	code int
	text string // safe to show
	hint string
}

func (e *exitError) Error() string { return e.text }
