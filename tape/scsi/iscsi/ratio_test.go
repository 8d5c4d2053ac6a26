package iscsi_test

import (
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/enstore-go/sdk/tape/scsi"
)

// BenchmarkRatioISCSI writes blocks of 256 KiB to a target that discards them, in turn with a plain TCP copy of the same blocks, each
// answered with 48 bytes. The ratio is the time of the copy over that of the commands, median of all rounds; the goal is at least 0.7.
func BenchmarkRatioISCSI(b *testing.B) {
	const block, blocks, rounds = 256 << 10, 400, 15
	data := pattern(block)
	s := dial(b, serve(b, func(p *peer) {
		p.login("MaxRecvDataSegmentLength=262144\x00InitialR2T=No\x00FirstBurstLength=262144\x00")
		var d pdu
		for {
			if _, err := io.ReadFull(p.r, d.h[:]); err != nil || d.op() != 0x01 {
				return
			}
			if _, err := p.r.Discard(int(d.h[5])<<16 | int(d.h[6])<<8 | int(d.h[7])); err != nil {
				return
			}
			p.cmdSN++
			p.answer(&d, 0, nil)
		}
	}))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		buf := make([]byte, block)
		for {
			if _, err := io.ReadFull(c, buf); err != nil {
				return
			}
			if _, err := c.Write(buf[:48]); err != nil {
				return
			}
		}
	}()
	plain, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer plain.Close()
	var ratios []float64
	b.SetBytes(2 * block * blocks)
	for b.Loop() {
		for range rounds {
			t := time.Now()
			for range blocks {
				if r, err := s.Exec(b.Context(), scsi.Write(block), data, nil); err != nil || r.Status != scsi.Good {
					b.Fatal(r, err)
				}
			}
			commands := time.Since(t)
			t = time.Now()
			answer := make([]byte, 48)
			for range blocks {
				if _, err := plain.Write(data); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(plain, answer); err != nil {
					b.Fatal(err)
				}
			}
			ratios = append(ratios, float64(time.Since(t))/float64(commands))
		}
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)/2], "ratio")
}
