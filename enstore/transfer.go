package enstore

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/enstore-go/sdk/enstore/wire"
)

// Progress is how far a transfer has come.
type Progress struct {
	State State
	Bytes int64 // that have passed
	Total int64 // that will; -1: not known
}

// reporter calls a Progress function, at most four times a second but for changes of state.
type reporter struct {
	fn    func(Progress)
	total int64

	mu    sync.Mutex
	state State
	bytes int64
	last  time.Time
}

func (r *reporter) report(s State, bytes int64) {
	if r.fn == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if s == r.state && (bytes == r.bytes || time.Since(r.last) < 250*time.Millisecond) {
		return
	}
	r.state, r.bytes, r.last = s, bytes, time.Now()
	r.fn(Progress{State: s, Bytes: bytes, Total: r.total})
}

// heard takes what the server says: while it secures the file, nobody else speaks.
func (r *reporter) heard(p wire.Progress) {
	if p.State != Streaming {
		r.report(p.State, p.Bytes)
	}
}

// pause waits before the n-th attempt, n from 1: not at all before the first two, then longer and
// longer up to 5 seconds.
func pause(ctx context.Context, n int) error {
	if n <= 2 {
		return ctx.Err()
	}
	t := time.NewTimer(min(50*time.Millisecond<<min(n-3, 10), 5*time.Second))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// turns bounds how often a client asks for its turn in a row without getting through.
const turns = 40

// connect waits for a request's turn and connects; for a write it also waits until
// the drive is ready. Turns that come to nothing are waited for again. When the request has ended meanwhile it
// gives its record in place of a connection.
func (c *Client) connect(ctx context.Context, id RequestID, dir wire.Direction, r *reporter) (*wire.Conn, *Record, error) {
	var last error
	for n := 1; n <= turns; n++ {
		if err := pause(ctx, n); err != nil {
			return nil, nil, err
		}
		turn, err := c.control.Await(ctx, id)
		switch {
		case err != nil && KindOf(err) == wire.Unavailable && ctx.Err() == nil:
			last = err
			continue
		case err != nil:
			return nil, nil, &ended{err}
		case turn.Done != nil:
			return nil, turn.Done, nil
		}
		conn, err := wire.Dial(ctx, turn, dir, &wire.DialOptions{Dial: c.opts.Dial, Progress: r.heard})
		if err != nil {
			if k := KindOf(err); ctx.Err() != nil || k != wire.Unavailable && k != wire.Timeout {
				return nil, nil, err
			}
			last = err
			continue
		}
		if dir == wire.ReadData {
			return conn, nil, nil
		}
		if err = conn.AwaitReady(ctx); err == nil {
			return conn, nil, nil
		}
		_ = conn.Close()
		if ctx.Err() != nil || !wire.Refused(err) && !broken(err) {
			return nil, nil, err
		}
		if wire.Refused(err) && !again(err) {
			return nil, nil, err // it would be no better the next time
		}
		last = err
	}
	return nil, nil, fmt.Errorf("%d turns came to nothing, the last one: %w", turns, last)
}

// ended marks an error with which the site has settled a request: it will not come to its turn again.
type ended struct{ error }

func (e *ended) Unwrap() error { return e.error }

// broken tells whether err is a connection's end and not somebody's answer.
func broken(err error) bool {
	k := KindOf(err)
	return k == wire.Unavailable || k == wire.Timeout
}

// again tells whether the failure was not the file's own, so that another attempt makes sense.
func again(err error) bool {
	return broken(err) || KindOf(err) == wire.Restart || turnedAway(err)
}

// turnedAway tells whether a mover had no time for the request: it was not begun.
func turnedAway(err error) bool { return KindOf(err) == wire.Busy }

// outcome asks what has become of a request, patiently while the site cannot be reached.
func (c *Client) outcome(ctx context.Context, id RequestID, level Level) (Record, error) {
	var last error
	for n := 1; n <= turns; n++ {
		if err := pause(ctx, n); err != nil {
			return Record{}, err
		}
		rec, err := c.control.Outcome(ctx, id, level)
		if err == nil || ctx.Err() != nil || KindOf(err) != wire.Unavailable {
			return rec, err
		}
		last = err
	}
	return Record{}, last
}

// reach waits until a stored file has the level, or is settled without.
func (c *Client) reach(ctx context.Context, rec Record, level Level) (Record, error) {
	if rec.Level >= level {
		return rec, nil
	}
	key := rec.Key
	if !rec.Request.IsZero() {
		settled, err := c.outcome(ctx, rec.Request, level)
		if err != nil {
			return rec, asError(err, "wait", key)
		}
		rec = settled
	}
	if rec.Level < level {
		return rec, wire.Errorf(wire.Unavailable, key, "is %s, and will not become %s by waiting", rec.Level, level)
	}
	return rec, nil
}

// giveUp cancels a request that nobody wants any more. It takes a few seconds at most.
func (c *Client) giveUp(id RequestID) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = c.control.Cancel(ctx, id) // a site that does not hear it gives up by itself when nobody comes
}

// cut turns the end of a connection in mid-stream into Restart; what the other side said stays.
func cut(err error, key string, safe int64) error {
	if err == nil || !broken(err) {
		return err
	}
	return &Error{Kind: wire.Restart, Subject: key, Text: "stream cut: " + err.Error(), SafeBytes: safe, Err: err}
}

// contextError makes an error out of a context that has ended, or keeps err.
func contextError(ctx context.Context, err error, key string) error {
	if ctx.Err() == nil {
		return err
	}
	return wire.Errorf(KindOf(ctx.Err()), key, "%w", ctx.Err())
}

func quote(s string) string {
	if len(s) > 80 {
		return fmt.Sprintf("%.80q...", s)
	}
	return fmt.Sprintf("%q", s)
}
