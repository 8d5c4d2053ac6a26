package drivertest

import (
	"fmt"
	"testing"
)

// RunBenchmarks measures writing and reading of blocks of 64 KiB, 256 KiB and 1 MiB, as far
// as the drive takes them, the synchronous flush, and the locate. Blocks per flush
// and blocks on tape are chosen so that a cartridge of 256 MiB is enough.
func RunBenchmarks(b *testing.B, h Harness) {
	for _, n := range []int{64 << 10, 256 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("write %d KiB", n>>10), func(b *testing.B) { benchWrite(b, h, n) })
		b.Run(fmt.Sprintf("read %d KiB", n>>10), func(b *testing.B) { benchRead(b, h, n) })
	}
	b.Run("flush", func(b *testing.B) { benchFlush(b, h) })
	b.Run("locate", func(b *testing.B) { benchLocate(b, h) })
}

// benchTape is the most that a benchmark has on tape, in bytes.
const benchTape = 128 << 20

func bench(b *testing.B, h Harness) *kit {
	k := &kit{TB: b, ctx: b.Context(), rig: h(b, Scratch{}), rule: rule{name: b.Name(), explanation: "a benchmark needs a drive that works"}}
	if k.rig == nil {
		b.Skip("the harness has no blank cartridge")
	}
	k.open()
	b.Cleanup(func() { k.d.Close() })
	k.load()
	return k
}

func benchWrite(b *testing.B, h Harness, n int) {
	k := bench(b, h)
	if n > k.caps.MaxBlock || n < k.caps.MinBlock {
		b.Skip("beyond the drive's block limits")
	}
	p := block(1, n)
	per := benchTape / n
	b.SetBytes(int64(n))
	for i := 0; b.Loop(); i++ {
		if i%per == per-1 {
			k.flush()
			k.rewind()
		}
		k.write(p)
	}
	k.flush()
}

func benchRead(b *testing.B, h Harness, n int) {
	k := bench(b, h)
	if n > k.caps.MaxBlock || n < k.caps.MinBlock {
		b.Skip("beyond the drive's block limits")
	}
	p := block(1, n)
	for range benchTape / n {
		k.write(p)
	}
	k.flush()
	k.rewind()
	b.SetBytes(int64(n))
	for i := 0; b.Loop(); i++ {
		if i%(benchTape/n) == 0 {
			k.rewind()
		}
		if got, _, err := k.d.ReadBlock(k.ctx, p); err != nil || got != n {
			k.fail("read block: %d, %v", got, err)
		}
	}
}

func benchFlush(b *testing.B, h Harness) {
	k := bench(b, h)
	p := block(1, k.size(4096))
	for i := 0; b.Loop(); i++ {
		if i%10000 == 9999 {
			k.rewind()
		}
		k.write(p)
		k.flush()
	}
}

func benchLocate(b *testing.B, h Harness) {
	k := bench(b, h)
	if why := needsLocate(k); why != "" {
		b.Skip(why)
	}
	const objects = 2000
	for i := range objects / 2 {
		k.write(block(i, k.size(1000)))
		k.marks(1)
	}
	k.flush()
	x := uint32(1)
	for b.Loop() {
		x = x*1664525 + 1013904223
		if err := k.d.Locate(k.ctx, int64(x%objects)); err != nil {
			k.fail("locate: %v", err)
		}
	}
}
