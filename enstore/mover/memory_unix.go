//go:build unix

package mover

import "syscall"

func mapMemory(n int) ([]byte, error) {
	mem, err := syscall.Mmap(-1, 0, n, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err == nil {
		adviseHuge(mem)
	}
	return mem, err
}

func unmapMemory(mem []byte) {
	if mem != nil {
		_ = syscall.Munmap(mem) // it is a mapping of ours
	}
}
