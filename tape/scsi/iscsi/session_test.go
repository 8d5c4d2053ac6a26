package iscsi_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape/scsi"
	"github.com/enstore-go/sdk/tape/scsi/iscsi"
)

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i/251)
	}
	return b
}

// A write goes out as the target allows: at once, unasked for, and on request.
func TestWrite(t *testing.T) {
	data := pattern(100_000)
	for _, c := range []struct {
		name, keys string
		want       []string // what comes before the target asks
	}{
		{"defaults", "", []string{"8192"}},
		{"all at once", "MaxRecvDataSegmentLength=262144\x00InitialR2T=No\x00FirstBurstLength=262144\x00", []string{"100000"}},
		{"unasked for", "MaxRecvDataSegmentLength=30000\x00InitialR2T=No\x00FirstBurstLength=70000\x00", []string{"30000", "out 30000 at 30000", "out 10000 at 60000"}},
		{"nothing before it is asked for", "ImmediateData=No\x00InitialR2T=Yes\x00", []string{"0"}},
		{"unasked for, but not with the command", "ImmediateData=No\x00InitialR2T=No\x00MaxRecvDataSegmentLength=65536\x00", []string{"0", "out 65536 at 0"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			is := is.New(t)
			var got []byte
			var seen []string
			s := dial(t, serve(t, func(p *peer) {
				p.login(c.keys)
				cmd := p.command()
				if cmd == nil {
					return
				}
				got = append(got, cmd.data...)
				seen = append(seen, fmt.Sprint(len(cmd.data)))
				outs := func() {
					for {
						d := p.read()
						if d == nil {
							return
						}
						seen = append(seen, fmt.Sprintf("out %d at %d", len(d.data), d.get(40)))
						got = append(got, d.data...)
						if d.h[1]&0x80 != 0 {
							return
						}
					}
				}
				if cmd.h[1]&0x80 == 0 {
					outs()
				}
				first := len(seen)
				for len(got) < len(data) {
					r := &pdu{}
					r.h[0], r.h[1] = 0x31, 0x80
					r.put(16, cmd.get(16)).put(20, 99).put(40, uint32(len(got))).put(44, uint32(min(40_000, len(data)-len(got))))
					p.send(r)
					outs()
				}
				seen = seen[:first]
				p.answer(cmd, 0, nil)
				p.logout()
			}))
			r, err := s.Exec(t.Context(), scsi.Write(len(data)), data, nil)
			is.NoErr(err)
			is.Equal(r, scsi.Result{Transferred: len(data)})
			is.NoErr(s.Close())
			is.Equal(seen, c.want)
			is.True(bytes.Equal(got, data))
		})
	}
}

// in answers a read with data in pieces, and if collapsed the status with the last one.
func in(p *peer, cmd *pdu, data []byte, piece int, collapsed bool) {
	for at := 0; at < len(data); at += piece {
		d := &pdu{data: data[at:min(at+piece, len(data))]}
		d.h[0] = 0x25
		d.put(16, cmd.get(16)).put(40, uint32(at))
		if at+piece >= len(data) {
			d.h[1] = 0x80
			if collapsed {
				d.h[1] |= 0x01 | 0x02
				d.put(44, cmd.get(20)-uint32(len(data)))
			}
		}
		p.send(d)
	}
}

func TestRead(t *testing.T) {
	for _, collapsed := range []bool{true, false} {
		is := is.New(t)
		data := pattern(10_001)
		s := dial(t, serve(t, func(p *peer) {
			p.login("")
			for cmd := p.command(); cmd != nil; cmd = p.command() {
				ping := &pdu{data: []byte("are you there")}
				ping.h[0], ping.h[1] = 0x20, 0x80
				p.send(ping.put(16, 0xffffffff).put(20, 5))
				if d := p.read(); d == nil || d.op() != 0 || d.get(20) != 5 || string(d.data) != "are you there" {
					p.t.Error("the ping was not answered")
				}
				in(p, cmd, data, 4096, collapsed)
				if collapsed {
					p.statSN++
				} else {
					p.answer(cmd, 0x02, []byte{0xf0, 0, 0x80, 0})
				}
			}
		}))
		buf := make([]byte, 20_000)
		r, err := s.Exec(t.Context(), scsi.Read(len(buf)), nil, buf)
		is.NoErr(err)
		is.Equal(r.Transferred, len(data))
		is.True(bytes.Equal(buf[:r.Transferred], data))
		if !collapsed {
			is.Equal(r.Status, scsi.CheckCondition)
			is.Equal(r.Sense, []byte{0xf0, 0, 0x80, 0})
		}
	}
}

// Whatever a target does wrong, the session ends with an error of the right sort, in bounded time and memory.
func TestHostileTargets(t *testing.T) {
	task := func(cmd *pdu, op, flags byte) *pdu {
		d := &pdu{}
		d.h[0], d.h[1] = op, flags
		d.put(16, cmd.get(16))
		return d
	}
	for name, behave := range map[string]func(p *peer, cmd *pdu){
		"an absurd length": func(p *peer, cmd *pdu) {
			d := task(cmd, 0x25, 0x80)
			d.h[5], d.h[6], d.h[7] = 0xff, 0xff, 0xff
			p.raw(d)
		},
		"more data than the buffer": func(p *peer, cmd *pdu) { in(p, cmd, pattern(2000), 1500, true) },
		"data out of order":         func(p *peer, cmd *pdu) { d := task(cmd, 0x25, 0); d.data = pattern(10); p.send(d.put(40, 100)) },
		"data beyond the buffer":    func(p *peer, cmd *pdu) { d := task(cmd, 0x25, 0); d.data = pattern(10); p.send(d.put(40, 0xfffffff0)) },
		"another task":              func(p *peer, cmd *pdu) { p.send(task(cmd, 0x21, 0x80).put(16, 12345)) },
		"asking for data of a read": func(p *peer, cmd *pdu) { p.send(task(cmd, 0x31, 0x80).put(44, 10)) },
		"a response that failed":    func(p *peer, cmd *pdu) { d := task(cmd, 0x21, 0x80); d.h[2] = 1; p.send(d) },
		"a reject":                  func(p *peer, cmd *pdu) { d := task(cmd, 0x3f, 0x80); d.h[2] = 4; p.send(d) },
		"an opcode of its own":      func(p *peer, cmd *pdu) { p.send(task(cmd, 0x3c, 0x80)) },
		"a login in the middle":     func(p *peer, cmd *pdu) { p.send(task(cmd, 0x23, 0x80)) },
		"an unknown message":        func(p *peer, cmd *pdu) { d := task(cmd, 0x32, 0x80); d.h[36] = 200; p.send(d) },
		"a message that ends it":    func(p *peer, cmd *pdu) { d := task(cmd, 0x32, 0x80); d.h[36] = 1; p.send(d) },
		"the end":                   func(p *peer, cmd *pdu) {},
		"half a header":             func(p *peer, cmd *pdu) { _, _ = p.c.Write(make([]byte, 20)) },
	} {
		t.Run(name, func(t *testing.T) {
			is := is.New(t)
			s := dial(t, serve(t, func(p *peer) {
				p.login("")
				if cmd := p.command(); cmd != nil {
					behave(p, cmd)
				}
			}))
			_, err := s.Exec(t.Context(), scsi.Read(1000), nil, make([]byte, 1000))
			is.True(errors.Is(err, scsi.ErrSessionLost))
			is.True(!errors.Is(err, scsi.ErrNotSent)) // it may have been carried out
			_, err = s.Exec(t.Context(), scsi.TestUnitReady(), nil, nil)
			is.True(errors.Is(err, scsi.ErrSessionLost))
			is.True(errors.Is(err, scsi.ErrNotSent))
			is.NoErr(s.Close())
		})
	}
}

func TestHostileRequestsForData(t *testing.T) {
	for name, ask := range map[string][2]uint32{
		"beyond the end": {8192, 1_000_000}, "from elsewhere": {0, 10}, "nothing": {8192, 0}, "far away": {0xffffff00, 0x200},
	} {
		t.Run(name, func(t *testing.T) {
			s := dial(t, serve(t, func(p *peer) {
				p.login("")
				if cmd := p.command(); cmd != nil {
					d := &pdu{}
					d.h[0], d.h[1] = 0x31, 0x80
					p.send(d.put(16, cmd.get(16)).put(40, ask[0]).put(44, ask[1]))
					p.read()
				}
			}))
			_, err := s.Exec(t.Context(), scsi.Write(100_000), pattern(100_000), nil)
			is.New(t).True(errors.Is(err, iscsi.ErrProtocol))
		})
	}
}

func TestLogins(t *testing.T) {
	refuse := func(class, detail byte) func(p *peer) {
		return func(p *peer) {
			if p.read() != nil {
				d := &pdu{}
				d.h[0], d.h[36], d.h[37] = 0x23, class, detail
				p.send(d)
			}
		}
	}
	for _, c := range []struct {
		name   string
		behave func(p *peer)
		text   string
	}{
		{"no such target", refuse(2, 3), "there is no such target (status 0203)"},
		{"authentication", refuse(2, 1), "authentication failed"},
		{"a reason of its own", refuse(9, 9), "refused (status 0909)"},
		{"no end", func(p *peer) {
			for d := p.read(); d != nil; d = p.read() {
				r := &pdu{}
				r.h[0], r.h[1] = 0x23, 0x04
				p.send(r)
			}
		}, "does not come to an end"},
		{"text without end", func(p *peer) {
			for d := p.read(); d != nil; d = p.read() {
				r := &pdu{data: bytes.Repeat([]byte("X-a=b\x00"), 10_000)}
				r.h[0], r.h[1] = 0x23, 0x04
				p.send(r)
			}
		}, "protocol error"},
		{"a number that is none", func(p *peer) { p.login("MaxBurstLength=many\x00") }, `MaxBurstLength="many"`},
		{"a number too small", func(p *peer) { p.login("FirstBurstLength=0\x00") }, "FirstBurstLength"},
		{"neither yes nor no", func(p *peer) { p.login("ImmediateData=Perhaps\x00") }, "ImmediateData"},
		{"a digest", func(p *peer) { p.login("DataDigest=CRC32C\x00") }, "DataDigest"},
		{"a key twice", func(p *peer) { p.login("InitialR2T=No\x00InitialR2T=Yes\x00") }, "twice"},
		{"no key", func(p *peer) { p.login("nothing\x00") }, "no key and value"},
		{"another answer", func(p *peer) { p.read(); d := &pdu{}; d.h[0] = 0x21; p.send(d) }, "instead of a login response"},
		{"the end", func(p *peer) { p.read() }, "EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := iscsi.Dial(t.Context(), iscsi.Unit{Portal: serve(t, c.behave), Target: "iqn.2026-01.test:t"}, iscsi.Options{})
			if err == nil || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%v, want %q", err, c.text)
			}
		})
	}
	is := is.New(t)
	_, err := iscsi.Dial(t.Context(), iscsi.Unit{Portal: serve(t, refuse(3, 1)), Target: "t"}, iscsi.Options{})
	var refused *iscsi.LoginError
	is.True(errors.As(err, &refused))
	is.Equal(refused.Class, uint8(3))
	_, err = iscsi.Dial(t.Context(), iscsi.Unit{LUN: 20000}, iscsi.Options{})
	is.True(err != nil)

	// A login in several rounds.
	s := dial(t, serve(t, func(p *peer) {
		for _, more := range []string{"FirstBurstLength=512\x00", "MaxRecvDataSegmentLength=512\x00"} {
			d := p.read()
			if d == nil {
				return
			}
			p.cmdSN = d.get(24)
			r := &pdu{data: []byte(more)}
			r.h[0], r.h[1] = 0x23, 0x04
			p.send(r)
			p.statSN++
		}
		p.login("")
		if cmd := p.command(); cmd != nil {
			p.answer(cmd, byte(len(cmd.data)/64), nil)
		}
	}))
	r, err := s.Exec(t.Context(), scsi.Write(1000), pattern(1000), nil)
	is.NoErr(err)
	is.Equal(r.Status, scsi.Busy) // 512 bytes came at once
}

func TestDiscover(t *testing.T) {
	is := is.New(t)
	portal := serve(t, func(p *peer) {
		p.login("")
		for i, part := range []string{"TargetName=iqn.a\x00TargetAddress=10.0.0.1:3260,1\x00TargetAddress=10.0.0.2:3260,1\x00", "TargetName=iqn.b\x00"} {
			if d := p.read(); d == nil || d.op() != 0x04 {
				return
			}
			r := &pdu{data: []byte(part)}
			r.h[0], r.h[1] = 0x24, byte(i)*0x80
			p.send(r.put(20, 17))
			p.statSN++
		}
		p.logout()
	})
	all, err := iscsi.Discover(t.Context(), portal, iscsi.Options{})
	is.NoErr(err)
	is.Equal(all, []iscsi.Target{{Name: "iqn.a", Portals: []string{"10.0.0.1:3260", "10.0.0.2:3260"}}, {Name: "iqn.b"}})
}

// A context that ends in the middle of a command ends the session; one that has ended before does not.
func TestEndOfAContext(t *testing.T) {
	is := is.New(t)
	began := make(chan struct{})
	s := dial(t, serve(t, func(p *peer) {
		p.login("")
		if cmd := p.command(); cmd != nil {
			close(began)
			_, _ = io.Copy(io.Discard, p.c) // never answers
		}
	}))
	over, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Exec(over, scsi.TestUnitReady(), nil, nil)
	is.True(errors.Is(err, scsi.ErrNotSent) && errors.Is(err, context.Canceled) && !errors.Is(err, scsi.ErrSessionLost))
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-began; cancel() }()
	_, err = s.Exec(ctx, scsi.Rewind(false), nil, nil)
	is.True(errors.Is(err, context.Canceled) && errors.Is(err, scsi.ErrSessionLost) && !errors.Is(err, scsi.ErrNotSent))

	// A login that takes too long.
	portal := serve(t, func(p *peer) { _, _ = io.Copy(io.Discard, p.c) })
	_, err = iscsi.Dial(t.Context(), iscsi.Unit{Portal: portal, Target: "t"}, iscsi.Options{Login: 50 * time.Millisecond})
	is.True(errors.Is(err, context.DeadlineExceeded))
}

func TestCloseCutsACommandOff(t *testing.T) {
	is := is.New(t)
	began := make(chan struct{})
	s := dial(t, serve(t, func(p *peer) {
		p.login("")
		if p.command() != nil {
			close(began)
			_, _ = io.Copy(io.Discard, p.c)
		}
	}))
	go func() { <-began; s.Close() }()
	_, err := s.Exec(t.Context(), scsi.Rewind(false), nil, nil)
	is.True(errors.Is(err, scsi.ErrSessionLost))
	_, err = s.Exec(t.Context(), scsi.Rewind(false), nil, nil)
	is.True(errors.Is(err, scsi.ErrNotSent))
}

func TestFullWindow(t *testing.T) {
	is := is.New(t)
	s := dial(t, serve(t, func(p *peer) {
		p.ahead = 0
		p.login("")
		if cmd := p.command(); cmd != nil {
			p.cmdSN-- // it takes none after this one
			p.answer(cmd, 0, nil)
			p.logout()
		}
	}))
	_, err := s.Exec(t.Context(), scsi.TestUnitReady(), nil, nil)
	is.NoErr(err)
	_, err = s.Exec(t.Context(), scsi.TestUnitReady(), nil, nil)
	is.True(errors.Is(err, scsi.ErrNotSent))
}
