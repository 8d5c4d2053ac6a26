package disk

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/matryer/is"
)

// holdEnv makes this program take a lock and hold it until its input ends.
const holdEnv = "ENSTORE_DISK_TEST_HOLD"

func TestMain(m *testing.M) {
	if name := os.Getenv(holdEnv); name != "" {
		_, err := TryLock(OS(), name)
		fmt.Println(err)
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0) // without giving the lock back
	}
	os.Exit(m.Run())
}

// hold starts a process that has taken the lock when hold returns. Closing stdin ends it.
func hold(t *testing.T, name string) (cmd *exec.Cmd, stdin io.Closer) {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	cmd = exec.Command(self)
	cmd.Env = append(os.Environ(), holdEnv+"="+name)
	stdin, err = cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	must(t, err)
	if strings.TrimSpace(line) != "<nil>" {
		t.Fatal("the other process:", line)
	}
	return cmd, stdin
}

func TestLockOfAnotherProcessEndsWithIt(t *testing.T) {
	is := is.New(t)
	name := filepath.Join(t.TempDir(), "drive0")
	cmd, stdin := hold(t, name)
	_, err := TryLock(OS(), name)
	held, ok := errors.AsType[*LockedError](err)
	is.True(ok)
	is.Equal(held.Holder.PID, cmd.Process.Pid)
	is.Equal(held.Error(), fmt.Sprintf("%s: locked by process %d", name, cmd.Process.Pid))
	is.NoErr(stdin.Close())
	is.NoErr(cmd.Wait())
	lock, err := TryLock(OS(), name)
	is.NoErr(err)
	h, err := ReadHolder(OS(), name)
	is.NoErr(err)
	is.Equal(h, Self()) // and not the one that died with the lock
	is.NoErr(lock.Close())
	is.True(lock.Close() != nil) // twice
}

func TestHolderIsEndedByNumberAndStart(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("this system does not tell when a process started")
	}
	is := is.New(t)
	name := filepath.Join(t.TempDir(), "drive0")
	cmd, _ := hold(t, name)
	holder, err := ReadHolder(OS(), name)
	is.NoErr(err)
	runs, err := holder.Running()
	is.NoErr(err)
	is.True(runs)

	stranger := Holder{PID: holder.PID, Start: "another boot/1"} // the number has been given out again
	runs, err = stranger.Running()
	is.NoErr(err)
	is.True(!runs)
	is.NoErr(stranger.Kill())
	_, err = TryLock(OS(), name)
	is.True(errors.Is(err, ErrLocked)) // it lives

	is.NoErr(holder.Kill())
	cmd.Wait()
	runs, err = holder.Running()
	is.NoErr(err)
	is.True(!runs)
	is.NoErr(holder.Kill()) // gone already
	lock, err := TryLock(OS(), name)
	is.NoErr(err)
	is.NoErr(lock.Close())
	is.NoErr(Holder{}.Kill()) // nobody
}

func TestLockNeedsAnFSThatHasLocks(t *testing.T) {
	is := is.New(t)
	_, err := TryLock(struct{ FS }{OS()}, filepath.Join(t.TempDir(), "x"))
	is.True(errors.Is(err, errors.ErrUnsupported))
	_, err = TryLock(OS(), filepath.Join(t.TempDir(), "missing", "x"))
	is.True(err != nil)
	is.True(!errors.Is(err, ErrLocked))
}

func TestParseHolder(t *testing.T) {
	for _, c := range []struct {
		text string
		want Holder
		good bool
	}{
		{"", Holder{}, true},
		{"12", Holder{}, true}, // not written to its end
		{"12\n", Holder{PID: 12}, true},
		{"12 boot/34\n", Holder{12, "boot/34"}, true},
		{"0 x\n", Holder{}, false},
		{"-1 x\n", Holder{}, false},
		{"x\n", Holder{}, false},
		{"\n", Holder{}, false},
	} {
		t.Run(c.text, func(t *testing.T) {
			is := is.New(t)
			h, err := parseHolder(c.text)
			is.Equal(err == nil, c.good)
			is.Equal(h, c.want)
		})
	}
}

func FuzzParseHolder(f *testing.F) {
	f.Add("12 boot/34\n")
	f.Add("12\n")
	f.Add("\n")
	f.Fuzz(func(t *testing.T, s string) {
		h, err := parseHolder(s)
		if err != nil && h != (Holder{}) {
			t.Fatalf("%v with an error", h)
		}
		if h.PID < 0 || h.PID == 0 && h.Start != "" {
			t.Fatalf("%q gives %v", s, h)
		}
	})
}
