package library

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore/wire"
	"github.com/enstore-go/sdk/queue"
)

// state is how far a request has come.
type state uint8

const (
	accepting state = iota // it is being looked at and journalled
	spooling               // its client streams to the spool
	queued                 // it is in the queue, waiting or leased
	held                   // its client was told that it is safe on disk, and it cannot go to tape
	ended
)

// request is one file on its way.
type request struct {
	id       catalog.RequestID
	put      *wire.Put // of a write
	get      *wire.Get // of a read
	parent   catalog.EntryID
	name     string
	library  catalog.LibraryName
	family   catalog.Family
	width    int
	spooled  bool
	file     *catalog.File // of a read: what is read, or will be as far as that is known
	places   []place       // of a read: where else it can be read, and there
	accepted time.Time

	state     state
	lease     *lease          // while queued: who works on it
	attempts  int             // that were begun and failed
	returns   int             // into the queue
	plans     int             // of a read: in which it was while its volume was being read
	veto      []catalog.Label // volumes that failed it
	turn      *wire.Turn      // who expects its client
	told      time.Time       // when the client was last told of turn; zero: not yet
	begun     bool            // while leased: its mover has begun it
	onHold    bool            // a person holds it back
	holder    string          // who
	lost      bool            // it was found in the spool and the journal does not know it
	stream    int             // how often its client was told to come to the spool
	streaming bool            // it is expected there, or has come
	cached    *wire.Record    // it is durable in the spool
	record    *wire.Record    // ended well
	err       *wire.Error     // ended badly, or why it is held

	awaiting int           // clients that ask for their turn just now
	timer    *time.Timer   // runs while nobody does
	change   chan struct{} // closed at the next change; nil if nobody waits
}

// subject names the request in errors.
func (r *request) subject() string {
	switch {
	case r.put != nil && r.put.Key != "":
		return r.put.Key
	case r.file != nil && r.file.Path != "":
		return r.file.Path
	}
	return "request " + r.id.String()
}

// changed gives what is closed at the next change of the request. Caller holds mu.
func (r *request) changed() <-chan struct{} {
	if r.change == nil {
		r.change = make(chan struct{})
	}
	return r.change
}

func (r *request) notify() {
	if r.change != nil {
		close(r.change)
		r.change = nil
	}
}

func qid(id catalog.RequestID) queue.RequestID { return queue.RequestID(id) }

func qfamily(f catalog.Family) queue.Family {
	return queue.Family{Group: string(f.Group), Family: string(f.Family), Wrapper: f.Wrapper}
}

// submit puts a request into the queue. Caller holds mu.
func (l *Library) submit(r *request) {
	r.state, r.turn, r.told = queued, nil, time.Time{}
	q := r.describe()
	e := queue.Submitted{Time: time.Now(), Request: q}
	var record func() []byte
	if r.put != nil { // the journal has the rest of it already
		record = func() []byte {
			return submitted{r.id, e.Time, l.events, l.sum, q.Size, r.family.Wrapper}.encode()
		}
	}
	if err := l.applyAs(e, record); err != nil {
		r.state = accepting // it is not in the queue
		l.finish(r, nil, wire.AsError(err, "accept", r.subject()))
		return
	}
	if q.Kind == queue.Read {
		l.replan(q.Volume)
	}
	l.attend(r)
	r.notify()
}

// describe gives a request as the queue sees it.
func (r *request) describe() queue.Request {
	q := queue.Request{ID: qid(r.id), Library: queue.Library(r.library), Family: qfamily(r.family), Accepted: r.accepted, Path: r.subject()}
	if p := r.put; p != nil {
		q.Kind, q.Width, q.Size, q.Class, q.Priority = queue.Write, r.width, p.Size, p.Class, p.Priority
		q.Host, q.User, q.Dataset, q.Deadline = p.Host, p.User, p.Dataset, p.Deadline
		return q
	}
	g := r.get
	q.Kind, q.Size, q.Class, q.Priority = queue.Read, r.file.Size, g.Class, g.Priority
	q.Host, q.User, q.Dataset, q.Deadline = g.Host, g.User, g.Dataset, g.Deadline
	q.Volume, q.Position = queue.Volume(r.file.Volume), queue.Position{File: r.file.Location.File, Block: begin(r.file)}
	for _, p := range r.places {
		if p.file.Volume != r.file.Volume && len(q.Copies) < maxCopies {
			q.Copies = append(q.Copies, queue.Copy{Library: queue.Library(p.volume.Library), Volume: queue.Volume(p.file.Volume),
				Position: queue.Position{File: p.file.Location.File, Block: begin(&p.file)}})
		}
	}
	return q
}

// maxCopies is how many places of a file the queue chooses from.
const maxCopies = 20

// user is who asked.
func (r *request) user() string {
	if r.put != nil {
		return r.put.User
	}
	return r.get.User
}

// leave takes a request from those that are on their way. Caller holds mu.
func (l *Library) leave(r *request) {
	l.live--
	if u := r.user(); l.users[u] > 1 {
		l.users[u]--
	} else {
		delete(l.users, u)
	}
}

// attend starts or stops the clock of a request that waits for a drive, or for its client to come to the spool, while
// that client does not wait for its turn. Caller holds mu.
func (l *Library) attend(r *request) {
	idle := r.state == queued && r.lease == nil && r.cached == nil || r.state == spooling && !r.streaming
	alone := idle && r.awaiting == 0 && !l.closed
	switch {
	case !alone && r.timer != nil:
		r.timer.Stop()
		r.timer = nil
	case alone && r.timer == nil:
		var t *time.Timer
		t = time.AfterFunc(l.o.ClientTimeout, func() {
			l.mu.Lock()
			defer l.unlock()
			if r.timer == t && !l.closed {
				l.finish(r, nil, wire.Errorf(wire.Timeout, r.subject(), "its client did not ask for its turn within %v", l.o.ClientTimeout))
			}
		})
		r.timer = t
	}
}

// promised tells whether its client was told that the file is safe on disk.
func (r *request) promised() bool { return r.cached != nil && r.put.Level <= catalog.Cached }

// hold stops trying to bring a file to tape whose client was told that it is safe on disk: its name was
// taken, its directory removed, no volume is large enough. The file stays in the spool, its name
// reserved and its reason listed by Requests, until Cancel or the next start, which tries again.
// Caller holds mu.
func (l *Library) hold(r *request, err *wire.Error) {
	if r.state == held {
		return
	}
	inQueue := r.state == queued
	r.state, r.err, r.turn = held, err, nil
	if r.lease != nil {
		r.lease.drop(r)
		r.lease = nil
	}
	l.log.Error("a file in the spool cannot go to tape", "key", r.put.Key, "request", r.id, "error", err)
	l.attend(r)
	l.leave(r)
	r.notify()
	l.stir()
	if inQueue {
		_ = l.apply(queue.Finished{Time: time.Now(), ID: qid(r.id)})
	}
}

// finish ends a request, well or badly. Caller holds mu.
func (l *Library) finish(r *request, rec *wire.Record, err *wire.Error) {
	if r.state == ended {
		return
	}
	if err != nil && err.Kind != wire.Cancelled && r.promised() {
		l.hold(r, err)
		return
	}
	inQueue, onTheWay := r.state == queued, r.state != held
	r.state, r.record, r.err, r.turn = ended, rec, err, nil
	if line, e := doneRecord(r.id, time.Now(), err); e == nil {
		l.j.add(line)
	}
	if r.lease != nil {
		r.lease.drop(r)
		r.lease = nil
	}
	if r.put != nil && l.keys[r.put.Key] == r.id {
		delete(l.keys, r.put.Key)
	}
	if r.spooled && l.o.Spool != nil {
		l.spend(r)
	}
	l.attend(r)
	if onTheWay {
		l.leave(r)
	}
	l.past = append(l.past, r.id)
	l.forget()
	r.notify()
	l.stir()
	if inQueue {
		_ = l.apply(queue.Finished{Time: time.Now(), ID: qid(r.id), Well: rec != nil})
	}
}

// spend has the file of a request removed from the spool. Until it is, its id is not taken again: the spool knows files by nothing else. Caller holds mu.
func (l *Library) spend(r *request) {
	if l.requests[r.id] != r || l.going[r.id] != nil {
		return
	}
	l.spent = append(l.spent, r.id)
	l.going[r.id] = make(chan struct{})
}

// forget drops the requests that ended longest ago.
func (l *Library) forget() {
	for len(l.past) > remembered {
		if r := l.requests[l.past[0]]; r != nil && r.state == ended {
			delete(l.requests, r.id)
		}
		l.past = l.past[1:]
	}
}

// stir wakes Drain.
func (l *Library) stir() {
	if l.kick != nil {
		close(l.kick)
		l.kick = nil
	}
}

// turnAgain is after what time a client that asks again is told the same turn again: the answer may have been lost.
const turnAgain = 3 * time.Second

// Await blocks until somebody expects the client of a request, or the request has ended: see wire.Control. A request in
// the spool that was asked for level Cached at most has ended, for its client, when it is there.
func (l *Library) Await(ctx context.Context, id catalog.RequestID) (wire.Turn, error) {
	turn, err := l.await(ctx, id)
	if err != nil && ctx.Err() == nil {
		return wire.Turn{}, wire.AsError(err, "await", "request "+id.String())
	}
	return turn, err
}

func (l *Library) await(ctx context.Context, id catalog.RequestID) (wire.Turn, error) {
	l.mu.Lock()
	r := l.requests[id]
	if r == nil {
		l.mu.Unlock()
		rec, err := l.longAgo(ctx, id)
		return wire.Turn{Done: rec}, err
	}
	r.awaiting++
	l.attend(r)
	defer func() { // with mu held
		r.awaiting--
		l.attend(r)
		l.unlock()
	}()
	for {
		rec, err, over := r.outcome(0)
		switch {
		case over:
			return wire.Turn{Done: rec}, err
		case l.closed:
			return wire.Turn{}, errClosed
		}
		if r.state == spooling {
			return l.receive(r)
		}
		var again <-chan time.Time
		if r.turn != nil {
			left := turnAgain - time.Since(r.told)
			if r.told.IsZero() || left <= 0 {
				r.told = time.Now()
				return *r.turn, nil
			}
			again = time.After(left)
		}
		if err := l.pause(ctx, r.changed(), again); err != nil {
			return wire.Turn{}, err
		}
	}
}

// pause gives mu back until one of the channels has something, or everything ends.
func (l *Library) pause(ctx context.Context, a <-chan struct{}, b <-chan time.Time) error {
	l.unlock()
	defer l.mu.Lock()
	select {
	case <-a:
	case <-b:
	case <-l.ctx.Done():
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// outcome tells how a request ended, if it has, or that it has reached a level; 0 is the one that its Put asked for.
func (r *request) outcome(level catalog.Level) (rec *wire.Record, err error, over bool) {
	if level == 0 && r.put != nil {
		level = r.put.Level
	}
	switch {
	case r.state == ended && r.err != nil, r.state == held && level > catalog.Cached:
		return nil, r.err, true
	case r.state == ended:
		return r.record, nil, true
	case r.cached != nil && level <= catalog.Cached:
		return r.cached, nil, true
	}
	return nil, nil, false
}

// longAgo finds a request that is not remembered here in the catalogue.
func (l *Library) longAgo(ctx context.Context, id catalog.RequestID) (*wire.Record, error) {
	rec, err := l.recorded(ctx, id)
	if err == nil && rec == nil {
		err = wire.Errorf(wire.NotFound, "request "+id.String(), "no such request")
	}
	return rec, err
}

// Outcome blocks until a request is settled: see wire.Control.
func (l *Library) Outcome(ctx context.Context, id catalog.RequestID, level catalog.Level) (wire.Record, error) {
	rec, err := l.settled(ctx, id, level)
	switch {
	case err == nil:
		return *rec, nil
	case ctx.Err() != nil:
		return wire.Record{}, err
	}
	return wire.Record{}, wire.AsError(err, "outcome", "request "+id.String())
}

func (l *Library) settled(ctx context.Context, id catalog.RequestID, level catalog.Level) (*wire.Record, error) {
	l.mu.Lock()
	r := l.requests[id]
	if r == nil {
		l.mu.Unlock()
		return l.longAgo(ctx, id)
	}
	defer l.unlock()
	for {
		rec, err, over := r.outcome(level)
		switch {
		case over:
			return rec, err
		case l.closed:
			return nil, errClosed
		}
		if err := l.pause(ctx, r.changed(), nil); err != nil {
			return nil, err
		}
	}
}

// Cancel gives a request up: see wire.Control. A file whose bytes are on tape and being recorded may still be stored;
// then its outcome is its record.
func (l *Library) Cancel(ctx context.Context, id catalog.RequestID) error {
	l.mu.Lock()
	defer l.unlock()
	for {
		r := l.requests[id]
		if r == nil || r.state == ended {
			return nil
		}
		if r.state != accepting {
			l.finish(r, nil, wire.Errorf(wire.Cancelled, r.subject(), "was cancelled"))
			return nil
		}
		if l.closed {
			return errClosed
		}
		if err := l.pause(ctx, r.changed(), nil); err != nil {
			return err
		}
	}
}

// Request is a request as a human sees it.
type Request struct {
	ID       catalog.RequestID
	Subject  string // the key, or what is read
	Write    bool
	Spooled  bool
	Size     int64 // bytes, -1 if unknown
	Priority int
	Class    string
	Library  catalog.LibraryName
	Family   catalog.Family
	Volume   catalog.Label // of a read, or of the lease
	Drive    string        // that works on it
	Accepted time.Time
	Attempts int
	Admin    int    // administrative priority, 0: none
	User     string // who asks
	Host     string // of the client
	Dataset  string
	Ahead    int        // how many of its own group stand before it
	Reason   string     // what it waits for, in words
	Why      *queue.Why `json:",omitempty"` // the lease that it is in was next; nil while it waits
}

// Requests lists the requests in the queue, those in work first, then in the order in which they would go next.
func (l *Library) Requests() []Request {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []Request
	for w := range l.q.Waiting() {
		r := l.requests[catalog.RequestID(w.Request.ID)]
		if r == nil {
			continue
		}
		all = append(all, l.tell(r, w))
	}
	return append(all, l.heldRequests()...)
}

// tell describes a request that is in the queue. Caller holds mu.
func (l *Library) tell(r *request, w queue.Waiting) Request {
	q := w.Request
	out := Request{
		ID: r.id, Subject: r.subject(), Write: r.put != nil, Spooled: r.spooled, Size: q.Size, Priority: q.Priority, Class: q.Class,
		Library: r.library, Family: r.family, Volume: catalog.Label(q.Volume), Drive: string(w.Drive), Accepted: r.accepted, Attempts: r.attempts,
		Admin: q.Admin, User: q.User, Host: q.Host, Dataset: q.Dataset, Ahead: w.Ahead, Reason: w.Reason.String(),
	}
	if w.Blocker != "" {
		out.Reason += ": " + w.Blocker
	}
	if lease := l.granted[w.Lease]; lease != nil {
		why := lease.queue.Why
		out.Why = &why
	}
	if w.Volume != "" {
		out.Volume = catalog.Label(w.Volume)
	}
	return out
}

// Request tells of one request that is in the queue.
func (l *Library) Request(id catalog.RequestID) (Request, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w, ok := l.q.Find(qid(id))
	r := l.requests[id]
	if !ok || r == nil {
		return Request{}, l.unknown(id)
	}
	return l.tell(r, w), nil
}

// heldRequests lists the files that stay in the spool, oldest first. Caller holds mu.
func (l *Library) heldRequests() []Request {
	var all []Request
	for _, r := range l.requests {
		if r.state == held {
			all = append(all, Request{
				ID: r.id, Subject: r.subject(), Write: true, Spooled: true, Size: r.cached.Size, Priority: r.put.Priority, Class: r.put.Class,
				Library: r.library, Family: r.family, Accepted: r.accepted, Attempts: r.attempts, Reason: "held: " + r.err.Error(),
			})
		}
	}
	slices.SortFunc(all, func(a, b Request) int {
		return cmp.Or(a.Accepted.Compare(b.Accepted), bytes.Compare(a.ID[:], b.ID[:]))
	})
	return all
}
