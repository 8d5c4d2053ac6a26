package library

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/queue"
	"github.com/enstore-go/sdk/tape/disk"
)

// History is what a journal tells of the queue: how it was when the journal was begun, and what it was told since.
type History struct {
	// Begin is called once, with the queue as it was, before the first event. N and sum are those of the last event before that.
	Begin func(m *queue.Machine, n uint64, sum queue.Digest) error
	// Event is called for each event in order, with the digest of all decisions after it.
	Event func(e queue.Event, n uint64, sum queue.Digest) error
}

// Read reads the journal in a directory. The library manager may be at work; what it has not written yet is not told.
func (h History) Read(fsys disk.FS, dir string) error {
	j := &journal{fsys: fsys, name: filepath.Join(dir, journalName)}
	var snapshot bytes.Buffer
	begun, last := false, uint64(0)
	accepted := map[catalog.RequestID]*request{}
	event := func(e queue.Event, n uint64, sum queue.Digest) error {
		switch {
		case !begun || n <= last: // it was in memory when the snapshot was made
			return nil
		case n != last+1:
			return fmt.Errorf("event %d after event %d: %w", n, last, ErrCorrupt)
		}
		last = n
		return h.Event(e, n, sum)
	}
	return j.read(func(line []byte) error {
		switch {
		case len(line) > 0 && line[0] == binaryAccept:
			r, err := decodeAccept(line)
			if err == nil {
				accepted[r.id] = r
			}
			return err
		case len(line) > 0 && line[0] == binarySubmit:
			s, err := decodeSubmit(line)
			if err != nil || !begun || s.n <= last {
				return err
			}
			r := accepted[s.id]
			if r == nil {
				return fmt.Errorf("event %d: request %s was not accepted: %w", s.n, s.id, ErrCorrupt)
			}
			return event(s.event(*r), s.n, s.sum)
		}
		var rec record
		if err := json.Unmarshal(line, &rec); err != nil {
			return fmt.Errorf("record %.80q: %w: %w", line, ErrCorrupt, err)
		}
		switch {
		case rec.Type == "queue" && !begun:
			snapshot.Write(rec.Queue)
			if !rec.Last {
				return nil
			}
			m, err := queue.Restore(&snapshot)
			if err != nil {
				return fmt.Errorf("%w: %w", ErrCorrupt, err)
			}
			begun, last = true, rec.N
			return h.Begin(m, rec.N, rec.Sum)
		case rec.Type == "done":
			delete(accepted, rec.ID)
		case rec.Type == "event" && begun && rec.N > last:
			e, err := queue.DecodeEvent(rec.Event)
			if err != nil {
				return fmt.Errorf("event %d: %w: %w", rec.N, ErrCorrupt, err)
			}
			return event(e, rec.N, rec.Sum)
		}
		return nil
	})
}

// Replayed is what a replay found.
type Replayed struct {
	Events  uint64
	Grants  int
	Differs uint64 // the first event after which the decisions were others, 0: none
}

// Replay tells a machine everything that the journal in a directory holds, and compares its decisions with those that were made then.
func Replay(fsys disk.FS, dir string) (Replayed, error) {
	var r Replayed
	var m *queue.Machine
	var sum queue.Digest
	h := History{
		Begin: func(first *queue.Machine, _ uint64, s queue.Digest) error { m, sum = first, s; return nil },
		Event: func(e queue.Event, n uint64, then queue.Digest) error {
			decisions, err := m.Apply(e)
			if err != nil {
				return fmt.Errorf("event %d: %w", n, err)
			}
			r.Events++
			sum.Add(decisions)
			for _, d := range decisions {
				if _, ok := d.(queue.Grant); ok {
					r.Grants++
				}
			}
			if sum != then && r.Differs == 0 {
				r.Differs = n
			}
			return nil
		},
	}
	return r, h.Read(fsys, dir)
}
