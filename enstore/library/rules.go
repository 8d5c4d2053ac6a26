package library

import (
	"time"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore/wire"
	"github.com/enstore-go/sdk/queue"
)

// hardly is by how many times MaxRequests may be passed by those that stand above it.
const hardly = 2

// room says why a request cannot be taken just now: there are too many, of all or of its user, or a limit that refuses is reached. One with an
// administrative priority is taken while there is memory.
func (l *Library) room(r *request) error {
	l.mu.Lock()
	defer l.unlock()
	if err := l.takes(r.library, r.put != nil); err != nil {
		return err
	}
	q := r.describe()
	if l.q.Priority(q).Admin > 0 {
		return nil
	}
	switch n := l.users[r.user()]; {
	case l.live > l.o.MaxRequests:
		return l.busy(r, "%d requests are on their way, no more are taken just now", l.live-1)
	case l.o.MaxPerUser > 0 && n > l.o.MaxPerUser:
		return l.busy(r, "%d requests of user %q are on their way, no more of theirs are taken just now", n-1, r.user())
	}
	if name, full := l.q.Refuses(q); full {
		return l.busy(r, "limit %q is reached", name)
	}
	return nil
}

// delay is how long the queue of a library was, when that was found out.
type delay struct {
	at   time.Time
	last time.Duration
}

// When a client that was told Busy may come again: when a tenth of what waits will be done, within these bounds.
const (
	soonest = 5 * time.Second
	latest  = 10 * time.Minute
	part    = 10
	afresh  = 5 * time.Second // how long an estimate is used: a storm of refusals costs little
)

// busy refuses a request for now. Caller holds mu.
func (l *Library) busy(r *request, format string, args ...any) error {
	e := wire.Errorf(wire.Busy, r.subject(), format, args...)
	d := l.delays[r.library]
	if now := time.Now(); now.Sub(d.at) > afresh {
		d = delay{now, l.q.Delay(queue.Library(r.library))}
		l.delays[r.library] = d
	}
	e.RetryAfter = min(max(d.last/part, soonest), latest)
	return e
}

// Configure changes the numbers and rules by which the queue decides, without a restart. Bad ones change nothing; the error names the rule.
func (l *Library) Configure(s queue.Settings) error {
	if err := s.Check(); err != nil {
		return wire.Errorf(wire.Invalid, "rules", "%w", err)
	}
	l.mu.Lock()
	defer l.unlock()
	if l.closed {
		return errClosed
	}
	if err := l.apply(queue.Configured{Time: time.Now(), Settings: s}); err != nil {
		return wire.Errorf(wire.Invalid, "rules", "%w", err)
	}
	return nil
}

// change tells the queue something of a request that waits or is in work, and notes it with a write, durably.
func (l *Library) change(id catalog.RequestID, e queue.Event, note func(*request)) error {
	made, err := l.changeNow(id, e, note)
	if err == nil && made != nil {
		if err := l.j.wait(made); err != nil {
			return wire.Errorf(wire.Unavailable, "request "+id.String(), "done, and the next start will not know of it: %w", err)
		}
	}
	return err
}

func (l *Library) changeNow(id catalog.RequestID, e queue.Event, note func(*request)) (*batch, error) {
	l.mu.Lock()
	defer l.unlock()
	r := l.requests[id]
	switch {
	case l.closed:
		return nil, errClosed
	case r == nil || r.state == ended:
		return nil, wire.Errorf(wire.NotFound, "request "+id.String(), "is not on its way")
	case r.state != queued:
		return nil, wire.Errorf(wire.NotAllowed, r.subject(), "request %s is not in the queue: it is on its way to the spool, or held there", id)
	}
	if err := l.apply(e); err != nil {
		return nil, wire.Errorf(wire.Internal, "request "+id.String(), "%w", err)
	}
	note(r)
	if r.put == nil { // a read ends with the process
		return nil, nil
	}
	return l.j.append(encodeAccept(r), true), nil
}

// Hold keeps a request from being started. One that a drive works on is held when it comes back. A write is held after a restart, too.
func (l *Library) Hold(id catalog.RequestID, who string) error {
	if err := short("request "+id.String(), who); err != nil {
		return err
	}
	return l.change(id, queue.RequestHeld{Time: time.Now(), ID: qid(id), Who: who}, func(r *request) { r.onHold, r.holder = true, who })
}

// ReleaseHold takes Hold back.
func (l *Library) ReleaseHold(id catalog.RequestID) error {
	return l.change(id, queue.RequestReleased{Time: time.Now(), ID: qid(id)}, func(r *request) { r.onHold, r.holder = false, "" })
}

// SetPriority gives a request another priority than it came with; a write has it after a restart, too.
func (l *Library) SetPriority(id catalog.RequestID, priority int) error {
	return l.change(id, queue.Reprioritised{Time: time.Now(), ID: qid(id), Priority: priority}, func(r *request) {
		if r.put == nil {
			r.get.Priority = priority
			return
		}
		p := *r.put
		p.Priority = priority
		r.put = &p
	})
}

// Forgive uses a drive, a volume, or a pair of them again that failed too often.
func (l *Library) Forgive(drive string, volume catalog.Label) error {
	l.mu.Lock()
	defer l.unlock()
	if l.closed {
		return errClosed
	}
	if err := l.apply(queue.Forgiven{Time: time.Now(), Drive: queue.Drive(drive), Volume: queue.Volume(volume)}); err != nil {
		return wire.Errorf(wire.Invalid, "forgive", "%w", err)
	}
	return nil
}

// Explain gives what holds a request back: see queue.Machine.Explain.
func (l *Library) Explain(id catalog.RequestID) ([]queue.Obstacle, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all, ok := l.q.Explain(qid(id))
	if !ok {
		return nil, l.unknown(id)
	}
	return all, nil
}

// Estimate says when a request will be done, about: see queue.Machine.Estimate. It is false if something holds it back of which nobody knows
// when it ends.
func (l *Library) Estimate(id catalog.RequestID) (queue.Estimate, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.q.Explain(qid(id)); !known {
		return queue.Estimate{}, false, l.unknown(id)
	}
	e, ok := l.q.Estimate(qid(id))
	return e, ok, nil
}

func (l *Library) unknown(id catalog.RequestID) error {
	if r := l.requests[id]; r != nil && r.state != ended {
		return wire.Errorf(wire.NotAllowed, r.subject(), "request %s is not in the queue: it is on its way to the spool, or held there", id)
	}
	return wire.Errorf(wire.NotFound, "request "+id.String(), "is not on its way")
}

// Shares lists the shares and what they have: see queue.Machine.Shares.
func (l *Library) Shares() []queue.Share {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.q.Shares()
}

// Strikes lists the failures that count against drives and volumes.
func (l *Library) Strikes() []queue.Strike {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.q.Strikes()
}
