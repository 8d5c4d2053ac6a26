package plugins

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// ringSeals keep the size of the ring as it is. Without them a plugin could shrink the memory
// under the host, whose next copy would then be a bus error.
const ringSeals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL

// newRing makes the shared memory of the given size and seals it. The file is for the
// plugin; the host closes its own once it is sent. An error means that this system has no
// such memory, and the stream is used.
func newRing(size int) (mem []byte, f *os.File, err error) {
	fd, err := unix.MemfdCreate("enstore-ring", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, nil, fmt.Errorf("plugins: ring: memfd: %w", err)
	}
	f = os.NewFile(uintptr(fd), "enstore-ring")
	if err = unix.Ftruncate(fd, int64(size)); err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, ringSeals)
	}
	if err == nil {
		mem, err = unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	}
	if err != nil {
		f.Close()
		return nil, nil, fmt.Errorf("plugins: ring: %w", err)
	}
	return mem, f, nil
}

// openRing is the plugin's side. It takes only memory of the size that was announced and
// that cannot change any more.
func openRing(f *os.File, size int) ([]byte, error) {
	fd := int(f.Fd())
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, fmt.Errorf("plugins: ring: %w", err)
	}
	if st.Size != int64(size) {
		return nil, fmt.Errorf("plugins: ring: has %d bytes, not %d", st.Size, size)
	}
	seals, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0)
	if err != nil || seals&ringSeals != ringSeals {
		return nil, fmt.Errorf("plugins: ring: its size is not sealed (%#x, %v)", seals, err)
	}
	mem, err := unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("plugins: ring: %w", err)
	}
	return mem, nil
}

func freeRing(mem []byte) {
	if mem != nil {
		_ = unix.Munmap(mem)
	}
}
