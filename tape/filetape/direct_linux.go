package filetape

import (
	"errors"
	"syscall"

	"github.com/enstore-go/sdk/tape/disk"
)

// setDirect makes a file's writes go past the page cache, or through it again. File systems that
// cannot say so here or, as errors for which refusesDirect is true, at the first write.
func setDirect(f disk.File, on bool) error {
	s, ok := f.(syscall.Conn)
	if !ok {
		return errors.ErrUnsupported
	}
	c, err := s.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = c.Control(func(fd uintptr) {
		flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, fd, syscall.F_GETFL, 0)
		if errno == 0 {
			flags &^= syscall.O_DIRECT
			if on {
				flags |= syscall.O_DIRECT
			}
			_, _, errno = syscall.Syscall(syscall.SYS_FCNTL, fd, syscall.F_SETFL, flags)
		}
		if errno != 0 {
			failed = errno
		}
	})
	return errors.Join(err, failed)
}

func refusesDirect(err error) bool { return errors.Is(err, syscall.EINVAL) }
