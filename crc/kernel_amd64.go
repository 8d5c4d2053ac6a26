package crc

import "golang.org/x/sys/cpu"

// best is the fastest kernel of this machine.
var best = func() kernel {
	if cpu.X86.HasAVX2 {
		return kernelAVX2
	}
	return kernelWords
}()

// avx2Block is the number of bytes sumsAVX2 takes at a time.
const avx2Block = 64

// sumsAVX2 gives the sum of blocks·avx2Block bytes from p on, and their sum with the
// weights blocks·avx2Block … 1. It takes at most piece bytes.
//
//go:noescape
func sumsAVX2(p *byte, blocks int) (total, weighted uint64)
