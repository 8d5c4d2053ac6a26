package wire

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"time"

	"github.com/enstore-go/sdk/crc"
)

// DialOptions change how [Dial] connects.
type DialOptions struct {
	// Dial connects; nil is the ordinary net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Progress, if set, hears what the server says of the transfer, about every ten seconds while
	// there is nothing else to say. It is called from a goroutine of the Conn and must not block.
	Progress func(Progress)
}

const (
	magic       = "ENSTDATA"
	version     = 1
	helloSize   = 32
	welcomeSize = 12
	helloTime   = 5 * time.Second
)

// appendHello appends the hello of a client.
func appendHello(b []byte, dir Direction, t Token) []byte {
	at := len(b)
	b = append(b, magic...)
	b = binary.BigEndian.AppendUint16(b, version)
	b = append(b, byte(dir), 0)
	b = append(b, t[:]...)
	return binary.BigEndian.AppendUint32(b, crc.CRC32C(b[at:]))
}

// Dial connects to the address of a turn and proves its token. ctx bounds that only. An
// error of kind Unavailable means that the turn is over or its server cannot be reached:
// ask Control.Await for the next.
func Dial(ctx context.Context, turn Turn, dir Direction, o *DialOptions) (*Conn, error) {
	if o == nil {
		o = &DialOptions{}
	}
	dial := o.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: Silence}).DialContext
	}
	nc, err := dial(ctx, "tcp", turn.Address)
	if err != nil {
		kind := Unavailable
		if ctx.Err() != nil {
			kind = KindOf(ctx.Err())
		}
		return nil, Errorf(kind, "data port "+turn.Address, "%w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = nc.Close() })
	err = greet(nc, turn, dir)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = nc.Close()
		if ctx.Err() != nil {
			err = Errorf(KindOf(ctx.Err()), "data port "+turn.Address, "%w", ctx.Err())
		}
		return nil, err
	}
	c := newConn(nc, dir, false, "data port "+turn.Address, 0)
	c.progress = o.Progress
	if dir == WriteData {
		c.ready, c.settled = make(chan struct{}), make(chan struct{})
		go c.listen()
		c.startHeartbeat()
	}
	return c, nil
}

// greet says hello and reads the answer.
func greet(nc net.Conn, turn Turn, dir Direction) error {
	subject := "data port " + turn.Address
	if err := nc.SetDeadline(time.Now().Add(helloTime)); err != nil {
		return Errorf(Unavailable, subject, "%w", err)
	}
	if _, err := nc.Write(appendHello(nil, dir, turn.Token)); err != nil {
		return Errorf(Unavailable, subject, "hello: %w", err)
	}
	var w [welcomeSize]byte
	if _, err := io.ReadFull(nc, w[:]); err != nil {
		return Errorf(Unavailable, subject, "closed without an answer: the token is not valid, or no longer: %w", err)
	}
	if string(w[:8]) != magic {
		return Errorf(Invalid, subject, "does not speak the data protocol")
	}
	if w[10] != 0 {
		return Errorf(Invalid, subject, "speaks data protocol version %d, this program version %d", binary.BigEndian.Uint16(w[8:]), version)
	}
	if err := nc.SetDeadline(time.Time{}); err != nil {
		return Errorf(Unavailable, subject, "%w", err)
	}
	return nil
}

// listen reads what the server says to a writing client, until the result.
func (c *Conn) listen() {
	defer close(c.settled)
	for {
		v, done := c.hear()
		if !done {
			continue
		}
		c.verdict = v
		if v.err != nil {
			_ = c.nc.SetWriteDeadline(time.Now()) // a Write that waits for room returns
		}
		return
	}
}

// hear reads one frame. It tells whether that was the last.
func (c *Conn) hear() (verdict, bool) {
	t, n, sum, err := c.nextHeader()
	if err != nil {
		return verdict{err: err}, true
	}
	if t == frameData || t == frameEnd || t == frameAbort {
		return verdict{err: c.violation("frame of type %d from the receiver", t)}, true
	}
	p, err := c.payload(n, sum)
	if err != nil {
		return verdict{err: err}, true
	}
	switch t {
	case frameReady:
		select {
		case <-c.ready:
			return verdict{err: c.violation("ready twice")}, true
		default:
		}
		c.state.Store(uint32(Streaming))
		close(c.ready)
	case frameProgress:
		pr, err := c.parseProgress(p)
		if err != nil {
			return verdict{err: err}, true
		}
		c.tell(pr)
	case frameRefuse:
		return verdict{err: &refusal{c.parseError(p)}}, true
	case frameResult:
		return c.parseResult(p), true
	}
	return verdict{}, false
}

// refusal marks an error that came with Refuse.
type refusal struct{ error }

func (r *refusal) Unwrap() error { return r.error }

// Refused tells whether err says that the server refused the transfer before it took
// anything. The client then asks Control.Await for its next turn.
func Refused(err error) bool {
	_, ok := errors.AsType[*refusal](err)
	return ok
}

// AwaitReady blocks until the server wants the data. For an error that means "ask for the next
// turn" [Refused] is true.
func (c *Conn) AwaitReady(ctx context.Context) error {
	if c.ready == nil {
		return c.misused("AwaitReady")
	}
	select {
	case <-c.ready:
		return nil
	case <-c.settled:
		if c.verdict.err == nil {
			return c.violation("result before the data")
		}
		return c.verdict.err
	case <-ctx.Done():
		return Errorf(KindOf(ctx.Err()), c.subject, "wait for the drive: %w", ctx.Err())
	}
}

// AwaitResult blocks, after Finish, until the server says what has become of the file.
// Errors of kind Unavailable and Timeout say that the connection broke: the
// outcome is unknown then, and Control.Outcome tells it.
func (c *Conn) AwaitResult(ctx context.Context) (Record, error) {
	if c.settled == nil {
		return Record{}, c.misused("AwaitResult")
	}
	select {
	case <-c.settled:
	case <-ctx.Done():
		return Record{}, Errorf(KindOf(ctx.Err()), c.subject, "wait for the result: %w", ctx.Err())
	}
	switch v := c.verdict; {
	case v.err != nil:
		return Record{}, v.err
	case v.record == nil:
		return Record{}, c.violation("result without a record")
	default:
		return *v.record, nil
	}
}
