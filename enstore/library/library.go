package library

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore/spool"
	"github.com/enstore-go/sdk/enstore/wire"
	"github.com/enstore-go/sdk/queue"
)

// Library is the library manager of a site. All methods may be called from several goroutines at once.
type Library struct {
	o      Options
	log    hclog.Logger
	j      *journal
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup

	grants sync.Mutex // held while a lease gets its volume from the catalogue

	mu        sync.Mutex
	q         *queue.Machine
	requests  map[catalog.RequestID]*request
	keys      map[string]catalog.RequestID // names that are being stored
	live      int                          // requests that have not ended
	changes   int                          // events after which there may be room that was not there before
	past      []catalog.RequestID          // ended requests that are still remembered, oldest first
	leases    map[catalog.LeaseID]*lease
	granted   map[queue.LeaseID]*lease
	preempted []*lease // whose requests are to be taken back
	drives    map[string]*drive
	states    map[catalog.LibraryName]LibraryState // of those that are not simply open
	users     map[string]int                       // requests that have not ended
	events    uint64                               // that the queue was told
	sum       queue.Digest                         // of its decisions
	delays    map[catalog.LibraryName]delay
	draining  bool
	closed    bool
	spent     []catalog.RequestID                 // to be removed from the spool
	going     map[catalog.RequestID]chan struct{} // likewise, or being removed; closed when it is
	telling   sync.Mutex                          // held while the state of a library is made durable: the last word counts; taken before mu
	kick      chan struct{}                       // closed when a request or lease ends; nil if nobody waits
	toPlan    map[queue.Volume]bool
	planned   map[queue.Volume]int // how many reads their last plan ordered
	planKick  chan struct{}
	wakeKick  chan struct{} // the queue wants to be woken at another time
}

var _ wire.Dispatcher = (*Library)(nil)

// remembered is how many ended requests are kept for clients that ask late. Written files the catalogue remembers.
const remembered = 10_000

// Open starts the library manager: it replays the journal, asks the catalogue what became of every request in it,
// and ends the write intents that a dead process left. It is an error wrapping ErrCorrupt if the journal is damaged,
// ErrVersion if it is of a later version. Only one process may have the same Dir and catalogue open; that is the
// caller's to see to.
func Open(ctx context.Context, o Options) (*Library, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	q, err := queue.New(o.Queue)
	if err != nil {
		return nil, fmt.Errorf("library: %w", err)
	}
	l := &Library{
		o: o, log: o.Logger, q: q, requests: map[catalog.RequestID]*request{}, keys: map[string]catalog.RequestID{},
		leases: map[catalog.LeaseID]*lease{}, granted: map[queue.LeaseID]*lease{}, drives: map[string]*drive{},
		users: map[string]int{}, going: map[catalog.RequestID]chan struct{}{}, delays: map[catalog.LibraryName]delay{}, wakeKick: make(chan struct{}, 1),
		toPlan: map[queue.Volume]bool{}, planned: map[queue.Volume]int{}, planKick: make(chan struct{}, 1),
	}
	past := newReplayed()
	l.states = past.states
	if l.j, err = readJournal(o.FS, o.Dir, o.JournalSize, o.Step, past.take); err != nil {
		return nil, err
	}
	if l.j.torn > 0 {
		l.log.Warn("the journal ends in a frame that is not whole, and what was in it is left out: if it had been written whole once, a file of the spool is held that it told of", "byte", l.j.torn)
	}
	if err := l.abandonIntents(ctx, func(catalog.Volume) bool { return true }, "the process that wrote has ended"); err != nil {
		return nil, err
	}
	since, err := lastEvent(ctx, o.Catalog)
	if err != nil {
		return nil, err
	}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	if err := l.restore(ctx, past); err != nil {
		l.cancel()
		return nil, err
	}
	l.wg.Go(func() { l.watchVolumes(since) })
	l.wg.Go(l.planReads)
	l.wg.Go(l.tick)
	return l, nil
}

// restore decides what becomes of the requests of the process before this one.
func (l *Library) restore(ctx context.Context, past *replayed) error {
	var again []*request
	err := past.each(func(r *request) error {
		requeue, err := l.resume(ctx, r)
		if err != nil {
			return err
		}
		l.requests[r.id] = r
		if requeue {
			l.keys[r.put.Key] = r.id
			l.live++
			l.users[r.user()]++
			again = append(again, r)
		} else {
			r.state = ended
			l.past = append(l.past, r.id)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if l.o.Spool != nil {
		for _, i := range l.o.Spool.List() {
			if err := l.sortOut(ctx, i, past); err != nil {
				return fmt.Errorf("library: spool: %w", err)
			}
		}
	}
	if err := l.j.begin(l.snapshot); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(l.states)) {
		l.mu.Lock()
		l.holdBack(l.states[name])
		l.unlock()
	}
	for len(again) > 0 { // a few at a time, so that their records need not all be in memory
		few := again[:min(len(again), 1000)]
		again = again[len(few):]
		l.mu.Lock()
		for _, r := range few {
			l.submit(r)
			if r.onHold && r.state == queued {
				_ = l.apply(queue.RequestHeld{Time: time.Now(), ID: qid(r.id), Who: r.holder})
			}
		}
		l.unlock()
	}
	return nil
}

// sortOut removes a file from the spool that has ended. One of which neither journal nor catalogue knows stays and is held: that a record of it was lost is
// no reason to lose what may have been acknowledged.
func (l *Library) sortOut(ctx context.Context, i spool.Info, past *replayed) error {
	r := l.requests[i.ID]
	if r != nil && r.state != ended {
		return nil
	}
	if r != nil || past.ended[i.ID] {
		return l.o.Spool.Remove(i.ID)
	}
	rec, err := l.recorded(ctx, i.ID)
	switch {
	case err != nil:
		return err
	case rec != nil:
		return l.o.Spool.Remove(i.ID)
	}
	r = &request{id: i.ID, put: &wire.Put{ID: i.ID, Key: string(i.Key), Level: catalog.Cached}, spooled: true, lost: true, accepted: i.Cached, state: held}
	l.cached(r, i, "")
	r.err = wire.Errorf(wire.Internal, r.subject(), "is whole in the spool and the journal does not know it: put the spool's %s.data where it belongs, then cancel this request", i.ID)
	l.log.Error("a file in the spool is in no journal and in no catalogue: it is held", "key", r.subject(), "request", r.id, "bytes", i.Size)
	l.requests[r.id] = r // its name stays free, so that it can be stored again before this one is given up
	return nil
}

// resume asks the catalogue, then the spool. It is true if the request is to be queued again.
func (l *Library) resume(ctx context.Context, r *request) (bool, error) {
	if r.put == nil {
		r.err = wire.Errorf(wire.Restart, "request "+r.id.String(), "the site was restarted while it waited: ask again")
		return false, nil
	}
	rec, err := l.recorded(ctx, r.id)
	switch {
	case err != nil:
		return false, err
	case rec != nil:
		r.record = rec
		return false, nil
	}
	if r.spooled && l.o.Spool != nil {
		if i, ok := l.o.Spool.Info(r.id); ok {
			// Its client was told that it is safe here. It stays, even if no volume would take it now.
			wrapper, err := l.wrapper(r.family.Wrapper, known(*r.put, i))
			if err != nil {
				return false, fmt.Errorf("library: %s: in the spool as request %s: %w", r.put.Key, r.id, err)
			}
			l.cached(r, i, wrapper)
			return true, nil
		}
	}
	r.err = wire.Errorf(wire.Restart, r.put.Key, "the site was restarted before the file was safe: send it again")
	return false, nil
}

// snapshot is what a new journal begins with: the writes that have not ended, the states of the libraries, and the queue.
func (l *Library) snapshot() [][]byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []*request
	for _, r := range l.requests {
		if r.put != nil && r.state != ended && !r.accepted.IsZero() && !r.lost {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b *request) int { return a.accepted.Compare(b.accepted) })
	lines := make([][]byte, 0, len(all))
	for _, r := range all {
		if line, err := r.acceptRecord(); err == nil {
			lines = append(lines, line)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(l.states)) {
		if line, err := stateRecord(l.states[name]); err == nil {
			lines = append(lines, line)
		}
	}
	var b bytes.Buffer
	err := l.q.Snapshot(&b)
	if err == nil {
		var parts [][]byte
		parts, err = queueRecords(b.Bytes(), l.events, l.sum)
		lines = append(lines, parts...)
	}
	if err != nil { // what was accepted is in the journal all the same
		l.log.Error("the queue's decisions cannot be followed from here on", "error", err)
	}
	return lines
}

// recorded asks the catalogue for the file of a request; nil if it has none.
func (l *Library) recorded(ctx context.Context, id catalog.RequestID) (*wire.Record, error) {
	f, err := l.o.Catalog.FileByRequest(ctx, id)
	if errors.Is(err, catalog.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	rec := wire.RecordOf(f, wire.Phases{})
	return &rec, nil
}

// abandonIntents ends the write leases that the catalogue holds for open, as far as choose wants.
func (l *Library) abandonIntents(ctx context.Context, choose func(catalog.Volume) bool, why string) error {
	var open []catalog.Volume
	for v, err := range l.o.Catalog.Volumes(ctx, catalog.Filter{Writing: true}) {
		if err != nil {
			return fmt.Errorf("library: volumes being written: %w", err)
		}
		if v.Intent != nil && choose(v) {
			open = append(open, v)
		}
	}
	for _, v := range open {
		if err := l.o.Catalog.AbandonIntent(ctx, v.Intent.Lease, v.Label, why); err != nil {
			return fmt.Errorf("library: %w", err)
		}
		l.log.Warn("write intent of a dead lease abandoned", "volume", v.Label, "lease", v.Intent.Lease)
	}
	return nil
}

// lastEvent finds the number of the catalogue's last event.
func lastEvent(ctx context.Context, c *catalog.Catalog) (uint64, error) {
	low, high := uint64(0), uint64(1) // there is none above high
	for {
		es, err := c.Events(ctx, high, 1)
		if err != nil {
			return 0, fmt.Errorf("library: events: %w", err)
		}
		if len(es) == 0 {
			break
		}
		low, high = high, 2*high
	}
	for low < high {
		mid := low + (high-low)/2
		es, err := c.Events(ctx, mid, 1)
		if err != nil {
			return 0, fmt.Errorf("library: events: %w", err)
		}
		if len(es) == 0 {
			high = mid
		} else {
			low = mid + 1
		}
	}
	return low, nil
}

// watchAgain is how long the catalogue is left alone after it could not be watched.
const watchAgain = time.Second

// watchVolumes tells the queue when there may be room that was not there before.
func (l *Library) watchVolumes(since uint64) {
	for l.ctx.Err() == nil {
		es, err := l.volumeEvents(since)
		if err != nil {
			l.rest("catalogue cannot be watched", err)
		}
	events:
		for _, e := range es {
			switch e.Kind {
			case catalog.VolumeAdded, catalog.VolumeInhibit, catalog.VolumeProtect:
				v, err := l.o.Catalog.Volume(l.ctx, catalog.Label(e.Subject))
				switch {
				case err == nil:
					l.mu.Lock()
					l.apply(queue.VolumesChanged{Time: time.Now(), Library: queue.Library(v.Library)})
					l.unlock()
				case !errors.Is(err, catalog.ErrNotFound):
					l.rest("volume cannot be looked at", err)
					break events // it is asked again
				}
			}
			since = e.Seq
		}
	}
}

// rest says why the catalogue is left alone for a while.
func (l *Library) rest(why string, err error) {
	if l.ctx.Err() != nil {
		return
	}
	l.log.Error(why, "error", err, "again_in", watchAgain)
	select {
	case <-time.After(watchAgain):
	case <-l.ctx.Done():
	}
}

// volumeEvents waits for events after since.
func (l *Library) volumeEvents(since uint64) ([]catalog.Event, error) {
	if err := l.o.Catalog.Watch(l.ctx, since); err != nil {
		return nil, err
	}
	return l.o.Catalog.Events(l.ctx, since, 1000)
}

// VolumeLeft tells that a robot confirmed that a volume is in no drive any more: see wire.Dispatcher.
func (l *Library) VolumeLeft(_ context.Context, label catalog.Label) error {
	l.mu.Lock()
	defer l.unlock()
	if l.closed {
		return errClosed
	}
	if err := l.apply(queue.VolumeLeft{Time: time.Now(), Volume: queue.Volume(label)}); err != nil {
		return wire.Errorf(wire.Internal, "volume "+string(label), "%w", err)
	}
	return nil
}

// Drain refuses new requests from now on, and returns when those that can be served have been, or with the context's error.
// A request that waits for room on a volume, is on hold, or whose library is held, does not count.
func (l *Library) Drain(ctx context.Context) error {
	for {
		l.mu.Lock()
		l.draining = true
		if l.closed || l.idle() {
			l.mu.Unlock()
			return nil
		}
		if l.kick == nil {
			l.kick = make(chan struct{})
		}
		kick := l.kick
		l.mu.Unlock()
		select {
		case <-kick:
		case <-l.ctx.Done():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// idle tells whether nothing is left that could be served.
func (l *Library) idle() bool {
	if l.live == 0 {
		return true
	}
	for _, w := range l.leases {
		if w.kind != wire.DismountLease {
			return false
		}
	}
	if l.live > l.q.Len() {
		return false // somebody streams to the spool
	}
	for w := range l.q.Waiting() {
		if w.Reason != queue.NoRoom && w.Reason != queue.Held && w.Reason != queue.OnHold && w.Reason != queue.Blocked {
			return false
		}
	}
	return true
}

// Close ends the library manager. Whoever waits is told Unavailable; what was accepted and not done is settled at
// the next Open. It may be called again.
func (l *Library) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	for _, r := range l.requests {
		if r.timer != nil {
			r.timer.Stop()
		}
	}
	for _, w := range l.leases {
		w.timer.Stop()
	}
	l.mu.Unlock()
	l.cancel()
	l.wg.Wait()
	return l.j.close()
}

var errClosed = wire.Errorf(wire.Unavailable, "library", "the site is closing")

// apply tells the queue what happened and does what it decides. Caller holds mu.
func (l *Library) apply(e queue.Event) error { return l.applyAs(e, nil) }

// applyAs is apply for an event that has a record of its own. Caller holds mu.
func (l *Library) applyAs(e queue.Event, record func() []byte) error {
	switch e.(type) {
	case queue.DriveReady, queue.DriveGone, queue.LeaseEnded, queue.VolumeLeft, queue.VolumesChanged:
		l.changes++
	}
	wake := l.q.Wake()
	decisions, err := l.q.Apply(e)
	if err != nil {
		if !errors.Is(err, queue.ErrVolumeInUse) && !errors.Is(err, queue.ErrUnknownDrive) {
			l.log.Error("event does not fit the queue", "event", fmt.Sprintf("%T", e), "error", err)
		}
		return err
	}
	l.events++
	l.sum.Add(decisions)
	if record != nil {
		l.j.add(record())
	} else if line, err := eventRecord(e, l.events, l.sum); err == nil {
		l.j.add(line)
	}
	if !l.q.Wake().Equal(wake) {
		select {
		case l.wakeKick <- struct{}{}:
		default:
		}
	}
	for _, d := range decisions {
		l.decide(d)
	}
	l.freeUp()
	return nil
}

// tick tells the queue that it is later, when it wants to hear that, until Close.
func (l *Library) tick() {
	for {
		l.mu.Lock()
		wake := l.q.Wake()
		l.mu.Unlock()
		var later <-chan time.Time
		if !wake.IsZero() {
			later = time.After(time.Until(wake))
		}
		select {
		case <-l.wakeKick:
		case <-later:
			l.mu.Lock()
			if !l.closed {
				_ = l.apply(queue.Tick{Time: time.Now()})
			}
			l.unlock()
		case <-l.ctx.Done():
			return
		}
	}
}

// unlock gives mu back and does what had to wait for that.
func (l *Library) unlock() {
	spent := l.spent
	l.spent = nil
	l.mu.Unlock()
	for _, id := range spent {
		if err := l.o.Spool.Remove(id); err != nil {
			l.log.Warn("file stays in the spool", "request", id, "error", err)
		}
		l.mu.Lock()
		if gone := l.going[id]; gone != nil {
			close(gone)
			delete(l.going, id)
		}
		l.mu.Unlock()
	}
	l.j.relieve()
}
