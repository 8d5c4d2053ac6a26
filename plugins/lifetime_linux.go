package plugins

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// lifetimeOf reads the start time of a process from /proc: clock ticks since boot, with the boot's
// identity. A zombie is dead: os.ErrNotExist, as for no process at all.
func lifetimeOf(pid int) (lifetime, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if errors.Is(err, syscall.ESRCH) { // it ended while its file was read
		err = os.ErrNotExist
	}
	if err != nil {
		return lifetime{}, err
	}
	// The second field, the command's name, is in parentheses and may contain anything.
	i := bytes.LastIndexByte(stat, ')')
	f := bytes.Fields(stat[i+1:])
	const state, start = 0, 19 // fields 3 and 22 of proc(5)
	if i < 0 || len(f) <= start {
		return lifetime{}, fmt.Errorf("plugins: /proc/%d/stat: not in the form of proc(5)", pid)
	}
	if s := f[state][0]; s == 'Z' || s == 'X' {
		return lifetime{}, os.ErrNotExist
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return lifetime{PID: pid}, nil // no start time that is good across boots
	}
	return lifetime{PID: pid, Start: strings.TrimSpace(string(boot)) + ":" + string(f[start])}, nil
}
