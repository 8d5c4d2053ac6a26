package disk

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"syscall"
)

// processStart tells processes of one number apart: the boot and, since then, the clock tick in which
// the process started (field 22 of /proc/PID/stat, proc(5)).
func processStart(pid int) (string, error) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if errors.Is(err, syscall.ESRCH) {
		return "", fs.ErrNotExist // it ended between open and read
	}
	if err != nil {
		return "", err
	}
	// The command's name, field 2, is in parentheses and may contain anything, even those.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	const state, startTime = 0, 19 // fields[0] is the third of the line
	if len(fields) <= startTime {
		return "", fmt.Errorf("process %d: unknown form of /proc/PID/stat", pid)
	}
	if s := fields[state][0]; s == 'Z' || s == 'X' {
		return "", fs.ErrNotExist // dead, its parent has not asked yet
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s/%s", bytes.TrimSpace(boot), fields[startTime]), nil
}
