//go:build unix

package plugins

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"go.uber.org/goleak"

	"github.com/enstore-go/sdk/tape/command/commandtest"
	"github.com/enstore-go/sdk/tape/driver"
)

// envTask makes a process of this test binary a host that a test may kill.
const envTask = "ENSTORE_TEST_TASK"

var testPlugins = []Plugin{
	{Name: "ram", Drive: openRAM, Changer: openHand},
	{Name: "robot", Changer: openHand},
	{Name: "null", Drive: openNull},
	{Name: "fake", Drive: openRAM},
}

func TestMain(m *testing.M) {
	commandtest.Main()
	// The race detector keeps a process for a second after its end, otherwise.
	os.Setenv("GORACE", "atexit_sleep_ms=0")
	if os.Getenv(envCookie) == cookie && os.Getenv(envName) == "fake" {
		fake()
	}
	Main(append(testPlugins, Builtin...)...)
	if task := os.Getenv(envTask); task != "" {
		os.Exit(runTask(task))
	}
	// go-plugin's broker reads from a channel that ends a moment after the process.
	goleak.VerifyTestMain(m)
}

// runDir is a run directory with a short name, as sockets need.
func runDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "enstore-run")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		left, err := os.ReadDir(dir)
		if err != nil {
			t.Error(err)
		}
		for _, e := range left {
			t.Errorf("left behind in the run directory: %s", e.Name())
		}
		os.RemoveAll(dir)
	})
	return dir
}

func quickOptions(t testing.TB) HostOptions {
	return HostOptions{Dir: runDir(t), HeldWait: 2 * time.Second, OrphanGrace: 300 * time.Millisecond, RestartMin: time.Millisecond, Logger: testLog(t)}
}

// testLog shows what is logged with -v only, and until the test ends.
func testLog(t testing.TB) hclog.Logger {
	if !testing.Verbose() {
		return nil
	}
	return hclog.New(&hclog.LoggerOptions{Output: os.Stderr, Level: hclog.Debug, Name: t.Name()})
}

func newHost(t testing.TB, o HostOptions) *Host {
	t.Helper()
	h, err := NewHost(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

func config(t testing.TB, v any) driver.Config {
	t.Helper()
	c, err := driver.ConfigOf(v)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// open opens a RAM drive through a process.
func open(t testing.TB, o HostOptions, c ramConfig) *remoteDrive {
	t.Helper()
	d, err := newHost(t, o).OpenDrive(t.Context(), "ram", config(t, c))
	if err != nil {
		t.Fatal(err)
	}
	return d.(*remoteDrive)
}

// bothWays runs a test with the ring and with the stream.
func bothWays(t *testing.T, f func(t *testing.T, o HostOptions)) {
	for _, way := range []string{"ring", "stream"} {
		t.Run(way, func(t *testing.T) {
			o := quickOptions(t)
			o.NoSharedMemory = way == "stream"
			f(t, o)
		})
	}
}

func outcome(err error) driver.Outcome {
	if e, ok := errors.AsType[*driver.Error](err); ok {
		return e.Outcome
	}
	return driver.OutcomeNone
}
