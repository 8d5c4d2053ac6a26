//go:build unix

package enstore

import (
	"os"
	"syscall"
)

// owner gives a file's owner and group.
func owner(info os.FileInfo) (uid, gid uint32) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Uid, st.Gid
	}
	return 0, 0
}
