package library_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/matryer/is"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/catalog/namespace"
	"github.com/enstore-go/sdk/enstore/library"
	"github.com/enstore-go/sdk/enstore/wire"
	"github.com/enstore-go/sdk/queue"
	"github.com/enstore-go/sdk/queue/discipline"
	"github.com/enstore-go/sdk/queue/match"
	"github.com/enstore-go/sdk/queue/priority"
	"github.com/enstore-go/sdk/tape/disk"
)

func (b *bench) state(s library.State, reason string) {
	b.is.Helper()
	b.is.NoErr(b.lib.SetState(library.LibraryState{Library: "L1", State: s, Reason: reason, Who: "anna"}))
}

func TestStatesOfALibrary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		b.accept(put("/d/stored"))
		m := b.mover("d0")
		m.next()
		m.work()
		get := func() error {
			_, err := b.lib.Recall(b.ctx, wire.Get{ID: catalog.NewRequestID(), Key: "/d/stored"})
			return err
		}
		n := 0
		write := func() error {
			n++
			_, err := b.lib.Accept(b.ctx, put(fmt.Sprint("/d/f", n)))
			return err
		}
		for _, c := range []struct {
			state         library.State
			reads, writes bool
		}{
			{library.StateLocked, false, false}, {library.StateDraining, false, false}, {library.StateNoRead, false, true}, {library.StateNoWrite, true, false},
			{library.StatePaused, true, true}, {library.StateOpen, true, true},
		} {
			b.state(c.state, "inventory")
			for _, err := range []struct {
				err   error
				takes bool
			}{{get(), c.reads}, {write(), c.writes}} {
				if err.takes {
					b.is.NoErr(err.err)
					continue
				}
				b.kindIs(err.err, wire.Locked)
				b.is.True(strings.Contains(err.err.Error(), "inventory (anna)")) // why, and who says so
			}
		}
		b.kindIs(b.lib.SetState(library.LibraryState{Library: "L1", State: "closed"}), wire.Invalid)
	})
}

func TestStatesOutliveARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		b.state(library.StatePaused, "door")
		b.reopen()
		b.is.Equal(b.lib.StateOf("L1").State, library.StatePaused)
		b.is.Equal(b.lib.StateOf("L1").Reason, "door")
		b.accept(put("/d/a"))
		b.is.Equal(b.lib.Requests()[0].Reason, "the library is held: L1: door (anna)")
		b.state(library.StateOpen, "")
		b.reopen()
		b.is.Equal(b.lib.StateOf("L1").State, library.StateOpen)
	})
}

func TestTooManyRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		b.opts.MaxRequests, b.opts.MaxPerUser = 4, 2
		b.opts.Queue.Priorities = []priority.Rule{{Name: "daq", Match: match.Pattern{"user": "daq"}, Admin: 1}}
		b.reopen()
		by := func(user string) error {
			p := put("/d/" + catalog.NewRequestID().String())
			p.User = user
			_, err := b.lib.Accept(b.ctx, p)
			return err
		}
		b.is.NoErr(by("a"))
		b.is.NoErr(by("a"))
		err := by("a")
		b.kindIs(err, wire.Busy)
		e, _ := errors.AsType[*wire.Error](err)
		b.is.True(e.RetryAfter >= 5*time.Second && e.RetryAfter <= 10*time.Minute)
		b.is.NoErr(by("b"))
		b.is.NoErr(by("c"))
		b.kindIs(by("d"), wire.Busy) // of all, too many
		for range 4 {
			b.is.NoErr(by("daq")) // never for data acquisition
		}
		b.kindIs(by("daq"), wire.Busy) // but memory has an end
	})
}

func TestALimitRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		b.is.NoErr(b.lib.Configure(queue.Settings{Limits: []discipline.Limit{{Name: "not now", Match: match.Pattern{"class": "test"}, Refuse: true}}}))
		p := put("/d/a")
		p.Class = "test"
		_, err := b.lib.Accept(b.ctx, p)
		b.kindIs(err, wire.Busy)
		b.is.True(strings.Contains(err.Error(), `"not now"`))
		err = b.lib.Configure(queue.Settings{Limits: []discipline.Limit{{}}})
		b.kindIs(err, wire.Invalid)
		_, err = b.lib.Accept(b.ctx, p)
		b.kindIs(err, wire.Busy) // the rules before are in force
	})
}

func TestTheSameIDForSomethingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		p := put("/d/a")
		b.accept(p)
		b.accept(p) // the same again
		other := p
		other.Size++
		_, err := b.lib.Accept(b.ctx, other)
		b.kindIs(err, wire.Invalid)
		other, sum := p, uint32(77)
		other.Sum = &sum
		_, err = b.lib.Accept(b.ctx, other)
		b.kindIs(err, wire.Invalid)
	})
}

func TestRequestsAreChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		a, c := b.accept(put("/d/a")), b.accept(put("/d/b"))
		b.is.NoErr(b.lib.SetPriority(c, 5))
		b.is.NoErr(b.lib.Hold(a, "anna"))
		all, err := b.lib.Explain(a)
		b.is.NoErr(err)
		b.is.Equal(all[0].Reason, queue.OnHold)
		_, known, err := b.lib.Estimate(a)
		b.is.NoErr(err)
		b.is.True(!known)
		r, err := b.lib.Request(c)
		b.is.NoErr(err)
		b.is.Equal(r.Priority, 5)
		m := b.mover("d0")
		m.next()
		b.is.Equal(m.work(), []string{"/d/b"})
		b.is.NoErr(b.lib.ReleaseHold(a))
		m.next()
		b.is.Equal(m.work(), []string{"/d/a"})
		b.kindIs(b.lib.Hold(a, ""), wire.NotFound)
		_, err = b.lib.Explain(catalog.NewRequestID())
		b.kindIs(err, wire.NotFound)
	})
}

// What was not begun of a lease is taken back when data acquisition wants the drive.
func TestADriveIsFreedForDataAcquisition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 2)
		b.opts.Queue.Priorities = []priority.Rule{{Name: "daq", Match: match.Pattern{"user": "daq"}, Admin: 1}}
		b.reopen()
		for _, name := range []string{"/d/a", "/d/b", "/d/c"} {
			b.accept(put(name))
		}
		m := b.mover("d0")
		b.is.Equal(len(m.next().Assignments), 3)
		b.is.NoErr(b.lib.Begin(b.ctx, m.lease.ID, m.lease.Assignments[0].Request))
		b.is.NoErr(b.tree.SetTag(b.ctx, "/d", "file_family", "daq"))
		p := put("/d/daq")
		p.User = "daq"
		b.accept(p)
		drives := map[string]string{}
		for _, r := range b.lib.Requests() {
			drives[r.Subject] = r.Drive
		}
		b.is.Equal(drives, map[string]string{"/d/a": "d0", "/d/b": "", "/d/c": "", "/d/daq": ""})
		m.flush(m.lease.Assignments[0])
		m.release(nil, 0)
		m.next()
		b.is.Equal(m.work(), []string{"/d/daq"})
	})
}

// The journal holds everything that is needed to make the same decisions again, over new beginnings and restarts.
func TestDecisionsAreMadeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 3)
		b.opts.JournalSize = 60_000
		b.reopen()
		m := b.mover("d0")
		for round := range 30 {
			for i := range 3 {
				b.accept(put(fmt.Sprintf("/d/%d-%d", round, i)))
			}
			m.next()
			m.work()
			if round == 20 {
				b.reopen()
			}
		}
		b.is.NoErr(b.lib.Close())
		r, err := library.Replay(b.fs, "/journal")
		b.is.NoErr(err)
		b.is.True(r.Events > 0)
		b.is.True(r.Grants > 0)
		b.is.Equal(r.Differs, uint64(0))
		b.open()
	})
}

func TestFailuresCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		p := put("/d/a")
		p.Again = true
		b.accept(p)
		m := b.mover("d0")
		m.next()
		m.release(errors.New("scratched"), wire.FaultVolume)
		b.is.Equal(len(b.lib.Strikes()), 2) // one against each
		b.is.NoErr(b.lib.Forgive("d0", ""))
		b.is.Equal(len(b.lib.Strikes()), 0)
		b.kindIs(b.lib.Forgive("", ""), wire.Invalid)
	})
}

func TestHistoryOfNothing(t *testing.T) {
	is := is.New(t)
	b := newBench(t, 0)
	is.NoErr(b.lib.Close())
	r, err := library.Replay(b.fs, "/nowhere")
	is.NoErr(err)
	is.Equal(r.Events, uint64(0))
}

// A journal that ends in the middle of a frame is used up to there, and somebody is told.
func TestATornJournalIsTold(t *testing.T) {
	is := is.New(t)
	b := newBench(t, 1)
	b.state(library.StateLocked, "kept")
	b.state(library.StatePaused, "torn")
	is.NoErr(b.lib.Close())
	data, err := disk.ReadFile(b.fs, "/journal/journal", 1<<20)
	is.NoErr(err)
	is.NoErr(disk.WriteFileAtomic(b.fs, "/journal/journal", data[:len(data)-1], 0o600))
	var log bytes.Buffer
	b.opts.Logger = hclog.New(&hclog.LoggerOptions{Output: &log})
	b.open()
	is.True(strings.Contains(log.String(), "ends in a frame that is not whole"))
	is.Equal(b.lib.StateOf("L1").Reason, "torn") // that was in the frame before
}

// A drive that is wanted for data acquisition is free when the file at hand is done, though all the files of its lease were offered to their clients.
func TestADriveIsFreedAtTheNextFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 2)
		b.opts.Queue.Priorities = []priority.Rule{{Name: "daq", Match: match.Pattern{"host": "daq.*"}, Admin: 1}}
		b.reopen()
		ids := []catalog.RequestID{b.accept(put("/d/a")), b.accept(put("/d/b")), b.accept(put("/d/c"))}
		m := b.mover("d0")
		l := m.next()
		b.is.Equal(len(l.Assignments), 3)
		for _, a := range l.Assignments {
			b.is.NoErr(b.lib.Offer(b.ctx, l.ID, a.Request, wire.Turn{Address: "d0"}))
		}
		b.is.NoErr(b.lib.Begin(b.ctx, l.ID, ids[0]))
		_, err := b.tree.Mkdir(b.ctx, "/d/daq", namespace.Attr{})
		b.is.NoErr(err)
		b.is.NoErr(b.tree.SetTag(b.ctx, "/d/daq", "file_family", "daq"))
		daq := put("/d/daq/1")
		daq.Host = "daq01"
		b.accept(daq)
		rec := m.flush(l.Assignments[0])
		m.settle(l.Assignments[0], &rec, nil)
		b.kindIs(b.lib.Begin(b.ctx, l.ID, ids[1]), wire.Busy)
		b.kindIs(b.lib.Begin(b.ctx, l.ID, ids[1]), wire.Cancelled) // it is not of this lease any more
		b.kindIs(b.lib.Begin(b.ctx, l.ID, ids[2]), wire.Busy)
		more, err := b.lib.More(b.ctx, l.ID, time.Minute)
		b.is.NoErr(err)
		b.is.Equal(len(more), 0)
		m.release(nil, wire.FaultUnknown)
		l = m.next()
		b.is.Equal(l.Assignments[0].Request, daq.ID)
		m.work()
		m.next()
		b.is.Equal(m.work(), []string{"/d/b", "/d/c"})
	})
}
