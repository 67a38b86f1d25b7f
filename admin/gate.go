package admin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"sync"
	"time"

	socketio "sio.example/socketio"
)

// Basic returns an Options.Authenticate for one user, such as the official package has. compare says whether a password
// is the right one; with golang.org/x/crypto/bcrypt, hashes of the official package can be used. It is called for any
// name, so that how long that takes does not tell which names there are.
func Basic(username string, compare func(password string) error) func(context.Context, string, string) error {
	want := sha256.Sum256([]byte(username))
	return func(_ context.Context, name, password string) error {
		got := sha256.Sum256([]byte(name))
		if err := compare(password); err != nil {
			return err
		}
		if subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
			return errCredentials
		}
		return nil
	}
}

var errCredentials = errors.New("admin: invalid credentials")

// maxLooking is how many passwords are looked at at the same time: hashes for passwords take long on purpose.
const maxLooking = 2

// A gate lets in who knows a password, or a session.
type gate struct {
	authenticate func(ctx context.Context, username, password string) error
	sessions     Sessions
	looking      chan struct{}
	address      func(h *socketio.Handshake) string
	guesses      guesses
}

// newSession is the data of a socket that has logged in by a password: the id for the next time.
type newSession string

// What the UI is told. It knows the first text; the second one it shows as it is.
var (
	refused = &socketio.ConnectError{Message: "invalid credentials"}
	tooMany = &socketio.ConnectError{Message: "too many attempts, try again in a minute"}
)

// admit is the middleware of the namespace.
func (g *gate) admit(ctx context.Context, s *socketio.Socket) error {
	var auth struct {
		SessionID string `json:"sessionId"`
		Username  string `json:"username"`
		Password  string `json:"password"`
	}
	if s.Handshake().Auth.Len() == 0 || s.Handshake().Auth.Bind(&auth) != nil {
		return refused
	}
	if auth.SessionID != "" {
		if ok, err := g.sessions.Exists(ctx, auth.SessionID); err == nil && ok {
			return nil
		}
	}
	if auth.Username == "" && auth.Password == "" {
		return refused
	}
	address := g.address(s.Handshake())
	if !g.guesses.begin(address, time.Now()) {
		return tooMany
	}
	if err := g.look(ctx, auth.Username, auth.Password); err != nil {
		return err
	}
	g.guesses.right(address)
	var random [16]byte
	_, _ = rand.Read(random[:]) // it does not fail
	id := hex.EncodeToString(random[:])
	if err := g.sessions.Save(ctx, id); err != nil {
		return err
	}
	s.SetData(newSession(id))
	return nil
}

// look asks whether the password is right, when it is its turn.
func (g *gate) look(ctx context.Context, username, password string) error {
	select {
	case g.looking <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-g.looking }()
	if g.authenticate(ctx, username, password) != nil {
		return refused
	}
	return nil
}

// The limits of sessions in memory.
const (
	maxSessions     = 1000
	sessionDuration = 12 * time.Hour
)

// memorySessions keeps the last ones, as hashes, of which nobody learns an id.
type memorySessions struct {
	now func() time.Time

	mu  sync.Mutex
	all []session // the oldest first
}

type session struct {
	hash  [sha256.Size]byte
	saved time.Time
}

// Save is that of Sessions.
func (m *memorySessions) Save(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.all) >= maxSessions {
		m.all = append(m.all[:0], m.all[len(m.all)-maxSessions+1:]...)
	}
	m.all = append(m.all, session{sha256.Sum256([]byte(id)), m.now()})
	return nil
}

// Exists is that of Sessions.
func (m *memorySessions) Exists(_ context.Context, id string) (bool, error) {
	hash := sha256.Sum256([]byte(id))
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.all {
		if s.hash == hash {
			return m.now().Sub(s.saved) < sessionDuration, nil
		}
	}
	return false, nil
}
