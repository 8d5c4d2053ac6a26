package mover

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore/wire"
)

// Spool hands out what clients left on disk; *spool.Spool is one.
type Spool interface {
	// Open returns the data of a spooled request, its size and Adler-32.
	Open(id catalog.RequestID) (r io.ReadCloser, size int64, adler uint32, err error)
}

// source is where the bytes of a file come from, and who is told what became of it. After
// stored, fail or refuse it is closed.
type source interface {
	io.Reader
	ready() error                    // the mover begins: data may come
	end() (size int64, adler uint32) // what the other side says, after Read returned io.EOF
	stored(wire.Record)              // it is safe on tape
	fail(error)                      // it is not
	refuse(error)                    // it was not begun
	cut()                            // no more bytes come; may be called beside Read
}

// offered is a request whose client has been told to come.
type offered struct {
	assignment wire.Assignment
	pending    *wire.Pending // nil: the data lies in the spool, or the offer failed
	err        error
	queued     time.Duration // from acceptance to the offer
}

// offer tells the clients of the requests where to connect.
func (m *Mover) offer(ctx context.Context, lease wire.Lease, as []wire.Assignment) []offered {
	out := make([]offered, 0, len(as))
	for _, a := range as {
		o := offered{assignment: a}
		if !a.Queued.IsZero() {
			o.queued = time.Since(a.Queued)
		}
		if a.Spool == "" {
			dir := wire.WriteData
			if a.File != nil {
				dir = wire.ReadData
			}
			turn := wire.Turn{Address: m.opts.Listener.Addr(), Token: wire.NewToken()}
			o.pending, o.err = m.opts.Listener.Expect(turn.Token, dir, a.Request)
			if o.err == nil {
				o.err = m.opts.Dispatcher.Offer(ctx, lease.ID, a.Request, turn)
			}
		}
		out = append(out, o)
	}
	return out
}

// begin asks whether a request that was offered may be begun. If not, its client is sent away and asks for another turn.
func (m *Mover) begin(ctx context.Context, lease wire.Lease, o offered) bool {
	err := m.opts.Dispatcher.Begin(ctx, lease.ID, o.assignment.Request)
	if err == nil {
		return true
	}
	m.log.Debug("request not begun", "request", o.assignment.Request, "reason", err)
	if o.pending != nil {
		o.pending.Close()
	}
	return false
}

// connect waits for the client of an offered request.
func (m *Mover) connect(ctx context.Context, o offered) (*wire.Conn, error) {
	if o.pending != nil {
		defer o.pending.Close()
	}
	if o.err != nil {
		return nil, o.err
	}
	ctx, cancel := context.WithTimeout(ctx, m.opts.Client)
	defer cancel()
	c, err := o.pending.Wait(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = wire.Errorf(wire.Timeout, o.assignment.Request.String(), "the client did not connect within %v", m.opts.Client)
	}
	return c, err
}

// source opens where the request's bytes come from.
func (m *Mover) source(ctx context.Context, o offered) (source, error) {
	if o.assignment.Spool == "" {
		c, err := m.connect(ctx, o)
		if err != nil {
			return nil, err
		}
		c.LeaveSum() // the wrapper sums up what lies in the block buffers
		return &streamed{c}, nil
	}
	if m.opts.Spool == nil {
		return nil, wire.Errorf(wire.Internal, o.assignment.Request.String(), "the request is spooled and this mover has no spool")
	}
	r, size, sum, err := m.opts.Spool.Open(o.assignment.Request)
	if err != nil {
		return nil, err
	}
	return &spooled{ReadCloser: r, size: size, sum: sum}, nil
}

// giveBack sends those away who were told to come and were not served. The end of the lease puts their requests back
// into the queue, unless the volume is beyond hope and they want to read it.
func (m *Mover) giveBack(ctx context.Context, lease wire.Lease, os []offered, why error) {
	for _, o := range os {
		if o.pending != nil {
			o.pending.Close()
		}
		if lease.Kind == wire.ReadLease && hopeless(why) {
			m.settle(ctx, lease, o.assignment.Request, nil, told(why, lease.Grant.Volume.Label))
		}
	}
}

// settleTime is how long a library may take to be told what became of requests. It does without if need be: it asks the
// catalogue.
const settleTime = 10 * time.Second

// settle tells the library what became of one request, before its client hears it.
func (m *Mover) settle(ctx context.Context, lease wire.Lease, id catalog.RequestID, rec *wire.Record, err error) {
	s := wire.Settlement{Request: id, Record: rec}
	if err != nil {
		s.Err = wire.AsError(err, "transfer", id.String())
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	if e := m.opts.Dispatcher.Settle(ctx, lease.ID, []wire.Settlement{s}); e != nil {
		m.log.Warn("library not told of a request's end", "request", id, "error", e)
	}
}

// streamed is a client's connection.
type streamed struct{ *wire.Conn }

func (s *streamed) ready() error         { return s.Ready() }
func (s *streamed) end() (int64, uint32) { return s.End() }
func (s *streamed) stored(r wire.Record) { s.result(&r, nil) }
func (s *streamed) fail(err error)       { s.result(nil, err) }

func (s *streamed) cut() { _ = s.Close() }

func (s *streamed) refuse(err error) {
	s.Refuse(err)
	_ = s.Close()
}

// result tells the client; one that is gone asks the library.
func (s *streamed) result(r *wire.Record, err error) {
	_ = s.Result(r, err)
	_ = s.Close()
}

// spooled is a file of the spool. The library removes it once the request is settled.
type spooled struct {
	io.ReadCloser
	size int64
	sum  uint32
}

func (s *spooled) ready() error         { return nil }
func (s *spooled) end() (int64, uint32) { return s.size, s.sum }
func (s *spooled) stored(wire.Record)   { _ = s.Close() }
func (s *spooled) fail(error)           { _ = s.Close() }
func (s *spooled) refuse(error)         { _ = s.Close() }
func (s *spooled) cut()                 { _ = s.Close() }
