package library

import (
	"time"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore/spool"
	"github.com/enstore-go/sdk/enstore/wire"
)

// receive has the spool expect the client of a request. What an earlier turn may have brought is cut off. Caller holds mu,
// which is given back meanwhile.
func (l *Library) receive(r *request) (wire.Turn, error) {
	r.stream++
	n := r.stream
	r.streaming = true
	put := *r.put
	l.unlock()
	turn, err := l.o.Spool.Receive(put, func(i spool.Info, err error) error { return l.received(r, n, i, err) })
	l.mu.Lock()
	if err == nil {
		return turn, nil
	}
	if r.stream == n {
		r.streaming = false
	}
	switch wire.KindOf(err) {
	case wire.Busy, wire.Exists: // too many streams, or another turn of this one: the client asks again
		return wire.Turn{}, wire.Errorf(wire.Unavailable, r.subject(), "%w", err)
	case wire.Unavailable:
		return wire.Turn{}, err
	}
	l.finish(r, nil, wire.AsError(err, "put", r.subject()))
	return wire.Turn{}, err
}

// received is called by the spool when the n-th stream of a request has ended. With a nil error the file is durable; the
// client then hears what received returns.
func (l *Library) received(r *request, n int, i spool.Info, failed error) error {
	if failed != nil {
		l.cut(r, n, failed)
		return nil
	}
	l.mu.Lock()
	p, library, wrapper := known(*r.put, i), r.library, r.family.Wrapper
	l.mu.Unlock()
	wrapper, err := l.fits(l.ctx, library, wrapper, p)
	l.mu.Lock()
	defer l.unlock()
	switch {
	case r.state == ended && r.err != nil:
		l.spend(r)
		return r.err
	case l.closed:
		return nil // durable it is; the next start finds it
	case err != nil:
		e := wire.AsError(err, "put", r.subject())
		l.finish(r, nil, e)
		return e
	}
	l.cached(r, i, wrapper)
	l.o.Step("library: cached")
	r.streaming = false
	if r.state == spooling {
		l.submit(r)
	}
	return nil
}

// cut follows the end of a stream that was not complete. The client may come again, if it is one that can, unless
// the file itself is at fault.
func (l *Library) cut(r *request, n int, why error) {
	l.mu.Lock()
	defer l.unlock()
	if r.stream != n || r.state != spooling || l.closed {
		return // of a turn before the present one
	}
	r.streaming = false
	r.attempts++
	kind := wire.KindOf(why)
	again := kind == wire.Unavailable || kind == wire.Restart || kind == wire.Timeout
	if !again || r.attempts >= l.o.MaxAttempts {
		l.finish(r, nil, wire.AsError(why, "put", r.subject()))
		return
	}
	l.attend(r)
	r.notify()
}

// known is a request whose whole file is in the spool: from there on its size is known.
func known(p wire.Put, i spool.Info) wire.Put {
	p.Size, p.Sum = i.Size, &i.Adler
	return p
}

// cached notes that the whole file is durable in the spool, and which wrapper it gets. Caller holds mu.
func (l *Library) cached(r *request, i spool.Info, wrapper string) {
	p := known(*r.put, i)
	r.put, r.family.Wrapper = &p, wrapper
	r.cached = &wire.Record{
		Key: p.Key, Size: i.Size, Adler: i.Adler, SanitySize: i.SanitySize, SanitySum: i.SanitySum,
		Level: catalog.Cached, Request: r.id, Stored: i.Cached.Round(time.Microsecond),
		Library: r.library, Family: r.family, Mode: p.Mode, UID: p.UID, GID: p.GID, MTime: p.MTime,
	}
}
