package library_test

import (
	"context"
	"errors"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/catalog/memstore"
	"github.com/enstore-go/sdk/catalog/namespace"
	"github.com/enstore-go/sdk/enstore/wire"
)

func TestNextWaitsForWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		m := b.mover("d0")
		got := m.leases()
		synctest.Wait()
		b.is.Equal(len(got), 0)
		b.accept(put("/d/a"))
		b.is.Equal((<-got).Assignments[0].Put.Key, "/d/a")
	})
}

func TestMoreWaitsForFilesOfTheSameFamily(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 2)
		b.accept(put("/d/a"))
		l := b.mover("d0").next()
		more := make(chan []wire.Assignment)
		ask := func(wait time.Duration) {
			as, err := b.lib.More(b.ctx, l.ID, wait)
			b.is.NoErr(err)
			more <- as
		}
		begun := time.Now()
		go ask(time.Second)
		b.is.Equal(len(<-more), 0)
		b.is.Equal(time.Since(begun), time.Second)
		go ask(time.Hour)
		synctest.Wait()
		_, err := b.lib.More(b.ctx, l.ID, 0)
		b.kindIs(err, wire.Invalid) // one at a time
		b.accept(put("/d/b"))
		b.is.Equal((<-more)[0].Put.Key, "/d/b")
		b.accept(put("/d/c"))
		go ask(0)
		b.is.Equal((<-more)[0].Put.Key, "/d/c")
	})
}

func TestTwoDrivesAndWidth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 3)
		b.is.NoErr(b.tree.SetTag(b.ctx, "/d", namespace.Width, "2"))
		for _, key := range []string{"/d/a", "/d/b", "/d/c"} {
			p := put(key)
			p.Size = 60 * gib // more than half a volume
			b.accept(p)
		}
		m0, m1, m2 := b.mover("d0"), b.mover("d1"), b.mover("d2")
		b.is.Equal(m0.next().Grant.Volume.Label, label(1))
		b.is.Equal(m1.next().Grant.Volume.Label, label(2))
		third := m2.leases()
		synctest.Wait()
		b.is.Equal(len(third), 0) // two volumes of the family are being written
		b.is.Equal(m0.work(), []string{"/d/a"})
		l := <-third
		b.is.Equal(l.Grant.Volume.Label, label(3)) // 60 GiB fit on no other
		m2.take(l)
		b.is.Equal(m2.work(), []string{"/d/c"})
		m1.work()
	})
}

func TestReadOfAVolumeInAnotherDriveWaitsUntilItLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		b.accept(put("/d/a"))
		m0, m1 := b.mover("d0"), b.mover("d1")
		m0.next()
		m0.work() // V00001 stays in d0, which asks for no more work
		_, err := b.lib.Recall(b.ctx, wire.Get{ID: catalog.NewRequestID(), Key: "/d/a"})
		b.is.NoErr(err)
		got := m1.leases()
		synctest.Wait()
		b.is.Equal(len(got), 0)
		b.is.NoErr(b.lib.VolumeLeft(t.Context(), label(1)))
		b.is.Equal((<-got).Kind, wire.ReadLease)
	})
}

func TestRestartOfAWrite(t *testing.T) {
	for _, c := range []struct {
		name  string
		put   func(*wire.Put)
		err   wire.Kind
		again bool
	}{
		{"one pass, cut in the middle", func(*wire.Put) {}, wire.Restart, false},
		{"one pass, not begun", func(*wire.Put) {}, wire.Busy, true},
		{"a source that can be read again", func(p *wire.Put) { p.Again = true }, wire.Restart, true},
		{"wrong checksum", func(p *wire.Put) { p.Again = true }, wire.Checksum, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, 1)
				p := put("/d/a")
				c.put(&p)
				b.accept(p)
				m := b.mover("d0")
				l := m.next()
				m.settle(l.Assignments[0], nil, wire.Errorf(c.err, "volume", "test"))
				m.release(nil, 0)
				b.is.Equal(len(b.lib.Requests()) == 1, c.again)
				if c.again {
					m.next()
					b.is.Equal(m.work(), []string{"/d/a"})
					return
				}
				_, err := b.lib.Outcome(b.ctx, p.ID, 0)
				b.kindIs(err, c.err)
			})
		})
	}
}

func TestAttemptsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		p := put("/d/a")
		p.Again = true
		id := b.accept(p)
		m := b.mover("d0")
		n := 0
		for ; len(b.lib.Requests()) > 0; n++ {
			l := m.next()
			m.settle(l.Assignments[0], nil, wire.Restarted(errors.New("head crash"), "V"))
			m.release(errors.New("head crash"), wire.FaultDrive)
		}
		b.is.Equal(n, 5)
		_, err := b.lib.Outcome(b.ctx, id, 0)
		b.kindIs(err, wire.Restart)
	})
}

func TestVolumeAtFaultIsVetoed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 2)
		p := put("/d/a")
		p.Again = true
		b.accept(p)
		m := b.mover("d0")
		first := m.next().Grant.Volume.Label
		m.release(errors.New("scratched"), wire.FaultVolume) // nothing settled: it goes back by itself
		b.is.True(m.next().Grant.Volume.Label != first)
		b.is.Equal(m.work(), []string{"/d/a"})
	})
}

func TestASettlementThatWasLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		lost, wrong := b.accept(put("/d/a")), b.accept(put("/d/b"))
		m := b.mover("d0")
		l := m.next()
		b.is.Equal(len(l.Assignments), 2)
		m.flush(l.Assignments[0])
		m.flush(l.Assignments[1])
		m.settle(l.Assignments[1], nil, wire.Errorf(wire.Unavailable, "catalogue", "no answer")) // it is stored none the less
		m.release(nil, 0)
		for _, id := range []catalog.RequestID{lost, wrong} {
			rec, err := b.lib.Outcome(b.ctx, id, 0)
			b.is.NoErr(err)
			b.is.Equal(rec.Volume, label(1))
		}
	})
}

func TestLeaseOfALostMover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		done := b.accept(put("/d/a"))
		open := b.accept(put("/d/b"))
		go b.lib.Await(b.ctx, open) // its client is patient
		m0, m1 := b.mover("d0"), b.mover("d1")
		l := m0.next()
		time.Sleep(50 * time.Second)
		until, err := b.lib.Renew(b.ctx, l.ID)
		b.is.NoErr(err)
		b.is.Equal(time.Until(until), time.Minute)
		time.Sleep(50 * time.Second)
		m0.flush(l.Assignments[0]) // still its own
		time.Sleep(11 * time.Second)

		_, err = b.lib.Renew(b.ctx, l.ID)
		b.kindIs(err, wire.Fenced)
		rec, err := b.lib.Outcome(b.ctx, done, 0)
		b.is.NoErr(err) // the catalogue was asked
		b.is.Equal(rec.Key, "/d/a")
		_, err = b.cat.Flush(b.ctx, catalog.Commit{Lease: l.ID, Seq: 2, Volume: label(1), Epoch: l.Grant.Epoch, From: m0.eod, To: catalog.Location{File: m0.eod.File + 1}, Remaining: -1})
		b.is.True(errors.Is(err, catalog.ErrFenced))

		got := m1.leases()
		synctest.Wait()
		b.is.Equal(len(got), 0) // nobody knows that the volume left d0
		b.is.NoErr(b.lib.VolumeLeft(t.Context(), label(1)))
		next := <-got
		b.is.Equal(next.Grant.Volume.Label, label(1))
		b.is.True(next.Grant.Explains != nil) // what the lost one may have written
		m1.take(next)
		b.is.Equal(m1.work(), []string{"/d/b"})
		b.kindIs(b.lib.Release(b.ctx, l.ID, wire.Release{}), wire.Fenced)
	})
}

func TestADriveThatBeginsAnewEndsItsLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		id := b.accept(put("/d/a"))
		m := b.mover("d0")
		first := m.next()
		m.mounted = ""
		second := m.next()
		b.is.True(second.ID != first.ID)
		b.is.Equal(second.Assignments[0].Request, id)
		b.kindIs(b.lib.Offer(b.ctx, first.ID, id, wire.Turn{}), wire.Fenced)
		b.is.Equal(m.work(), []string{"/d/a"})
	})
}

func TestADriveThatGoesAwayWhileItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		m := b.mover("d0")
		ctx, stop := context.WithCancel(b.ctx)
		ended := make(chan error)
		go func() { _, err := b.lib.Next(ctx, m.report()); ended <- err }()
		synctest.Wait()
		stop()
		b.is.True(<-ended != nil)
		b.accept(put("/d/a"))
		b.is.Equal(b.lib.Requests()[0].Reason, "no drive of the library is ready: L1")

		second := make(chan error) // of two that ask for one drive, the later is right
		go func() {
			_, err := b.lib.Next(b.ctx, wire.DriveReport{Drive: "d9", Libraries: []catalog.LibraryName{"L2"}})
			second <- err
		}()
		synctest.Wait()
		other := &fakeMover{bench: b, drive: "d9"}
		b.is.Equal(len(other.next().Assignments), 1)
		b.kindIs(<-second, wire.Unavailable)
	})
}

func TestNoVolumeForAFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		p := put("/d/a")
		p.Size = 60 * gib
		b.accept(p)
		q := put("/d/b")
		q.Size = 60 * gib
		b.accept(q)
		r := b.accept(put("/d/c"))
		m := b.mover("d0")
		m.next()
		// 60 GiB more do not fit, but what is small enough does. The lease ends rather than begin the other file.
		b.is.Equal(m.work(), []string{"/d/a", "/d/c"})
		_, err := b.lib.Outcome(b.ctx, r, 0)
		b.is.NoErr(err)
		r = b.accept(put("/d/d"))
		m.next()
		_, err = b.lib.Outcome(b.ctx, q.ID, 0)
		b.kindIs(err, wire.NoSpace) // told, not kept waiting
		b.is.Equal(m.work(), []string{"/d/d"})
		_, err = b.lib.Outcome(b.ctx, r, 0)
		b.is.NoErr(err)
	})
}

func TestSpooledFileWaitsForAVolume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		fill := put("/d/fill")
		fill.Size = 90 * gib
		b.accept(fill)
		m := b.mover("d0")
		m.next()
		m.work()

		p := put("/d/a")
		p.Size, p.Sum, p.Level = wire.UnknownSize, nil, catalog.Cached
		b.accept(p)
		_, err := b.lib.Await(b.ctx, p.ID)
		b.is.NoErr(err)
		b.is.NoErr(b.spool.stream(p.ID, 60*gib, 5, nil))
		got := m.leases()
		synctest.Wait()
		b.is.Equal(len(got), 0)
		b.is.Equal(b.lib.Requests()[0].Reason, "no volume with room: L1")
		b.is.NoErr(b.lib.Drain(b.ctx)) // it cannot be served
		b.addVolume(2)
		l := <-got
		b.is.Equal(l.Grant.Volume.Label, label(2))
		b.is.Equal(l.Assignments[0].Spool, p.ID.String())
		m.take(l)
		m.work()
		b.is.True(!b.spool.has(p.ID)) // on tape, so not in the spool any more
	})
}

// A client that waits for its stream to be on tape is told that there is no volume, and was not told that it is safe.
func TestSpooledStreamWithoutAVolumeIsToldSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		fill := put("/d/fill")
		fill.Size = 90 * gib
		b.accept(fill)
		m := b.mover("d0")
		m.next()
		m.work()

		p := stream("/d/a")
		b.accept(p)
		_, err := b.lib.Await(b.ctx, p.ID)
		b.is.NoErr(err)
		b.is.NoErr(b.spool.stream(p.ID, 60*gib, 5, nil))
		_ = m.leases()
		_, err = b.lib.Outcome(b.ctx, p.ID, 0)
		b.kindIs(err, wire.NoSpace)
		synctest.Wait()
		b.is.True(!b.spool.has(p.ID))
	})
}

// sick is a store that may fail for a while, as with a full disk.
type sick struct {
	catalog.Store
	update, wait atomic.Bool // what fails
}

func (s *sick) Update(ctx context.Context, fn func(catalog.Tx) error) error {
	if s.update.Load() {
		return syscall.ENOSPC
	}
	return s.Store.Update(ctx, fn)
}

func (s *sick) WaitEvents(ctx context.Context, since uint64) error {
	if s.wait.Load() {
		return syscall.ENOSPC
	}
	return s.Store.WaitEvents(ctx, since)
}

func TestCatalogueThatFailsForAWhileBlocksNoFamily(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &sick{Store: memstore.New()}
		b := newBenchOver(t, store, 1)
		b.accept(put("/d/a"))
		m := b.mover("d0")
		m.next()
		store.update.Store(true)
		b.is.NoErr(b.lib.Release(b.ctx, m.lease.ID, wire.Release{Mounted: m.mounted})) // its intent could not be ended
		store.update.Store(false)
		m.next() // of the family, whose width is one
		b.is.Equal(m.work(), []string{"/d/a"})
	})
}

func TestCatalogueIsWatchedAgainAfterAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &sick{Store: memstore.New()}
		b := newBenchOver(t, store, 1)
		inhibit := func(l catalog.Limit) {
			b.is.NoErr(b.cat.SetInhibit(b.ctx, label(1), catalog.SystemWrite, l, "test", "test"))
		}
		inhibit(catalog.ReadOnly)
		p := stream("/d/a")
		p.Level = catalog.Cached
		b.accept(p)
		_, err := b.lib.Await(b.ctx, p.ID)
		b.is.NoErr(err)
		b.is.NoErr(b.spool.stream(p.ID, 5000, 77, nil))
		m := b.mover("d0")
		got := m.leases()
		synctest.Wait()
		b.is.Equal(len(got), 0) // it waits for a volume
		store.wait.Store(true)
		inhibit(catalog.Full)
		synctest.Wait()
		store.wait.Store(false)
		inhibit(catalog.Unlimited)
		m.take(<-got)
		b.is.Equal(m.work(), []string{"/d/a"})
	})
}

// The drive with the volume asks for work while the catalogue is still asked on behalf of another drive, in vain.
func TestWriteWaitsForAVolumeThatIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		b.accept(put("/d/a"))
		m0, m1 := b.mover("d0"), b.mover("d1")
		m0.next()
		m0.work()
		_, err := b.lib.Recall(b.ctx, wire.Get{ID: catalog.NewRequestID(), Key: "/d/a"})
		b.is.NoErr(err)
		m0.next()
		b.accept(put("/d/b"))
		got := m1.leases()
		synctest.Wait()
		b.is.Equal(len(got), 0)
		m0.work()
		more := m0.leases()
		synctest.Wait()
		b.is.Equal(len(more), 1) // d0 writes: the volume is there
		b.is.Equal((<-more).Kind, wire.WriteLease)
	})
}

// A catalogue that cannot record anything, as on a full disk, does not keep clients waiting for ever.
func TestCatalogueThatFailsIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &sick{Store: memstore.New()}
		b := newBenchOver(t, store, 1)
		p := put("/d/a")
		b.accept(p)
		store.update.Store(true)
		for range 5 {
			_, err := b.lib.Next(b.ctx, b.mover("d0").report())
			b.is.True(err != nil)
		}
		_, err := b.lib.Outcome(b.ctx, p.ID, 0)
		b.kindIs(err, wire.NoSpace)
		store.update.Store(false)
		m := b.mover("d0")
		q := put("/d/a") // its name is free again
		b.accept(q)
		m.next()
		b.is.Equal(m.work(), []string{"/d/a"})
	})
}

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
