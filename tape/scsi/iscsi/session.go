package iscsi

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/enstore-go/sdk/tape/scsi"
)

var _ scsi.Transport = (*Session)(nil)

// Session is one login to one unit. It is a scsi.Transport.
type Session struct {
	wire
	unit   Unit
	limits limits

	mu        sync.Mutex // held through a command
	closed    atomic.Bool
	lost      error // why there are no more commands
	tag       uint32
	cmdSN     uint32
	expStatSN uint32
	maxCmdSN  uint32
}

// Exec implements scsi.Transport. When ctx ends in the middle of a command the session is lost.
func (s *Session) Exec(ctx context.Context, cdb, out, in []byte) (scsi.Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.sendable(ctx, cdb, out, in); err != nil {
		return scsi.Result{}, fmt.Errorf("%v: %w", s.unit, errors.Join(scsi.ErrNotSent, err))
	}
	stop := s.interruptible(ctx)
	r, err := s.command(cdb, out, in)
	stop()
	if err != nil {
		s.lost = err
		_ = s.c.Close()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return scsi.Result{}, fmt.Errorf("%v: %w: %w", s.unit, scsi.ErrSessionLost, err)
	}
	return r, nil
}

// sendable is nil if a command can be begun.
func (s *Session) sendable(ctx context.Context, cdb, out, in []byte) error {
	switch {
	case s.lost != nil:
		return fmt.Errorf("%w: %w", scsi.ErrSessionLost, s.lost)
	case s.closed.Load():
		return net.ErrClosed
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case len(cdb) == 0 || len(cdb) > 16:
		return fmt.Errorf("a command of %d bytes: 1 to 16", len(cdb))
	case len(out) > 0 && len(in) > 0:
		return errors.New("data in both directions")
	case int32(s.maxCmdSN-s.cmdSN) < 0:
		return errors.New("the target takes no more commands")
	}
	return nil
}

// interruptible has the connection fail when ctx ends, until the function that it returns is called.
func (s *Session) interruptible(ctx context.Context) (stop func()) {
	over := make(chan struct{})
	end := context.AfterFunc(ctx, func() {
		_ = s.c.SetDeadline(time.Unix(1, 0))
		close(over)
	})
	return func() {
		if !end() {
			<-over
			_ = s.c.SetDeadline(time.Time{}) // the session may have been done with already
		}
	}
}

// command carries out one command.
func (s *Session) command(cdb, out, in []byte) (scsi.Result, error) {
	s.tag++
	if s.tag == noTag {
		s.tag = 1
	}
	var h header
	h[0] = opCommand
	h[1] = 0x01 // simple task
	switch {
	case len(out) > 0:
		h[1] |= 0x20
	case len(in) > 0:
		h[1] |= 0x40
	}
	h.setLUN(s.unit.LUN)
	h.put(16, s.tag)
	h.put(20, uint32(len(out)+len(in)))
	h.put(24, s.cmdSN)
	h.put(28, s.expStatSN)
	copy(h[32:], cdb)
	s.cmdSN++

	sent, first := 0, 0 // of out; first is what may go without being asked for
	if len(out) > 0 {
		first = min(len(out), s.limits.firstBurst)
		if s.limits.immediate {
			sent = min(first, s.limits.segment)
		}
		if s.limits.initialR2T {
			first = sent
		}
	}
	if sent == first {
		h[1] |= final
	}
	if err := s.send(&h, out[:sent]); err != nil {
		return scsi.Result{}, err
	}
	if sent < first {
		if err := s.dataOut(noTag, out, sent, first); err != nil {
			return scsi.Result{}, err
		}
		sent = first
	}
	return s.finish(out, in, sent)
}

// dataOut sends out[from:to] (RFC 7143, 11.7).
func (s *Session) dataOut(transfer uint32, out []byte, from, to int) error {
	for sn := uint32(0); from < to; sn++ {
		n := min(to-from, s.limits.segment)
		var h header
		h[0] = opDataOut
		if from+n == to {
			h[1] = final
		}
		h.setLUN(s.unit.LUN)
		h.put(16, s.tag)
		h.put(20, transfer)
		h.put(28, s.expStatSN)
		h.put(36, sn)
		h.put(40, uint32(from))
		if err := s.send(&h, out[from:from+n]); err != nil {
			return err
		}
		from += n
	}
	return nil
}

// finish does what the target asks for until it tells the status.
func (s *Session) finish(out, in []byte, sent int) (scsi.Result, error) {
	got := 0 // of in
	for {
		h, err := s.next()
		if err != nil {
			return scsi.Result{}, err
		}
		op := h.op()
		if (op == opR2T || op == opDataIn || op == opResponse) && h.get(16) != s.tag {
			return scsi.Result{}, broken("opcode %#02x for task %d, %d is under way", op, h.get(16), s.tag)
		}
		switch op {
		case opNopIn:
			if err := s.pong(h); err != nil {
				return scsi.Result{}, err
			}
		case opR2T:
			from, n := int(h.get(40)), int(h.get(44))
			if h.dataLength() != 0 || from != sent || n <= 0 || n > s.limits.maxBurst || n > len(out)-from {
				return scsi.Result{}, broken("the target asks for %d bytes from %d on, of %d, %d are sent", n, from, len(out), sent)
			}
			s.window(h)
			if err := s.dataOut(h.get(20), out, from, from+n); err != nil {
				return scsi.Result{}, err
			}
			sent += n
		case opDataIn:
			n := h.dataLength()
			if at := int(h.get(40)); at != got || n > len(in)-got {
				return scsi.Result{}, broken("the target sends %d bytes for place %d of a buffer of %d, %d have come", n, at, len(in), got)
			}
			s.window(h)
			withStatus := h[1]&0x01 != 0
			status, flags, statSN, residual := scsi.Status(h[3]), h[1], h.get(24), h.get(44)
			if err := s.data(in[got : got+n]); err != nil {
				return scsi.Result{}, err
			}
			got += n
			if withStatus {
				s.expStatSN = statSN + 1
				return scsi.Result{Status: status, Transferred: moved(status, flags, residual, len(in), got)}, nil
			}
		case opResponse:
			return s.response(h, out, in, got)
		case opAsync:
			return scsi.Result{}, s.async(h)
		case opReject:
			return scsi.Result{}, broken("the target rejects what it got, reason %#02x", h[2])
		default:
			return scsi.Result{}, broken("opcode %#02x during a command", op)
		}
	}
}

// window notes how many commands the target takes.
func (s *Session) window(h *header) {
	if m := h.get(32); int32(m-s.maxCmdSN) > 0 {
		s.maxCmdSN = m
	}
}

// moved is what was moved of all bytes: the count of what came, or less if the status is good and the target tells a residual in
// an underflow. With another status known targets tell anything, and sense data decide.
func moved(status scsi.Status, flags byte, residual uint32, all, count int) int {
	if status == scsi.Good && flags&0x02 != 0 && residual <= uint32(all) {
		count = min(count, all-int(residual))
	}
	return count
}

// response decodes a SCSI response (RFC 7143, 11.4).
func (s *Session) response(h *header, out, in []byte, got int) (scsi.Result, error) {
	code, flags, statSN, residual := h[2], h[1], h.get(24), h.get(44)
	r := scsi.Result{Status: scsi.Status(h[3])}
	s.window(h)
	b, err := s.small(maxText)
	if err != nil {
		return r, err
	}
	s.expStatSN = statSN + 1
	if code != 0 {
		return r, broken("the target did not carry out the command, response %#02x", code)
	}
	if len(b) >= 2 {
		n := int(binary.BigEndian.Uint16(b))
		r.Sense = b[2:min(2+n, len(b), 2+scsi.MaxSense)]
	}
	if len(out) > 0 {
		r.Transferred = moved(r.Status, flags, residual, len(out), len(out))
	} else {
		r.Transferred = moved(r.Status, flags, residual, len(in), got)
	}
	return r, nil
}

// pong answers a ping, if it wants an answer (RFC 7143, 11.19).
func (s *Session) pong(h *header) error {
	tag, lun := h.get(20), [8]byte(h[8:16])
	s.window(h)
	b, err := s.small(maxText)
	if err != nil || tag == noTag {
		return err
	}
	var p header
	p[0] = opNopOut | immediate
	p[1] = final
	copy(p[8:], lun[:])
	p.put(16, noTag)
	p.put(20, tag)
	p.put(24, s.cmdSN)
	p.put(28, s.expStatSN)
	return s.send(&p, b)
}

// async is the error that an asynchronous message means (RFC 7143, 11.9).
func (s *Session) async(h *header) error {
	switch h[36] {
	case 1:
		return errors.New("the target wants the session to end")
	case 2, 3:
		return errors.New("the target ends the connection")
	}
	return broken("an asynchronous message of kind %d", h[36])
}

// Close logs out, and waits at most two seconds for the answer. A command that runs is cut off. It may be called twice.
func (s *Session) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	if !s.mu.TryLock() {
		return s.c.Close()
	}
	defer s.mu.Unlock()
	if s.lost == nil {
		_ = s.c.SetDeadline(time.Now().Add(2 * time.Second))
		var h header
		h[0] = opLogout | immediate
		h[1] = final // and reason 0: close the session
		h.put(16, s.tag+1)
		h.put(24, s.cmdSN)
		h.put(28, s.expStatSN)
		if s.send(&h, nil) == nil {
			for { // pings may come before the answer
				r, err := s.next()
				if err != nil || r.op() == opLogoutIn {
					break
				}
				if _, err := s.small(maxText); err != nil {
					break
				}
			}
		}
	}
	if err := s.c.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}
