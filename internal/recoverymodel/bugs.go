package recoverymodel

// A Bug is a mistake that is planted into the model, so that the explorer shows that it would have been seen.
type Bug int8

// The planted bugs; what each is stands in BugNames.
const (
	_ Bug = iota
	// of one process
	BugLockDropped
	BugLiveLater
	BugReplayLater
	BugReplayFirst
	BugInlineConnect
	BugInlineDisconnect
	BugInlineResume
	BugOffsetLow
	BugOffsetHigh
	BugUsedTwice
	BugOffsetOnce
	BugZombieKept
	BugZombieTold
	BugTrimForgotten
	BugHeadNotKept
	BugExceptIgnored
	BugLastRoomsOnly
	BugJoinedForgotten
	BugVolatileLogged
	BugVolatileText
	BugStaleOffset
	BugNoOffsetRefused
	BugKickOnlyConnected
	BugRoomsOnlyConnected
	BugRefusedLoses
	BugClaimLost
	BugShortEnds
	// of a cluster
	BugJoinAfterAsk
	BugNoFence
	BugNoVector
	BugHoldDropped
	BugNodeVector
	BugOwnComponent
	BugLoserStays
	BugVolatileNumber
	BugControlForgotten
	BugAnswerVector
	BugBackForgotten
	BugCopyLate
	BugHomeKeeps
	BugCopyAnswers
	BugAnswerForgotten
	BugForeignNotLogged
	BugCopyWithoutLog
	BugWaitsForTheDead
	BugDrainForgets
	numBugs
)

// BugNames says what each planted bug is.
var BugNames = [numBugs]string{
	BugLockDropped:        "the lock is dropped between the log and the queues of the members",
	BugLiveLater:          "being a member is another step than the replay",
	BugReplayLater:        "the replay is queued after the socket has become a member",
	BugReplayFirst:        "what was missed is queued before CONNECT",
	BugInlineConnect:      "the reader queues CONNECT by itself, the socket becomes a member later",
	BugInlineDisconnect:   "the reader removes a socket by itself, its session is kept later",
	BugInlineResume:       "what was missed is looked up when the session is claimed, not when the socket becomes live",
	BugOffsetLow:          "the replay begins with the event of the offset",
	BugOffsetHigh:         "the replay leaves out the first event after the offset",
	BugUsedTwice:          "a session stays in the store when it is used",
	BugOffsetOnce:         "an offset that was used once is refused, also when nothing came since",
	BugZombieKept:         "a connection that was lost unnoticed stays when its session comes back",
	BugZombieTold:         "such a connection is ended with DISCONNECT",
	BugTrimForgotten:      "nobody knows that the log was trimmed",
	BugHeadNotKept:        "an offset from before the head of the log is refused, whatever was trimmed",
	BugExceptIgnored:      "the replay does not look at except",
	BugLastRoomsOnly:      "rooms that were left while the client was away are not replayed",
	BugJoinedForgotten:    "what a room got before the socket joined it is replayed",
	BugVolatileLogged:     "volatile events and those with an acknowledgement are logged",
	BugVolatileText:       "a volatile event that ends in a string carries no offset",
	BugStaleOffset:        "an offset from before the session is taken as it is",
	BugNoOffsetRefused:    "a client that has had no event yet has no offset, and is refused",
	BugKickOnlyConnected:  "DisconnectSockets does not reach sessions whose client is away",
	BugRoomsOnlyConnected: "SocketsJoin and SocketsLeave do not reach sessions whose client is away",
	BugRefusedLoses:       "middleware that refuses a client ends its session",
	BugClaimLost:          "a client that is lost during middleware loses its session",
	BugShortEnds:          "an offset for which the log is too short ends the session, also for an offset further on",
	BugJoinAfterAsk:       "the node that asks joins the rooms when it has the answer",
	BugNoFence:            "the home answers without having what the asker's log lacks",
	BugNoVector:           "the answer does not say up to where it has gone",
	BugHoldDropped:        "what arrived while the home was asked is dropped",
	BugNodeVector:         "a node that is behind a session sends its own vector to it",
	BugOwnComponent:       "the offset has the component of one node only",
	BugLoserStays:         "of two connections that ask for a session, one gets a new one instead of being closed",
	BugControlForgotten:   "a node takes a session although it has trimmed a SocketsLeave or DisconnectSockets since",
	BugVolatileNumber:     "what is not kept has the number of the event before it",
	BugAnswerVector:       "what an answer brings carries the vector of the answer",
	BugBackForgotten:      "what an answer brought is forgotten once it is queued",
	BugCopyLate:           "sessions are copied when their client is gone, not before",
	BugHomeKeeps:          "the home keeps a session that it has handed over",
	BugCopyAnswers:        "the second answers while the home lives",
	BugAnswerForgotten:    "the home keeps no copy of what it has handed over",
	BugForeignNotLogged:   "a node logs what it publishes, not what it receives",
	BugCopyWithoutLog:     "the second has the session, but not what was missed",
	BugWaitsForTheDead:    "a node waits for the answer of a dead one",
	BugDrainForgets:       "a drained node closes its connections and keeps their sessions",
}
