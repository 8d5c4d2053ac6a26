// Package memstore keeps a catalogue in memory. It is the reference of what a
// catalog.Store does, and what tests use: nothing survives the process.
//
// Its only noun is [Store].
//
//	s := memstore.New()
//	defer s.Close()
//	c, err := catalog.Open(ctx, s, nil)
//	err = c.AddVolume(ctx, catalog.Volume{Label: "VO1234L8", Library: "LTO8", MediaType: "LTO8", Capacity: 12e12})
//	before := s.Commits()
//	err = c.SetComment(ctx, "VO1234L8", "from the old robot")
//	fmt.Println(s.Commits()-before, "transaction")
//
// Updates run one at a time, and Views wait for them. The package does not bound what it
// holds, and its transactions cost no synchronisation: it tells nothing about speed.
package memstore

import (
	"context"
	"sync"

	"github.com/enstore-go/sdk/catalog"
)

// Store is a catalog.Store in memory.
type Store struct {
	mu      sync.RWMutex // held for writing during an Update, for reading during a View
	rows    rows
	grown   chan struct{} // closed and replaced when events were added, closed for good by Close
	closed  bool
	commits int64
}

// New makes an empty store.
func New() *Store {
	return &Store{rows: newRows(), grown: make(chan struct{})}
}

// View implements catalog.Store.
func (s *Store) View(ctx context.Context, fn func(catalog.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return catalog.ErrClosed
	}
	t := &tx{rows: &s.rows, readOnly: true}
	defer t.end()
	if err := fn(t); err != nil {
		return err
	}
	return t.failed
}

// Update implements catalog.Store.
func (s *Store) Update(ctx context.Context, fn func(catalog.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return catalog.ErrClosed
	}
	t := &tx{rows: &s.rows}
	events := len(s.rows.events)
	committed := false
	defer func() { // also when fn panics or ends its goroutine
		t.end()
		if !committed {
			t.rollback()
		}
	}()
	if err := fn(t); err != nil {
		return err
	}
	if t.failed != nil {
		return t.failed
	}
	committed = true
	s.commits++
	if len(s.rows.events) > events {
		close(s.grown)
		s.grown = make(chan struct{})
	}
	return nil
}

// WaitEvents implements catalog.Store.
func (s *Store) WaitEvents(ctx context.Context, since uint64) error {
	for {
		s.mu.RLock()
		n, grown, closed := uint64(len(s.rows.events)), s.grown, s.closed
		s.mu.RUnlock()
		switch {
		case closed:
			return catalog.ErrClosed
		case n > since:
			return nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Commits counts the transactions that have committed.
func (s *Store) Commits() int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.commits
}

// Close implements catalog.Store. Closing twice is harmless.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		close(s.grown)
	}
	return nil
}
