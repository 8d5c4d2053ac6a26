package wire

import (
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"sync"
	"time"

	"github.com/enstore-go/sdk/crc"
)

// outbound is the sending half of a Conn. The mutex orders the sender's goroutine and the heartbeat.
type outbound struct {
	mu   sync.Mutex
	sent time.Time // when a frame was last sent
	err  error     // kept

	buf  []byte // header, then content that waits for a full frame; nil until needed
	n    int    // content in buf
	size int64  // content sent in frames
	sum  uint32 // its Adler-32
	head [headerSize]byte
	vec  [2][]byte
	bufs net.Buffers
}

// startHeartbeat makes this end heard while it has nothing to send.
func (c *Conn) startHeartbeat() {
	c.out.sent = time.Now()
	c.beating.Lock()
	defer c.beating.Unlock()
	c.timer = time.AfterFunc(Heartbeat, c.heartbeat)
}

func (c *Conn) stopHeartbeat() {
	c.beating.Lock()
	defer c.beating.Unlock()
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
}

func (c *Conn) heartbeat() {
	o := &c.out
	next := Heartbeat
	if o.mu.TryLock() { // else somebody is sending just now
		if idle := time.Since(o.sent); idle >= Heartbeat {
			c.beat()
		} else {
			next = Heartbeat - idle
		}
		o.mu.Unlock()
	}
	c.beating.Lock()
	defer c.beating.Unlock()
	if c.timer != nil {
		c.timer.Reset(next)
	}
}

// beat sends what there is, or that there is nothing. Caller holds the lock.
func (c *Conn) beat() {
	o := &c.out
	switch {
	case o.err != nil:
	case o.n > 0:
		o.err = c.flush() // a slow producer's bytes do not wait for a full frame
	default:
		p := make([]byte, headerSize+9)
		p[headerSize] = byte(c.state.Load())
		binary.BigEndian.PutUint64(p[headerSize+1:], uint64(c.passed.Load()))
		putSmall(p, frameProgress, p[headerSize:])
		o.err = c.put(p, Silence)
	}
}

// Write sends content. It blocks while the receiver takes nothing; that is the only back-pressure
// there is. Bytes may wait in a buffer of one frame until Finish or the next
// heartbeat. p is not kept.
func (c *Conn) Write(p []byte) (int, error) {
	if c.receiver() {
		return 0, c.misused("Write")
	}
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	o := &c.out
	if err := c.sendable(); err != nil {
		return 0, err
	}
	total := 0
	for len(p) > 0 {
		n := 0
		if o.n == 0 && len(p) >= frameSize {
			n = frameSize
			o.err = c.direct(p[:n])
		} else {
			c.need()
			n = copy(o.buf[headerSize+o.n:], p)
			o.n += n
			if o.n == frameSize {
				o.err = c.flush()
			}
		}
		if o.err != nil {
			return total, c.sendable()
		}
		total += n
		p = p[n:]
	}
	c.passed.Store(o.size + int64(o.n))
	return total, nil
}

// ReadFrom sends all that r has. It reads into one buffer that is used again and again.
func (c *Conn) ReadFrom(r io.Reader) (int64, error) {
	if c.receiver() {
		return 0, c.misused("ReadFrom")
	}
	o := &c.out
	total := int64(0)
	for empty := 0; ; {
		o.mu.Lock()
		err := c.sendable()
		c.need()
		at := o.n
		o.mu.Unlock()
		if err != nil {
			return total, err
		}
		// Not under the lock: a slow source must not silence the heartbeat, which may meanwhile send
		// what is in front of at.
		n, rerr := r.Read(o.buf[headerSize+at : headerSize+frameSize])
		o.mu.Lock()
		if n > 0 && o.n != at {
			copy(o.buf[headerSize+o.n:], o.buf[headerSize+at:headerSize+at+n])
		}
		o.n += n
		total += int64(n)
		if o.n == frameSize && o.err == nil {
			o.err = c.flush()
		}
		c.passed.Store(o.size + int64(o.n))
		err = c.sendable()
		o.mu.Unlock()
		if err != nil {
			return total, err
		}
		if rerr == io.EOF {
			return total, nil
		}
		if rerr != nil {
			return total, rerr
		}
		if n > 0 {
			empty = 0
		} else if empty++; empty == 100 {
			return total, io.ErrNoProgress
		}
	}
}

// sendable gives the reason why nothing more can be sent: what the other side said counts
// more than the state of the connection. Caller holds the lock.
func (c *Conn) sendable() error {
	if c.settled != nil {
		select {
		case <-c.settled:
			if c.verdict.err != nil {
				return c.verdict.err
			}
			return c.violation("result before the end of the data")
		default:
		}
	}
	if c.out.err != nil && c.settled != nil {
		// The reason may be on its way in an answer.
		c.out.mu.Unlock()
		select {
		case <-c.settled:
		case <-time.After(time.Second):
		}
		c.out.mu.Lock()
		if v := c.peek(); v != nil {
			return v
		}
	}
	return c.out.err
}

// peek gives the other side's error if it has said one.
func (c *Conn) peek() error {
	select {
	case <-c.settled:
		return c.verdict.err
	default:
		return nil
	}
}

func (c *Conn) need() {
	if c.out.buf == nil {
		c.out.buf = make([]byte, headerSize+frameSize)
	}
}

// putData writes the header of a Data frame and counts its content. Caller holds the lock.
func (c *Conn) putData(h, p []byte) {
	sum := uint32(0)
	if !c.bare {
		sum, c.out.sum = sums(0, c.out.sum, p)
	}
	c.out.size += int64(len(p))
	putHeader(h, frameData, len(p), sum)
}

// flush sends the buffer as one Data frame. Caller holds the lock.
func (c *Conn) flush() error {
	o := &c.out
	if o.n == 0 {
		return nil
	}
	p := o.buf[headerSize : headerSize+o.n]
	c.putData(o.buf, p)
	o.n = 0
	return c.put(o.buf[:headerSize+len(p)], c.stall)
}

// direct sends p as one Data frame without copying it. Caller holds the lock.
func (c *Conn) direct(p []byte) error {
	o := &c.out
	c.putData(o.head[:], p)
	if err := c.limit(c.stall); err != nil {
		return err
	}
	o.vec[0], o.vec[1] = o.head[:], p
	o.bufs = o.vec[:]
	_, err := o.bufs.WriteTo(c.nc)
	o.vec[1] = nil
	return c.putDone(err)
}

// put writes whole frames. Caller holds the lock.
func (c *Conn) put(p []byte, within time.Duration) error {
	if err := c.limit(within); err != nil {
		return err
	}
	_, err := c.nc.Write(p)
	return c.putDone(err)
}

func (c *Conn) putDone(err error) error {
	c.out.sent = time.Now()
	if err != nil {
		return c.broken("send", err)
	}
	return nil
}

// limit bounds the next write; 0 is no limit. On a client there is never one: it hears the server's
// heartbeat while the drive is busy, and gives up when it does not.
func (c *Conn) limit(within time.Duration) error {
	if !c.server {
		return nil
	}
	until := time.Time{}
	if within > 0 {
		until = time.Now().Add(within)
	}
	if err := c.nc.SetWriteDeadline(until); err != nil {
		return c.broken("send", err)
	}
	return nil
}

// Sum gives size and Adler-32 (seed 1) of the content handed to Write and ReadFrom.
func (c *Conn) Sum() (size int64, adler uint32) {
	o := &c.out
	o.mu.Lock()
	defer o.mu.Unlock()
	size, adler = o.size, o.sum
	if o.n > 0 {
		size += int64(o.n)
		if !c.bare {
			adler = crc.UpdateAdler(adler, o.buf[headerSize:headerSize+o.n])
		}
	}
	return size, adler
}

// Finish ends the content and states its size and Adler-32 (seed 1): those of Sum, or those that
// the sender knows from elsewhere. If they are not those of Sum the transfer is
// aborted with kind Checksum. On a server it then waits until the client has
// confirmed that everything arrived.
func (c *Conn) Finish(size int64, adler uint32) error {
	if c.receiver() {
		return c.misused("Finish")
	}
	if s, a := c.Sum(); s != size || a != adler && !c.bare {
		err := Errorf(Checksum, c.subject, "%d bytes with adler32 %08x were to be sent, these are %d with %08x", size, adler, s, a)
		c.Fail(err)
		return err
	}
	if err := c.sendEnd(size, adler); err != nil {
		return err
	}
	c.state.Store(uint32(Securing))
	if !c.server {
		return nil
	}
	// The client's program may take as long over the bytes under way as over those before.
	c.in.patience = c.stall
	t, n, sum, err := c.nextHeader()
	if err != nil {
		return err
	}
	p, err := c.payload(n, sum)
	if err != nil {
		return err
	}
	if t != frameResult {
		return c.violation("frame of type %d in place of a result", t)
	}
	return c.parseResult(p).err
}

func (c *Conn) sendEnd(size int64, adler uint32) error {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	if err := c.sendable(); err != nil {
		return err
	}
	if c.out.err = c.flush(); c.out.err != nil {
		return c.sendable()
	}
	p := make([]byte, headerSize+12)
	binary.BigEndian.PutUint64(p[headerSize:], uint64(size))
	binary.BigEndian.PutUint32(p[headerSize+8:], adler)
	putSmall(p, frameEnd, p[headerSize:])
	if c.out.err = c.put(p, Silence); c.out.err != nil {
		return c.sendable()
	}
	return nil
}

// sendMessage sends a frame with a JSON payload, or none for nil.
func (c *Conn) sendMessage(t frame, message any) error {
	p := make([]byte, headerSize)
	if message != nil {
		body, err := json.Marshal(message)
		if err != nil {
			return Errorf(Internal, c.subject, "%w", err)
		}
		if len(body) > maxSmall {
			return Errorf(Internal, c.subject, "message of %d bytes, at most %d allowed", len(body), maxSmall)
		}
		p = append(p, body...)
	}
	putSmall(p, t, p[headerSize:])
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	if c.out.err != nil {
		return c.out.err
	}
	c.out.err = c.put(p, Silence)
	return c.out.err
}

// Fail ends the transfer with an error that the other side is to hear, from whichever end and at any
// time before Result. Whether it is heard is not known; the connection should be closed.
func (c *Conn) Fail(err error) {
	e := AsError(err, c.dir.String(), c.subject)
	switch {
	case c.receiver():
		_ = c.sendMessage(frameResult, resultMessage{Error: e})
		c.in.linger = c.server && c.in.err == nil
	default:
		// These few bytes find room in a live connection; a dead one must not hold the caller.
		_ = c.nc.SetWriteDeadline(time.Now().Add(time.Second))
		_ = c.sendMessage(frameAbort, e)
	}
}
