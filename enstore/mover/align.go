package mover

import "unsafe"

// aligned returns a buffer whose address is a multiple of 4096, as direct I/O wants it.
func aligned(n int) []byte {
	b := make([]byte, n+page)
	off := int(-uintptr(unsafe.Pointer(unsafe.SliceData(b))) & (page - 1))
	return b[off : off+n : off+n]
}
