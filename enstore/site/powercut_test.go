package site_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/matryer/is"
)

const (
	envJudge = "ENSTORE_KILL_JUDGE" // the victim inspects instead: acks are in this file's lines
	envCuts  = "ENSTORE_POWERCUTS"  // how many power cuts; default 3
)

// guest is a small Linux guest whose power is cut by killing its emulator.
type guest struct {
	t                   *testing.T
	script, cache, disk string
	program             string
}

func newGuest(t *testing.T) *guest {
	t.Helper()
	for _, tool := range []string{"qemu-system-x86_64", "busybox", "cpio", "mkfs.ext4", "apt-get"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("ENSTORE_JUDGES") == "required" {
				t.Fatalf("%s is missing: ./check -install", tool)
			}
			t.Skipf("%s is missing: ./check -install", tool)
		}
	}
	is := is.New(t)
	script, err := filepath.Abs("testdata/guest")
	is.NoErr(err)
	cache, err := os.UserCacheDir()
	is.NoErr(err)
	dir := t.TempDir()
	g := &guest{t: t, script: script, cache: filepath.Join(cache, "enstore-guest-1"), disk: filepath.Join(dir, "disk"), program: filepath.Join(dir, "site.test")}
	build := exec.Command("go", "test", "-c", "-o", g.program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	for _, cmd := range []*exec.Cmd{build, exec.Command(script, "prepare", g.cache), exec.Command(script, "disk", g.disk, "1024")} {
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
		}
	}
	return g
}

// run boots the guest and hands every line it prints to line, until it powers itself off or line
// returns false or after has passed since the line "open": then its power is cut. A guest that does not come up is
// started again.
func (g *guest) run(after time.Duration, line func(string) bool, env ...string) {
	g.t.Helper()
	for try := 1; ; try++ {
		up, err := g.boot(after, line, env...)
		if up {
			return
		}
		if try == 3 {
			g.t.Fatalf("the guest does not come up: %v", err)
		}
	}
}

func (g *guest) boot(after time.Duration, line func(string) bool, env ...string) (up bool, err error) {
	cmd := exec.Command(g.script, append([]string{"run", g.cache, g.disk, g.program}, env...)...)
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
	cut := func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	watchdog := time.AfterFunc(time.Minute, cut)
	defer watchdog.Stop()
	for sc := bufio.NewScanner(out); sc.Scan(); {
		text := strings.TrimRight(sc.Text(), "\r")
		switch {
		case text == "guest: up":
			up = true
			watchdog.Reset(5 * time.Minute)
			continue
		case text == "open" && after > 0:
			time.AfterFunc(after, cut)
		}
		if !line(text) {
			cut()
		}
	}
	if e := cmd.Wait(); e != nil {
		err = errors.New(stderr.String())
	}
	return up, err
}

// TestPowerCut runs the whole job in a guest and cuts its power. What the guest had not synced
// is gone, as with a real machine; everything acknowledged must be there after the next boot.
func TestPowerCut(t *testing.T) {
	if testing.Short() {
		t.Skip("long: a guest and its power cuts")
	}
	cuts := 3
	if n, err := strconv.Atoi(os.Getenv(envCuts)); err == nil {
		cuts = n
	}
	is := is.New(t)
	g := newGuest(t)
	made := false
	g.run(0, func(l string) bool { made = made || l == "made"; return true }, envDir+"=/site/s", envJudge+"=make")
	is.True(made) // the site was made in the guest

	acks := []string{}
	for i := range cuts {
		seed := uint64(5000 + i)
		r := rand.New(rand.NewPCG(seed, 11))
		opened := false
		var trouble []string
		g.run(time.Duration(500+r.IntN(8000))*time.Millisecond, func(l string) bool {
			switch {
			case l == "open":
				opened = true
			case strings.HasPrefix(l, "ack "):
				acks = append(acks, strings.TrimPrefix(l, "ack "))
			case strings.HasPrefix(l, "error"), strings.HasPrefix(l, "panic"):
				trouble = append(trouble, l)
			}
			return l != "done"
		}, envDir+"=/site/s", fmt.Sprint(envSeed, "=", seed))
		is.True(opened)
		is.Equal(len(trouble), 0)

		var verdict []string
		fine := false
		g.run(0, func(l string) bool {
			verdict = append(verdict, l)
			fine = fine || l == "all is well"
			return true
		}, envDir+"=/site/s", envJudge+"="+strings.Join(acks, ";"), fmt.Sprint(envSeed, "=", seed))
		if !fine {
			t.Fatalf("cut %d (seed %d) after %d acknowledgements:\n%s", i+1, seed, len(acks), strings.Join(verdict, "\n"))
		}
	}
	t.Logf("%d power cuts, %d files acknowledged", cuts, len(acks))
}

// judge is what the guest's program does instead of the work: make the site, or inspect it.
func judge(ctx context.Context, dir, what string, seed uint64) error {
	if what == "make" {
		if err := makeSite(ctx, dir); err != nil {
			return err
		}
		fmt.Println("made")
		return nil
	}
	acks := map[string]string{}
	for _, a := range strings.Split(what, ";") {
		if key, sum, ok := strings.Cut(a, " "); ok {
			acks[key] = sum
		}
	}
	if err := inspect(ctx, dir, acks, seed); err != nil {
		return err
	}
	fmt.Println("all is well")
	return nil
}
