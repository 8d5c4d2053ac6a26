package library_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/catalog/memstore"
	"github.com/enstore-go/sdk/catalog/namespace"
	"github.com/enstore-go/sdk/enstore/library"
	"github.com/enstore-go/sdk/enstore/wire"
	"github.com/enstore-go/sdk/queue"
)

func TestRestartOfTheSite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		b.accept(put("/d/old"))
		m := b.mover("d0")
		m.next()
		m.work()

		recorded, cut, waiting := b.accept(put("/d/recorded")), b.accept(put("/d/cut")), put("/d/waiting")
		l := m.next()
		m.flush(l.Assignments[0]) // the catalogue has it, the library was not told
		b.accept(waiting)
		spooled, halfway := stream("/d/spooled"), stream("/d/halfway")
		spooled.Level = catalog.Cached
		for _, p := range []wire.Put{spooled, halfway} {
			b.accept(p)
			_, err := b.lib.Await(b.ctx, p.ID)
			b.is.NoErr(err)
		}
		b.is.NoErr(b.spool.stream(spooled.ID, 5000, 77, nil))
		read := wire.Get{ID: catalog.NewRequestID(), Key: "/d/old"}
		_, err := b.lib.Recall(b.ctx, read)
		b.is.NoErr(err)
		b.is.NoErr(b.spool.stream(halfway.ID, 1, 1, wire.Errorf(wire.Unavailable, "spool", "the power went")))

		old := b.lib
		b.fs = b.fs.Crash(nil)
		b.open()
		_ = old.Close()

		rec, err := b.lib.Outcome(b.ctx, recorded, 0)
		b.is.NoErr(err)
		b.is.Equal(rec.Volume, label(1))
		for _, id := range []catalog.RequestID{cut, waiting.ID, halfway.ID} {
			_, err = b.lib.Outcome(b.ctx, id, 0)
			b.kindIs(err, wire.Restart) // its client was connected to the process that is gone
		}
		rec, err = b.lib.Outcome(b.ctx, spooled.ID, 0)
		b.is.NoErr(err)
		b.is.Equal(rec.Level, catalog.Cached)
		b.is.Equal(rec.Size, int64(5000))
		b.is.Equal(len(b.lib.Requests()), 1)
		_, err = b.lib.Accept(b.ctx, put("/d/spooled"))
		b.kindIs(err, wire.Busy) // it keeps its name
		b.accept(waiting)        // the same request may come again
		b.is.NoErr(b.lib.Cancel(b.ctx, waiting.ID))

		for v, err := range b.cat.Volumes(b.ctx, catalog.Filter{Writing: true}) {
			b.is.NoErr(err)
			b.is.Equal(v.Label, "none") // nobody writes any more
		}
		m = b.mover("d0")
		m.next()
		b.is.Equal(m.work(), []string{"/d/spooled"})
		b.is.True(!b.spool.has(spooled.ID))
		b.reopen() // and all of it is over
		b.is.Equal(len(b.lib.Requests()), 0)
	})
}

// What a client was told is safe in the spool stays there, whatever the catalogue says at the next start.
func TestCachedFileStaysWithoutVolumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		p := stream("/d/a")
		p.Level = catalog.Cached
		b.accept(p)
		_, err := b.lib.Await(b.ctx, p.ID)
		b.is.NoErr(err)
		b.is.NoErr(b.spool.stream(p.ID, 5000, 77, nil))
		empty, err := catalog.Open(b.ctx, memstore.New(), nil) // as after the loss of the catalogue
		b.is.NoErr(err)
		b.opts.Catalog, b.opts.Tree = empty, namespace.New(empty)
		b.reopen()
		b.is.True(b.spool.has(p.ID))
		rec, err := b.lib.Outcome(b.ctx, p.ID, 0)
		b.is.NoErr(err)
		b.is.Equal(rec.Level, catalog.Cached)
		b.is.Equal(len(b.lib.Requests()), 1)
	})
}

func TestFullDiskRefusesRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		b.fs.Limit(b.fs.Used())
		p := put("/d/a")
		_, err := b.lib.Accept(b.ctx, p)
		b.kindIs(err, wire.NoSpace)
		b.is.Equal(len(b.lib.Requests()), 0)
		b.fs.Limit(-1)
		b.accept(p)
	})
}

func TestDamagedJournalIsNotUsed(t *testing.T) {
	b := newBench(t, 1)
	b.accept(put("/d/a"))
	b.accept(put("/d/b"))
	b.is.NoErr(b.lib.Close())
	f, err := b.fs.OpenFile("/journal/journal", 2, 0)
	b.is.NoErr(err)
	_, err = f.WriteAt([]byte("oops"), 60)
	b.is.NoErr(err)
	_, err = library.Open(b.ctx, b.opts)
	b.is.True(errors.Is(err, library.ErrCorrupt))
}

// Whatever was acknowledged before the power went is known afterwards: a request to a drive as one to be sent again, a file in
// the spool as one on its way, a file on tape as stored.
func TestPowerCutsOfTheLibrary(t *testing.T) {
	for seed := range uint64(60) {
		synctest.Test(t, func(t *testing.T) { powerCut(t, seed) })
	}
}

func powerCut(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	b := newBench(t, 1)
	b.opts.JournalSize = 2000
	b.reopen()
	b.fs.StopAfter(int64(r.IntN(40)))
	m := b.mover("d0")
	var acked, cached []catalog.RequestID
	for i := range 20 {
		p := put(fmt.Sprint("/d/f", i))
		if i%4 == 0 {
			p = stream(p.Key)
		}
		if _, err := b.lib.Accept(b.ctx, p); err != nil {
			continue
		}
		acked = append(acked, p.ID)
		switch {
		case i%4 == 0:
			if _, err := b.lib.Await(b.ctx, p.ID); err == nil && b.spool.stream(p.ID, 1000, 1, nil) == nil {
				cached = append(cached, p.ID)
			}
		case i%4 == 1:
			m.next()
			m.work()
		}
	}
	old := b.lib
	b.fs = b.fs.Crash(r)
	b.open()
	_ = old.Close()
	for _, id := range acked {
		if slices.Contains(cached, id) {
			continue
		}
		if _, err := b.lib.Outcome(b.ctx, id, 0); err != nil && wire.KindOf(err) != wire.Restart {
			t.Fatalf("seed %d: request %s was acknowledged: %v", seed, id, err)
		}
	}
	if len(b.lib.Requests()) > 0 {
		m := b.mover("d0")
		m.next()
		m.work()
	}
	for _, id := range cached {
		if rec, err := b.lib.Outcome(b.ctx, id, 0); err != nil || rec.Level != catalog.OnTape {
			t.Fatalf("seed %d: request %s was cached: %v", seed, id, err)
		}
	}
}

func TestHoldAndPriorityOutliveARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		a, c := b.cached("/d/a"), b.cached("/d/c")
		b.is.NoErr(b.lib.Hold(a.ID, "anna"))
		b.is.NoErr(b.lib.SetPriority(c.ID, 7))
		for range 2 { // from records, then from a snapshot
			b.reopen()
			r, err := b.lib.Request(a.ID)
			b.is.NoErr(err)
			b.is.True(strings.Contains(r.Reason, queue.OnHold.String()))
			r, err = b.lib.Request(c.ID)
			b.is.NoErr(err)
			b.is.Equal(r.Priority, 7)
		}
		b.is.NoErr(b.lib.ReleaseHold(a.ID))
		b.reopen()
		r, err := b.lib.Request(a.ID)
		b.is.NoErr(err)
		b.is.True(!strings.Contains(r.Reason, queue.OnHold.String()))
	})
}
