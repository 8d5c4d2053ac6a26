package crc

import (
	"fmt"
	"hash/adler32"
	"hash/crc32"
	"slices"
	"testing"
	"time"
)

// rounds is how often each side is measured, in turns.
const rounds = 21

// BenchmarkRatioAdler gives how many times as fast as hash/adler32 each kernel is, as the median over
// rounds in which both take turns, so that a busy machine slows both alike; spread is the
// distance of the quartiles over the median. Goal: ratio at least 8 with AVX2, and at
// least 1.5 for the kernel in plain Go.
func BenchmarkRatioAdler(b *testing.B) {
	for _, size := range []int{256 << 10, 1 << 20} {
		for _, k := range kernels() {
			b.Run(fmt.Sprintf("%s/%dKiB", k.name, size>>10), func(b *testing.B) {
				p := fill(1, size)
				var ratios []float64
				for b.Loop() {
					for range rounds {
						theirs := stopwatch(p, adler32.Checksum)
						ours := stopwatch(p, func(p []byte) uint32 { return update(k.k, 1, p) })
						ratios = append(ratios, theirs/ours)
					}
				}
				slices.Sort(ratios)
				median := ratios[len(ratios)/2]
				b.ReportMetric(median, "ratio")
				b.ReportMetric((ratios[len(ratios)*3/4]-ratios[len(ratios)/4])/median, "spread")
			})
		}
	}
}

// BenchmarkRatioCRC32C gives how many times as fast as hash/crc32 the CRC-32C is, likewise. Where it is the same
// the ratio is 1.
func BenchmarkRatioCRC32C(b *testing.B) {
	for _, size := range []int{16 << 10, 256 << 10} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			p := fill(1, size)
			var ratios []float64
			for b.Loop() {
				for range rounds {
					theirs := stopwatch(p, func(p []byte) uint32 { return crc32.Update(0, castagnoli, p) })
					ours := stopwatch(p, CRC32C)
					ratios = append(ratios, theirs/ours)
				}
			}
			slices.Sort(ratios)
			median := ratios[len(ratios)/2]
			b.ReportMetric(median, "ratio")
			b.ReportMetric((ratios[len(ratios)*3/4]-ratios[len(ratios)/4])/median, "spread")
		})
	}
}

// stopwatch gives the seconds that a checksum of some 16 MiB takes, in pieces of p.
func stopwatch(p []byte, sum func([]byte) uint32) float64 {
	start := time.Now()
	for range (16 << 20) / len(p) {
		sink = sum(p)
	}
	return time.Since(start).Seconds()
}

var sink uint32

func BenchmarkAdler(b *testing.B) {
	for _, size := range []int{64, 1 << 10, 64 << 10, 256 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			p := fill(1, size)
			b.SetBytes(int64(size))
			for b.Loop() {
				sink = Adler(Seed1, p)
			}
		})
	}
}
