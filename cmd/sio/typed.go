package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sio.example/socketio/client"
	"sio.example/socketio/parser"
)

// ackMark at the end of a line asks for an acknowledgement.
const ackMark = "?"

// A typedCommand is what a line does that begins with its name.
type typedCommand struct {
	name    string
	args    string
	summary string
	do      func(s *session, ctx context.Context, args []word) error
}

// typedCommands are sorted by what one needs first. It is filled below, as /help lists it.
var typedCommands []typedCommand

func init() {
	typedCommands = []typedCommand{
		{"ask", "EVENT ARG…", "emit and ask for an acknowledgement, as ? at the end does", typedAsk},
		{"ack", "[#N] ARG…", "acknowledge event #N, or the last one that wants it", typedAck},
		{"nsp", "[NAME]", "go to a namespace, opening it if need be; without a name list them", typedNamespace},
		{"connect", "", "connect this namespace", typedConnect},
		{"disconnect", "", "leave this namespace", typedDisconnect},
		{"auth", "[JSON]", "what the next /connect sends as auth; nothing without JSON", typedAuth},
		{"info", "", "say how things are", typedInfo},
		{"verbose", "[0|1|2]", "show the layers below: nothing, connecting, everything", typedVerbose},
		{"help", "", "show this", typedHelp},
		{"quit", "", "disconnect and end, as Ctrl-D does", nil},
	}
}

// do carries out a line: a command, or an event. It reports whether it was /quit.
func (s *session) do(ctx context.Context, line string) (quit bool, err error) {
	if s.lineEvent != "" && !(s.interactive && strings.HasPrefix(line, "/")) {
		return false, s.emit(ctx, s.lineEvent, []any{strings.ToValidUTF8(line, "\uFFFD")}, s.askAlways)
	}
	words, err := parseLine(line)
	if err != nil || len(words) == 0 {
		return false, err
	}
	first := words[0]
	if !first.plain || !strings.HasPrefix(first.text, "/") {
		ask := s.askAlways
		if last := words[len(words)-1]; len(words) > 1 && last.plain && last.text == ackMark {
			words, ask = words[:len(words)-1], true
		}
		return false, s.emitWords(ctx, words, ask)
	}
	i := slices.IndexFunc(typedCommands, func(c typedCommand) bool { return "/"+c.name == first.text })
	switch {
	case i < 0:
		return false, fmt.Errorf("there is no %s; /help lists the commands; an event with a / goes in quotes",
			first.text)
	case typedCommands[i].do == nil:
		return true, nil
	}
	return false, typedCommands[i].do(s, ctx, words[1:])
}

// emitWords emits the event that the first word names.
func (s *session) emitWords(ctx context.Context, words []word, ask bool) error {
	name := words[0]
	if name.file != "" || strings.HasPrefix(name.text, "{") || strings.HasPrefix(name.text, "[") {
		return errors.New("the name of an event comes first, then its arguments")
	}
	if parser.IsReserved(name.text) {
		return fmt.Errorf("the event name %q is reserved", name.text)
	}
	args, err := values(words[1:])
	if err != nil {
		return err
	}
	return s.emit(ctx, name.text, args, ask)
}

func typedAsk(s *session, ctx context.Context, args []word) error {
	if len(args) == 0 {
		return errors.New("/ask what? It takes an event and its arguments")
	}
	return s.emitWords(ctx, args, true)
}

func typedAck(s *session, _ context.Context, args []word) error {
	s.mu.Lock()
	number := 0
	if len(s.order) > 0 {
		number = s.order[len(s.order)-1]
	}
	if len(args) > 0 && args[0].plain && strings.HasPrefix(args[0].text, "#") {
		n, err := strconv.Atoi(args[0].text[1:])
		if err != nil {
			s.mu.Unlock()
			return fmt.Errorf("%s is not the number of an event", args[0].text)
		}
		number, args = n, args[1:]
	}
	e := s.waiting[number]
	s.mu.Unlock()
	if e == nil {
		return errors.New("no such event waits for an acknowledgement")
	}
	answer, err := values(args)
	if err != nil {
		return err
	}
	s.mu.Lock()
	delete(s.waiting, number)
	s.order = slices.DeleteFunc(s.order, func(n int) bool { return n == number })
	s.mu.Unlock()
	s.reply("", number, e, answer)
	return nil
}

func typedNamespace(s *session, _ context.Context, args []word) error {
	switch len(args) {
	case 0:
		s.mu.Lock()
		sockets, current := slices.Clone(s.sockets), s.current
		s.mu.Unlock()
		for _, k := range sockets {
			mark := " "
			if k == current {
				mark = "*"
			}
			s.out.note("%s %s  %s", mark, safe(k.Namespace()), describeSocket(k))
		}
		return nil
	case 1:
		if k := s.use(args[0].text); !k.Active() {
			s.tracer.begin()
			k.Open()
		}
		return nil
	}
	return errors.New("/nsp takes one name")
}

func describeSocket(k *client.Socket) string {
	switch {
	case k.Connected():
		return "connected, id " + safe(k.ID())
	case k.Active():
		return "connecting"
	}
	return "not connected"
}

func typedConnect(s *session, _ context.Context, args []word) error {
	k, err := s.alone(args)
	if err != nil {
		return err
	}
	if k.Connected() {
		return errors.New("it is connected")
	}
	s.tracer.begin()
	k.Open()
	return nil
}

func typedDisconnect(s *session, _ context.Context, args []word) error {
	k, err := s.alone(args)
	if err == nil {
		k.Disconnect()
	}
	return err
}

// alone is the current socket, for a command without arguments.
func (s *session) alone(args []word) (*client.Socket, error) {
	if len(args) > 0 {
		return nil, errors.New("this takes no arguments")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current, nil
}

func typedAuth(s *session, _ context.Context, args []word) error {
	if len(args) > 1 {
		return errors.New("/auth takes one JSON object")
	}
	text := ""
	if len(args) == 1 {
		text = args[0].text
	}
	auth, err := parseAuth(text)
	if err != nil {
		return err
	}
	k, _ := s.alone(nil)
	k.SetAuth(auth)
	return nil
}

func typedInfo(s *session, _ context.Context, args []word) error {
	k, err := s.alone(args)
	if err != nil {
		return err
	}
	text := describeSocket(k)
	if e := s.manager.Engine(); e != nil {
		text += ", over " + e.Transport()
	}
	if n, bytes := k.Buffered(); n > 0 {
		text += fmt.Sprintf(", %d events wait (%s)", n, byteCount(bytes))
	}
	s.mu.Lock()
	if n := len(s.waiting); n > 0 {
		text += fmt.Sprintf(", %d received events want an acknowledgement", n)
	}
	s.mu.Unlock()
	s.out.note("%s: %s", safe(k.Namespace()), text)
	return nil
}

func typedVerbose(s *session, _ context.Context, args []word) error {
	level := 1
	if len(args) == 1 {
		level = strings.Index("012", args[0].text)
	}
	if level < 0 || len(args) > 1 || len(args) == 1 && len(args[0].text) != 1 {
		return errors.New("/verbose takes 0, 1 or 2")
	}
	s.tracer.setLevel(level)
	return nil
}

func typedHelp(s *session, _ context.Context, _ []word) error {
	var b strings.Builder
	b.WriteString("EVENT ARG… emits. Arguments are JSON, bare words, 'strings' or @files; ? at the end asks for " +
		"an ack.")
	for _, c := range typedCommands {
		fmt.Fprintf(&b, "\n  %-21s %s", strings.TrimSpace("/"+c.name+" "+c.args), c.summary)
	}
	s.out.note("%s", b.String())
	return nil
}

// complete returns what a line may be completed to: commands, namespaces, and the names of events that were seen.
func (s *session) complete(line string) []string {
	var choices []string
	add := func(choice string) {
		if strings.HasPrefix(choice, line) && !slices.Contains(choices, choice) {
			choices = append(choices, choice)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case strings.HasPrefix(line, "/nsp "):
		for _, k := range s.sockets {
			add("/nsp " + k.Namespace())
		}
	case strings.HasPrefix(line, "/ask "):
		for _, name := range s.names {
			add("/ask " + eventName(name) + " ")
		}
	case strings.HasPrefix(line, "/"):
		for _, c := range typedCommands {
			choice := "/" + c.name
			if c.args != "" {
				choice += " "
			}
			add(choice)
		}
	case line != "":
		for _, name := range s.names {
			add(eventName(name) + " ")
		}
	}
	slices.Sort(choices)
	return choices
}
