// Package plugintest opens drives and robots through real plugin processes in tests.
//
// A vendor runs the conformance kit a second time, through the border that separates his
// driver from its users, on his own program:
//
//	func TestThroughThePlugin(t *testing.T) {
//		drivertest.TestDrive(t, func(t testing.TB, s drivertest.Scratch) *drivertest.Rig {
//			config := scratchDrive(t, s)
//			return &drivertest.Rig{Open: func() (driver.Drive, error) {
//				return plugintest.OpenDrive(t, "/abs/path/drive-acme")(t.Context(), config)
//			}}
//		})
//	}
//
// A driver without a program of its own is served by the test binary, which then starts itself:
//
//	func TestMain(m *testing.M) {
//		plugins.Main(plugins.Plugin{Name: "drive-acme", Drive: acme.OpenDrive})
//		os.Exit(m.Run())
//	}
//
// with "drive-acme" as the source. Nouns: those of package plugins. The package holds no rules itself;
// they are in drivertest.
package plugintest

import (
	"context"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/enstore-go/sdk/plugins"
	"github.com/enstore-go/sdk/tape/driver"
)

// Host makes a host with a run directory of its own. It is closed when the test ends, and what the
// plugins log is logged by the test. Of o, Dir and Logger are replaced, and HeldWait and
// RestartMin are short if they are not set.
func Host(t testing.TB, o plugins.HostOptions) *plugins.Host {
	t.Helper()
	// t.TempDir's names are too long for the path of a socket.
	dir, err := os.MkdirTemp("", "plugintest")
	if err != nil {
		t.Fatal(err)
	}
	log := &testLog{t: t}
	o.Dir, o.Logger = dir, hclog.New(&hclog.LoggerOptions{Output: log, Level: hclog.Info, DisableTime: true})
	if o.HeldWait == 0 {
		o.HeldWait = 200 * time.Millisecond
	}
	if o.RestartMin == 0 {
		o.RestartMin = time.Millisecond
	}
	h, err := plugins.NewHost(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = h.Close() // drives that the test left open, whose errors it did not want
		log.end()
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return h
}

// OpenDrive is a driver.OpenDrive that starts a plugin process for each drive.
func OpenDrive(t testing.TB, src plugins.Source) driver.OpenDrive {
	t.Helper()
	h := Host(t, plugins.HostOptions{})
	return func(ctx context.Context, c driver.Config) (driver.Drive, error) { return h.OpenDrive(ctx, src, c) }
}

// OpenChanger is a driver.OpenChanger that starts a plugin process for each robot.
func OpenChanger(t testing.TB, src plugins.Source) driver.OpenChanger {
	t.Helper()
	h := Host(t, plugins.HostOptions{})
	return func(ctx context.Context, c driver.Config) (driver.Changer, error) { return h.OpenChanger(ctx, src, c) }
}

// Drive opens one drive through a plugin process. It is closed when the test ends.
func Drive(t testing.TB, src plugins.Source, c driver.Config) driver.Drive {
	t.Helper()
	d, err := OpenDrive(t, src)(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Changer opens one robot through a plugin process. It is closed when the test ends.
func Changer(t testing.TB, src plugins.Source, c driver.Config) driver.Changer {
	t.Helper()
	r, err := OpenChanger(t, src)(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// testLog is the test's log until the test ends: a process may have a last word after that.
type testLog struct {
	mu    sync.Mutex
	t     testing.TB
	ended bool
}

func (l *testLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended {
		l.t.Log(strings.TrimRight(string(p), "\n"))
	}
	return len(p), nil
}

func (l *testLog) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
}
