package mover

import (
	"sync"

	"github.com/enstore-go/sdk/tape"
)

// Stats are what a Mover did since New. Sizes are in bytes.
type Stats struct {
	Mounts       int64 // cartridges loaded
	Locates      int64 // commands that moved the tape to a place
	Flushes      int64 // synchronous: the drive was empty and a group of files safe
	Files        int64 // written or read to their end
	BytesWritten int64 // to tape, headers and trailers included
	BytesRead    int64 // from tape, likewise
}

// tally adds up over the drives that a mover had open.
type tally struct {
	mu    sync.Mutex
	past  Stats
	drive *tape.Drive
}

func (t *tally) opened(d *tape.Drive) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drive = d
}

func (t *tally) closed() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.past = t.sum()
	t.drive = nil
}

func (t *tally) file() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.past.Files++
}

// sum adds what the open drive counted to the past. Caller holds mu.
func (t *tally) sum() Stats {
	s := t.past
	if t.drive != nil {
		d := t.drive.Stats()
		s.Mounts += d.Loads
		s.Locates += d.Locates + d.Spaces
		s.Flushes += d.Syncs
		s.BytesWritten += d.BytesWritten
		s.BytesRead += d.BytesRead
	}
	return s
}

// Name is the drive's name.
func (m *Mover) Name() string { return m.opts.Drive }

// Stats returns the counters. It may be called at any time.
func (m *Mover) Stats() Stats {
	m.tally.mu.Lock()
	defer m.tally.mu.Unlock()
	return m.tally.sum()
}
