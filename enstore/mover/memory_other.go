//go:build !unix

package mover

func mapMemory(n int) ([]byte, error) { return aligned(n), nil }

func unmapMemory([]byte) {}
