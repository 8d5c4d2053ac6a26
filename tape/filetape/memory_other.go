//go:build !linux

package filetape

// mapMemory gives no memory: the heap does.
func mapMemory(int) []byte { return nil }

func unmapMemory([]byte) {}
