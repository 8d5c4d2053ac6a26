package crc

import (
	"bytes"
	"hash/adler32"
	"math/rand/v2"
	"testing"
)

func fill(seed uint64, n int) []byte {
	p := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(seed)}).Read(p)
	return p
}

func kernels(t testing.TB) map[string]kernel {
	all := map[string]kernel{"words": kernelWords}
	if best == kernelAVX2 {
		all["avx2"] = kernelAVX2
	}
	return all
}

func TestKernelsEqualStandard(t *testing.T) {
	random := fill(1, 3000+64)
	ones := bytes.Repeat([]byte{0xff}, 3000+64)
	for name, k := range kernels(t) {
		t.Run(name, func(t *testing.T) {
			for _, data := range [][]byte{random, ones} {
				for n := 0; n <= 3000; n++ {
					p := data[n%33:][:n]
					if got, want := update(k, 1, p), adler32.Checksum(p); got != want {
						t.Fatalf("%d bytes: %08x, want %08x", n, got, want)
					}
				}
			}
		})
	}
}
