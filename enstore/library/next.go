package library

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore/wire"
	"github.com/enstore-go/sdk/queue"
)

// Next blocks until there is work for a drive, and leases it to it: see wire.Dispatcher.
func (l *Library) Next(ctx context.Context, rep wire.DriveReport) (wire.Lease, error) {
	lease, err := l.next(ctx, rep)
	if err != nil && ctx.Err() == nil {
		err = wire.AsError(err, "next", "drive "+rep.Drive)
	}
	return lease, err
}

func (l *Library) next(ctx context.Context, rep wire.DriveReport) (wire.Lease, error) {
	if rep.Drive == "" || len(rep.Libraries) == 0 {
		return wire.Lease{}, wire.Errorf(wire.Invalid, "drive "+rep.Drive, "a drive needs a name and a library")
	}
	var family catalog.Family
	if rep.Mounted != "" {
		if v, err := l.o.Catalog.Volume(ctx, rep.Mounted); err == nil && !v.Family.IsBlank() {
			family = v.Family
		}
	}
	n, err := l.offerDrive(ctx, rep, family)
	if err != nil {
		return wire.Lease{}, err
	}
	defer l.withdraw(rep.Drive, n)
	for {
		select {
		case w := <-n.lease:
			out, again, err := l.prepare(ctx, w, rep)
			if again {
				continue
			}
			if errors.Is(err, errReadsRefused) {
				return l.next(ctx, rep) // their volume was at fault; the drive goes on with what else there is
			}
			return out, err
		case <-n.gone:
			return wire.Lease{}, wire.Errorf(wire.Unavailable, "drive "+rep.Drive, "somebody else asks for work for it")
		case <-l.ctx.Done():
			return wire.Lease{}, errClosed
		case <-ctx.Done():
			return wire.Lease{}, ctx.Err()
		}
	}
}

// offerDrive tells the queue that a drive is ready. A lease that it still has is over.
func (l *Library) offerDrive(ctx context.Context, rep wire.DriveReport, family catalog.Family) (*next, error) {
	l.mu.Lock()
	for {
		if l.closed {
			l.mu.Unlock()
			return nil, errClosed
		}
		d := l.drive(rep.Drive)
		if d.next != nil {
			close(d.next.gone)
			l.retract(rep.Drive, d.next)
			continue
		}
		w := d.lease
		if w == nil {
			break
		}
		if w.over { // somebody is ending it just now; the queue must hear of that first
			if err := l.pause(ctx, w.ended, nil); err != nil {
				l.mu.Unlock()
				return nil, err
			}
			continue
		}
		w.retire()
		l.mu.Unlock()
		l.end(ctx, w, wire.Release{Mounted: rep.Mounted, Err: wire.Errorf(wire.Drive, "drive "+rep.Drive, "began anew")}, false)
		l.mu.Lock()
	}
	defer l.unlock()
	n := &next{lease: make(chan *lease, 1), gone: make(chan struct{})}
	l.drive(rep.Drive).next = n
	libraries := make([]queue.Library, len(rep.Libraries))
	for i, name := range rep.Libraries {
		libraries[i] = queue.Library(name)
	}
	e := queue.DriveReady{Time: time.Now(), Drive: queue.Drive(rep.Drive), Libraries: libraries, Mounted: queue.Volume(rep.Mounted), MountedFamily: qfamily(family), Robot: l.o.Robots[rep.Drive]}
	if err := l.apply(e); err != nil {
		l.drive(rep.Drive).next = nil
		return nil, wire.Errorf(wire.Internal, "drive "+rep.Drive, "%w", err)
	}
	return n, nil
}

// withdraw ends a call of Next.
func (l *Library) withdraw(name string, n *next) {
	l.mu.Lock()
	defer l.unlock()
	if d := l.drive(name); d.next == n {
		l.retract(name, n)
	}
}

// retract takes a drive back that waited, with a lease that it was given and did not see. Caller holds mu.
func (l *Library) retract(name string, n *next) {
	d := l.drive(name)
	d.next = nil
	select {
	case w := <-n.lease:
		w.retire()
		for len(w.requests) > 0 {
			l.requeue(w, w.requests[0], wire.Errorf(wire.Restart, "drive "+name, "went away"), false)
		}
		l.close(w, catalog.Label(l.q.Mounted(w.queue.Drive)), false)
	default:
		if d.lease == nil && !l.closed {
			_ = l.apply(queue.DriveGone{Time: time.Now(), Drive: queue.Drive(name)})
		}
	}
}

// prepare gets the volume of a lease from the catalogue. again says that there is none, and the drive waits on.
func (l *Library) prepare(ctx context.Context, w *lease, rep wire.DriveReport) (out wire.Lease, again bool, err error) {
	l.grants.Lock()
	defer l.grants.Unlock()
	switch w.kind {
	case wire.WriteLease:
		again, err = l.grantWrite(ctx, w, rep)
	case wire.ReadLease:
		err = l.grantRead(ctx, w, rep)
	default:
		w.grant = catalog.Grant{Volume: catalog.Volume{Label: catalog.Label(w.queue.Volume)}, Lease: w.id}
	}
	if again || err != nil {
		return wire.Lease{}, again, err
	}
	l.mu.Lock()
	defer l.unlock()
	if _, err := l.use(w.id); err != nil {
		return wire.Lease{}, false, err
	}
	w.extra = nil
	out = wire.Lease{ID: w.id, Kind: w.kind, Drive: rep.Drive, Grant: w.grant, Expires: w.expires, Assignments: assignments(w.requests)}
	if w.kind == wire.WriteLease {
		f := w.queue.Family
		out.Family = catalog.Family{Group: catalog.StorageGroup(f.Group), Family: catalog.FileFamily(f.Family), Wrapper: f.Wrapper}
	}
	return out, false, nil
}

var errReadsRefused = errors.New("reads refused")

// grantRead raises the epoch of the volume to be read.
func (l *Library) grantRead(ctx context.Context, w *lease, rep wire.DriveReport) error {
	label := catalog.Label(w.queue.Volume)
	g, err := l.o.Catalog.LeaseForRead(ctx, label, w.id, rep.Drive)
	if err == nil {
		l.mu.Lock()
		w.grant = g
		l.mu.Unlock()
		return nil
	}
	if errors.Is(err, catalog.ErrNotAllowed) || errors.Is(err, catalog.ErrNotFound) {
		l.refuseReads(w, wire.Errorf(wire.NoAccess, "volume "+string(label), "%w", err))
		err = fmt.Errorf("%w: %w", errReadsRefused, err)
	}
	l.giveUp(ctx, w, rep, err, nil)
	return err
}

// refuseReads ends the reads of a lease whose volume may not be read any more.
func (l *Library) refuseReads(w *lease, why *wire.Error) {
	l.mu.Lock()
	defer l.unlock()
	for len(w.requests) > 0 {
		l.finish(w.requests[0], nil, why)
	}
}

// giveUp ends a lease that did not come to anything. With an error to tell it counts as an attempt of the requests,
// whose clients hear it when they have had them all.
func (l *Library) giveUp(ctx context.Context, w *lease, rep wire.DriveReport, why error, tell *wire.Error) {
	l.mu.Lock()
	over := w.over
	w.retire()
	l.mu.Unlock()
	if !over {
		l.log.Warn("lease not begun", "drive", rep.Drive, "error", why)
		l.end(ctx, w, wire.Release{Mounted: rep.Mounted, Err: tell}, false)
	}
}

// grantWrite has the catalogue choose a volume and tells the queue which. again: there is none for this family.
func (l *Library) grantWrite(ctx context.Context, w *lease, rep wire.DriveReport) (again bool, err error) {
	choice, ok := l.choice(w, rep)
	if !ok { // its only request was cancelled
		return l.refused(w, queue.Conflict), nil
	}
	g, err := l.o.Catalog.ChooseForWrite(ctx, choice)
	if errors.Is(err, catalog.ErrNoVolume) || errors.Is(err, catalog.ErrWidth) {
		found, e := l.orphans(ctx)
		switch {
		case e != nil: // then what is in the way may be the orphans
			err = e
		case found:
			g, err = l.o.Catalog.ChooseForWrite(ctx, choice)
		}
	}
	switch {
	case errors.Is(err, catalog.ErrNoVolume):
		return l.noVolume(ctx, w, choice)
	case errors.Is(err, catalog.ErrWidth):
		return l.refused(w, queue.WidthInUse), nil
	case errors.Is(err, catalog.ErrTooLarge) && l.firstIsPromised(w):
		return l.refused(w, queue.NoVolume), nil // until there is a larger volume
	case errors.Is(err, catalog.ErrTooLarge):
		l.finishFirst(w, wire.TooLarge, err)
		return l.refused(w, queue.Conflict), nil
	case err != nil:
		// Whether the choice was recorded is not known.
		mine := func(v catalog.Volume) bool { return v.Intent.Lease == w.id }
		if e := l.abandonIntents(context.WithoutCancel(ctx), mine, "the lease was not begun"); e != nil {
			l.log.Error("write intent not abandoned", "lease", w.id, "error", e)
		}
		var tell *wire.Error
		if ctx.Err() == nil { // the catalogue failed, and not just its caller's patience
			tell = wire.AsError(err, "choose a volume", "the catalogue")
		}
		l.giveUp(ctx, w, rep, err, tell)
		return false, err
	}
	l.mu.Lock()
	err = l.apply(queue.VolumeChosen{Time: time.Now(), Lease: w.queue.ID, Volume: queue.Volume(g.Volume.Label), Room: max(g.Volume.Remaining-overhead, 0)})
	if err == nil {
		w.grant = g
	}
	l.unlock()
	if err == nil {
		return false, nil
	}
	// A read was given the volume while it was being chosen.
	if e := l.o.Catalog.EndIntent(context.WithoutCancel(ctx), w.id, g.Volume.Label, g.Epoch); e != nil {
		l.log.Error("write intent not ended", "volume", g.Volume.Label, "error", e)
	}
	return l.refused(w, queue.Conflict), nil
}

// orphans ends the write intents of leases that are over: the catalogue could not be told when they ended. It tells
// whether it found any; the error is that of a catalogue that cannot be told now either.
func (l *Library) orphans(ctx context.Context) (found bool, err error) {
	err = l.abandonIntents(ctx, func(v catalog.Volume) bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		over := l.leases[v.Intent.Lease] == nil
		found = found || over
		return over
	}, "the lease has ended")
	if err != nil {
		l.log.Error("write intents not abandoned", "error", err)
	}
	return found, err
}

// choice asks for a volume for the first request of a lease.
func (l *Library) choice(w *lease, rep wire.DriveReport) (catalog.Choice, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(w.requests) == 0 {
		return catalog.Choice{}, false
	}
	r := w.requests[0]
	c := catalog.Choice{Lease: w.id, Library: r.library, Family: r.family, Width: w.queue.Width, MinBytes: max(r.put.Size, 0) + overhead, Drive: rep.Drive}
	for _, v := range l.q.InUse(w.queue.Drive) {
		c.Veto = append(c.Veto, catalog.Label(v))
	}
	c.Veto = append(c.Veto, r.veto...)
	if rep.Mounted != "" {
		c.Prefer = []catalog.Label{rep.Mounted}
	}
	return c, true
}

// noVolume decides what a family without a volume does: it waits if a volume that would do is in use, or if its first
// request was promised to be safe; else the client of that request is told.
func (l *Library) noVolume(ctx context.Context, w *lease, c catalog.Choice) (again bool, err error) {
	wait := l.firstIsPromised(w)
	if wait && l.pardon(w) {
		return l.refused(w, queue.Conflict), nil
	}
	l.mu.Lock()
	inUse := l.q.InUse(w.queue.Drive)
	l.mu.Unlock()
	for _, v := range inUse {
		label := catalog.Label(v)
		v, err := l.o.Catalog.Volume(ctx, label)
		if err == nil && v.Library == c.Library && v.Family == c.Family && v.Writable() == nil && v.Remaining >= c.MinBytes {
			wait = true
		}
	}
	if wait {
		return l.refused(w, queue.NoVolume), nil
	}
	l.finishFirst(w, wire.NoSpace, catalog.ErrNoVolume)
	return l.refused(w, queue.Conflict), nil
}

// pardon lets the first request of a lease go to volumes again that failed it; it tells whether there are any. A promised file would wait for ever
// otherwise, and its whole family with it. How often a volume may fail the queue sees to.
func (l *Library) pardon(w *lease) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(w.requests) == 0 || len(w.requests[0].veto) == 0 {
		return false
	}
	w.requests[0].veto = nil
	return true
}

// firstIsPromised tells whether the client of a lease's first request was told that its file is safe on disk; one
// that asked for tape and streams by way of the spool still waits for its answer.
func (l *Library) firstIsPromised(w *lease) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(w.requests) > 0 && w.requests[0].promised()
}

// finishFirst ends the first request of a lease.
func (l *Library) finishFirst(w *lease, kind wire.Kind, why error) {
	l.mu.Lock()
	defer l.unlock()
	if len(w.requests) > 0 {
		r := w.requests[0]
		l.finish(r, nil, wire.Errorf(kind, r.subject(), "library %s, family %s: %w", r.library, r.family, why))
	}
}

// refused tells the queue that a lease got no volume: its drive waits on.
func (l *Library) refused(w *lease, why queue.Refusal) bool {
	l.mu.Lock()
	defer l.unlock()
	if w.over || l.closed {
		return true
	}
	if w.changes != l.changes {
		// The queue was told of something that may make room before it knew that somebody waits for that: no more than
		// a wish to be tried again at once.
		why = queue.Conflict
	}
	w.retire()
	l.strike(w)
	for _, r := range w.requests { // the queue puts them back itself
		r.lease = nil
		l.attend(r)
	}
	_ = l.apply(queue.VolumeRefused{Time: time.Now(), Lease: w.queue.ID, Reason: why})
	l.stir()
	return true
}
