//go:build unix

package guest

import (
	"bufio"
	_ "embed"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

//go:embed machine
var script []byte

// version is raised with every change of the machine's file system or kernel, which are cached.
const version = "enstore-guest-3"

// Machine is a machine that can be booted again and again; its disk keeps what was synced.
type Machine struct {
	t                            testing.TB
	script, cache, disk, program string
	process                      atomic.Int64 // of the emulator; 0: off
	cuts                         []*time.Timer
}

// New makes a machine without a disk.
func New(t testing.TB) *Machine {
	t.Helper()
	missing := ""
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		missing = "the guest is for Linux on amd64"
	}
	for _, tool := range []string{"qemu-system-x86_64", "busybox", "cpio", "mkfs.ext4", "modinfo", "apt-get"} {
		if _, err := exec.LookPath(tool); err != nil && missing == "" {
			missing = tool + " is missing: ./check -install"
		}
	}
	switch {
	case missing == "":
	case os.Getenv("ENSTORE_JUDGES") == "required":
		t.Fatal(missing)
	default:
		t.Skip(missing)
	}
	dir := t.TempDir()
	m := &Machine{t: t, script: filepath.Join(dir, "machine"), disk: "none"}
	cache, err := os.UserCacheDir()
	if err == nil {
		err = os.WriteFile(m.script, script, 0o700)
	}
	if err != nil {
		t.Fatal(err)
	}
	m.cache = filepath.Join(cache, version)
	m.run("prepare", m.cache)
	t.Cleanup(m.Cut)
	return m
}

func (m *Machine) run(args ...string) {
	m.t.Helper()
	if out, err := exec.Command(m.script, args...).CombinedOutput(); err != nil {
		m.t.Fatalf("guest: %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// Disk gives it an empty disk of so many MiB, which it mounts on /site.
func (m *Machine) Disk(mib string) {
	m.t.Helper()
	m.disk = filepath.Join(filepath.Dir(m.script), "disk")
	m.run("disk", m.disk, mib)
}

// Build makes the tests of a package, in a directory, its program.
func (m *Machine) Build(dir string) {
	m.t.Helper()
	m.program = filepath.Join(filepath.Dir(m.script), "main")
	cmd := exec.Command("go", "test", "-c", "-o", m.program, ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		m.t.Fatalf("guest: %v\n%s", err, out)
	}
}

// Limits of a boot, and of everything that a program does: an emulated machine is slow, and the host may be busy.
const (
	bootLimit = time.Minute
	runLimit  = 10 * time.Minute
	bootTries = 3
)

// Boot starts the machine and runs its program with these variables, VAR=VALUE. Every line that the program prints goes to line, until
// that returns false, or the program has ended: then the machine is off. A machine that does not come up is started
// again; the test fails if it never does.
func (m *Machine) Boot(line func(string) bool, env ...string) {
	m.t.Helper()
	for try := 1; ; try++ {
		up, err := m.boot(line, env)
		if up {
			return
		}
		if try == bootTries {
			m.t.Fatalf("the guest does not come up: %v", err)
		}
	}
}

func (m *Machine) boot(line func(string) bool, env []string) (up bool, err error) {
	cmd := exec.Command(m.script, append([]string{"run", m.cache, m.disk, m.program}, env...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return false, err
	}
	if err := cmd.Start(); err != nil {
		return false, err
	}
	m.process.Store(int64(cmd.Process.Pid))
	defer func() {
		m.process.Store(0)
		for _, c := range m.cuts {
			c.Stop()
		}
	}()
	watchdog := time.AfterFunc(bootLimit, m.Cut)
	defer watchdog.Stop()
	sc := bufio.NewScanner(out)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		text := strings.TrimRight(sc.Text(), "\r")
		if text == "guest: up" {
			up = true
			watchdog.Reset(runLimit)
			continue
		}
		if !line(text) {
			m.Cut()
		}
	}
	if e := cmd.Wait(); e != nil {
		err = errors.New(stderr.String())
	}
	return up, err
}

// CutAfter cuts the power of a machine that is on after some time, if it is still on then. It is for the function that Boot hands its lines to.
func (m *Machine) CutAfter(d time.Duration) {
	p := m.process.Load()
	m.cuts = append(m.cuts, time.AfterFunc(d, func() { kill(p) }))
}

// Cut cuts the power, if the machine is on. What it had not synced is gone.
func (m *Machine) Cut() {
	kill(m.process.Load())
}

func kill(process int64) {
	if process != 0 {
		_ = syscall.Kill(-int(process), syscall.SIGKILL)
	}
}
