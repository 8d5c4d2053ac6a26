package wire

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/enstore-go/sdk/crc"
)

// Direction says which way the content of a data connection goes, as the client sees it.
type Direction uint8

// The directions. Numbers are frozen.
const (
	WriteData Direction = 1 // from the client to the site
	ReadData  Direction = 2 // from the site to the client
)

// String is "write" or "read".
func (d Direction) String() string {
	if d == ReadData {
		return "read"
	}
	return "write"
}

// Limits of the data protocol, see the package documentation.
const (
	MaxFrame  = 1 << 20          // bytes of a frame's payload
	Heartbeat = 10 * time.Second // a side that sends nothing else sends Progress this often
	Silence   = 30 * time.Second // a side that is not heard for so long is dead

	frameSize  = 256 << 10 // payload that the sender aims at
	headerSize = 12
	maxSmall   = 64 << 10 // payload of frames other than Data
)

// frame is the type of a frame.
type frame uint8

const (
	frameData     frame = 1
	frameEnd      frame = 2
	frameReady    frame = 3
	frameRefuse   frame = 4
	frameResult   frame = 5
	frameAbort    frame = 6
	frameProgress frame = 7
)

// State says what a transfer is waiting for.
type State uint8

// The states of a transfer. Numbers are frozen.
const (
	Waiting   State = 1 // for a drive, a volume, or its turn
	Streaming State = 2 // bytes pass
	Securing  State = 3 // all bytes have passed; they are not safe yet
)

// String is "waiting", "streaming" or "securing".
func (s State) String() string {
	switch s {
	case Waiting:
		return "waiting"
	case Streaming:
		return "streaming"
	case Securing:
		return "securing"
	}
	return "unknown"
}

// Progress is what the other side says of a transfer.
type Progress struct {
	State State
	Bytes int64 // of content that have passed there
}

// Conn is one end of a data connection. Its methods are for one goroutine, but for Close, which may be
// called at any time, any number of times, and makes a method that waits return. Every other error
// is an *Error, or io.EOF of Read.
//
// Which methods make sense depends on side and direction; the others fail. The receiver
// has Read, End and LeaveSum, the sender Write, ReadFrom, Sum and Finish. A server has Ready, Refuse,
// Result and Fail, a client AwaitReady, AwaitResult and Fail.
type Conn struct {
	nc       net.Conn
	dir      Direction
	server   bool
	subject  string        // for errors
	stall    time.Duration // how long the other side may let us wait for content; 0: for ever
	progress func(Progress)
	bare     bool // no checksums, for measurements

	passed atomic.Int64 // bytes of content
	state  atomic.Uint32

	in  inbound
	out outbound

	// A client that writes reads what the server says in a goroutine of its own.
	ready   chan struct{} // closed by Ready
	settled chan struct{} // closed when nothing more will come; then verdict is set
	verdict verdict

	beating sync.Mutex  // guards timer; innermost
	timer   *time.Timer // of the heartbeat; nil: none

	closing sync.Once
}

// verdict is how the other side ended the transfer.
type verdict struct {
	record *Record
	err    error
}

func newConn(nc net.Conn, dir Direction, server bool, subject string, stall time.Duration) *Conn {
	c := &Conn{nc: nc, dir: dir, server: server, subject: subject, stall: stall}
	c.state.Store(uint32(Waiting))
	c.in.sum = uint32(crc.Seed1)
	c.out.sum = uint32(crc.Seed1)
	c.in.lastData = time.Now()
	c.in.patience = Silence
	return c
}

// receiver tells whether content comes to this end.
func (c *Conn) receiver() bool { return c.server == (c.dir == WriteData) }

// Close ends the connection. A server that has told its client of a failure in mid-stream
// waits up to a second for it to be heard.
func (c *Conn) Close() error {
	c.closing.Do(func() {
		if c.in.linger {
			c.drain()
		}
		_ = c.nc.Close() // nothing is lost: what mattered was answered before
		c.stopHeartbeat()
		if c.settled != nil {
			<-c.settled
		}
	})
	return nil
}

// drain takes what the client is still sending, so that the reset which
// closing on unread data causes does not overtake the error just sent.
func (c *Conn) drain() {
	if h, ok := c.nc.(interface{ CloseWrite() error }); ok {
		_ = h.CloseWrite()
	}
	_ = c.nc.SetReadDeadline(time.Now().Add(time.Second))
	_, _ = io.CopyN(io.Discard, c.nc, 64<<20)
}

// broken classifies an error of the connection itself.
func (c *Conn) broken(doing string, err error) error {
	var e *Error
	if errors.As(err, &e) {
		return err
	}
	kind := Unavailable
	if ne := net.Error(nil); errors.As(err, &ne) && ne.Timeout() {
		kind = Timeout
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return Errorf(kind, c.subject, "%s: %w", doing, err)
}

func (c *Conn) violation(format string, args ...any) error {
	return Errorf(Invalid, c.subject, "data protocol: "+format, args...)
}

func (c *Conn) misused(method string) error {
	return Errorf(Internal, c.subject, "%s is not for this end of a %s connection", method, c.dir)
}

// putHeader writes a frame's header.
func putHeader(h []byte, t frame, length int, sum uint32) {
	h[0], h[1], h[2], h[3] = byte(t), 0, 0, 0
	binary.BigEndian.PutUint32(h[4:], uint32(length))
	binary.BigEndian.PutUint32(h[8:], sum)
}

// putSmall writes the header of a frame that is not Data.
func putSmall(h []byte, t frame, payload []byte) { putHeader(h, t, len(payload), crc.CRC32C(payload)) }

// sums continues a CRC-32C and an Adler-32. It goes through p in pieces that stay in the processor's
// first cache from one to the other: that is worth a fifth of their time.
func sums(crc32c, adler uint32, p []byte) (uint32, uint32) {
	const piece = 16 << 10
	for len(p) > 0 {
		q := p[:min(len(p), piece)]
		crc32c, adler = crc.UpdateCRC32C(crc32c, q), crc.UpdateAdler(adler, q)
		p = p[len(q):]
	}
	return crc32c, adler
}

// resultMessage is the payload of a Result.
type resultMessage struct {
	Record *Record `json:"record,omitempty"`
	Error  *Error  `json:"error,omitempty"`
}

func (c *Conn) parseResult(p []byte) verdict {
	var m resultMessage
	if err := strict(p, &m); err != nil {
		return verdict{err: c.violation("result: %v", err)}
	}
	if m.Error != nil {
		return verdict{err: m.Error}
	}
	return verdict{record: m.Record}
}

func (c *Conn) parseError(p []byte) error {
	e := &Error{}
	if err := json.Unmarshal(p, e); err != nil {
		return c.violation("error: %v", err)
	}
	return e
}

func (c *Conn) parseProgress(p []byte) (Progress, error) {
	if len(p) != 9 || p[0] < byte(Waiting) || p[0] > byte(Securing) || p[1] > 0x7f {
		return Progress{}, c.violation("malformed progress")
	}
	return Progress{State(p[0]), int64(binary.BigEndian.Uint64(p[1:]))}, nil
}

func (c *Conn) tell(p Progress) {
	if c.progress != nil {
		c.progress(p)
	}
}
