package websocket

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Read asks before it makes room for a large message, goes on where it was, and takes nothing for a part of another.
func TestAskForRoom(t *testing.T) {
	big, small := strings.Repeat("grüße ", 50_000), strings.Repeat("x", 60_000)
	for _, kind := range kinds {
		c, p := connect(t, kind, nil)
		c.Ask(true)
		go func() { // ends with the connection
			p.Write(text(small).masked())
			p.Write(text(big).masked())
			p.Write(stream(part(2, big[:100_000]), mk(9, "in between"),
				part(0, big[100_000:200_000]), mk(0, big[200_000:])))
			p.Write(stream(append(append([]frame{part(2, "")}, slices.Repeat([]frame{part(0, small[:100])}, 5_000)...),
				mk(0, "y"))...))
			p.Write(closing(1000, "").masked())
		}()
		want := []string{small, big, big, strings.Repeat(small[:100], 5_000) + "y"}
		var asked []int
		for len(want) > 0 {
			_, data, err := c.Read()
			switch {
			case err == ErrRoom:
				if n := len(asked); n > 0 && c.Wanted() <= asked[n-1] || c.Wanted() < 60_000 || c.Wanted() > 1_000_000 {
					t.Fatalf("%s: asks for %d after %v", kind, c.Wanted(), asked)
				}
				asked = append(asked, c.Wanted())
				c.Allow(len(asked)%2 == 0)
			case err != nil:
				t.Fatal(kind, err)
			case string(data) != want[0]:
				t.Fatalf("%s: %d bytes are others than the %d that were sent", kind, len(data), len(want[0]))
			default:
				if len(asked) > 0 != (len(want) < 4) || len(asked) > 6 || len(want) == 3 && len(asked) != 1 {
					t.Errorf("%s: asked for %v", kind, asked)
				}
				want, asked = want[1:], nil
			}
		}
		done := receive(c)
		p.want(t, mk(10, "in between"), closing(1000, ""))
		<-done
	}
}

// Who has been held up has all of the time for the rest, and may be closed meanwhile.
func TestHeldUpForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := connect(t, "pipe", nil)
		c.Ask(true)
		f := text(strings.Repeat("x", 300_000)).masked()
		go p.Write(f[:200_000]) // ends when it is read
		<-time.After(29 * time.Second)
		if _, _, err := c.Read(); err != ErrRoom {
			t.Fatal(err)
		}
		<-time.After(time.Hour)
		c.Allow(true)
		go func() { // ends when it is read
			<-time.After(29 * time.Second)
			p.Write(f[200_000:])
		}()
		if _, data, err := c.Read(); err != nil || !bytes.Equal(data, bytes.Repeat([]byte("x"), 300_000)) {
			t.Fatalf("%d bytes, %v", len(data), err)
		}
		go p.Write(f[:200_000]) // ends when it is read
		if _, _, err := c.Read(); err != ErrRoom {
			t.Fatal(err)
		}
		c.Close(NormalClosure, "")
		done := receive(c)
		p.want(t, closing(1000, ""))
		p.sendBytes(t, f[200_000:])
		p.send(t, closing(1000, ""))
		if e := (*CloseError)(nil); !errors.As((<-done).err, &e) || e.Status != NormalClosure {
			t.Error(e)
		}
		p.Close()
	})
}
