//go:build unix

package plugins

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/proto"

	"github.com/enstore-go/sdk/plugins/pluginpb"
	"github.com/enstore-go/sdk/tape/driver"
)

// errTimeout is the cause of a wait that took longer than the drive's own limits.
var errTimeout = errors.New("no answer in time")

// nonsense is an answer that no plugin of this protocol gives. The process that gave it is
// ended: nothing it says can be trusted any more.
type nonsense struct{ err error }

func (n *nonsense) Error() string { return n.err.Error() }
func (n *nonsense) Unwrap() error { return n.err }

func nonsensef(format string, args ...any) error { return &nonsense{fmt.Errorf(format, args...)} }

// A link is the host's end of the data socket: operations out, answers in, in the same
// order. It is used by one goroutine at a time.
//
// It reads answers only when it needs one, for a free slot or for an order from the plugin to
// be complete; there is no goroutine that reads. Everything that the plugin can make it
// remember is bounded by the number of slots.
type link struct {
	conn     *net.UnixConn
	in       *bufio.Reader
	lifeline *os.File // what is written here interrupts an operation; its end ends the plugin
	ring     []byte   // nil: blocks travel in the stream
	slots    uint64
	slot     int // bytes
	buf      []byte

	sent, answered uint64             // operations
	waiting        [maxSlots]awaiting // of the operations between the two, by number modulo slots
	skipping       bool               // the plugin carries nothing out until it is told to resume
	early          bool               // early warning, not yet passed on
	near           bool               // the last answer warned of the end of the medium
	failed         *driver.Error      // of an operation that had been accepted, not yet passed on
}

// awaiting is what the host remembers of an operation without an answer.
type awaiting struct {
	kind      frameKind
	into      []byte // read: where the block goes
	abandoned bool   // the caller has gone away with an unknown outcome
}

// answer is what came of one operation.
type answer struct {
	n       int
	cond    driver.Condition
	err     *driver.Error
	skipped bool
}

// setup agrees on the ring, or on the stream where there is none.
func (l *link) setup(ctx context.Context, slots, slot int, shared bool, limit time.Duration) error {
	l.slots, l.slot = uint64(slots), slot
	if shared {
		if mem, f, err := newRing(slots * slot); err == nil {
			err = l.offer(ctx, frameSetupRing, unix.UnixRights(int(f.Fd())), limit)
			f.Close()
			if err == nil {
				l.ring = mem
				return nil
			}
			freeRing(mem)
			if _, refused := errors.AsType[*driver.Error](err); !refused {
				return err
			}
		}
	}
	return l.offer(ctx, frameSetupStream, nil, limit)
}

func (l *link) offer(ctx context.Context, kind frameKind, rights []byte, limit time.Duration) error {
	l.buf = frame{kind: kind, length: uint32(l.slots), seq: uint64(l.slot)}.append(l.buf[:0])
	if _, _, err := l.conn.WriteMsgUnix(l.buf, rights, nil); err != nil {
		return err
	}
	f, err := l.receive(ctx, limit)
	if err != nil {
		return err
	}
	switch f.kind {
	case frameDone:
		return nil
	case frameFailed:
		return l.receiveError(f, limit)
	}
	return nonsensef("answered the set-up with a message of kind %d", f.kind)
}

// send puts an operation on its way. The block of a write is copied into its slot, which must
// be free: the caller has seen to it that fewer operations than slots are waiting. In the stream the block is
// sent whole, within limit, even if the caller would rather go: half a block cannot be taken back.
func (l *link) send(kind frameKind, n int, block []byte, into []byte, limit time.Duration) error {
	seq := l.sent
	l.waiting[seq%l.slots] = awaiting{kind: kind, into: into}
	l.sent++
	l.buf = frame{kind: kind, length: uint32(n), seq: seq}.append(l.buf[:0])
	if block != nil && l.ring != nil {
		copy(l.slotOf(seq, n), block)
		block = nil
	}
	if block == nil {
		_, err := l.conn.Write(l.buf)
		return err
	}
	if err := l.conn.SetWriteDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	bufs := net.Buffers{l.buf, block}
	if _, err := bufs.WriteTo(l.conn); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return errTimeout
		}
		return err
	}
	return nil
}

func (l *link) slotOf(seq uint64, n int) []byte {
	at := int(seq%l.slots) * l.slot
	return l.ring[at : at+n : at+n]
}

// cancel asks the plugin to interrupt the operation sent last. Nobody waits for it: its
// answer still comes, and is thrown away when it does.
func (l *link) cancel() {
	seq := l.sent - 1
	l.waiting[seq%l.slots].abandoned = true
	l.waiting[seq%l.slots].into = nil
	_ = l.lifeline.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = l.lifeline.Write(cancelMessage(seq))
}

// next takes one answer. It may be of an operation that was abandoned; done says so.
func (l *link) next(ctx context.Context, limit time.Duration) (a answer, abandoned bool, err error) {
	f, err := l.receive(ctx, limit)
	if err != nil {
		return answer{}, false, err
	}
	if l.answered == l.sent || f.seq != l.answered {
		return answer{}, false, nonsensef("answered operation %d, where %d of %d was due", f.seq, l.answered, l.sent)
	}
	w := l.waiting[f.seq%l.slots]
	l.waiting[f.seq%l.slots] = awaiting{}
	l.answered++
	l.near = f.cond == driver.EarlyWarning
	switch {
	case f.kind == frameFailed:
		l.skipping = l.skipping || w.kind != frameRead
		e := l.receiveError(f, limit)
		de, ok := errors.AsType[*driver.Error](e)
		if !ok {
			return answer{}, false, e
		}
		return answer{err: de}, w.abandoned, nil
	case f.kind == frameSkipped && l.skipping:
		return answer{skipped: true}, w.abandoned, nil
	case f.kind != frameDone || l.skipping:
		return answer{}, false, nonsensef("answered an operation with a message of kind %d", f.kind)
	case w.kind == frameRead:
		n, err := l.takeBlock(f, w, limit)
		return answer{n: n, cond: f.cond}, w.abandoned, err
	}
	return answer{cond: f.cond}, w.abandoned, nil
}

// takeBlock copies the block that answers a read. The length is checked against the
// room that the caller gave, whatever the plugin says.
func (l *link) takeBlock(f frame, w awaiting, limit time.Duration) (int, error) {
	n := int(f.length)
	room := len(w.into)
	if w.abandoned {
		room = l.slot
	}
	if n > room {
		return 0, nonsensef("read a block of %d bytes where %d were asked for", n, room)
	}
	switch {
	case l.ring != nil:
		copy(w.into, l.slotOf(f.seq, n))
		return n, nil
	case w.abandoned:
		return n, l.body(func() error { _, err := l.in.Discard(n); return err }, limit)
	default:
		return n, l.body(func() error { _, err := io.ReadFull(l.in, w.into[:n]); return err }, limit)
	}
}

func (l *link) receiveError(f frame, limit time.Duration) error {
	if f.length > maxErrorBytes {
		return nonsensef("sent an error of %d bytes", f.length)
	}
	b := make([]byte, f.length)
	if err := l.body(func() error { _, err := io.ReadFull(l.in, b); return err }, limit); err != nil {
		return err
	}
	var m pluginpb.Error
	if err := proto.Unmarshal(b, &m); err != nil {
		return nonsensef("sent an error that cannot be read: %w", err)
	}
	return errorFromWire(&m)
}

// body reads what belongs to a message that has come: it is on its way, and not worth
// interrupting.
func (l *link) body(read func() error, limit time.Duration) error {
	if err := l.conn.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	err := read()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errTimeout
	}
	return err
}

// receive reads the next message. It ends with the context's error, with errTimeout after
// limit, or with what broke the socket.
func (l *link) receive(ctx context.Context, limit time.Duration) (frame, error) {
	if l.in.Buffered() < frameSize {
		if err := l.fill(ctx, limit); err != nil {
			return frame{}, err
		}
	}
	b, err := l.in.Peek(frameSize)
	if err != nil {
		return frame{}, err
	}
	f, err := parseFrame(b)
	if err != nil {
		return frame{}, &nonsense{err}
	}
	_, _ = l.in.Discard(frameSize)
	return f, nil
}

func (l *link) fill(ctx context.Context, limit time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if ctx.Done() != nil {
		hurried := make(chan struct{})
		stop := context.AfterFunc(ctx, func() {
			_ = l.conn.SetReadDeadline(time.Unix(1, 0))
			close(hurried)
		})
		defer func() {
			if !stop() { // its deadline must not hit the reads that follow
				<-hurried
			}
		}()
	}
	if err := l.conn.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil { // it may have ended before the deadline was set
		return err
	}
	_, err := l.in.Peek(frameSize)
	switch {
	case !errors.Is(err, os.ErrDeadlineExceeded):
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return errTimeout
}

// resume ends the skipping, once every operation is answered.
func (l *link) resume() error {
	if !l.skipping {
		return nil
	}
	l.skipping = false
	l.buf = frame{kind: frameResume}.append(l.buf[:0])
	_, err := l.conn.Write(l.buf)
	return err
}

// settle takes answers until no more than keep operations wait. What comes of operations that had
// been accepted is kept: a warning in early, a failure in failed. After a failure all
// are awaited, because the plugin skips what follows it.
func (l *link) settle(ctx context.Context, keep uint64, limit time.Duration) error {
	for l.sent-l.answered > keep {
		a, abandoned, err := l.next(ctx, limit)
		if err != nil {
			return err
		}
		switch {
		case a.err != nil:
			keep = 0
			if !abandoned && l.failed == nil {
				l.failed = a.err
				l.failed.Sense.Deferred = true
			}
		case a.cond == driver.EarlyWarning:
			l.early = true
		}
	}
	if l.skipping && l.sent == l.answered {
		return l.resume()
	}
	return nil
}

// takeFailure gives the failure that waits to be told, once.
func (l *link) takeFailure() *driver.Error {
	e := l.failed
	l.failed = nil
	return e
}

func (l *link) takeEarly() driver.Condition {
	if l.early {
		l.early = false
		return driver.EarlyWarning
	}
	return driver.NoCondition
}
