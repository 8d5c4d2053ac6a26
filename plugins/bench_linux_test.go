package plugins

import (
	"fmt"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// processorTime is what this process and a living child of it have used. rusage tells of children only
// when they are dead, so the child's own clock is read.
func processorTime(b *testing.B, pid int) time.Duration {
	b.Helper()
	clock := int32(^pid<<3 | 2) // CPUCLOCK_SCHED of the process, as clock_getcpuclockid(3) makes it
	var ts unix.Timespec
	if _, _, errno := unix.Syscall(unix.SYS_CLOCK_GETTIME, uintptr(clock), uintptr(unsafe.Pointer(&ts)), 0); errno != 0 {
		b.Fatal(fmt.Errorf("clock of process %d: %w", pid, errno))
	}
	return ownProcessorTime(b) + time.Duration(ts.Nano())
}
