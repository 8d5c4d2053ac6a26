package wire

import (
	"bytes"
	"fmt"
	"io"
	"testing"
)

// BenchmarkTransfer sends over loopback, with and without checksums at both ends. The processor time of a pair
// of sub-benchmarks gives the price of the checksums; see cpu-s/GB.
func BenchmarkTransfer(b *testing.B) {
	const size = 256 << 20
	block := content(1 << 20)
	for _, bare := range []bool{false, true} {
		b.Run(fmt.Sprintf("checksums=%v", !bare), func(b *testing.B) {
			s := port(b, nil)
			b.SetBytes(size)
			start := processorTime()
			for b.Loop() {
				client, server := pair(b, s, WriteData)
				client.bare, server.bare = bare, bare
				go func() {
					if client.AwaitReady(b.Context()) != nil {
						return
					}
					for range size / len(block) {
						if _, err := client.Write(block); err != nil {
							return
						}
					}
					client.Finish(client.Sum())
				}()
				if err := server.Ready(); err != nil {
					b.Fatal(err)
				}
				if n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{server}, make([]byte, 256<<10)); n != size || err != nil {
					b.Fatal(n, err)
				}
				client.Close()
				server.Close()
			}
			if spent := processorTime() - start; spent > 0 {
				b.ReportMetric(spent.Seconds()/(float64(b.N)*size/1e9), "cpu-s/GB")
			}
		})
	}
}

// The ends of a connection make no garbage, however long the file.
func TestFramesCostNoAllocation(t *testing.T) {
	frames := bytes.Repeat(rawFrame(frameData, string(content(100_000))), 200)
	c := play(frames)
	buf := make([]byte, 64<<10)
	read := testing.AllocsPerRun(100, func() {
		if _, err := io.ReadFull(c, buf); err != nil {
			t.Fatal(err)
		}
	})
	out := newConn(script{nil, io.Discard}, WriteData, false, "data port", 0)
	out.nc = script{bytes.NewReader(nil), io.Discard}
	big, small := content(frameSize), content(1000)
	write := testing.AllocsPerRun(100, func() {
		out.Write(small)
		out.Write(big)
	})
	if read > 0 || write > 0 {
		t.Errorf("%v allocations a read, %v a write", read, write)
	}
}
