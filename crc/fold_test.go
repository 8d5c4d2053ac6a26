package crc

import (
	"hash/crc32"
	"math/rand/v2"
	"testing"
)

func TestCRC32CEqualsStandardLibrary(t *testing.T) {
	var p [5000]byte
	rand.NewChaCha8([32]byte{}).Read(p[:])
	r := rand.New(rand.NewPCG(1, 2))
	for n := range len(p) {
		at, sum := r.IntN(len(p)-n), r.Uint32()
		q := p[at : at+n]
		if got, want := UpdateCRC32C(sum, q), crc32.Update(sum, castagnoli, q); got != want {
			t.Fatalf("%d bytes at %d from %08x: %08x, not %08x", n, at, sum, got, want)
		}
	}
}

func FuzzCRC32C(f *testing.F) {
	f.Add(uint32(0), []byte("123456789"), uint8(1))
	f.Add(^uint32(0), make([]byte, 300), uint8(7))
	f.Fuzz(func(t *testing.T, sum uint32, p []byte, times uint8) {
		var long []byte // of the lengths at which blocks are folded
		for range times {
			long = append(long, p...)
		}
		if got, want := UpdateCRC32C(sum, long), crc32.Update(sum, castagnoli, long); got != want {
			t.Fatalf("%d bytes from %08x: %08x, not %08x", len(long), sum, got, want)
		}
	})
}
