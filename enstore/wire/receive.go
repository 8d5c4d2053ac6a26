package wire

import (
	"encoding/binary"
	"io"
	"time"

	"github.com/enstore-go/sdk/crc"
)

// inbound is the receiving half of a Conn.
type inbound struct {
	head     [headerSize]byte
	small    []byte        // payload of the last frame that was not Data
	remain   int           // bytes of the Data frame in work that have not been read
	want     uint32        // its CRC-32C
	have     uint32        // CRC-32C of what was read of it
	size     int64         // content so far
	sum      uint32        // its Adler-32
	leave    bool          // the caller compares the Adler-32
	patience time.Duration // how long the other side may be silent; 0: for ever
	lastData time.Time
	endSize  int64 // as End says
	endSum   uint32
	err      error // kept; io.EOF after End
	linger   bool  // see Close
}

// Read reads content straight into p. After the last byte it checks size and Adler-32 against what the
// sender says, and only then returns io.EOF: content is good after that and not before.
// Bytes of a frame whose CRC-32C is wrong may have been returned before the error.
func (c *Conn) Read(p []byte) (int, error) {
	if !c.receiver() {
		return 0, c.misused("Read")
	}
	if c.in.err != nil || len(p) == 0 {
		return 0, c.in.err
	}
	n, err := c.read(p)
	if err != nil {
		c.in.err = err
	}
	return n, err
}

func (c *Conn) read(p []byte) (int, error) {
	in := &c.in
	if in.remain == 0 {
		if err := c.nextData(); err != nil {
			return 0, err
		}
	}
	n, err := c.rawRead(p[:min(len(p), in.remain)])
	p = p[:n]
	in.remain -= n
	in.size += int64(n)
	c.passed.Store(in.size)
	switch {
	case c.bare:
	case in.leave:
		in.have = crc.UpdateCRC32C(in.have, p)
	default:
		in.have, in.sum = sums(in.have, in.sum, p)
	}
	switch {
	case in.remain == 0 && in.have != in.want && !c.bare:
		return n, Errorf(Checksum, c.subject, "frame before byte %d: CRC-32C is %08x, sent was %08x", in.size, in.have, in.want)
	case in.remain == 0:
		in.lastData = time.Now()
		return n, nil // an error, if any, comes back with the next header
	case err != nil:
		return n, c.broken("receive", err)
	}
	return n, nil
}

// nextData goes to the next Data frame. At End it checks what came and returns io.EOF.
func (c *Conn) nextData() error {
	for {
		t, n, sum, err := c.nextHeader()
		if err != nil {
			return err
		}
		if t == frameData {
			if n == 0 {
				return c.violation("data frame without data")
			}
			c.in.remain, c.in.want, c.in.have = n, sum, 0
			c.state.Store(uint32(Streaming))
			return nil
		}
		p, err := c.payload(n, sum)
		if err != nil {
			return err
		}
		switch t {
		case frameProgress:
			pr, err := c.parseProgress(p)
			if err != nil {
				return err
			}
			c.tell(pr)
			if idle := time.Since(c.in.lastData); c.server && c.stall > 0 && idle > c.stall {
				return Errorf(Timeout, c.subject, "no data from the client for %s", idle.Round(time.Second))
			}
		case frameAbort:
			return c.parseError(p)
		case frameEnd:
			return c.ended(p)
		default:
			return c.violation("frame of type %d among data", t)
		}
	}
}

// ended checks End. A reading client confirms it.
func (c *Conn) ended(p []byte) error {
	in := &c.in
	if len(p) != 12 || p[0] > 0x7f {
		return c.violation("malformed end")
	}
	in.endSize, in.endSum = int64(binary.BigEndian.Uint64(p)), binary.BigEndian.Uint32(p[8:])
	c.state.Store(uint32(Securing))
	err := error(nil)
	switch {
	case in.size != in.endSize:
		err = Errorf(Checksum, c.subject, "%d bytes came, %d were sent", in.size, in.endSize)
	case in.sum != in.endSum && !in.leave && !c.bare:
		err = Errorf(Checksum, c.subject, "adler32 of what came is %08x, of what was sent %08x", in.sum, in.endSum)
	}
	if !c.server {
		if e := c.sendMessage(frameResult, resultMessage{Error: AsError(err, "read", c.subject)}); err == nil && e != nil {
			// Everything is here; the mover may read it once more for nobody.
			return io.EOF
		}
	}
	if err != nil {
		return err
	}
	return io.EOF
}

// End gives size and Adler-32 (seed 1) as the sender said them. It is for after Read has
// returned io.EOF.
func (c *Conn) End() (size int64, adler uint32) { return c.in.endSize, c.in.endSum }

// LeaveSum says, before the first Read, that the caller computes the Adler-32 itself as the bytes pass and
// compares it with End: a mover's wrapper does so anyway. The size is still checked.
func (c *Conn) LeaveSum() { c.in.leave = true }

// Received gives size and Adler-32 (seed 1; meaningless after LeaveSum) of the content that Read has
// returned so far.
func (c *Conn) Received() (size int64, adler uint32) { return c.in.size, c.in.sum }

// nextHeader reads and checks a frame's header.
func (c *Conn) nextHeader() (t frame, n int, sum uint32, err error) {
	h := c.in.head[:]
	if err := c.fill(h); err != nil {
		return 0, 0, 0, err
	}
	t = frame(h[0])
	size := binary.BigEndian.Uint32(h[4:])
	limit := uint32(maxSmall)
	if t == frameData {
		limit = MaxFrame
	}
	switch {
	case t < frameData || t > frameProgress:
		return 0, 0, 0, c.violation("frame of unknown type %d", t)
	case h[1]|h[2]|h[3] != 0:
		return 0, 0, 0, c.violation("reserved bytes of a frame are not zero")
	case size > limit:
		return 0, 0, 0, c.violation("frame of type %d has %d bytes, more than %d", t, size, limit)
	}
	return t, int(size), binary.BigEndian.Uint32(h[8:]), nil
}

// payload reads the payload of a frame that is not Data. It is valid until the next call.
func (c *Conn) payload(n int, sum uint32) ([]byte, error) {
	if cap(c.in.small) < n {
		c.in.small = make([]byte, n)
	}
	p := c.in.small[:n]
	if err := c.fill(p); err != nil {
		return nil, err
	}
	if got := crc.CRC32C(p); got != sum && !c.bare {
		return nil, Errorf(Checksum, c.subject, "frame: CRC-32C is %08x, sent was %08x", got, sum)
	}
	return p, nil
}

func (c *Conn) fill(p []byte) error {
	for len(p) > 0 {
		n, err := c.rawRead(p)
		p = p[n:]
		if err != nil && len(p) > 0 {
			return c.broken("receive", err)
		}
	}
	return nil
}

// rawRead is one read from the connection, which must not be silent for longer than patience.
func (c *Conn) rawRead(p []byte) (int, error) {
	until := time.Time{}
	if c.in.patience > 0 {
		until = time.Now().Add(c.in.patience)
	}
	if err := c.nc.SetReadDeadline(until); err != nil {
		return 0, err
	}
	return c.nc.Read(p)
}
