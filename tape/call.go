package tape

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/enstore-go/sdk/tape/driver"
)

// DefaultGrace is how long a driver may take to return after its time is over.
const DefaultGrace = 5 * time.Second

// port carries calls to one device: one at a time, each with its time limit. A call that
// ignores its context is abandoned, and keeps the device busy until it returns.
type port struct {
	busy   chan struct{} // holds one token while a call runs, an abandoned one too
	closed atomic.Bool
	grace  time.Duration

	mu    sync.Mutex
	stuck string // the abandoned call
}

// abandon gives up the running call op, unless it has just returned.
func (p *port) abandon(op string, returned *bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !*returned {
		p.stuck = op
	}
}

// release ends a call.
func (p *port) release(returned *bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	*returned, p.stuck = true, ""
	<-p.busy
}

func (p *port) abandoned() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stuck
}

func newPort(grace time.Duration) *port {
	if grace <= 0 {
		grace = DefaultGrace
	}
	return &port{busy: make(chan struct{}, 1), grace: grace}
}

// failed makes an error of this package's own making in the form of a driver's.
func failed(op string, o driver.Outcome, text string) *driver.Error {
	return &driver.Error{Op: op, Outcome: o, Sense: driver.Sense{Info: driver.Unknown}, Text: text}
}

// answer is what comes back of a call.
type answer[T any] struct {
	value T
	err   error
}

// call runs f with a deadline. began tells whether the device may have seen the
// call. An error after that is, or wraps, a *driver.Error. The values that f
// returns travel through a channel, so an abandoned f shares nothing with the caller
// but the buffers it was given.
func call[T any](ctx context.Context, p *port, op string, limit time.Duration, f func(context.Context) (T, error)) (value T, began bool, err error) {
	if p.closed.Load() {
		return value, false, ErrClosed
	}
	select {
	case p.busy <- struct{}{}:
	default:
		if s := p.abandoned(); s != "" {
			return value, false, failed(op, driver.OutcomeTimeout, "an earlier "+s+" has not returned yet")
		}
		select {
		case p.busy <- struct{}{}:
		case <-ctx.Done():
			return value, false, ctx.Err()
		}
	}
	if err := ctx.Err(); err != nil {
		<-p.busy
		return value, false, err
	}
	within, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	done := make(chan answer[T], 1)
	returned := new(bool)
	go func() {
		v, err := f(within)
		p.release(returned)
		done <- answer[T]{v, err}
	}()
	var a answer[T]
	select {
	case a = <-done:
	case <-within.Done():
		grace := time.NewTimer(p.grace)
		defer grace.Stop()
		select {
		case a = <-done:
		case <-grace.C:
			p.abandon(op, returned)
			return value, true, failed(op, driver.OutcomeTimeout, fmt.Sprintf("no answer %v after its time was over", p.grace))
		}
	}
	if a.err == nil {
		return a.value, true, nil
	}
	err = typed(op, a.err)
	if OutcomeOf(err) == driver.OutcomeUnknown && within.Err() != nil && ctx.Err() == nil {
		err = failed(op, driver.OutcomeTimeout, fmt.Sprintf("no answer within %v", limit))
	}
	return a.value, true, err
}

// idle waits until no call runs.
func (p *port) idle(ctx context.Context) error {
	select {
	case p.busy <- struct{}{}:
		<-p.busy
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// close runs f, a driver's Close, which may be called at any time, within the grace.
func (p *port) close(op string, f func() error) error {
	if p.closed.Swap(true) {
		return nil
	}
	done := make(chan error, 1)
	go func() { done <- f() }()
	t := time.NewTimer(p.grace)
	defer t.Stop()
	select {
	case err := <-done:
		if err != nil {
			return typed(op, err)
		}
		return nil
	case <-t.C:
		return failed(op, driver.OutcomeTimeout, fmt.Sprintf("no answer within %v", p.grace))
	}
}
