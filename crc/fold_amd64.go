package crc

import (
	"hash/crc32"

	"golang.org/x/sys/cpu"
)

// foldBlock is the number of bytes that foldAVX512 takes at a time.
const foldBlock = 256

var canFold = cpu.X86.HasAVX512F && cpu.X86.HasAVX512VPCLMULQDQ

// foldAVX512 makes foldBlock bytes, dst, of blocks·foldBlock bytes from p on, with the same remainder modulo the
// polynomial. state is added to the first four bytes.
//
//go:noescape
func foldAVX512(dst *[foldBlock]byte, p *byte, blocks int, state uint32)

// updateCRC32C continues a CRC-32C. On processors that multiply 64 bytes without carry at once, whole blocks
// are folded into one, whose CRC is that of all of them.
func updateCRC32C(sum uint32, p []byte) uint32 {
	if n := len(p) / foldBlock; canFold && n > 1 {
		var folded [foldBlock]byte
		foldAVX512(&folded, &p[0], n, ^sum)
		sum = crc32.Update(^uint32(0), castagnoli, folded[:])
		p = p[n*foldBlock:]
	}
	return crc32.Update(sum, castagnoli, p)
}
