package crc

import (
	"hash/crc32"

	"golang.org/x/sys/cpu"
)

// foldBlock is the number of bytes that foldAVX512 takes at a time.
const foldBlock = 256

var canFold = cpu.X86.HasSSE42 && cpu.X86.HasAVX512F && cpu.X86.HasAVX512VPCLMULQDQ

// foldAVX512 continues a CRC-32C over blocks·foldBlock bytes from p on, at least one block.
//
//go:noescape
func foldAVX512(sum uint32, p *byte, blocks int) uint32

// updateCRC32C continues a CRC-32C. On processors that multiply 64 bytes without carry at once, whole blocks
// are folded into one, whose CRC is that of all of them.
func updateCRC32C(sum uint32, p []byte) uint32 {
	if n := len(p) / foldBlock; canFold && n > 1 {
		sum = foldAVX512(sum, &p[0], n)
		p = p[n*foldBlock:]
	}
	return crc32.Update(sum, castagnoli, p)
}
