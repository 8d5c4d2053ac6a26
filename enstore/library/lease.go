package library

import (
	"context"
	"slices"
	"time"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore/wire"
	"github.com/enstore-go/sdk/queue"
)

// lease is one volume for one drive, as this package keeps it.
type lease struct {
	id       catalog.LeaseID
	queue    queue.Lease
	kind     wire.LeaseKind
	grant    catalog.Grant
	requests []*request // not settled, in order
	bounced  []*request // queued again while the lease lasted
	extra    []*request // given since its mover last asked
	changes  int        // Library.changes when it was granted
	yield    bool       // the mover was told to come to an end
	preempt  bool       // its drive is wanted for something more important
	asking   bool       // a More waits
	wake     chan struct{}
	over     bool          // nothing of it counts any more
	ended    chan struct{} // closed when the queue knows that it is over
	timer    *time.Timer
	expires  time.Time
	last     *request // that it was given
	planned  bool     // its reads have been put into order
}

func (w *lease) drop(r *request) {
	w.requests = slices.DeleteFunc(w.requests, func(o *request) bool { return o == r })
	w.extra = slices.DeleteFunc(w.extra, func(o *request) bool { return o == r })
}

func (w *lease) stir() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// drive is a drive whose mover waits for work, or works.
type drive struct {
	next  *next
	lease *lease
}

// next is a call of Next that waits.
type next struct {
	lease chan *lease // one at most
	gone  chan struct{}
}

func (l *Library) drive(name string) *drive {
	d := l.drives[name]
	if d == nil {
		d = &drive{}
		l.drives[name] = d
	}
	return d
}

// decide does what the queue decided. Caller holds mu.
func (l *Library) decide(d queue.Decision) {
	switch d := d.(type) {
	case queue.Grant:
		kind := wire.WriteLease
		if d.Lease.Kind == queue.Read {
			kind = wire.ReadLease
		}
		w := l.newLease(kind, d.Lease)
		w.requests = l.give(w, d.Lease.Requests)
	case queue.Dismount:
		l.newLease(wire.DismountLease, queue.Lease{ID: d.Lease, Drive: d.Drive, Volume: d.Volume})
	case queue.Extend:
		if w := l.granted[d.Lease]; w != nil {
			more := l.give(w, d.Requests)
			w.requests = append(w.requests, more...)
			w.extra = append(w.extra, more...)
			w.stir()
		}
	case queue.Yield:
		if w := l.granted[d.Lease]; w != nil {
			w.yield = true
			w.stir()
		}
	case queue.Preempt:
		if w := l.granted[d.Lease]; w != nil {
			w.preempt = true
			l.preempted = append(l.preempted, w)
		}
	case queue.Blame:
		l.log.Error("failed too often, and is not used until it is forgiven", "drive", d.Drive, "volume", d.Volume)
	}
}

// freeUp takes from leases whose drives are wanted for something more important what their movers have not begun. Clients that were told to come
// are left where they are until their mover asks before it begins: see Begin. It is done when the queue has been told everything else. Caller
// holds mu.
func (l *Library) freeUp() {
	for len(l.preempted) > 0 {
		w := l.preempted[0]
		l.preempted = l.preempted[1:]
		if w.over {
			continue
		}
		for _, r := range slices.Clone(w.requests) {
			if r.turn == nil && !r.begun && r.lease == w {
				l.takeBack(w, r)
			}
		}
	}
}

// takeBack puts a request of a lease back into the queue that its mover has not begun. Caller holds mu.
func (l *Library) takeBack(w *lease, r *request) {
	w.drop(r)
	r.lease, r.turn, r.told = nil, nil, time.Time{}
	_ = l.apply(queue.Requeued{Time: time.Now(), ID: qid(r.id)})
	l.attend(r)
	r.notify()
}

// newLease hands a decision to the drive that waits for it. A drive is ready only while its mover waits.
func (l *Library) newLease(kind wire.LeaseKind, q queue.Lease) *lease {
	w := &lease{id: catalog.NewLeaseID(), queue: q, kind: kind, changes: l.changes, wake: make(chan struct{}, 1), ended: make(chan struct{})}
	w.timer = time.AfterFunc(l.o.LeaseTime, func() { l.expired(w) })
	w.expires = time.Now().Add(l.o.LeaseTime)
	l.leases[w.id], l.granted[q.ID] = w, w
	d := l.drive(string(q.Drive))
	d.lease = w
	d.next.lease <- w
	return w
}

func (l *Library) give(w *lease, ids []queue.RequestID) []*request {
	rs := make([]*request, 0, len(ids))
	for _, id := range ids {
		if r := l.requests[catalog.RequestID(id)]; r != nil {
			r.lease, r.begun = w, false
			if w.kind == wire.ReadLease {
				r.readFrom(catalog.Label(w.queue.Volume))
			}
			l.attend(r)
			rs = append(rs, r)
		}
	}
	if n := len(rs); n > 0 {
		w.last = rs[n-1]
		if w.kind == wire.ReadLease {
			l.replan(w.queue.Volume)
		}
	}
	return rs
}

// readFrom makes the copy on a volume the one that is read.
func (r *request) readFrom(v catalog.Label) {
	for i := range r.places {
		if p := &r.places[i]; p.file.Volume == v && r.file.Volume != v {
			r.file, r.library, r.family = &p.file, p.volume.Library, p.volume.Family
			return
		}
	}
}

// assignments describes requests to a mover. Caller holds mu.
func assignments(rs []*request) []wire.Assignment {
	as := make([]wire.Assignment, 0, len(rs))
	for _, r := range rs {
		a := wire.Assignment{Request: r.id, Queued: r.accepted, Get: r.get, File: r.file}
		if r.put != nil {
			p := *r.put
			a.Put, a.Parent, a.Name = &p, r.parent, r.name
			if r.cached != nil {
				a.Spool = r.id.String()
			}
		}
		as = append(as, a)
	}
	return as
}

// use finds a lease that counts, and prolongs it. Caller holds mu.
func (l *Library) use(id catalog.LeaseID) (*lease, error) {
	w := l.leases[id]
	switch {
	case l.closed:
		return nil, errClosed
	case w == nil || w.over:
		return nil, wire.Errorf(wire.Fenced, "lease "+id.String(), "is over")
	}
	w.expires = time.Now().Add(l.o.LeaseTime)
	w.timer.Reset(l.o.LeaseTime)
	return w, nil
}

// Renew prolongs a lease and says until when: see wire.Dispatcher.
func (l *Library) Renew(_ context.Context, id catalog.LeaseID) (time.Time, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w, err := l.use(id)
	if err != nil {
		return time.Time{}, wire.AsError(err, "renew", "lease "+id.String())
	}
	return w.expires, nil
}

// More gives further requests of a lease, if there are any within wait: see wire.Dispatcher.
func (l *Library) More(ctx context.Context, id catalog.LeaseID, wait time.Duration) ([]wire.Assignment, error) {
	as, err := l.more(ctx, id, wait)
	if err != nil && ctx.Err() == nil {
		err = wire.AsError(err, "more", "lease "+id.String())
	}
	return as, err
}

func (l *Library) more(ctx context.Context, id catalog.LeaseID, wait time.Duration) ([]wire.Assignment, error) {
	l.mu.Lock()
	defer l.unlock()
	w, err := l.use(id)
	switch {
	case err != nil:
		return nil, err
	case w.kind == wire.DismountLease:
		return nil, nil
	case w.asking:
		return nil, wire.Errorf(wire.Invalid, "lease "+id.String(), "is asking for more already")
	case len(w.extra) > 0:
		return w.takeExtra(), nil
	}
	w.asking, w.yield = true, false
	defer func() { w.asking = false }()
	if err := l.apply(queue.LeaseMore{Time: time.Now(), Lease: w.queue.ID}); err != nil {
		return nil, wire.Errorf(wire.Internal, "lease "+id.String(), "%w", err)
	}
	var late <-chan time.Time
	if wait > 0 {
		t := time.NewTimer(wait)
		defer t.Stop()
		late = t.C
	}
	for len(w.extra) == 0 && !w.yield && wait > 0 {
		var over bool
		over, err = l.linger(ctx, w, late)
		if over || err != nil {
			break
		}
	}
	switch {
	case w.over:
		return nil, wire.Errorf(wire.Fenced, "lease "+id.String(), "is over")
	case len(w.extra) > 0:
		return w.takeExtra(), nil
	case !w.yield:
		_ = l.apply(queue.LeaseEnough{Time: time.Now(), Lease: w.queue.ID})
	}
	return nil, err
}

// linger gives mu back until something happens to the lease, or it is late.
func (l *Library) linger(ctx context.Context, w *lease, late <-chan time.Time) (bool, error) {
	l.unlock()
	defer l.mu.Lock()
	select {
	case <-w.wake:
		return false, nil
	case <-late:
		return true, nil
	case <-l.ctx.Done():
		return true, errClosed
	case <-ctx.Done():
		return true, ctx.Err()
	}
}

func (w *lease) takeExtra() []wire.Assignment {
	as := assignments(w.extra)
	w.extra = nil
	return as
}

// Offer notes where the client of a request is expected: see wire.Dispatcher.
func (l *Library) Offer(_ context.Context, id catalog.LeaseID, req catalog.RequestID, t wire.Turn) error {
	l.mu.Lock()
	defer l.unlock()
	w, err := l.use(id)
	if err != nil {
		return wire.AsError(err, "offer", "lease "+id.String())
	}
	r := l.requests[req]
	if r == nil || r.lease != w || r.state == ended {
		return wire.Errorf(wire.Cancelled, "request "+req.String(), "is not in lease %s any more", id)
	}
	r.turn, r.told = &t, time.Time{}
	r.notify()
	return nil
}

// Begin lets a mover begin a request, or takes it back: see wire.Dispatcher.
func (l *Library) Begin(_ context.Context, id catalog.LeaseID, req catalog.RequestID) error {
	l.mu.Lock()
	defer l.unlock()
	w, err := l.use(id)
	if err != nil {
		return wire.AsError(err, "begin", "lease "+id.String())
	}
	r := l.requests[req]
	switch {
	case r == nil || r.lease != w || r.state == ended:
		return wire.Errorf(wire.Cancelled, "request "+req.String(), "is not in lease %s any more", id)
	case w.preempt:
		l.takeBack(w, r)
		return wire.Errorf(wire.Busy, "drive "+string(w.queue.Drive), "is needed for something more important")
	}
	r.begun = true
	return nil
}

// Settle ends requests of a lease: see wire.Dispatcher. Restart queues a request again if its bytes can be had once
// more; Busy says that it was not begun, and always does.
func (l *Library) Settle(ctx context.Context, id catalog.LeaseID, ss []wire.Settlement) error {
	stored := l.storedAnyway(ctx, ss)
	l.mu.Lock()
	defer l.unlock()
	w, err := l.use(id)
	if err != nil {
		return wire.AsError(err, "settle", "lease "+id.String())
	}
	for _, s := range ss {
		r := l.requests[s.Request]
		switch {
		case s.Record == nil && stored[s.Request] != nil:
			s.Record = stored[s.Request]
		case s.Record == nil && s.Err == nil:
			s.Err = wire.Errorf(wire.Internal, "request "+s.Request.String(), "was settled without record or error")
		}
		if r == nil || r.lease != w {
			l.lateRecord(r, s)
			continue
		}
		l.settle(w, r, s)
	}
	return nil
}

// storedAnyway asks the catalogue for writes that are said to have failed: what it has recorded is stored.
func (l *Library) storedAnyway(ctx context.Context, ss []wire.Settlement) map[catalog.RequestID]*wire.Record {
	var stored map[catalog.RequestID]*wire.Record
	for _, s := range ss {
		if s.Err == nil || s.Err.Kind == wire.Busy || !l.isWrite(s.Request) {
			continue
		}
		if rec, err := l.recorded(ctx, s.Request); err == nil && rec != nil {
			if stored == nil {
				stored = map[catalog.RequestID]*wire.Record{}
			}
			stored[s.Request] = rec
		}
	}
	return stored
}

func (l *Library) isWrite(id catalog.RequestID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.requests[id]
	return r != nil && r.put != nil
}

// lateRecord corrects what was told of a request that was given up while it was being recorded: it is stored.
func (l *Library) lateRecord(r *request, s wire.Settlement) {
	if r != nil && r.state == ended && r.err != nil && s.Record != nil {
		r.record, r.err = s.Record, nil
		if line, err := doneRecord(r.id, time.Now(), nil); err == nil {
			l.j.add(line)
		}
	}
}

func (l *Library) settle(w *lease, r *request, s wire.Settlement) {
	switch {
	case s.Record != nil:
		l.o.Step("library: settled")
		l.finish(r, s.Record, nil)
	case s.Err.Kind == wire.Busy:
		l.requeue(w, r, s.Err, false)
	case s.Err.Kind == wire.Restart && (r.get != nil || r.cached != nil || r.put.Again):
		l.requeue(w, r, s.Err, true)
	default:
		l.finish(r, nil, s.Err)
	}
}

// untouched is how many times a request may come back that was not begun, for each attempt that it has.
const untouched = 10

// requeue puts a request of a lease back into the queue, unless it has been tried often enough. What is in the spool is tried
// until it is on tape: its client was told that it is safe. An attempt that was begun makes the queue prefer another
// drive. Caller holds mu.
func (l *Library) requeue(w *lease, r *request, why *wire.Error, begun bool) {
	avoid := queue.Drive("")
	if begun {
		r.attempts++
		avoid = w.queue.Drive
	}
	r.returns++
	if r.cached == nil && (r.attempts >= l.o.MaxAttempts || r.returns >= untouched*l.o.MaxAttempts) {
		err := *why
		if k := wire.KindOf(err.Err); err.Kind == wire.Restart && k == wire.NoSpace {
			err.Kind = k // to begin again is of no use
		}
		if err.Text == "" {
			err.Text = err.Error()
		}
		err.Text += " (given up after so many attempts)"
		l.finish(r, nil, &err)
		return
	}
	w.drop(r)
	w.bounced = append(w.bounced, r)
	r.lease, r.turn, r.told = nil, nil, time.Time{}
	_ = l.apply(queue.Requeued{Time: time.Now(), ID: qid(r.id), Avoid: avoid})
	l.attend(r)
	r.notify()
}

// Release ends a lease: see wire.Dispatcher.
func (l *Library) Release(ctx context.Context, id catalog.LeaseID, rel wire.Release) error {
	l.mu.Lock()
	w, err := l.use(id)
	if err != nil {
		l.mu.Unlock()
		return wire.AsError(err, "release", "lease "+id.String())
	}
	w.retire()
	l.mu.Unlock()
	l.end(ctx, w, rel, false)
	return nil
}

// retire makes a lease count no more. Caller holds mu.
func (w *lease) retire() {
	w.over = true
	w.timer.Stop()
	w.stir()
}

// expired ends a lease whose mover is not heard of any more.
func (l *Library) expired(w *lease) {
	l.mu.Lock()
	if w.over || l.closed || time.Now().Before(w.expires) {
		l.mu.Unlock()
		return
	}
	w.retire()
	l.wg.Add(1)
	l.mu.Unlock()
	defer l.wg.Done()
	l.log.Warn("lease expired: its mover was not heard of", "drive", w.queue.Drive, "lease", w.id)
	rel := wire.Release{Err: wire.Errorf(wire.Drive, "drive "+string(w.queue.Drive), "was not heard of for %v", l.o.LeaseTime), Fault: wire.FaultDrive}
	l.end(l.ctx, w, rel, true)
}

// end settles what is left of a retired lease and tells the queue. The volume of one that expired is not free before
// its drive, or the robot, says so.
func (l *Library) end(ctx context.Context, w *lease, rel wire.Release, expired bool) {
	ctx = context.WithoutCancel(ctx)
	l.mu.Lock()
	label := w.grant.Volume.Label
	l.mu.Unlock()
	if w.kind == wire.WriteLease && label != "" {
		// Its mover did this already if it lived; from here on nobody can record anything with this lease.
		if err := l.o.Catalog.AbandonIntent(ctx, w.id, label, "the lease has ended"); err != nil {
			l.log.Error("write intent not abandoned", "volume", label, "lease", w.id, "error", err)
		}
	}
	l.mu.Lock()
	left := slices.Clone(w.requests)
	l.mu.Unlock()
	stored := map[*request]*wire.Record{}
	for _, r := range left {
		if r.put == nil {
			continue
		}
		rec, err := l.recorded(ctx, r.id)
		if err != nil {
			l.log.Error("catalogue not asked for a request", "request", r.id, "error", err)
		}
		stored[r] = rec
	}
	l.mu.Lock()
	defer l.unlock()
	if l.closed {
		return // the next start asks again
	}
	why := rel.Err
	if why == nil {
		why = wire.Errorf(wire.Restart, "lease "+w.id.String(), "ended before the request was begun")
	}
	for _, r := range left {
		switch {
		case r.lease != w:
		case stored[r] != nil:
			l.finish(r, stored[r], nil)
		default:
			l.requeue(w, r, why, rel.Err != nil)
		}
	}
	if rel.Err != nil && label != "" && (rel.Fault == wire.FaultVolume || rel.Fault == wire.FaultDrive) {
		_ = l.apply(queue.Struck{Time: time.Now(), Drive: w.queue.Drive, Volume: queue.Volume(label)})
	}
	if rel.Fault == wire.FaultVolume && label != "" {
		for _, r := range w.bounced {
			if !slices.Contains(r.veto, label) {
				r.veto = append(r.veto, label)
			}
		}
	}
	l.close(w, rel.Mounted, expired)
}

// strike takes a lease off the books. Caller holds mu and tells the queue.
func (l *Library) strike(w *lease) {
	delete(l.leases, w.id)
	delete(l.granted, w.queue.ID)
	if d := l.drive(string(w.queue.Drive)); d.lease == w {
		d.lease = nil
	}
	close(w.ended)
	l.stir()
}

// close takes a lease off the books and tells the queue. Caller holds mu.
func (l *Library) close(w *lease, mounted catalog.Label, expired bool) {
	l.strike(w)
	now := time.Now()
	if expired {
		_ = l.apply(queue.LeaseExpired{Time: now, Lease: w.queue.ID})
	} else {
		_ = l.apply(queue.LeaseEnded{Time: now, Lease: w.queue.ID, Mounted: queue.Volume(mounted)})
	}
}
