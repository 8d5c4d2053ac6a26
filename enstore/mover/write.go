package mover

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore/wire"
	"github.com/enstore-go/sdk/tape"
	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/wrapper"
)

// blockSize is that of a volume whose own is not known, in bytes.
const blockSize = 256 << 10

// ahead is how many requests beyond the one in work are told to connect, so that the drive
// need not wait for a client's round trip.
const ahead = 8

// write does one write lease: files one after another to the volume of the grant. When ctx ends nothing more is begun;
// hold is for what must be brought to its end then.
func (m *Mover) write(ctx, hold context.Context, lease wire.Lease) (err error) {
	var ph wire.Phases
	var waiting []offered
	defer func() {
		m.giveBack(ctx, lease, waiting, err)
		if err != nil {
			m.leaveIntent(ctx, lease, err)
		}
	}()
	waiting = m.offer(ctx, lease, lease.Assignments)

	g := lease.Grant
	f, err := m.format(lease.Family.Wrapper)
	if err != nil {
		return err
	}
	if err := m.mount(ctx, g.Volume.Label, true, &ph); err != nil {
		return err
	}
	t := time.Now()
	if g, err = m.prepare(ctx, g, f); err != nil {
		return err
	}
	flushes, err := m.skipDead(ctx, &g)
	if err != nil {
		return err
	}
	ph.Locate = time.Since(t)

	if g.Volume.BlockSize == 0 { // it was never known, as for one of another system's
		g.Volume.BlockSize = blockSize
	}
	if err := m.buffers.lend(g.Volume.BlockSize); err != nil {
		return err
	}
	m.vol.proven = catalog.Location{} // until all that was written is flushed
	fd := newFeed(hold, m.vol.load, m.buffers)
	defer func() { fd.drain(); m.takeBuffersBack(fd.load) }()
	grp := newGroup(hold, m, lease, g, fd, flushes)
	defer grp.stop()
	w := &writing{m: m, lease: lease, f: f, feed: fd, group: grp, before: ph}

	for !w.full && grp.room() > 0 && ctx.Err() == nil {
		if len(waiting) < ahead {
			more, err := m.more(ctx, lease, len(waiting) == 0)
			if err != nil && ctx.Err() == nil {
				return w.broken(err)
			}
			waiting = append(waiting, m.offer(ctx, lease, more)...)
		}
		if len(waiting) == 0 {
			break
		}
		next := waiting[0]
		waiting = waiting[1:]
		if !m.begin(ctx, lease, next) {
			continue
		}
		if err := w.file(ctx, next); err != nil {
			return w.broken(err)
		}
	}
	if hold.Err() != nil { // the lease is lost
		return w.broken(context.Cause(hold))
	}
	if err := grp.flush(w.early); err != nil {
		return w.broken(err)
	}
	m.vol.proven = grp.eod
	m.opts.Step("mover: before end of intent")
	return m.opts.Catalog.EndIntent(hold, g.Lease, g.Volume.Label, g.Epoch)
}

// leaveIntent ends a lease that failed. If it may have left something behind the recorded end of data, the intent stays
// to explain that to the next one that writes here; if it has written nothing there is nothing to explain.
func (m *Mover) leaveIntent(ctx context.Context, lease wire.Lease, why error) {
	g := lease.Grant
	end := func(ctx context.Context) error {
		return m.opts.Catalog.EndIntent(ctx, g.Lease, g.Volume.Label, g.Epoch)
	}
	if m.wrote {
		end = func(ctx context.Context) error {
			return m.opts.Catalog.AbandonIntent(ctx, g.Lease, g.Volume.Label, sentence(why))
		}
	}
	if err := end(context.WithoutCancel(ctx)); err != nil {
		m.log.Warn("write intent not ended", "volume", g.Volume.Label, "error", err)
	}
}

// more asks for further requests of the lease: with patience (linger) only when there is
// nothing else to do.
func (m *Mover) more(ctx context.Context, lease wire.Lease, patient bool) ([]wire.Assignment, error) {
	wait := time.Duration(0)
	if patient {
		wait = m.opts.Flush.Linger
	}
	as, err := m.opts.Dispatcher.More(ctx, lease.ID, wait)
	if err != nil {
		return nil, fmt.Errorf("lease %s: more work: %w", lease.ID, err)
	}
	return as, nil
}

// format finds a wrapper by its name in a volume family.
func (m *Mover) format(name string) (wrapper.Format, error) {
	for _, f := range m.opts.Formats {
		if f.Name() == name {
			return f, nil
		}
	}
	return nil, wire.Errorf(wire.Invalid, "wrapper "+name, "this mover knows no such wrapper")
}

// skipDead steps over the torn tail of an earlier lease on a write-once cartridge, where it cannot
// be overwritten, and records it as dead. It returns how many flushes of the lease that took.
func (m *Mover) skipDead(ctx context.Context, g *catalog.Grant) (flushes uint64, err error) {
	l := m.vol.load
	if !l.Status().WORM || g.Explains == nil {
		return 0, nil
	}
	from := l.Position()
	at, err := l.LocateEnd(ctx)
	if err != nil || at == from && at.Block != driver.Unknown {
		return 0, err
	}
	m.wrote = true
	if _, err := l.WriteFilemarks(ctx, 1); err != nil {
		return 0, err
	}
	if at, err = l.Sync(ctx); err != nil {
		return 0, err
	}
	to := catalog.Location{File: at.File}
	_, err = m.record(ctx, catalog.Commit{Lease: g.Lease, Seq: 1, Volume: g.Volume.Label, Epoch: g.Epoch, From: g.Volume.EOD, To: to, Remaining: g.Volume.Remaining, Drive: m.opts.Drive})
	g.Volume.EOD = to
	m.vol.proven = to
	return 1, err
}

// writing is the state of one write lease.
type writing struct {
	m      *Mover
	lease  wire.Lease
	f      wrapper.Format
	feed   *feed
	group  *group
	before wire.Phases // what preceded the first file: mount, load, locate
	full   bool        // nothing more is begun under this lease
	early  bool        // the drive gave early warning: the volume is full
	inWork *written    // the file that was torn by an error of the drive
}

// file writes one file. An error ends the lease; what concerns this file alone is told to
// its client and is no error.
func (w *writing) file(ctx context.Context, o offered) error {
	m := w.m
	a := o.assignment
	src, err := m.source(ctx, o)
	if err != nil {
		m.settle(ctx, w.lease, a.Request, nil, err)
		return nil
	}
	wf := w.describe(a)
	if room := w.group.room(); wf.Size > room {
		return w.refuse(ctx, src, a, room)
	}
	if err := w.f.Check(wf); err != nil {
		err = wire.Errorf(wire.Invalid, a.Put.Key, "%v", err)
		m.settle(ctx, w.lease, a.Request, nil, err)
		src.refuse(err)
		return nil
	}
	if err := src.ready(); err != nil {
		m.settle(ctx, w.lease, a.Request, nil, err)
		src.fail(err)
		return nil
	}
	defer context.AfterFunc(ctx, src.cut)()
	m.wrote = true
	began, idle, sent := time.Now(), w.feed.idle.Load(), w.feed.sent
	first, firstFile := w.feed.next, w.feed.file
	out, err := w.stream(a, src, wf)
	if e := w.feed.err(); e != nil {
		return w.torn(src, a, e)
	}
	if err != nil {
		// The client is at fault: what there is of the file becomes dead space, the others stand.
		if ctx.Err() != nil {
			err = wire.Restarted(context.Cause(ctx), w.group.volume())
		}
		m.settle(ctx, w.lease, a.Request, nil, err)
		src.fail(err)
		if out == nil {
			return nil // nothing was written
		}
		if e := out.Abandon(); e != nil {
			return e
		}
		return w.group.add(written{dead: true, onTape: w.feed.sent - sent, end: w.mark()})
	}
	m.opts.Step("mover: filemark written")
	ph := w.before
	w.before = wire.Phases{}
	ph.Queued = o.queued
	ph.Stream = time.Since(began)
	ph.Stopped = time.Duration(w.feed.idle.Load() - idle)
	if w.feed.early.Load() {
		w.full, w.early = true, true
	}
	return w.group.add(written{
		src: src, a: a, size: out.Size(), onTape: w.feed.sent - sent, sum: out.Sum(), sanity: out.Sanity(),
		first: first, at: catalog.Location{File: firstFile + int64(w.f.Layout().Data)}, end: w.mark(),
		phases: ph, done: time.Now(),
	})
}

// stream writes the file from its source to its last filemark. The Writer is nil if nothing was
// written.
func (w *writing) stream(a wire.Assignment, src source, wf wrapper.File) (*wrapper.Writer, error) {
	out, err := wrapper.NewWriter(w.feed, w.f, wf)
	if err != nil {
		return nil, err
	}
	w.m.opts.Step("mover: header written")
	if _, err := out.ReadFrom(src); err != nil {
		return out, err
	}
	w.m.opts.Step("mover: data written")
	if err := w.m.agree(a, src, out); err != nil {
		return out, err
	}
	return out, out.Close(out.Sum())
}

// torn notes the file that was in work when the drive failed; broken decides what becomes of it.
func (w *writing) torn(src source, a wire.Assignment, err error) error {
	w.inWork = &written{src: src, a: a}
	return err
}

// mark is where the next file would begin.
func (w *writing) mark() catalog.Location {
	return catalog.Location{Block: max(w.feed.next, 0), File: w.feed.file}
}

// refuse sends a file away that does not fit on what is left of the volume. It was not begun, so
// it goes back to the library for another volume. The lease comes to its end: the library believes in more room than there is,
// and would send the file here again.
func (w *writing) refuse(ctx context.Context, src source, a wire.Assignment, room int64) error {
	w.full = true
	err := wire.Errorf(wire.Busy, "volume "+string(w.lease.Grant.Volume.Label), "%d bytes do not fit in the %d that are left", a.Put.Size, room)
	w.m.settle(ctx, w.lease, a.Request, nil, err)
	src.refuse(err)
	return nil
}

// agree compares what came with what was announced.
func (m *Mover) agree(a wire.Assignment, src source, out *wrapper.Writer) error {
	size, sum := src.end()
	switch {
	case size != out.Size():
		return wire.Errorf(wire.Changed, a.Put.Key, "%d bytes came, the client says %d", out.Size(), size)
	case sum != out.Sum():
		return wire.Errorf(wire.Checksum, a.Put.Key, "adler32 %08x came, the client says %08x", out.Sum(), sum)
	case a.Put.Sum != nil && *a.Put.Sum != out.Sum():
		return wire.Errorf(wire.Checksum, a.Put.Key, "adler32 is %08x, %08x was expected", out.Sum(), *a.Put.Sum)
	}
	return nil
}

// regular is the file type of a Unix st_mode.
const regular = 0o100000

// describe is what the wrapper writes about the file.
func (w *writing) describe(a wire.Assignment) wrapper.File {
	id := w.m.drive.Identity()
	p := a.Put
	return wrapper.File{
		Path: p.Key, Size: p.Size, Mode: p.Mode&0o7777 | regular, UID: p.UID, GID: p.GID, MTime: p.MTime, User: p.User,
		StorageGroup: string(w.lease.Family.Group), Family: string(w.lease.Family.Family),
		Volume: string(w.lease.Grant.Volume.Label), BlockSize: w.feed.blockSize,
		Site: w.m.opts.Site, Host: w.m.opts.Host, Version: w.m.opts.Version,
		DriveVendor: id.Vendor, DriveProduct: id.Product, DriveSerial: id.Serial, Created: time.Now().UTC(),
	}
}

// broken ends a lease after an error of the drive, the volume or the catalogue. Every file since the
// last flush fails, unless it was the end of the medium: what was written before that is good.
func (w *writing) broken(err error) error {
	g := w.group
	if !errors.Is(err, tape.ErrEndOfMedium) {
		g.fail(err)
		g.drop(w.inWork, wire.Restarted(err, g.volume()))
		return err
	}
	e := g.saveBeforeEnd(w.inWork)
	w.m.leaveIntent(g.ctx, w.lease, err) // a torn file lies behind the end of data
	return e
}
