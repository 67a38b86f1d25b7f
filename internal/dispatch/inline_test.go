package dispatch

import (
	"slices"
	"testing"
)

// What arrives while an item runs on the caller's goroutine is run behind it, on another one.
func TestInboxRunInline(t *testing.T) {
	var q Inbox[int]
	var ran []int
	done := make(chan struct{})
	q.Init(&runFunc{Budget: Budget{Limit: 10}, run: func(item int) {
		ran = append(ran, item)
		switch item {
		case 1:
			if q.RunInline(9) || q.CloseInline(9) {
				t.Error("two items run at once")
			}
			if now, busy := q.Current(); now != 1 || !busy {
				t.Errorf("Current = %d, %v", now, busy)
			}
			q.Push(nil, 2, 1)
			q.Close(3)
		case 3:
			close(done)
		}
	}}, 10)
	if !q.RunInline(0) || !q.RunInline(1) {
		t.Fatal("an idle inbox runs nothing")
	}
	<-done
	if want := []int{0, 1, 2, 3}; !slices.Equal(ran, want) {
		t.Errorf("ran %v, want %v", ran, want)
	}
	if q.RunInline(4) || q.CloseInline(4) {
		t.Error("an item is taken after Close")
	}
}

// First comes before what waits, the final item too.
func TestInboxPrepend(t *testing.T) {
	for _, more := range []bool{false, true} {
		var q Inbox[int]
		var ran []int
		done := make(chan struct{})
		q.Init(&runFunc{Budget: Budget{Limit: 10}, run: func(item int) {
			ran = append(ran, item)
			switch item {
			case 1:
				if more {
					q.Push(nil, 3, 1)
					q.Close(4)
				}
				q.Prepend(2)
			case 2:
				if !more {
					close(done)
				}
			case 4:
				close(done)
			}
		}}, 10)
		q.RunInline(1)
		<-done
		want := []int{1, 2, 3, 4}
		if !more {
			want = want[:2]
		}
		if !slices.Equal(ran, want) {
			t.Errorf("ran %v, want %v", ran, want)
		}
	}
}

func TestInboxCloseInline(t *testing.T) {
	var q Inbox[int]
	var ran []int
	q.Init(&runFunc{Budget: Budget{Limit: 10}, run: func(item int) {
		ran = append(ran, item)
		if q.Push(nil, 9, 0) {
			t.Error("an item is taken behind the final one")
		}
	}}, 10)
	if !q.CloseInline(1) || q.CloseInline(2) || q.Close(3) || q.Push(nil, 4, 0) {
		t.Error("not closed once")
	}
	if !slices.Equal(ran, []int{1}) {
		t.Errorf("ran %v", ran)
	}
	if n, _ := q.Len(); n != 0 {
		t.Errorf("%d left", n)
	}
}
