package filetape

import "syscall"

// mapMemory gives memory for buffers, nil if it cannot, in pages of 2 MiB where the kernel has them: every byte on its way
// to an image is copied into it, and direct I/O looks up each of its pages.
func mapMemory(n int) []byte {
	mem, err := syscall.Mmap(-1, 0, n, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return nil
	}
	_ = syscall.Madvise(mem, syscall.MADV_HUGEPAGE) // without them it is only slower
	return mem
}

func unmapMemory(mem []byte) {
	if mem != nil {
		_ = syscall.Munmap(mem) // it is a mapping of ours
	}
}
