//go:build !amd64

package crc

const best = kernelWords

// avx2Block keeps the common code whole; no kernel here uses it.
const avx2Block = 64

// sumsAVX2 is never called: no machine of this kind has the kernel.
func sumsAVX2(*byte, int) (total, weighted uint64) { return 0, 0 }
