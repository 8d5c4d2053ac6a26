package library_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/catalog/namespace"
	"github.com/enstore-go/sdk/enstore/library"
	"github.com/enstore-go/sdk/enstore/wire"
	"github.com/enstore-go/sdk/tape/disk"
)

func TestAFileGoesToTape(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		id := b.accept(put("/d/a"))
		m := b.mover("d0")
		l := m.next()
		b.is.Equal(l.Kind, wire.WriteLease)
		b.is.Equal(l.Grant.Volume.Label, label(1))
		b.is.Equal(l.Family.String(), "sg.ff.cpio_odc")
		b.is.Equal(len(l.Assignments), 1)
		a := l.Assignments[0]
		b.is.Equal(a.Put.Key, "/d/a")
		b.is.Equal(a.Name, "a")
		b.is.Equal(a.Spool, "")

		turn := wire.Turn{Address: "here", Token: wire.NewToken()}
		b.is.NoErr(b.lib.Offer(b.ctx, l.ID, id, turn))
		got, err := b.lib.Await(b.ctx, id)
		b.is.NoErr(err)
		b.is.Equal(got, turn)

		rec := m.flush(a)
		m.settle(a, &rec, nil)
		out, err := b.lib.Outcome(b.ctx, id, 0)
		b.is.NoErr(err)
		b.is.Equal(out.BFID, rec.BFID)
		b.is.Equal(out.Level, catalog.OnTape)
		got, err = b.lib.Await(b.ctx, id)
		b.is.NoErr(err)
		b.is.Equal(got.Done.BFID, rec.BFID)
		m.release(nil, 0)
		b.is.Equal(len(b.lib.Requests()), 0)

		again, err := b.lib.Accept(b.ctx, *a.Put) // the same request
		b.is.NoErr(err)
		b.is.Equal(again.Stored.BFID, rec.BFID)
		b.reopen()
		out, err = b.lib.Outcome(b.ctx, id, 0) // long after
		b.is.NoErr(err)
		b.is.Equal(out.BFID, rec.BFID)
	})
}

func TestAReadComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		for _, key := range []string{"/d/a", "/d/b", "/d/c"} {
			b.accept(put(key))
		}
		m := b.mover("d0")
		m.next()
		b.is.Equal(m.work(), []string{"/d/a", "/d/b", "/d/c"})

		var ids []catalog.RequestID
		for _, key := range []string{"/d/c", "/d/a"} {
			g := wire.Get{ID: catalog.NewRequestID(), Key: key}
			ticket, err := b.lib.Recall(b.ctx, g)
			b.is.NoErr(err)
			b.is.Equal(ticket.Stored.Key, key)
			ids = append(ids, g.ID)
		}
		l := m.next()
		b.is.Equal(l.Kind, wire.ReadLease)
		b.is.Equal(l.Grant.Volume.Label, label(1))
		b.is.Equal(m.work(), []string{"/d/a", "/d/c"}) // by position
		rec, err := b.lib.Outcome(b.ctx, ids[0], 0)
		b.is.NoErr(err)
		b.is.Equal(rec.Key, "/d/c")
	})
}

func TestAdmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		b.opts.MaxRequests = 3
		b.opts.Fits = func(wrapper string, p wire.Put) (string, error) {
			if p.Size > 8*gib {
				return "cern", nil
			}
			if p.Mode == 0o777 {
				return "", fmt.Errorf("no such mode on tape")
			}
			return wrapper, nil
		}
		b.reopen()
		_, err := b.tree.Mkdir(b.ctx, "/bare", namespace.Attr{})
		b.is.NoErr(err)
		_, err = b.tree.Mkdir(b.ctx, "/empty", namespace.Attr{})
		b.is.NoErr(err)
		for tag, value := range map[namespace.Tag]string{namespace.Library: "L9", namespace.StorageGroup: "sg", namespace.FileFamily: "ff", namespace.Wrapper: "null"} {
			b.is.NoErr(b.tree.SetTag(b.ctx, "/empty", tag, value))
		}
		first := put("/d/first")
		b.accept(first)
		m := b.mover("d0")
		m.next()
		m.work()

		with := func(key string, change func(*wire.Put)) wire.Put { p := put(key); change(&p); return p }
		for _, c := range []struct {
			name string
			p    wire.Put
			want wire.Kind
		}{
			{"no id", with("/d/a", func(p *wire.Put) { p.ID = catalog.RequestID{} }), wire.Invalid},
			{"relative key", put("d/a"), wire.Invalid},
			{"dots in the key", put("/d/../a"), wire.Invalid},
			{"NUL in the key", put("/d/a\x00"), wire.Invalid},
			{"the root", put("/"), wire.Invalid},
			{"absurd size", with("/d/a", func(p *wire.Put) { p.Size = -2 }), wire.Invalid},
			{"negative rate", with("/d/a", func(p *wire.Put) { p.Rate = -1 }), wire.Invalid},
			{"no directory", put("/nowhere/a"), wire.NotFound},
			{"a file as directory", put("/d/first/a"), wire.Invalid},
			{"a directory", put("/d"), wire.Exists},
			{"no tags", put("/bare/a"), wire.Invalid},
			{"a library without volumes", put("/empty/a"), wire.NoSpace},
			{"larger than a volume", with("/d/a", func(p *wire.Put) { p.Size = 100 * gib }), wire.TooLarge},
			{"a wrapper that will not have it", with("/d/a", func(p *wire.Put) { p.Mode = 0o777 }), wire.Invalid},
			{"other size", with("/d/first", func(p *wire.Put) { p.Size = 5 }), wire.Exists},
			{"other content", with("/d/first", func(p *wire.Put) { *p.Sum = 77 }), wire.Exists},
		} {
			_, err := b.lib.Accept(b.ctx, c.p)
			if err == nil || wire.KindOf(err) != c.want {
				t.Errorf("%s: %v, want %v", c.name, err, c.want)
			}
			b.is.Equal(len(b.lib.Requests()), 0)
		}
		for _, p := range []wire.Put{put("/d/first"), with("/d/first", func(p *wire.Put) { p.Sum = nil }), with("/d/first", func(p *wire.Put) { p.Size = -1 })} {
			ticket, err := b.lib.Accept(b.ctx, p)
			b.is.NoErr(err)
			b.is.Equal(ticket.Stored.Request, first.ID) // stored already, or to be compared
		}

		b.is.NoErr(b.lib.SetState(library.LibraryState{Library: "L1", State: library.StateLocked, Reason: "inventory"}))
		_, err = b.lib.Accept(b.ctx, put("/d/a"))
		b.kindIs(err, wire.Locked)
		b.is.NoErr(b.lib.SetState(library.LibraryState{Library: "L1", State: library.StateOpen}))

		large := with("/d/large", func(p *wire.Put) { p.Size = 9 * gib })
		b.accept(large)
		b.is.Equal(b.lib.Requests()[0].Family.Wrapper, "cern") // above what cpio holds

		_, err = b.lib.Accept(b.ctx, put("/d/large"))
		b.kindIs(err, wire.Busy) // the name is being stored
		other := put("/d/other")
		other.ID = large.ID
		_, err = b.lib.Accept(b.ctx, other)
		b.kindIs(err, wire.Invalid) // the id is another request's
		ticket, err := b.lib.Accept(b.ctx, large)
		b.is.NoErr(err)
		b.is.Equal(ticket.ID, large.ID) // the same ticket

		b.accept(put("/d/b"))
		b.accept(put("/d/c"))
		_, err = b.lib.Accept(b.ctx, put("/d/e"))
		b.kindIs(err, wire.Busy) // full
		b.is.True(err.(*wire.Error).RetryAfter > 0)
	})
}

func TestManyAcceptsShareASync(t *testing.T) {
	b := newBench(t, 1)
	var syncs atomic.Int64
	b.fs.Inject(func(c disk.Call) error {
		if c.Op == disk.OpSync {
			syncs.Add(1)
			time.Sleep(5 * time.Millisecond) // as a disk does
		}
		return nil
	})
	done := make(chan error)
	for i := range 64 {
		go func() {
			_, err := b.lib.Accept(b.ctx, put(fmt.Sprint("/d/f", i)))
			done <- err
		}()
	}
	for range 64 {
		b.is.NoErr(<-done)
	}
	b.is.True(syncs.Load() <= 16)
	b.is.Equal(len(b.lib.Requests()), 64)
}

func TestAClientThatDoesNotComeIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		id := b.accept(put("/d/a"))
		waiting := b.accept(put("/d/b"))
		go b.lib.Await(b.ctx, waiting)
		begun := time.Now()
		_, err := b.lib.Outcome(b.ctx, id, 0)
		b.kindIs(err, wire.Timeout)
		b.is.Equal(time.Since(begun), time.Minute)
		b.is.Equal(len(b.lib.Requests()), 1) // the other one's client waits
		b.accept(put("/d/a"))                // the name is free again
	})
}

func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		id := b.accept(put("/d/a"))
		b.is.NoErr(b.lib.Cancel(b.ctx, id))
		b.is.NoErr(b.lib.Cancel(b.ctx, id))
		b.is.NoErr(b.lib.Cancel(b.ctx, catalog.NewRequestID()))
		_, err := b.lib.Outcome(b.ctx, id, 0)
		b.kindIs(err, wire.Cancelled)

		id = b.accept(put("/d/b")) // given up while a drive has it
		m := b.mover("d0")
		l := m.next()
		b.is.NoErr(b.lib.Cancel(b.ctx, id))
		b.kindIs(b.lib.Offer(b.ctx, l.ID, id, wire.Turn{}), wire.Cancelled)
		rec := m.flush(l.Assignments[0]) // too late
		m.settle(l.Assignments[0], &rec, nil)
		out, err := b.lib.Outcome(b.ctx, id, 0)
		b.is.NoErr(err)
		b.is.Equal(out.BFID, rec.BFID) // the catalogue wins
	})
}

func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		id := b.accept(put("/d/a"))
		l := b.mover("d0").next()
		offer := func(address string) { b.is.NoErr(b.lib.Offer(b.ctx, l.ID, id, wire.Turn{Address: address})) }
		offer("one")
		turn, err := b.lib.Await(b.ctx, id)
		b.is.NoErr(err)
		b.is.Equal(turn.Address, "one")

		next := make(chan string, 1)
		ask := func() { turn, _ := b.lib.Await(b.ctx, id); next <- turn.Address }
		go ask()
		synctest.Wait()
		offer("two")
		b.is.Equal(<-next, "two") // not the old one
		begun := time.Now()
		go ask()
		b.is.Equal(<-next, "two") // again: the answer may have been lost
		b.is.True(time.Since(begun) > time.Second)

		ctx, cancel := context.WithTimeout(b.ctx, time.Second)
		defer cancel()
		_, err = b.lib.Await(ctx, id)
		b.is.Equal(err, context.DeadlineExceeded)
	})
}

func TestUnknownRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		_, err := b.lib.Await(b.ctx, catalog.NewRequestID())
		b.kindIs(err, wire.NotFound)
		_, err = b.lib.Outcome(b.ctx, catalog.NewRequestID(), 0)
		b.kindIs(err, wire.NotFound)
		for _, g := range []wire.Get{{}, {ID: catalog.NewRequestID()}, {ID: catalog.NewRequestID(), Key: "/d/a", BFID: "X17000000000001"}} {
			_, err = b.lib.Recall(b.ctx, g)
			b.kindIs(err, wire.Invalid)
		}
		_, err = b.lib.Recall(b.ctx, wire.Get{ID: catalog.NewRequestID(), Key: "/d/a"})
		b.kindIs(err, wire.NotFound)
		_, err = b.lib.Recall(b.ctx, wire.Get{ID: catalog.NewRequestID(), Key: "/d"})
		b.kindIs(err, wire.Invalid)
		b.kindIs(b.lib.Settle(b.ctx, catalog.NewLeaseID(), nil), wire.Fenced)
		_, err = b.lib.More(b.ctx, catalog.NewLeaseID(), 0)
		b.kindIs(err, wire.Fenced)
		_, err = b.lib.Next(b.ctx, wire.DriveReport{})
		b.kindIs(err, wire.Invalid)
	})
}

func TestVolumeThatMayNotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		b.accept(put("/d/a"))
		m := b.mover("d0")
		m.next()
		m.work()
		get := wire.Get{ID: catalog.NewRequestID(), Key: "/d/a"}
		_, err := b.lib.Recall(b.ctx, get)
		b.is.NoErr(err)
		b.is.NoErr(b.cat.SetInhibit(b.ctx, label(1), catalog.SystemAccess, catalog.NoAccess, "test", "dropped"))
		_, err = b.lib.Recall(b.ctx, wire.Get{ID: catalog.NewRequestID(), Key: "/d/a"})
		b.kindIs(err, wire.NoAccess) // at once
		leases := m.leases()
		_, err = b.lib.Outcome(b.ctx, get.ID, 0)
		b.kindIs(err, wire.NoAccess) // and for the one that was in the queue already
		synctest.Wait()
		b.is.Equal(len(leases), 0) // the drive is not at fault and waits for other work
		b.addVolume(2)
		b.accept(put("/d/b"))
		b.is.Equal((<-leases).Grant.Volume.Label, label(2))
	})
}

func TestCloseEndsEveryWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		id := b.accept(put("/d/a"))
		b.is.NoErr(b.cat.SetInhibit(b.ctx, label(1), catalog.SystemAccess, catalog.NoAccess, "test", ""))
		errs := make(chan error, 3)
		go func() { _, err := b.lib.Await(b.ctx, id); errs <- err }()
		go func() { _, err := b.lib.Outcome(b.ctx, id, 0); errs <- err }()
		go func() {
			_, err := b.lib.Next(b.ctx, wire.DriveReport{Drive: "d0", Libraries: []catalog.LibraryName{"L2"}})
			errs <- err
		}()
		synctest.Wait()
		b.is.NoErr(b.lib.Close())
		b.is.NoErr(b.lib.Close())
		for range 3 {
			b.kindIs(<-errs, wire.Unavailable)
		}
		_, err := b.lib.Accept(b.ctx, put("/d/b"))
		b.kindIs(err, wire.Unavailable)
	})
}

func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		b.accept(put("/d/a"))
		m := b.mover("d0")
		drained := make(chan error, 1)
		go func() { drained <- b.lib.Drain(b.ctx) }()
		synctest.Wait()
		_, err := b.lib.Accept(b.ctx, put("/d/b"))
		b.kindIs(err, wire.Locked)
		m.next()
		b.is.Equal(len(drained), 0)
		m.work()
		b.is.NoErr(<-drained)
	})
}

func TestOptionsThatLackSomething(t *testing.T) {
	_, err := library.Open(t.Context(), library.Options{})
	is.New(t).True(err != nil)
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
