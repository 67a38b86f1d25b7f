package attack

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// elsewhere are the rows of the table that are no input to one server over one socket, and which tests hold them to
// their answer: a folder and a name each.
var elsewhere = map[string]string{
	// User code, concurrency, leaks.
	"R-1":  ". TestPanics, . TestPanicIsAcknowledged",
	"R-2":  ". TestUserCodeThatMisbehaves, . TestMatcherPanics, . TestAdapterPanics, engineio TestPanickingHooks",
	"R-3":  ". TestGoexit, . TestGoexitBelowTheHandlers, engineio TestHookThatEndsItsGoroutine",
	"R-4":  ". TestHandlersDoNotPileUp, . TestBackPressureEndsWithSocket, . TestShutdownNamesWhatHangs",
	"R-5":  ". TestOnAnyOutgoingThatEmits, . TestEmitWithinEmit",
	"R-6":  ". TestUserCodeMayDoAnything, . TestHandlersDisconnect",
	"R-7":  ". TestRoomsJoinedAndLeftConcurrently, . TestEverythingAtOnce",
	"R-8":  ". TestEmitFromManyGoroutines",
	"R-9":  ". TestEmitAfterDisconnect, . TestAckAfterDisconnect",
	"R-10": ". TestBroadcastWhileOthersComeAndGo",
	"R-11": ". TestListenersWhileEventsArrive, internal/dispatch TestTableOnceRace",
	"R-12": ". TestPacketWhileMiddlewareRuns, . TestConnectTimeout, . TestMiddlewareRefusesASocket",
	"R-13": ". TestKeptArgumentsAreNotOverwritten, internal/bufpool TestPoison",
	"R-14": ". TestArgumentsMayChangeAfterEmit",
	"R-15": ". TestUnansweredBroadcasts",
	"R-16": "test/accounting TestSessionsLeaveNothing, test/ends TestServerEnds, test/ends TestEngineEnds",
	"R-18": "parser TestDepth, internal/work TestHostileInputCostsABoundedAmountOfWork",
	"R-19": ". TestLoggerThatBlocksHoldsUpNobody, . TestLoggerPanics",
	"R-20": ". TestEmitRefuses, parser TestEncodeRefuses",
	"R-21": ". TestTypedNilErrors, parser TestTypedNilIsNull, parser TestTypesThatEncodeThemselves",
	"R-22": "adapter TestMemoryGivesEverythingBack, adapter TestEmptyRoomIsDeletedAtOnce",
	"R-23": ". TestRoomsJoinedAndLeftConcurrently",

	// Slow readers and writers.
	"S-1":  "test/attack TestAttacks, engineio TestSlowConsumer",
	"S-2":  "engineio TestManySlowConsumers",
	"S-3":  ". TestSlowConsumer, . TestVolatileIsDropped",
	"S-4":  "engineio TestVolatile, . TestVolatileIsDropped",
	"S-5":  "engineio TestSlowLinkOnPolling, engineio TestAnswersAreCutAtMaxPayload",
	"S-6":  "engineio TestSlowReader, internal/websocket TestWriteTimeout",
	"S-7":  "client TestShortFreezeIsNotNoticed, engineio TestPausedPeerIsNotDead",
	"S-8":  ". TestBackPressure",
	"S-9":  "engineio TestManySlowConsumers, . TestMemoryOfBroadcasts",
	"S-10": ". TestSlowConsumer",

	// Resources, overload, network.
	"L-1":  ". TestIdleConnectionCostsWhatIsDocumented",
	"L-3":  "test/attack TestNoDescriptorsAreLeft",
	"L-8":  "test/attack TestAttacks",
	"L-9":  "engineio TestHalfOpenConnections",
	"L-10": "client TestFaults",
	"L-11": "client TestSweepCut, client TestSweepMoments, test/client TestCuts",
	"L-12": "test/attack TestAttacks",
	"L-13": "test/standstill TestStoppedServer, engineio TestTimeoutsOfAProcessThatStoodStill",
	"Q-1":  "engineio TestClientWallClockJumps",
	"Q-3":  "engineio TestPongInTime",
	"Q-4":  "engineio TestInputIsASignOfLife, engineio TestPongBehindALongMessage",
	"Q-5":  "engineio TestPingsAreSpreadAfterAStandstill",
	"Q-6":  "engineio TestADayOfHeartbeats",

	// Shutdown, restart, reconnect storms.
	"D-1": "engineio TestShutdown, . TestShutdown",
	"D-3": ". TestCloseTwice, . TestShutdownWhileSocketsConnect, . TestConnectWhileClosing, engineio TestCloseInAccept",
	"D-5": "test/client TestProcessEnds",
	"D-6": "client TestStorm, engineio TestStorm",
	"D-8": "client TestDelays, client TestSweepClose",

	// Browsers, files, cookies, the command line.
	"C-1":  "engineio TestCORS",
	"C-2":  "engineio TestCORS",
	"C-3":  "engineio TestCORS, engineio TestOriginInAnotherForm, engineio TestDefaultPortsOfOrigins",
	"C-4":  "engineio TestValidate",
	"C-5":  "engineio TestRefusedRequests, engineio TestOrigins",
	"C-6":  "engineio TestRefusedRequests, engineio TestOrigins",
	"C-7":  "engineio TestRefusedRequests, engineio TestOrigins",
	"C-8":  "engineio TestRefusedRequests, engineio TestOrigins",
	"C-10": ". TestClientFiles, browser TestFileKnowsNoOtherName",
	"C-11": ". TestClientFiles",
	"C-12": "engineio TestValidate",
	"C-14": "engineio TestRefusedRequests, test/attack TestAdvisories",
	"C-20": "cmd/sio TestSafe, cmd/sio TestTerminalTrouble, cmd/sio TestTargetFlags",
}

// Each of those tests is where the table says.
func TestRowsElsewhere(t *testing.T) {
	folders := make(map[string]map[string]bool)
	for id, tests := range elsewhere {
		for test := range strings.SplitSeq(tests, ", ") {
			folder, name, _ := strings.Cut(test, " ")
			if folders[folder] == nil {
				folders[folder] = testsIn(t, filepath.Join("..", "..", filepath.FromSlash(folder)))
			}
			if !folders[folder][name] {
				t.Errorf("%s: there is no %s in %s", id, name, folder)
			}
		}
	}
}

func testsIn(t *testing.T, folder string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %d files, %v", folder, len(files), err)
	}
	names := make(map[string]bool)
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
				names[fn.Name.Name] = true
			}
		}
	}
	return names
}
