//go:build unix

package plugins

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/proto"

	"github.com/enstore-go/sdk/tape/driver"
)

// cancelSize is the size of a message on the lifeline: the number of an operation, little endian.
const cancelSize = 8

func cancelMessage(seq uint64) []byte { return binary.LittleEndian.AppendUint64(nil, seq) }

// A worker is the plugin's end of the data socket: it carries out operations, one after
// the other, in the order in which they come.
type worker struct {
	d    *device
	conn *net.UnixConn
	in   *bufio.Reader
	out  []byte    // answers not yet sent
	held time.Time // since when

	ring     []byte // nil: stream
	own      []byte // for blocks that come in the stream
	slots    uint64
	slot     int
	seq      uint64 // of the next operation
	skipping bool

	mu        sync.Mutex
	ctx       context.Context
	interrupt context.CancelFunc
	current   uint64
	cancelled uint64 // number of the operation to interrupt
}

// An answer is sent when no operation is waiting to be read, or when it is this old: a fast
// drive then needs one packet for several answers, a slow one is not kept from its next blocks.
const answerDelay = 200 * time.Microsecond

func newWorker(d *device, conn *net.UnixConn) *worker {
	w := &worker{d: d, conn: conn, in: bufio.NewReader(conn), cancelled: math.MaxUint64}
	w.ctx, w.interrupt = context.WithCancel(context.Background())
	return w
}

// watch reads the lifeline. It returns when the host is gone.
func (w *worker) watch(lifeline io.Reader) {
	var b [cancelSize]byte
	for {
		if _, err := io.ReadFull(lifeline, b[:]); err != nil {
			return
		}
		w.mu.Lock()
		w.cancelled = binary.LittleEndian.Uint64(b[:])
		if w.cancelled == w.current {
			w.interrupt()
		}
		w.mu.Unlock()
	}
}

// begin gives the context of an operation. It is made anew only after one was interrupted.
func (w *worker) begin(seq uint64) context.Context {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ctx.Err() != nil {
		w.ctx, w.interrupt = context.WithCancel(context.Background())
	}
	w.current = seq
	if w.cancelled == seq {
		w.interrupt()
	}
	return w.ctx
}

// run carries out operations until the host closes the socket, which is no error.
func (w *worker) run() error {
	if err := w.setup(); err != nil {
		return quietEOF(err)
	}
	for {
		if w.in.Buffered() < frameSize || len(w.out) > 0 && time.Since(w.held) > answerDelay {
			if err := w.flush(); err != nil {
				return err
			}
		}
		f, err := w.next()
		if err == nil {
			err = w.carryOut(f)
		}
		if err != nil {
			return quietEOF(err)
		}
	}
}

func quietEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func (w *worker) next() (frame, error) {
	b, err := w.in.Peek(frameSize)
	if err != nil {
		return frame{}, err
	}
	f, err := parseFrame(b)
	_, _ = w.in.Discard(frameSize)
	return f, err
}

// setup answers offers until one is taken. The first message is read with what comes
// beside it, which is the ring.
func (w *worker) setup() error {
	for {
		f, memory, err := w.offer()
		if err != nil {
			return err
		}
		err = w.accept(f, memory)
		if memory != nil {
			memory.Close()
		}
		if err == nil {
			w.answer(frame{kind: frameDone})
			return w.flush()
		}
		if f.kind != frameSetupRing {
			return err
		}
		w.fail(0, "open", err)
		if err := w.flush(); err != nil {
			return err
		}
	}
}

func (w *worker) offer() (f frame, memory *os.File, err error) {
	b, oob := make([]byte, frameSize), make([]byte, unix.CmsgSpace(4))
	n, oobn, _, _, err := w.conn.ReadMsgUnix(b, oob)
	if err == nil && n == 0 {
		err = io.EOF
	}
	if err == nil && n < frameSize {
		_, err = io.ReadFull(w.conn, b[n:])
	}
	if err != nil {
		return frame{}, nil, err
	}
	msgs, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err == nil {
		for _, m := range msgs {
			fds, err := unix.ParseUnixRights(&m)
			if err == nil && len(fds) > 0 { // the room is for one
				memory = os.NewFile(uintptr(fds[0]), "enstore-ring")
			}
		}
	}
	if f, err = parseFrame(b); err != nil && memory != nil {
		memory.Close()
		memory = nil
	}
	return f, memory, err
}

func (w *worker) accept(f frame, memory *os.File) error {
	if f.length < 1 || f.length > maxSlots || f.seq < 1 || f.seq > maxSlotSize || f.seq%slotAlign != 0 {
		return fmt.Errorf("plugins: data socket: cannot work with %d slots of %d bytes", f.length, f.seq)
	}
	w.slots, w.slot = uint64(f.length), int(f.seq)
	switch f.kind {
	case frameSetupStream:
		w.own = alignedBuffer(w.slot)
		return nil
	case frameSetupRing:
		if memory == nil {
			return errors.New("plugins: data socket: a ring without its memory")
		}
		mem, err := openRing(memory, int(w.slots)*w.slot)
		w.ring = mem
		return err
	}
	return fmt.Errorf("plugins: data socket: message of kind %d where the set-up was due", f.kind)
}

// alignedBuffer is aligned as a slot of the ring is: a driver may use O_DIRECT in either case.
func alignedBuffer(n int) []byte {
	mem, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return make([]byte, n)
	}
	return mem
}

// carryOut does one operation. An error means that the host says what no host says.
func (w *worker) carryOut(f frame) error {
	if f.kind == frameResume {
		w.skipping = false
		return nil
	}
	if f.kind != frameWrite && f.kind != frameMarks && f.kind != frameRead || f.seq != w.seq {
		return fmt.Errorf("plugins: data socket: operation %d of kind %d where %d was due", f.seq, f.kind, w.seq)
	}
	if f.kind == frameMarks && f.length > maxMarks || f.kind != frameMarks && int(f.length) > w.slot {
		return fmt.Errorf("plugins: data socket: operation of kind %d with length %d", f.kind, f.length)
	}
	w.seq++
	block, err := w.block(f)
	if err != nil {
		return err
	}
	if w.skipping {
		w.answer(frame{kind: frameSkipped, seq: f.seq})
		return nil
	}
	drive, release, err := w.d.take(w.begin(f.seq), opNames[f.kind])
	if err != nil {
		w.skipping = f.kind != frameRead
		w.fail(f.seq, opNames[f.kind], err)
		return nil
	}
	defer release()
	w.drive(drive, f, block)
	return nil
}

var opNames = map[frameKind]string{frameWrite: "write block", frameMarks: "write filemarks", frameRead: "read block"}

// block is where the operation's block is or goes.
func (w *worker) block(f frame) ([]byte, error) {
	n := int(f.length)
	switch {
	case f.kind == frameMarks:
		return nil, nil
	case w.ring != nil:
		at := int(f.seq%w.slots) * w.slot
		return w.ring[at : at+n : at+n], nil
	case f.kind == frameWrite:
		_, err := io.ReadFull(w.in, w.own[:n])
		return w.own[:n:n], err
	}
	return w.own[:n:n], nil
}

func (w *worker) drive(drive driver.Drive, f frame, block []byte) {
	ctx := w.ctx
	var n int
	var c driver.Condition
	var err error
	switch f.kind {
	case frameWrite:
		c, err = drive.WriteBlock(ctx, block)
	case frameMarks:
		c, err = drive.WriteFilemarks(ctx, int(f.length), true)
	case frameRead:
		n, c, err = drive.ReadBlock(ctx, block)
		if err == nil && (n < 0 || n > len(block)) {
			err = failure("read block", driver.OutcomeHardware, "the driver told a length of %d bytes for a buffer of %d", n, len(block))
		}
	}
	if err != nil {
		w.skipping = f.kind != frameRead
		w.fail(f.seq, opNames[f.kind], err)
		return
	}
	w.answer(frame{kind: frameDone, cond: c, length: uint32(n), seq: f.seq})
	if f.kind == frameRead && w.ring == nil {
		w.out = append(w.out, block[:n]...)
	}
}

func (w *worker) answer(f frame) {
	if len(w.out) == 0 {
		w.held = time.Now()
	}
	w.out = f.append(w.out)
}

func (w *worker) fail(seq uint64, op string, err error) {
	b, merr := proto.Marshal(errorToWire(op, err))
	if merr != nil || len(b) > maxErrorBytes { // cannot be: every part is bounded
		b = nil
	}
	w.answer(frame{kind: frameFailed, length: uint32(len(b)), seq: seq})
	w.out = append(w.out, b...)
}

func (w *worker) flush() error {
	if len(w.out) == 0 {
		return nil
	}
	_, err := w.conn.Write(w.out)
	w.out = w.out[:0]
	return err
}
