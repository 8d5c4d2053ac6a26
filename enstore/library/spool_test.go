package library_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore/library"
	"github.com/enstore-go/sdk/enstore/wire"
)

// stream is a file whose size is not known.
func stream(key string) wire.Put {
	p := put(key)
	p.Size, p.Sum = wire.UnknownSize, nil
	return p
}

func TestAStreamGoesBySpool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		p := stream("/d/a")
		ticket, err := b.lib.Accept(b.ctx, p)
		b.is.NoErr(err)
		b.is.True(ticket.Spooled)
		turn, err := b.lib.Await(b.ctx, p.ID)
		b.is.NoErr(err)
		b.is.Equal(turn.Address, "spool 1")
		b.is.NoErr(b.spool.stream(p.ID, 5000, 77, nil))

		m := b.mover("d0")
		l := m.next()
		a := l.Assignments[0]
		b.is.Equal(a.Spool, p.ID.String())
		b.is.Equal(a.Put.Size, int64(5000))
		b.is.Equal(*a.Put.Sum, uint32(77))
		m.work()
		rec, err := b.lib.Outcome(b.ctx, p.ID, 0)
		b.is.NoErr(err)
		b.is.Equal(rec.Level, catalog.OnTape)
		b.is.True(!b.spool.has(p.ID))
	})
}

func TestCachedIsEnoughForWhoAskedForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		p := stream("/d/a")
		p.Level = catalog.Cached
		b.accept(p)
		_, err := b.lib.Await(b.ctx, p.ID)
		b.is.NoErr(err)
		b.is.NoErr(b.spool.stream(p.ID, 5000, 77, nil))
		rec, err := b.lib.Outcome(b.ctx, p.ID, 0)
		b.is.NoErr(err)
		b.is.Equal(rec.Level, catalog.Cached)
		b.is.Equal(rec.Size, int64(5000))
		turn, err := b.lib.Await(b.ctx, p.ID)
		b.is.NoErr(err)
		b.is.Equal(turn.Done.Level, catalog.Cached)
		pending, ok := b.lib.Pending("/d/a")
		b.is.True(ok)
		b.is.Equal(pending.Adler, uint32(77))
		_, ok = b.lib.Pending("/d/b")
		b.is.True(!ok)
		ctx, stop := context.WithTimeout(b.ctx, 24*time.Hour) // nobody has to wait for it
		defer stop()
		_, err = b.lib.Outcome(ctx, p.ID, catalog.OnTape)
		b.is.Equal(err, context.DeadlineExceeded) // but one can
		b.is.Equal(len(b.lib.Requests()), 1)
	})
}

func TestSlowSourcesGoBySpoolAndNullStreamsDoNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		b.opts.MinRate = 50e6
		b.reopen()
		for _, c := range []struct {
			rate    int64
			spooled bool
		}{{0, false}, {10e6, true}, {50e6, false}} {
			p := put("/d/a")
			p.Rate = c.rate
			ticket, err := b.lib.Accept(b.ctx, p)
			b.is.NoErr(err)
			b.is.Equal(ticket.Spooled, c.spooled)
			b.is.NoErr(b.lib.Cancel(b.ctx, p.ID))
		}
		b.is.NoErr(b.tree.SetTag(b.ctx, "/d", "file_family_wrapper", "null"))
		ticket, err := b.lib.Accept(b.ctx, stream("/d/a"))
		b.is.NoErr(err)
		b.is.Equal(ticket.Spooled, false)

		b.opts.Spool = nil
		b.is.NoErr(b.tree.SetTag(b.ctx, "/d", "file_family_wrapper", "cpio_odc"))
		b.reopen()
		_, err = b.lib.Accept(b.ctx, stream("/d/b"))
		b.kindIs(err, wire.Invalid)
	})
}

func TestFullSpool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		b.spool.full = true
		p := stream("/d/a")
		_, err := b.lib.Accept(b.ctx, p)
		b.kindIs(err, wire.Busy)
		b.is.Equal(err.(*wire.Error).RetryAfter, time.Minute)
		b.spool.full = false
		b.accept(p) // the name and the id are free
	})
}

func TestBrokenStreamsToTheSpool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		turn := func(id catalog.RequestID) string {
			t, err := b.lib.Await(b.ctx, id)
			b.is.NoErr(err)
			return t.Address
		}
		p := stream("/d/a")
		b.accept(p)
		b.is.Equal(turn(p.ID), "spool 1")
		_ = b.spool.stream(p.ID, 0, 0, wire.Errorf(wire.Unavailable, "client", "gone"))
		b.is.Equal(turn(p.ID), "spool 2") // it comes again
		b.is.Equal(turn(p.ID), "spool 3") // its answer was lost: the former turn is cut off
		_ = b.spool.stream(p.ID, 0, 0, wire.Errorf(wire.Checksum, "client", "adler32 differs"))
		_, err := b.lib.Outcome(b.ctx, p.ID, 0)
		b.kindIs(err, wire.Checksum) // the file's own fault

		p = stream("/d/b")
		b.accept(p)
		turn(p.ID)
		_ = b.spool.stream(p.ID, 0, 0, wire.Errorf(wire.Timeout, "client", "did not connect"))
		begun := time.Now()
		_, err = b.lib.Outcome(b.ctx, p.ID, 0)
		b.kindIs(err, wire.Timeout)
		b.is.Equal(time.Since(begun), time.Minute) // nobody asks for the next turn

		p = stream("/d/c")
		b.accept(p)
		turn(p.ID)
		b.is.NoErr(b.lib.Cancel(b.ctx, p.ID))
		b.is.Equal(len(b.spool.expected), 0)

		p = stream("/d/e")
		b.accept(p)
		turn(p.ID)
		err = b.spool.stream(p.ID, 200*gib, 1, nil)
		b.kindIs(err, wire.TooLarge) // now that its size is known
		b.is.True(!b.spool.has(p.ID))
		b.is.Equal(len(b.lib.Requests()), 0)
	})
}

func TestSpooledFileIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		p := stream("/d/a")
		b.accept(p)
		_, err := b.lib.Await(b.ctx, p.ID)
		b.is.NoErr(err)
		b.is.NoErr(b.spool.stream(p.ID, 5000, 77, nil))
		m := b.mover("d0")
		l := m.next()
		m.settle(l.Assignments[0], nil, wire.Restarted(errors.New("dirty head"), "V"))
		m.release(errors.New("dirty head"), wire.FaultDrive)
		m.next()
		b.is.Equal(m.work(), []string{"/d/a"})
	})
}

func TestCachedFileIsTriedUntilItIsOnTape(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		p := stream("/d/a")
		p.Level = catalog.Cached
		b.accept(p)
		_, err := b.lib.Await(b.ctx, p.ID)
		b.is.NoErr(err)
		b.is.NoErr(b.spool.stream(p.ID, 5000, 77, nil))
		m := b.mover("d0")
		for range 20 { // a drive that is out of order for a while
			l := m.next()
			m.settle(l.Assignments[0], nil, wire.Restarted(errors.New("head crash"), "V"))
			m.release(errors.New("head crash"), wire.FaultDrive)
		}
		b.is.True(b.spool.has(p.ID))
		m.next()
		b.is.Equal(m.work(), []string{"/d/a"})
	})
}

// TestAFileThatWasCalledSafeIsNotThrownAway: its client heard Cached, and no error of tape or name makes the
// only copy go.
func TestAFileThatWasCalledSafeIsNotThrownAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		p := stream("/d/a")
		p.Level = catalog.Cached
		b.accept(p)
		_, err := b.lib.Await(b.ctx, p.ID)
		b.is.NoErr(err)
		b.is.NoErr(b.spool.stream(p.ID, 5000, 77, nil))
		m := b.mover("d0")
		l := m.next()
		b.is.NoErr(b.lib.Settle(b.ctx, l.ID, []wire.Settlement{{Request: p.ID, Err: wire.Errorf(wire.Exists, "/d/a", "the name is taken")}}))
		b.is.NoErr(b.lib.Release(b.ctx, l.ID, wire.Release{}))
		b.is.True(b.spool.has(p.ID))
		_, ok := b.lib.Pending("/d/a")
		b.is.True(ok)
		_, err = b.lib.Outcome(b.ctx, p.ID, catalog.OnTape)
		b.kindIs(err, wire.Exists) // who waits for tape is told
		b.is.Equal(len(b.lib.Requests()), 1)
		b.is.NoErr(b.lib.Drain(b.ctx)) // nothing is on its way

		b.reopen() // and it is tried again
		m = b.mover("d0")
		l = m.next()
		b.is.Equal(l.Assignments[0].Request, p.ID)
		m.work()
		rec, err := b.lib.Outcome(b.ctx, p.ID, catalog.OnTape)
		b.is.NoErr(err)
		b.is.Equal(rec.Level, catalog.OnTape)
	})
}

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
