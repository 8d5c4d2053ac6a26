package plugins

import (
	"os"
	"strings"
	"testing"

	"github.com/matryer/is"
	"golang.org/x/sys/unix"
)

func TestTheRingCannotChangeItsSize(t *testing.T) {
	is := is.New(t)
	mem, f, err := newRing(2 * slotAlign)
	is.NoErr(err)
	defer f.Close()
	defer freeRing(mem)
	is.Equal(len(mem), 2*slotAlign)
	for _, size := range []int64{0, slotAlign, 3 * slotAlign} {
		is.Equal(unix.Ftruncate(int(f.Fd()), size), unix.EPERM)
	}
	_, err = unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_WRITE)
	is.Equal(err, unix.EPERM)

	other, err := openRing(f, 2*slotAlign)
	is.NoErr(err)
	defer freeRing(other)
	mem[slotAlign] = 7
	is.Equal(other[slotAlign], byte(7))
	_, err = openRing(f, 3*slotAlign)
	is.True(strings.Contains(err.Error(), "has 131072 bytes, not 196608"))
}

func TestAPluginTakesNoRingThatCouldShrink(t *testing.T) {
	is := is.New(t)
	fd, err := unix.MemfdCreate("unsealed", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	is.NoErr(err)
	f := os.NewFile(uintptr(fd), "unsealed")
	defer f.Close()
	is.NoErr(unix.Ftruncate(fd, slotAlign))
	_, err = openRing(f, slotAlign)
	is.True(strings.Contains(err.Error(), "its size is not sealed"))
}
