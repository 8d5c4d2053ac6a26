// Package desk is where an operator speaks with the library manager of a site that is at work: what waits, why, and how long; hold it, hurry
// it, drop it; open and close libraries; load other rules.
//
// # Nouns
//
// A [Desk] is what may be asked and told. [Of] makes one of a library manager in this process, [Serve] offers it on a Unix socket, and
// [Dial] reaches it from another process of the same user.
//
//	d, err := desk.Dial("/srv/tape/run/desk.sock")
//	requests, err := d.Requests(ctx)
//	e, err := d.Explain(ctx, requests[0].ID)
//	err = d.Change(ctx, requests[0].ID, desk.Change{Do: desk.Hold, Who: "anna"})
//	err = d.SetState(ctx, library.LibraryState{Library: "LTO9", State: library.StateLocked, Reason: "inventory", Who: "anna"})
//
// The socket speaks HTTP with JSON. Who may open it may do all this: it stands in the site's own directory, which is for its user
// alone.
//
// It does not serve a network, and moves no files.
package desk

import (
	"context"
	"time"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore/library"
	"github.com/enstore-go/sdk/enstore/wire"
	"github.com/enstore-go/sdk/queue"
)

// Desk is what an operator may ask and tell. Errors are *wire.Error, or the context's, or that there is nobody at the desk.
type Desk interface {
	// Requests lists what is on its way, what drives work on first, then in the order in which it would go next.
	Requests(ctx context.Context) ([]library.Request, error)
	// Explain tells of one request what holds it back and when it will be done.
	Explain(ctx context.Context, id catalog.RequestID) (Explanation, error)
	// Change does something with one request.
	Change(ctx context.Context, id catalog.RequestID, c Change) error
	// Libraries tells the state of each library of the site.
	Libraries(ctx context.Context) ([]Library, error)
	// SetState puts a library into another state; it is durable then.
	SetState(ctx context.Context, s library.LibraryState) error
	// Shares tells what the shares have.
	Shares(ctx context.Context) ([]queue.Share, error)
	// Strikes lists the failures that count against drives and volumes, Forgive forgets those of a drive, a volume, or a pair.
	Strikes(ctx context.Context) ([]queue.Strike, error)
	Forgive(ctx context.Context, drive string, volume catalog.Label) error
	// Reload reads the rules of the site file anew. Bad ones change nothing.
	Reload(ctx context.Context) error
}

// Explanation is what is known of one request that is in the queue.
type Explanation struct {
	Request   library.Request
	Obstacles []queue.Obstacle // none: it can go, or is in work
	Estimate  *queue.Estimate  // nil: nobody knows when what holds it back will end
}

// Do is what is done with a request.
type Do string

// What can be done with a request.
const (
	Cancel   Do = "cancel"
	Hold     Do = "hold"
	Release  Do = "release"
	Priority Do = "priority"
)

// Change is something to be done with a request.
type Change struct {
	Do       Do
	Priority int    // with Priority
	Who      string // does it
}

// Library is a library as an operator sees it.
type Library struct {
	library.LibraryState
	Waiting int           // requests
	Working int           // requests that drives have
	Bytes   int64         // of those that wait, as far as known
	Oldest  time.Duration // how long the one has waited that came first
}

// Of makes the desk of a library manager in this process. Names are the site's libraries; reload reads its rules anew.
func Of(l *library.Library, names []catalog.LibraryName, reload func() error) Desk {
	return &own{l, names, reload}
}

type own struct {
	l      *library.Library
	names  []catalog.LibraryName
	reload func() error
}

func (o *own) Requests(context.Context) ([]library.Request, error) { return o.l.Requests(), nil }

func (o *own) Explain(_ context.Context, id catalog.RequestID) (Explanation, error) {
	obstacles, err := o.l.Explain(id)
	if err != nil {
		return Explanation{}, err
	}
	out := Explanation{Obstacles: obstacles}
	e, ok, err := o.l.Estimate(id)
	if err != nil {
		return Explanation{}, err
	}
	if ok {
		out.Estimate = &e
	}
	if out.Request, err = o.l.Request(id); err != nil {
		return Explanation{}, err
	}
	return out, nil
}

func (o *own) Change(ctx context.Context, id catalog.RequestID, c Change) error {
	switch c.Do {
	case Cancel:
		if _, err := o.l.Request(id); wire.KindOf(err) == wire.NotFound {
			return err // Cancel itself forgives what is not there; one that is on its way to the spool, or held there, can be given up too
		}
		return o.l.Cancel(ctx, id)
	case Hold:
		return o.l.Hold(id, c.Who)
	case Release:
		return o.l.ReleaseHold(id)
	case Priority:
		return o.l.SetPriority(id, c.Priority)
	}
	return wire.Errorf(wire.Invalid, "request "+id.String(), "nobody can %q a request", c.Do)
}

func (o *own) Libraries(context.Context) ([]Library, error) {
	all := make([]Library, len(o.names))
	for i, name := range o.names {
		all[i].LibraryState = o.l.StateOf(name)
	}
	now := time.Now()
	for _, r := range o.l.Requests() {
		for i := range all {
			l := &all[i]
			switch {
			case l.Library != r.Library:
			case r.Drive != "":
				l.Working++
			default:
				l.Waiting++
				l.Bytes += max(r.Size, 0)
				l.Oldest = max(l.Oldest, now.Sub(r.Accepted))
			}
		}
	}
	return all, nil
}

func (o *own) SetState(_ context.Context, s library.LibraryState) error {
	for _, name := range o.names {
		if name == s.Library {
			return o.l.SetState(s)
		}
	}
	return wire.Errorf(wire.NotFound, "library "+string(s.Library), "the site has %q", o.names)
}

func (o *own) Shares(context.Context) ([]queue.Share, error)   { return o.l.Shares(), nil }
func (o *own) Strikes(context.Context) ([]queue.Strike, error) { return o.l.Strikes(), nil }
func (o *own) Forgive(_ context.Context, drive string, volume catalog.Label) error {
	return o.l.Forgive(drive, volume)
}
func (o *own) Reload(context.Context) error { return o.reload() }
