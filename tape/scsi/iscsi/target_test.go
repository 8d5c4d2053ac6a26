package iscsi_test

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape/scsi/iscsi"
)

// pdu is what travels.
type pdu struct {
	h    [48]byte
	data []byte
}

func (p *pdu) put(at int, v uint32) *pdu { binary.BigEndian.PutUint32(p.h[at:], v); return p }
func (p *pdu) get(at int) uint32         { return binary.BigEndian.Uint32(p.h[at:]) }
func (p *pdu) op() byte                  { return p.h[0] & 0x3f }

// peer is a target's end of a connection, that does what a test wants.
type peer struct {
	t      testing.TB
	c      net.Conn
	r      *bufio.Reader
	statSN uint32
	cmdSN  uint32 // the next that it expects
	ahead  uint32 // how many commands it takes at once
}

func (p *peer) read() *pdu {
	var d pdu
	if _, err := io.ReadFull(p.r, d.h[:]); err != nil {
		return nil
	}
	n := int(d.h[5])<<16 | int(d.h[6])<<8 | int(d.h[7])
	d.data = make([]byte, (n+3)&^3)
	if _, err := io.ReadFull(p.r, d.data); err != nil {
		return nil
	}
	d.data = d.data[:n]
	return &d
}

// raw sends a PDU with the length that it says itself.
func (p *peer) raw(d *pdu) {
	_, _ = p.c.Write(append(append([]byte(nil), d.h[:]...), append(d.data, make([]byte, (4-len(d.data)%4)%4)...)...))
}

func (p *peer) send(d *pdu) {
	n := len(d.data)
	d.h[5], d.h[6], d.h[7] = byte(n>>16), byte(n>>8), byte(n)
	d.put(24, p.statSN)
	d.put(28, p.cmdSN)
	d.put(32, p.cmdSN+p.ahead)
	p.raw(d)
}

// login answers a login, with keys and values, and returns what it was asked.
func (p *peer) login(answer string) *pdu {
	d := p.read()
	if d == nil || d.op() != 0x03 {
		return nil
	}
	p.cmdSN = d.get(24)
	r := &pdu{data: []byte(answer)}
	r.h[0], r.h[1] = 0x23, 0x87
	r.put(16, d.get(16))
	p.send(r)
	p.statSN++
	return d
}

// command waits for a command and takes it.
func (p *peer) command() *pdu {
	d := p.read()
	if d == nil || d.op() != 0x01 {
		return nil
	}
	p.cmdSN++
	return d
}

// answer ends a command.
func (p *peer) answer(c *pdu, status byte, sense []byte) {
	r := &pdu{}
	r.h[0], r.h[1], r.h[3] = 0x21, 0x80, status
	if sense != nil {
		r.data = append([]byte{0, byte(len(sense))}, sense...)
	}
	r.put(16, c.get(16))
	p.send(r)
	p.statSN++
}

// logout answers a logout.
func (p *peer) logout() {
	if d := p.read(); d != nil && d.op() == 0x06 {
		r := &pdu{}
		r.h[0], r.h[1] = 0x26, 0x80
		p.send(r)
	}
}

// serve runs a target at a portal until the test ends.
func serve(t testing.TB, behave func(p *peer)) (portal string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			behave(&peer{t: t, c: c, r: bufio.NewReaderSize(c, 64<<10), statSN: 7, ahead: 8})
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

func dial(t testing.TB, portal string) *iscsi.Session {
	t.Helper()
	s, err := iscsi.Dial(t.Context(), iscsi.Unit{Portal: portal, Target: "iqn.2026-01.test:t", LUN: 1}, iscsi.Options{})
	is.New(t).NoErr(err)
	t.Cleanup(func() { s.Close() })
	return s
}
