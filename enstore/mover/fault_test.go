package mover_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore/mover"
	"github.com/enstore-go/sdk/enstore/wire"
	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/faulty"
	"github.com/enstore-go/sdk/tape/memtape"
	"github.com/matryer/is"
)

// shaky is a catalogue whose flushes can fail.
type shaky struct {
	*catalog.Catalog
	flush   func(next func() ([]catalog.FileResult, error), c catalog.Commit) ([]catalog.FileResult, error)
	outcome func(next func() ([]catalog.FileResult, error)) ([]catalog.FileResult, error)
}

func (s *shaky) Flush(ctx context.Context, c catalog.Commit) ([]catalog.FileResult, error) {
	next := func() ([]catalog.FileResult, error) { return s.Catalog.Flush(ctx, c) }
	if s.flush == nil {
		return next()
	}
	return s.flush(next, c)
}

func (s *shaky) FlushOutcome(ctx context.Context, l catalog.LeaseID, seq uint64) ([]catalog.FileResult, error) {
	next := func() ([]catalog.FileResult, error) { return s.Catalog.FlushOutcome(ctx, l, seq) }
	if s.outcome == nil {
		return next()
	}
	return s.outcome(next)
}

// restart starts the rig's mover again, with another catalogue, drive or robot.
func (r *rig) restart(s *shaky) {
	r.t.Helper()
	r.halt()
	if s != nil {
		s.Catalog = r.cat
		r.records = func(*catalog.Catalog) mover.Catalog { return s }
	}
	r.start(mover.FlushPolicy{})
}

func (r *rig) volume(l catalog.Label) *catalog.Volume {
	r.t.Helper()
	v, err := r.cat.Volume(r.ctx, l)
	r.is.NoErr(err)
	return &v
}

var errLost = errors.New("the answer was lost")

func TestFlushWhoseAnswerIsLost(t *testing.T) {
	is := is.New(t)
	r := newRig(t, memtape.Options{}, memtape.VolumeOptions{}, mover.FlushPolicy{}, "VO0001")
	r.restart(&shaky{flush: func(next func() ([]catalog.FileResult, error), c catalog.Commit) ([]catalog.FileResult, error) {
		_, _ = next() // it was recorded all the same
		return nil, errLost
	}})
	data := patterns(100, 200, 300)
	out, rel := r.write(family, data, nil)
	is.Equal(rel.Err, nil)
	for i, o := range out {
		is.NoErr(o.err) // the catalogue knew
		got, errs := r.read(r.file(o.rec))
		is.NoErr(errs[0])
		is.True(bytes.Equal(got[0], data[i]))
	}
	is.True(r.volume("VO0001").Intent == nil)
}

func TestFlushThatDidNotHappen(t *testing.T) {
	is := is.New(t)
	r := newRig(t, memtape.Options{}, memtape.VolumeOptions{}, mover.FlushPolicy{}, "VO0001")
	out, _ := r.write(family, patterns(50), nil) // so that there is a label
	is.NoErr(out[0].err)
	var fails atomic.Bool
	fails.Store(true)
	r.restart(&shaky{flush: func(next func() ([]catalog.FileResult, error), c catalog.Commit) ([]catalog.FileResult, error) {
		if fails.Load() {
			return nil, errLost
		}
		return next()
	}})
	out, rel := r.write(family, patterns(100, 200), nil)
	is.True(rel.Err != nil)
	for _, o := range out {
		is.True(errors.Is(o.err, wire.ErrRestart)) // nothing is safe
	}
	v := r.volume("VO0001")
	is.Equal(v.Files, int64(1))
	is.True(v.Intent != nil) // it explains what lies behind the end of data
	is.NoErr(v.Writable())   // the catalogue is no fault of the volume
	fails.Store(false)
	data := patterns(100, 200)
	out, rel = r.write(family, data, nil) // over the torn tail
	is.Equal(rel.Err, nil)
	got, errs := r.read(r.file(out[0].rec), r.file(out[1].rec))
	is.NoErr(errors.Join(errs...))
	is.True(bytes.Equal(got[0], data[0]))
	is.True(bytes.Equal(got[1], data[1]))
	is.True(r.volume("VO0001").Intent == nil)
}

func TestLeaseThatSomebodyElseEnded(t *testing.T) {
	is := is.New(t)
	r := newRig(t, memtape.Options{}, memtape.VolumeOptions{}, mover.FlushPolicy{}, "VO0001")
	r.restart(&shaky{flush: func(next func() ([]catalog.FileResult, error), c catalog.Commit) ([]catalog.FileResult, error) {
		if len(c.Files) > 0 { // meanwhile the library has given the mover up
			_ = r.cat.AbandonIntent(r.ctx, c.Lease, c.Volume, "test")
		}
		return next()
	}})
	out, rel := r.write(family, patterns(100, 200), nil)
	is.True(rel.Err != nil)
	is.Equal(rel.Err.Kind, wire.Fenced)
	for _, o := range out {
		is.True(errors.Is(o.err, wire.ErrRestart))
	}
	is.Equal(r.volume("VO0001").Files, int64(0))
}

func TestLeaseThatCannotBeRenewed(t *testing.T) {
	is := is.New(t)
	r := newRig(t, memtape.Options{}, memtape.VolumeOptions{}, mover.FlushPolicy{Age: time.Hour}, "VO0001")
	r.life = 200 * time.Millisecond
	var over atomic.Bool
	r.renew = func() error {
		if over.Load() {
			return wire.Errorf(wire.Fenced, "lease", "is over")
		}
		return nil
	}
	lease, as := r.lease(1000, 4<<20)
	r.leases <- lease
	var got outcome
	var client sync.WaitGroup
	client.Go(func() { got.rec, got.err = r.client(as[0].Request, pattern(0, 1000)) })
	c := r.begin(as[1].Request, pattern(1, 1<<20)) // its client is never done
	defer c.Close()
	over.Store(true)
	client.Wait()
	is.True(errors.Is(got.err, wire.ErrRestart)) // it was not flushed
	_, err := c.AwaitResult(r.ctx)
	is.True(err != nil)
	is.Equal((<-r.released).Err.Kind, wire.Fenced)
	is.Equal(r.volume("VO0001").Files, int64(0))
}

func TestLeaseLostUnderACommandOfTheDrive(t *testing.T) {
	is := is.New(t)
	r := newRig(t, memtape.Options{}, memtape.VolumeOptions{}, mover.FlushPolicy{}, "VO0001")
	r.halt()
	var dev atomic.Pointer[faulty.TapeDrive]
	r.wrap = func(d driver.Drive) driver.Drive {
		f := faulty.Drive(d, faulty.Rule{Op: faulty.WriteBlock, Nth: 3, Hang: true})
		dev.CompareAndSwap(nil, f)
		return f
	}
	r.start(mover.FlushPolicy{})
	r.life = 30 * time.Millisecond
	r.renew = func() error {
		if d := dev.Load(); d != nil && d.Calls(faulty.WriteBlock) >= 3 {
			return wire.Errorf(wire.Fenced, "lease", "is over")
		}
		return nil
	}
	out, rel := r.write(family, patterns(300_000), nil)
	is.Equal(rel.Err.Kind, wire.Fenced)
	is.Equal(rel.Fault, wire.FaultUnknown) // the drive hung because it was told to stop
	is.True(out[0].err != nil)             // cut off, or told
	r.mu.Lock()
	defer r.mu.Unlock()
	is.Equal(len(r.settled), 1)
	for _, s := range r.settled {
		is.Equal(s.Err.Kind, wire.Restart)
	}
	is.Equal(r.volume("VO0001").Files, int64(0))
}

func TestDriveThatDoesNotComeBack(t *testing.T) {
	is := is.New(t)
	r := newRig(t, memtape.Options{}, memtape.VolumeOptions{}, mover.FlushPolicy{}, "VO0001")
	r.halt()
	var gone atomic.Bool
	r.wrap = func(d driver.Drive) driver.Drive {
		gone.Store(true)
		return faulty.Drive(d, faulty.Rule{Op: faulty.WriteBlock, Nth: 3, From: 3, Outcome: driver.OutcomeGone})
	}
	r.opens = func() error {
		if !gone.Load() {
			return nil
		}
		return errors.Join(errors.New("no such device"), r.lib.Reset(0)) // without power it holds nothing
	}
	r.start(mover.FlushPolicy{})
	_, rel := r.write(family, patterns(300_000), nil)
	is.Equal(rel.Mounted, catalog.Label("VO0001")) // nobody else may have it yet
	select {
	case l := <-r.left: // the robot has taken it home
		is.Equal(l, catalog.Label("VO0001"))
	case <-r.ctx.Done():
		t.Fatal("the volume stays in a drive that is gone")
	}
}

// lease is a write lease of requests of these sizes.
func (r *rig) lease(sizes ...int64) (wire.Lease, []wire.Assignment) {
	r.t.Helper()
	g, err := r.cat.ChooseForWrite(r.ctx, catalog.Choice{Lease: catalog.NewLeaseID(), Library: "lib", Family: family, Width: 1, Drive: "d0"})
	r.is.NoErr(err)
	l := wire.Lease{ID: g.Lease, Kind: wire.WriteLease, Drive: "d0", Grant: g, Family: family, Expires: time.Now().Add(r.life)}
	for _, size := range sizes {
		id := catalog.NewRequestID()
		l.Assignments = append(l.Assignments, wire.Assignment{Request: id, Put: &wire.Put{ID: id, Key: "/" + id.String(), Size: size}, Parent: catalog.RootEntry, Name: id.String()})
	}
	return l, l.Assignments
}

// begin is a client that sends the beginning of its file and no more. It returns when that is on its way to tape.
func (r *rig) begin(id catalog.RequestID, b []byte) *wire.Conn {
	r.t.Helper()
	c, err := wire.Dial(r.ctx, <-r.turns(id), wire.WriteData, nil)
	r.is.NoErr(err)
	r.is.NoErr(c.AwaitReady(r.ctx))
	_, err = c.Write(b)
	r.is.NoErr(err)
	return c
}

func TestRunThatEndsInTheMiddle(t *testing.T) {
	is := is.New(t)
	r := newRig(t, memtape.Options{}, memtape.VolumeOptions{}, mover.FlushPolicy{Age: time.Hour}, "VO0001")
	lease, as := r.lease(1000, 4<<20, 10)
	whole, half, unbegun := as[0], as[1], as[2]
	r.leases <- lease
	var got outcome
	var client sync.WaitGroup
	client.Go(func() { got.rec, got.err = r.client(whole.Request, pattern(0, 1000)) })
	c := r.begin(half.Request, pattern(1, 1<<20))
	defer c.Close()
	for r.m.Stats().BytesWritten < 100_000 { // it is on its way
		time.Sleep(time.Millisecond)
	}
	r.halt()
	client.Wait()
	is.NoErr(got.err) // what was whole is flushed
	is.Equal(got.rec.Level, catalog.OnTape)
	_, err := c.AwaitResult(r.ctx)
	is.True(err != nil)
	rel := <-r.released
	is.Equal(rel.Err, nil)
	v := r.volume("VO0001")
	is.Equal(v.Files, int64(1))
	is.True(v.Intent == nil) // a clean end
	r.mu.Lock()
	defer r.mu.Unlock()
	is.Equal(r.settled[half.Request].Err.Kind, wire.Restart)
	_, told := r.settled[unbegun.Request]
	is.True(!told) // it goes back into the queue with the lease
}

func TestLeaseThatWroteNothingLeavesNoIntent(t *testing.T) {
	is := is.New(t)
	r := newRig(t, memtape.Options{}, memtape.VolumeOptions{}, mover.FlushPolicy{}, "VO0001")
	out, _ := r.write(family, patterns(100), nil)
	is.NoErr(out[0].err)
	r.halt()
	r.hand = func(c driver.Changer) driver.Changer {
		return faulty.Changer(c, faulty.Rule{Op: faulty.Move, Nth: 1, Outcome: driver.OutcomeHardware})
	}
	r.start(mover.FlushPolicy{})
	_, rel := r.write(family, patterns(100), nil)
	is.True(rel.Err != nil)
	is.Equal(rel.Err.Kind, wire.Drive)
	is.True(r.volume("VO0001").Intent == nil) // or it would explain what a stranger writes next
	r.halt()
	scribble(t, r, "VO0001")
	r.hand = func(c driver.Changer) driver.Changer { return c }
	r.start(mover.FlushPolicy{})
	_, rel = r.write(family, patterns(100), nil)
	is.Equal(rel.Fault, wire.FaultVolume)
	is.True(r.volume("VO0001").Writable() != nil)
}

func TestWriteErrorOfTheMediumMakesTheVolumeReadOnly(t *testing.T) {
	is := is.New(t)
	r := newRig(t, memtape.Options{Window: 4}, memtape.VolumeOptions{}, mover.FlushPolicy{}, "VO0001")
	data := patterns(1000)
	out, _ := r.write(family, data, nil)
	is.NoErr(out[0].err)
	r.halt()
	r.wrap = func(d driver.Drive) driver.Drive {
		return faulty.Drive(d, faulty.Rule{Op: faulty.WriteBlock, Nth: 3, Outcome: driver.OutcomeMedium, Sense: driver.Sense{Key: 3, ASC: 0x0c}})
	}
	r.start(mover.FlushPolicy{})
	lost, rel := r.write(family, patterns(100, 300_000), nil)
	is.Equal(rel.Fault, wire.FaultVolume)
	is.Equal(rel.Err.Kind, wire.Media)
	for _, o := range lost {
		is.True(errors.Is(o.err, wire.ErrRestart))
	}
	v := r.volume("VO0001")
	is.True(v.Writable() != nil)
	is.NoErr(v.Readable())
	is.Equal(v.WriteErrors, int64(1))
	got, errs := r.read(r.file(out[0].rec))
	is.NoErr(errs[0])
	is.True(bytes.Equal(got[0], data[0]))
}

func TestCartridgeThatCannotBeLoaded(t *testing.T) {
	is := is.New(t)
	r := newRig(t, memtape.Options{}, memtape.VolumeOptions{}, mover.FlushPolicy{}, "VO0001", "VO0002")
	out, _ := r.write(family, patterns(1000), nil)
	is.NoErr(out[0].err)
	f := r.file(out[0].rec)
	r.halt()
	opened := 0
	r.wrap = func(d driver.Drive) driver.Drive {
		opened++
		return faulty.Drive(d, faulty.Rule{Op: faulty.Load, Nth: 1, Outcome: driver.OutcomeMedium, Sense: driver.Sense{Key: 3, ASC: 0x30}})
	}
	r.start(mover.FlushPolicy{})
	g, err := r.cat.LeaseForRead(r.ctx, "VO0001", catalog.NewLeaseID(), "d0")
	is.NoErr(err)
	id := catalog.NewRequestID()
	r.leases <- wire.Lease{ID: g.Lease, Kind: wire.ReadLease, Drive: "d0", Grant: g, Expires: time.Now().Add(time.Minute),
		Assignments: []wire.Assignment{{Request: id, Queued: time.Now(), Get: &wire.Get{ID: id}, File: &f}}}
	rel := <-r.released
	is.Equal(rel.Fault, wire.FaultVolume)
	is.Equal(rel.Mounted, catalog.Label("")) // it was put away
	is.True(r.volume("VO0001").Readable() != nil)
	r.mu.Lock()
	is.Equal(r.settled[id].Err.Kind, wire.Media) // no drive will do better
	r.mu.Unlock()
	out, rel = r.write(family, patterns(1000), nil)
	is.Equal(rel.Err, nil)
	is.NoErr(out[0].err)
	is.Equal(out[0].rec.Volume, catalog.Label("VO0002"))
	is.Equal(opened, 1) // the drive is as good as before
}

// A drive whose process died, or to which the way was lost, while it had nothing to do.
func TestDriveThatDiedWhileItHadNothingToDo(t *testing.T) {
	for _, o := range []driver.Outcome{driver.OutcomeGone, driver.OutcomeUnknown} {
		t.Run(o.String(), func(t *testing.T) {
			is := is.New(t)
			r := newRig(t, memtape.Options{}, memtape.VolumeOptions{}, mover.FlushPolicy{}, "VO0001")
			r.halt()
			dead := &atomic.Bool{}
			r.wrap = func(d driver.Drive) driver.Drive { return &mortal{d, dead, o} }
			r.start(mover.FlushPolicy{})
			out, _ := r.write(family, patterns(100), nil)
			is.NoErr(out[0].err)
			dead.Store(true)
			out, rel := r.write(family, patterns(100), nil)
			is.NoErr(out[0].err) // its client was told to send only when another drive process was there
			is.Equal(rel.Err, nil)
		})
	}
}

// mortal is a drive whose process may be dead; the one that is opened in its place lives.
type mortal struct {
	driver.Drive
	dead *atomic.Bool
	says driver.Outcome
}

func (m *mortal) Status(ctx context.Context) (driver.Status, error) {
	if m.dead.Load() {
		return driver.Status{}, &driver.Error{Op: "status", Outcome: m.says, Text: "killed"}
	}
	return m.Drive.Status(ctx)
}

func (m *mortal) Close() error {
	m.dead.Store(false)
	return m.Drive.Close()
}

func TestFileThatDoesNotFitAnyMoreGoesBackToTheQueue(t *testing.T) {
	is := is.New(t)
	r := newRig(t, memtape.Options{}, memtape.VolumeOptions{}, mover.FlushPolicy{}, "VO0001")
	out, _ := r.write(family, patterns(100), nil) // so that there is a label
	is.NoErr(out[0].err)
	r.amend = func(g *catalog.Grant) { g.Volume.Remaining = 500_000 }
	out, rel := r.write(family, patterns(300_000, 400_000, 1000), nil)
	is.Equal(rel.Err, nil)
	is.NoErr(out[0].err)
	is.True(errors.Is(out[1].err, wire.ErrBusy)) // not begun: wanted on another volume
	is.True(out[2].err != nil)                   // the lease ended
	v := r.volume("VO0001")
	is.Equal(v.Files, int64(2))
	is.NoErr(v.Writable()) // it has room for others
	is.True(v.Intent == nil)
}

func TestTornTailOnAWriteOnceCartridge(t *testing.T) {
	is := is.New(t)
	r := newRig(t, memtape.Options{}, memtape.VolumeOptions{WORM: true}, mover.FlushPolicy{}, "VO0001")
	data := patterns(1000, 2000, 3000)
	out, _ := r.write(family, data[:1], nil)
	is.NoErr(out[0].err)
	first := r.file(out[0].rec)
	var fails atomic.Bool
	fails.Store(true)
	r.restart(&shaky{flush: func(next func() ([]catalog.FileResult, error), c catalog.Commit) ([]catalog.FileResult, error) {
		if fails.Load() {
			return nil, errLost
		}
		return next()
	}})
	out, _ = r.write(family, data[1:2], nil)
	is.True(errors.Is(out[0].err, wire.ErrRestart)) // on tape, and recorded nowhere
	fails.Store(false)
	out, rel := r.write(family, data[2:], nil)
	is.Equal(rel.Err, nil)
	is.NoErr(out[0].err)
	got, errs := r.read(first, r.file(out[0].rec))
	is.NoErr(errors.Join(errs...))
	is.True(bytes.Equal(got[0], data[0]))
	is.True(bytes.Equal(got[1], data[2]))
	v := r.volume("VO0001")
	is.Equal(v.Files, int64(2))
	is.True(v.Intent == nil)
}

// A volume that cannot be taken out of the drive is no fault of the one that should come.
func TestTheVolumeBeforeIsInTheWay(t *testing.T) {
	for _, c := range []struct {
		name string
		rule faulty.Rule
		gone bool                       // a person has taken it
		old  func(*catalog.Volume) bool // what becomes of the volume before
	}{
		{"its cartridge is faulty", faulty.Rule{Op: faulty.Unload, Nth: 1, Outcome: driver.OutcomeMedium, Sense: driver.Sense{Key: 3, ASC: 0x52}}, false,
			func(v *catalog.Volume) bool { return v.Readable() != nil }},
		{"it was carried off", faulty.Rule{Op: faulty.Unload, Nth: 1000}, true, func(v *catalog.Volume) bool { return v.Readable() == nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			is := is.New(t)
			r := newRig(t, memtape.Options{}, memtape.VolumeOptions{}, mover.FlushPolicy{}, "VO0001", "VO0002")
			out, _ := r.write(family, patterns(1000), nil)
			is.NoErr(out[0].err)
			other := family
			other.Family = "other"
			out2, _ := r.write(other, patterns(1000), nil)
			is.NoErr(out2[0].err)
			wanted, before := r.file(out[0].rec), out2[0].rec.Volume
			is.True(wanted.Volume != before)
			r.halt()
			r.wrap = func(d driver.Drive) driver.Drive { return faulty.Drive(d, c.rule) }
			var gone atomic.Bool
			r.hand = func(c driver.Changer) driver.Changer { return missing{c, string(before), &gone} }
			r.start(mover.FlushPolicy{})
			_, errs := r.read(r.file(out2[0].rec)) // so that it is in the drive
			is.NoErr(errs[0])
			gone.Store(c.gone)
			g, err := r.cat.LeaseForRead(r.ctx, wanted.Volume, catalog.NewLeaseID(), "d0")
			is.NoErr(err)
			id := catalog.NewRequestID()
			r.leases <- wire.Lease{ID: g.Lease, Kind: wire.ReadLease, Drive: "d0", Grant: g, Expires: time.Now().Add(time.Minute),
				Assignments: []wire.Assignment{{Request: id, Queued: time.Now(), Get: &wire.Get{ID: id}, File: &wanted}}}
			rel := <-r.released
			is.True(rel.Err != nil)
			is.Equal(rel.Fault, wire.FaultDrive)
			is.NoErr(r.volume(wanted.Volume).Readable()) // it has done nothing
			is.True(c.old(r.volume(before)))
			r.mu.Lock()
			_, settled := r.settled[id]
			r.mu.Unlock()
			is.True(!settled) // the request is tried again
		})
	}
}

// missing is a robot from which a cartridge was taken.
type missing struct {
	driver.Changer
	label string
	gone  *atomic.Bool
}

func (m missing) Inventory(ctx context.Context) ([]driver.Element, error) {
	all, err := m.Changer.Inventory(ctx)
	for i := range all {
		if all[i].Label == m.label && m.gone.Load() {
			all[i].Full, all[i].Label, all[i].Held = false, "", false
		}
	}
	return all, err
}

// A robot that has not the drive is no reason to give a volume up.
func TestADriveThatTheRobotHasNot(t *testing.T) {
	is := is.New(t)
	r := newRig(t, memtape.Options{}, memtape.VolumeOptions{}, mover.FlushPolicy{}, "VO0001")
	out, _ := r.write(family, patterns(1000), nil)
	is.NoErr(out[0].err)
	f := r.file(out[0].rec)
	r.halt()
	r.hand = func(c driver.Changer) driver.Changer { return without{c} }
	r.start(mover.FlushPolicy{})
	g, err := r.cat.LeaseForRead(r.ctx, "VO0001", catalog.NewLeaseID(), "d0")
	is.NoErr(err)
	id := catalog.NewRequestID()
	select {
	case r.leases <- wire.Lease{ID: g.Lease, Kind: wire.ReadLease, Drive: "d0", Grant: g, Expires: time.Now().Add(time.Minute),
		Assignments: []wire.Assignment{{Request: id, Queued: time.Now(), Get: &wire.Get{ID: id}, File: &f}}}:
		is.Equal((<-r.released).Fault, wire.FaultDrive)
	case <-time.After(time.Second): // a drive that cannot be emptied asks for no lease
	}
	is.NoErr(r.volume("VO0001").Readable())
	r.mu.Lock()
	_, settled := r.settled[id]
	r.mu.Unlock()
	is.True(!settled)
}

// without is a robot whose drives are out of service.
type without struct{ driver.Changer }

func (w without) Inventory(ctx context.Context) (es []driver.Element, err error) {
	all, err := w.Changer.Inventory(ctx)
	for _, e := range all {
		if e.Kind != driver.DriveBay {
			es = append(es, e)
		}
	}
	return es, err
}
