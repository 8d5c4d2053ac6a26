package plugins

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// lifetimeOf asks the kernel for the time at which a process started. A zombie is
// dead: os.ErrNotExist, as for no process at all.
func lifetimeOf(pid int) (lifetime, error) {
	k, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil {
		return lifetime{}, os.ErrNotExist
	}
	const zombie = 5 // SZOMB of sys/proc.h
	if k.Proc.P_stat == zombie {
		return lifetime{}, os.ErrNotExist
	}
	t := k.Proc.P_starttime
	return lifetime{PID: pid, Start: fmt.Sprintf("%d.%06d", t.Sec, t.Usec)}, nil
}
