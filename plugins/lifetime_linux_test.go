package plugins

import (
	"errors"
	"os"
	"testing"

	"github.com/matryer/is"
	"golang.org/x/sys/unix"
)

// A host without free descriptors cannot see whether another host lives, and must not take it for dead: it
// would end that one's plugins.
func TestWhoCannotBeLookedAtIsNotDead(t *testing.T) {
	is := is.New(t)
	self, err := lifetimeOf(os.Getpid())
	is.NoErr(err)
	var old unix.Rlimit
	is.NoErr(unix.Getrlimit(unix.RLIMIT_NOFILE, &old))
	is.NoErr(unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Max: old.Max}))
	_, blind := lifetimeOf(os.Getpid())
	alive := self.alive()
	is.NoErr(unix.Setrlimit(unix.RLIMIT_NOFILE, &old))
	is.True(errors.Is(blind, unix.EMFILE))
	is.True(alive)
}
