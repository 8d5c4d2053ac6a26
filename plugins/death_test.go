//go:build unix

package plugins

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	goplugin "github.com/hashicorp/go-plugin"
	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape/driver"
)

// runTask is a process of this test binary that a test may kill: a host with one drive. It
// prints the number of the plugin's process, and writes blocks until it is killed or, if it is
// not to write, waits.
func runTask(task string) int {
	var a struct {
		Dir    string
		Stream bool
		Write  bool
		Source Source
		Drive  ramConfig
	}
	err := json.Unmarshal([]byte(task), &a)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	h, err := NewHost(HostOptions{Dir: a.Dir, NoSharedMemory: a.Stream})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	c, _ := driver.ConfigOf(a.Drive)
	d, err := h.OpenDrive(context.Background(), a.Source, c)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(d.(*remoteDrive).p.pid())
	for a.Write {
		if _, err := d.WriteBlock(context.Background(), make([]byte, 1000)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

// hostProcess starts runTask, and tells the numbers of it and of its plugin.
func hostProcess(t *testing.T, dir string, src Source, stream, write bool, c ramConfig) (host *exec.Cmd, plugin lifetime) {
	t.Helper()
	arg, err := json.Marshal(map[string]any{"Dir": dir, "Source": src, "Stream": stream, "Write": write, "Drive": c})
	if err != nil {
		t.Fatal(err)
	}
	host = exec.Command(os.Args[0])
	host.Env = append(os.Environ(), envTask+"="+string(arg))
	host.Stderr = os.Stderr
	in, err := host.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := host.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); _ = host.Process.Kill(); _ = host.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Sscan(line, &pid); err != nil {
		t.Fatal(err)
	}
	plugin, err = lifetimeOf(pid)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if plugin.alive() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	return host, plugin
}

func kill(t *testing.T, pid int, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, s); err != nil {
		t.Fatal(err)
	}
}

// stop stops a process. Its threads do so one after the other, a moment after the signal.
func stop(t *testing.T, pid int) {
	t.Helper()
	kill(t, pid, syscall.SIGSTOP)
	if runtime.GOOS != "linux" {
		time.Sleep(100 * time.Millisecond)
		return
	}
	within(t, 5*time.Second, "the process is stopped", func() bool {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		if err != nil || len(threads) == 0 {
			t.Fatalf("process %d: %v", pid, err)
		}
		for _, name := range threads {
			stat, err := os.ReadFile(name)
			if err == nil && !strings.Contains(string(stat), ") T ") {
				return false
			}
		}
		return true
	})
}

// within waits for a condition that another process brings about.
func within(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	for begin := time.Now(); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Since(begin) > limit {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

func TestAKilledPluginIsGoneWithinASecond(t *testing.T) {
	calls := map[string]func(*remoteDrive) error{
		"locate": func(d *remoteDrive) error { return d.Locate(context.Background(), 0) },
		"read block": func(d *remoteDrive) error {
			_, _, err := d.ReadBlock(context.Background(), make([]byte, 100))
			return err
		},
		"write block": func(d *remoteDrive) (err error) {
			for err == nil {
				_, err = d.WriteBlock(context.Background(), make([]byte, 100_000))
			}
			return err
		},
	}
	for op, call := range calls {
		t.Run(op, func(t *testing.T) {
			bothWays(t, func(t *testing.T, o HostOptions) {
				is := is.New(t)
				h := newHost(t, o)
				conf := config(t, ramConfig{Stuck: "ignore:" + op, StuckAfter: map[string]int{"write block": 20}[op]})
				opened, err := h.OpenDrive(t.Context(), "ram", conf)
				is.NoErr(err)
				d := opened.(*remoteDrive)
				result := make(chan error, 1)
				go func() { result <- call(d) }()
				for d.busy.TryLock() { // until the call is in progress
					d.busy.Unlock()
					time.Sleep(time.Millisecond)
				}
				begin := time.Now()
				kill(t, d.p.pid(), syscall.SIGKILL)
				err = <-result
				is.True(time.Since(begin) < time.Second)
				is.Equal(outcome(err), driver.OutcomeGone)
				is.True(strings.Contains(err.Error(), "has ended: signal: killed"))

				_, err = d.WriteBlock(t.Context(), []byte("more"))
				is.Equal(outcome(err), driver.OutcomeGone)
				_, err = d.Status(t.Context())
				is.Equal(outcome(err), driver.OutcomeGone)
				is.Equal(outcome(d.Close()), driver.OutcomeGone)

				again, err := h.OpenDrive(t.Context(), "ram", conf)
				is.NoErr(err)
				_, err = again.Status(t.Context())
				is.NoErr(err)
				is.NoErr(again.Close())
			})
		})
	}
}

func TestAnIdlePluginThatDiesIsGoneAtTheNextCall(t *testing.T) {
	bothWays(t, func(t *testing.T, o HostOptions) {
		is := is.New(t)
		d := open(t, o, ramConfig{})
		_, err := d.WriteBlock(t.Context(), []byte("one"))
		is.NoErr(err)
		kill(t, d.p.pid(), syscall.SIGKILL)
		for n := 0; err == nil; n++ { // no more than the window is accepted by mistake
			_, err = d.WriteBlock(t.Context(), []byte("more"))
			is.True(n <= o.Window+6)
		}
		is.Equal(outcome(err), driver.OutcomeGone)
	})
}

func TestAPluginThatPanicsSaysSo(t *testing.T) {
	is := is.New(t)
	d := open(t, quickOptions(t), ramConfig{Panic: "locate"})
	err := d.Locate(t.Context(), 0)
	is.Equal(outcome(err), driver.OutcomeGone)
	is.True(strings.Contains(err.Error(), "panic: the drive has a bug in locate"))
}

func TestAStuckPluginIsTimedOutAndKilled(t *testing.T) {
	for op, call := range map[string]func(*remoteDrive) error{
		"locate": func(d *remoteDrive) error { return d.Locate(context.Background(), 0) },
		"status": func(d *remoteDrive) error { _, err := d.Status(context.Background()); return err },
		"read block": func(d *remoteDrive) error {
			_, _, err := d.ReadBlock(context.Background(), make([]byte, 10))
			return err
		},
		"write block": func(d *remoteDrive) (err error) {
			for err == nil {
				_, err = d.WriteBlock(context.Background(), make([]byte, 500_000))
			}
			return err
		},
		"write filemarks": func(d *remoteDrive) error { _, err := d.WriteFilemarks(context.Background(), 1, false); return err },
	} {
		t.Run(op, func(t *testing.T) {
			t.Parallel() // they wait for the better part of their time
			bothWays(t, func(t *testing.T, o HostOptions) {
				is := is.New(t)
				d := open(t, o, ramConfig{Stuck: "ignore:" + op, TimeoutMS: 150, StuckAfter: map[string]int{"write block": 3}[op]})
				begin := time.Now()
				err := call(d)
				took := time.Since(begin)
				is.Equal(outcome(err), driver.OutcomeTimeout)
				is.True(took >= 150*time.Millisecond && took < 5*time.Second)
				_, err = d.Position(t.Context())
				is.Equal(outcome(err), driver.OutcomeGone)
				is.True(strings.Contains(err.Error(), "no answer within"))
			})
		})
	}
}

func TestAStoppedProcessIsStuckToo(t *testing.T) {
	is := is.New(t)
	d := open(t, quickOptions(t), ramConfig{TimeoutMS: 150})
	stop(t, d.p.pid())
	_, err := d.Status(t.Context())
	is.Equal(outcome(err), driver.OutcomeTimeout)
	is.Equal(outcome(d.Close()), driver.OutcomeGone)
}

func TestAPluginLeavesTheEndToItsHost(t *testing.T) {
	is := is.New(t)
	d := open(t, quickOptions(t), ramConfig{})
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		kill(t, d.p.pid(), s)
		_, err := d.WriteBlock(t.Context(), []byte("still here"))
		is.NoErr(err)
	}
	p, err := d.Position(t.Context())
	is.NoErr(err)
	is.Equal(p.Block, int64(3))
}

func TestAPluginEndsWhenItsHostIsKilled(t *testing.T) {
	for _, c := range []struct {
		name  string
		write bool
		conf  ramConfig
	}{
		{"idle", false, ramConfig{}},
		{"writing", true, ramConfig{Slow: 30_000}},
		{"stuck in a write", true, ramConfig{Stuck: "ignore:write block", StuckAfter: 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bothWays(t, func(t *testing.T, o HostOptions) {
				is := is.New(t)
				files := t.TempDir()
				c.conf.Log, c.conf.Lock = filepath.Join(files, "log"), filepath.Join(files, "lock")
				host, plugin := hostProcess(t, o.Dir, "ram", o.NoSharedMemory, c.write, c.conf)
				written := func() int64 {
					st, err := os.Stat(c.conf.Log)
					is.NoErr(err)
					return st.Size()
				}
				if c.write { // the ring is full of blocks that must not be written
					within(t, 10*time.Second, "blocks are written", func() bool { return written() >= 2 })
				}
				is.NoErr(host.Process.Kill())
				_ = host.Wait()
				before := written()
				within(t, time.Second, "the plugin ends", func() bool { return !plugin.alive() })
				is.True(written() <= before+1) // the one in progress, and nothing after it

				h := newHost(t, o) // clears what the dead have left
				d, err := h.OpenDrive(t.Context(), "ram", config(t, c.conf))
				is.NoErr(err)
				is.NoErr(d.Close())
			})
		})
	}
}

func TestAnOrphanThatHoldsTheDriveIsEnded(t *testing.T) {
	is := is.New(t)
	o := quickOptions(t)
	c := ramConfig{Lock: filepath.Join(t.TempDir(), "lock")}
	t.Setenv(envFake, "immortal")
	host, plugin := hostProcess(t, o.Dir, "fake", false, false, c)
	is.NoErr(host.Process.Kill())
	_ = host.Wait()

	d, err := newHost(t, o).OpenDrive(t.Context(), "ram", config(t, c))
	is.NoErr(err)
	is.True(!plugin.alive())
	is.NoErr(d.Close())
	newHost(t, o)
}

func TestADriveThatALivingHostHoldsIsReported(t *testing.T) {
	is := is.New(t)
	o := quickOptions(t)
	o.HeldWait, o.OrphanGrace = 200*time.Millisecond, 10*time.Millisecond
	c := ramConfig{Lock: filepath.Join(t.TempDir(), "lock")}
	host, plugin := hostProcess(t, o.Dir, "ram", false, false, c)
	begin := time.Now()
	_, err := newHost(t, o).OpenDrive(t.Context(), "ram", config(t, c))
	is.Equal(outcome(err), driver.OutcomeHeld)
	is.True(time.Since(begin) < 5*time.Second)
	is.Equal(err.Error(), fmt.Sprintf("open: held by another: held by process %d, plugin ram of process %d: locked", plugin.PID, host.Process.Pid))
	is.True(plugin.alive())
	is.NoErr(host.Process.Kill())
	_ = host.Wait()
	within(t, time.Second, "the plugin ends", func() bool { return !plugin.alive() })
	newHost(t, o)
}

func TestAHeldDriveIsWaitedFor(t *testing.T) {
	is := is.New(t)
	o := quickOptions(t)
	h := newHost(t, o)
	c := config(t, ramConfig{Lock: filepath.Join(t.TempDir(), "lock")})
	first, err := h.OpenDrive(t.Context(), "ram", c)
	is.NoErr(err)
	timer := time.AfterFunc(100*time.Millisecond, func() { _ = first.Close() })
	defer timer.Stop()
	second, err := h.OpenDrive(t.Context(), "ram", c)
	is.NoErr(err)
	is.NoErr(second.Close())
}

func TestAProcessThatIsNotTheRecordedOneIsLeftAlone(t *testing.T) {
	is := is.New(t)
	o := quickOptions(t)
	o.HeldWait = 500 * time.Millisecond
	lock := filepath.Join(t.TempDir(), "lock")
	c := config(t, ramConfig{Lock: lock})
	// Somebody else holds the drive, whose number a dead plugin once had.
	other, err := openRAM(t.Context(), c)
	is.NoErr(err)
	defer other.Close()
	stranger := exec.Command("sleep", "60")
	is.NoErr(stranger.Start())
	defer func() { _ = stranger.Process.Kill(); _ = stranger.Wait() }()
	h := newHost(t, o)
	b, err := json.Marshal(record{
		Version: 1, Device: deviceKey("drive", "ram", c), Name: "ram", Host: lifetime{PID: 1 << 29, Start: "x"},
		Plugin: lifetime{PID: stranger.Process.Pid, Start: "another boot:1"},
	})
	is.NoErr(err)
	name := h.recordName(stranger.Process.Pid)
	is.NoErr(os.WriteFile(name, b, 0o600))
	_, err = h.OpenDrive(t.Context(), "ram", c)
	is.Equal(err.Error(), "open: held by another: locked")
	is.NoErr(syscall.Kill(stranger.Process.Pid, 0))
	newHost(t, o) // sweeps it: the recorded process is dead
	_, err = os.Stat(name)
	is.True(errors.Is(err, os.ErrNotExist))
}

func TestAPluginThatDiesAgainAndAgainIsStartedMoreSlowly(t *testing.T) {
	is := is.New(t)
	o := quickOptions(t)
	o.RestartMin, o.RestartMax = 20*time.Millisecond, 60*time.Millisecond
	h := newHost(t, o)
	c := config(t, ramConfig{Panic: "open"})
	device := deviceKey("drive", "ram", c)
	is.Equal(h.delay(device, time.Now()), time.Duration(0))
	for n, want := range []time.Duration{20, 40, 60, 60} {
		_, err := h.OpenDrive(t.Context(), "ram", c)
		is.Equal(outcome(err), driver.OutcomeGone)
		is.True(strings.Contains(err.Error(), "panic: the drive has a bug in open"))
		is.Equal(h.deaths[device].row, n+1)
		is.Equal(h.delay(device, h.deaths[device].last), want*time.Millisecond)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := h.OpenDrive(ctx, "ram", c)
	is.True(errors.Is(err, context.Canceled))
	is.Equal(h.delay(deviceKey("drive", "ram", nil), time.Now()), time.Duration(0)) // others are not concerned

	h.died(device, o.RestartReset+2*time.Minute) // one that lived for long ends the row
	is.Equal(h.deaths[device].row, 1)
}

func TestAClosedPluginIsNoDeath(t *testing.T) {
	is := is.New(t)
	h := newHost(t, quickOptions(t))
	d, err := h.OpenDrive(t.Context(), "ram", nil)
	is.NoErr(err)
	is.NoErr(d.Close())
	_, err = h.OpenDrive(t.Context(), "ram", config(t, map[string]int{"no such key": 1}))
	is.Equal(outcome(err), driver.OutcomeConfig)
	is.Equal(len(h.deaths), 0)
}

// A process in an uninterruptible system call outlives even SIGKILL. Here one is killed whose end
// nobody notices.
func TestAProcessThatDoesNotEndWhenKilledHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	is := is.New(t)
	h := newHost(t, quickOptions(t))
	cmd := exec.Command("sleep", "60")
	is.NoErr(cmd.Start())
	p := &process{
		host: h, name: "hung", log: h.log, proc: cmd.Process, exited: make(chan struct{}), logged: make(chan struct{}),
		client: goplugin.NewClient(&goplugin.ClientConfig{}),
	}
	begin := time.Now()
	err := p.gone("locate")
	is.Equal(err.Outcome, driver.OutcomeGone)
	is.True(strings.Contains(err.Text, "it is killed, but has not ended yet"))
	p.bury()
	is.True(time.Since(begin) < 5*killGrace)

	_ = cmd.Wait() // at last
	close(p.exited)
	close(p.logged)
}
