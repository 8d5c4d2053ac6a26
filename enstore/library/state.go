package library

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore/wire"
	"github.com/enstore-go/sdk/queue"
)

// State is whether a library takes requests, and serves those that it has.
type State string

// The states of a library.
const (
	StateOpen     State = "open"     // it takes all requests and serves them
	StateLocked   State = "locked"   // it takes none; those that it has are served
	StateNoRead   State = "no read"  // it takes no reads
	StateNoWrite  State = "no write" // it takes no writes
	StatePaused   State = "paused"   // it takes all requests and starts none; what drives are doing goes on
	StateDraining State = "draining" // as StateLocked, to be without work soon
)

// States gives all states, in order.
func States() []State {
	return []State{StateOpen, StateLocked, StateNoRead, StateNoWrite, StatePaused, StateDraining}
}

// LibraryState is the state that a library is in, and why.
type LibraryState struct {
	Library catalog.LibraryName `json:"library"`
	State   State               `json:"state"`
	Reason  string              `json:"reason,omitempty"`
	Who     string              `json:"who,omitempty"`
	Since   time.Time           `json:"since,omitzero"`
}

func stateRecord(s LibraryState) ([]byte, error) {
	return json.Marshal(record{Type: "state", State: &s})
}

// SetState puts a library into a state. It is durable when SetState returns, and the next start begins with it.
func (l *Library) SetState(s LibraryState) error {
	if !slices.Contains(States(), s.State) {
		return wire.Errorf(wire.Invalid, "library "+string(s.Library), "no such state: %q", s.State)
	}
	l.telling.Lock()
	defer l.telling.Unlock()
	s.Since = time.Now()
	line, err := stateRecord(s)
	if err == nil {
		err = l.j.commit(line)
	}
	if err != nil {
		return wire.Errorf(wire.Unavailable, "library "+string(s.Library), "its state stays as it is: %w", err)
	}
	l.mu.Lock()
	defer l.unlock()
	if l.closed {
		return errClosed
	}
	l.states[s.Library] = s
	l.holdBack(s)
	return nil
}

// holdBack tells the queue whether a library starts requests. Caller holds mu.
func (l *Library) holdBack(s LibraryState) {
	e := queue.LibraryHeld{Time: time.Now(), Library: queue.Library(s.Library)}
	if s.State == StatePaused {
		e.Reads, e.Writes, e.Reason, e.Who = true, true, s.Reason, s.Who
	}
	_ = l.apply(e)
}

// StateOf gives the state of a library.
func (l *Library) StateOf(name catalog.LibraryName) LibraryState {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stateOf(name)
}

func (l *Library) stateOf(name catalog.LibraryName) LibraryState {
	if s, ok := l.states[name]; ok {
		return s
	}
	return LibraryState{Library: name, State: StateOpen}
}

// takes says why a library does not take a request. Caller holds mu.
func (l *Library) takes(name catalog.LibraryName, write bool) error {
	s := l.stateOf(name)
	switch {
	case s.State == StateLocked, s.State == StateDraining, s.State == StateNoRead && !write, s.State == StateNoWrite && write:
	default:
		return nil
	}
	text := fmt.Sprintf("is %s", s.State)
	if s.Reason != "" {
		text += ": " + s.Reason
	}
	if s.Who != "" {
		text += " (" + s.Who + ")"
	}
	return wire.Errorf(wire.Locked, "library "+string(name), "%s", text)
}
