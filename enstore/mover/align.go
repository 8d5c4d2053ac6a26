package mover

import "unsafe"

// addr is the address of a slice's first byte; it is only used for alignment.
func addr(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }
