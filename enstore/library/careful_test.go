package library_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/catalog/namespace"
	"github.com/enstore-go/sdk/enstore/library"
	"github.com/enstore-go/sdk/enstore/wire"
	"github.com/enstore-go/sdk/queue"
	"github.com/enstore-go/sdk/queue/match"
	"github.com/enstore-go/sdk/queue/priority"
)

// cached brings a stream of level Cached into the spool.
func (b *bench) cached(key string) wire.Put {
	b.is.Helper()
	p := stream(key)
	p.Level = catalog.Cached
	b.accept(p)
	b.toSpool(p)
	return p
}

func (b *bench) toSpool(p wire.Put) {
	b.is.Helper()
	_, err := b.lib.Await(b.ctx, p.ID)
	b.is.NoErr(err)
	b.is.NoErr(b.spool.stream(p.ID, 5000, 77, nil))
}

func TestAFileThatTheJournalDoesNotKnowStaysInTheSpool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		p := b.cached("/d/a")
		b.is.NoErr(b.lib.Close())
		b.is.NoErr(b.fs.Remove("/journal/journal"))
		for range 2 { // nor at the second start
			b.open()
			b.is.True(b.spool.has(p.ID))
			all := b.lib.Requests()
			b.is.Equal(len(all), 1)
			b.is.Equal(all[0].ID, p.ID)
			b.is.True(strings.Contains(all[0].Reason, "the journal does not know it"))
			_, err := b.lib.Outcome(b.ctx, p.ID, catalog.OnTape)
			b.kindIs(err, wire.Internal)
			b.is.NoErr(b.lib.Close())
		}
		b.open()
		again := b.accept(put("/d/a")) // it can be stored first
		b.is.NoErr(b.lib.Cancel(b.ctx, again))
		b.is.NoErr(b.lib.Cancel(b.ctx, p.ID))
		b.is.True(!b.spool.has(p.ID))
		b.reopen()
		b.is.Equal(len(b.lib.Requests()), 0)
	})
}

// slowSpool removes files when it is let.
type slowSpool struct {
	*fakeSpool
	let chan struct{}
}

func (s *slowSpool) Remove(id catalog.RequestID) error {
	<-s.let
	return s.fakeSpool.Remove(id)
}

func TestAnIDIsTakenAgainWhenItsFileIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		slow := &slowSpool{b.spool, make(chan struct{}, 1)}
		b.opts.Spool = slow
		b.reopen()
		p := b.cached("/d/a")
		go func() { _ = b.lib.Cancel(b.ctx, p.ID) }()
		synctest.Wait()
		accepted := make(chan error, 1)
		go func() { _, err := b.lib.Accept(b.ctx, p); accepted <- err }()
		synctest.Wait()
		b.is.Equal(len(accepted), 0) // the spool would lose the new file with the old one
		slow.let <- struct{}{}
		b.is.NoErr(<-accepted)
		b.toSpool(p)
		synctest.Wait()
		b.is.True(b.spool.has(p.ID))
	})
}

var _ library.Spool = (*slowSpool)(nil)

func TestAVolumeThatFailedOneFileDoesNotHoldBackItsFamily(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		first := put("/d/a")
		first.Again = true
		b.accept(first)
		m := b.mover("d0")
		m.next()
		m.release(wire.Errorf(wire.Media, "volume", "is bad"), wire.FaultVolume)
		second := b.accept(put("/d/b"))
		ctx, stop := context.WithTimeout(b.ctx, 100*time.Hour)
		defer stop()
		done := make(chan error, 1)
		go func() { _, err := b.lib.Outcome(ctx, second, 0); done <- err }()
		for synctest.Wait(); len(done) == 0; synctest.Wait() {
			l, err := b.lib.Next(ctx, m.report())
			b.is.NoErr(err)
			m.take(l)
			if l.Kind == wire.DismountLease {
				m.release(nil, wire.FaultUnknown)
				continue
			}
			m.work()
		}
		b.is.NoErr(<-done)
		_, err := b.lib.Outcome(ctx, first.ID, 0)
		b.kindIs(err, wire.NoSpace)
	})
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

func TestDrainDoesNotWaitForWhatIsOnHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		p := b.cached("/d/a")
		b.is.NoErr(b.lib.Hold(p.ID, "anna"))
		ctx, stop := context.WithTimeout(b.ctx, 24*time.Hour)
		defer stop()
		b.is.NoErr(b.lib.Drain(ctx))
	})
}

func TestLongTextsAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		long := strings.Repeat("x", 2000)
		for _, change := range []func(*wire.Put){
			func(p *wire.Put) { p.User = long }, func(p *wire.Put) { p.Host = long }, func(p *wire.Put) { p.Class = long }, func(p *wire.Put) { p.Dataset = long },
		} {
			p := put("/d/a")
			change(&p)
			_, err := b.lib.Accept(b.ctx, p)
			b.kindIs(err, wire.Invalid)
		}
		_, err := b.lib.Recall(b.ctx, wire.Get{ID: catalog.NewRequestID(), Key: "/d/a", Dataset: long})
		b.kindIs(err, wire.Invalid)
	})
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
