//go:build linux

package site_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore"
	"github.com/enstore-go/sdk/enstore/site"
	"golang.org/x/sys/unix"
)

const (
	putRounds = 17
	putSize   = 1 << 30
)

// BenchmarkRatioPut stores a file of 1 GiB over the whole path: client, loopback TCP, mover, plugin process,
// tape image on disk, synced and recorded, with a CRC-32C on every frame and an Adler-32 at both ends. In
// interleaved rounds it is compared
//
//   - with the same path without any checksum: "cpu" is processor time of all processes over that of theirs (the
//     goal is at most 1.35), "speed" throughput over theirs (at least 0.85);
//   - with cp of the same file to the same disk and a sync of the copy: "speed-cp" is throughput over
//     theirs (at least 0.9).
//
// These are medians of the rounds' ratios; the smallest and largest are beside them. MB/s and cpu-s/GB are medians of
// the path itself. The path without checksums is a second build of this test binary, in which
// package crc returns every sum as it began.
//
// One drive writes, and Linger is a millisecond: a lone file would else stand 100 ms for others to share its flush,
// which is a matter of policy and not of the path.
//
// With ENSTORE_PUT_PROFILE set, processor profiles of the two processes are left in files of that name with .ours and
// .bare behind it.
func BenchmarkRatioPut(b *testing.B) {
	dir := b.TempDir()
	src := filepath.Join(dir, "source")
	if err := os.WriteFile(src, noise(putSize), 0o600); err != nil {
		b.Fatal(err)
	}
	if out, err := exec.Command("sync", src).CombinedOutput(); err != nil {
		b.Fatal(err, string(out))
	}
	ours := startPutter(b, os.Args[0], filepath.Join(dir, "ours"), src)
	bare := startPutter(b, buildBare(b, dir), filepath.Join(dir, "bare"), src)
	var cpu, speed, speedCP, mbs, spent series
	for b.Loop() {
		for n := range putRounds {
			var o, p, c took
			ways := []func(){
				func() { o = ours.put(b) },
				func() { p = bare.put(b) },
				func() { c = copyAndSync(b, src, filepath.Join(dir, "copy")) },
			}
			for i := range ways { // every order of the three has its turn
				ways[(i+n)%len(ways)]()
			}
			if n < 2 {
				continue // pages, processes and images are new
			}
			cpu.add(o.cpu.Seconds() / p.cpu.Seconds())
			speed.add(p.wall.Seconds() / o.wall.Seconds())
			speedCP.add(c.wall.Seconds() / o.wall.Seconds())
			mbs.add(putSize / 1e6 / o.wall.Seconds())
			spent.add(o.cpu.Seconds() / (putSize / 1e9))
		}
	}
	cpu.report(b, "cpu")
	speed.report(b, "speed")
	speedCP.report(b, "speed-cp")
	mbs.report(b, "MB/s")
	spent.report(b, "cpu-s/GB")
}

// series is one figure of all rounds.
type series []float64

func (s *series) add(v float64) { *s = append(*s, v) }

func (s series) report(b *testing.B, name string) {
	slices.Sort(s)
	b.ReportMetric(s[len(s)/2], name)
	b.ReportMetric(s[0], name+"-min")
	b.ReportMetric(s[len(s)-1], name+"-max")
}

// noise is content that no disk makes smaller.
func noise(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

// took is what one round of one way cost.
type took struct{ wall, cpu time.Duration }

func copyAndSync(b *testing.B, src, dst string) took {
	b.Helper()
	_ = os.Remove(dst)
	began := time.Now()
	for _, cmd := range []*exec.Cmd{exec.Command("cp", src, dst), exec.Command("sync", dst)} {
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatal(err, string(out))
		}
	}
	return took{wall: time.Since(began)}
}

// buildBare builds this test binary with a package crc whose sums do nothing.
func buildBare(b *testing.B, dir string) string {
	b.Helper()
	name, err := filepath.Abs("../../crc/crc.go")
	if err != nil {
		b.Fatal(err)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		b.Fatal(err)
	}
	for _, sum := range []string{"update(best, sum, p)", "updateCRC32C(sum, p)"} {
		if bytes.Count(text, []byte("return "+sum)) != 1 {
			b.Fatalf("%s no longer has %q, which this benchmark replaces", name, sum)
		}
		text = bytes.Replace(text, []byte("return "+sum), []byte("if false { return "+sum+" }; return sum"), 1)
	}
	replaced, overlay := filepath.Join(dir, "crc.go"), filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(replaced, text, 0o600); err != nil {
		b.Fatal(err)
	}
	table, err := json.Marshal(map[string]any{"Replace": map[string]string{name: replaced}})
	if err == nil {
		err = os.WriteFile(overlay, table, 0o600)
	}
	if err != nil {
		b.Fatal(err)
	}
	return buildTests(b, "", "-overlay", overlay)
}

// buildTests builds this test binary once more, with flags of go test and a setting of the environment.
func buildTests(tb testing.TB, env string, flags ...string) string {
	tb.Helper()
	bin := filepath.Join(tb.TempDir(), "site.test")
	cmd := exec.Command("go", append([]string{"test", "-c", "-o", bin}, append(flags, ".")...)...)
	if env != "" {
		cmd.Env = append(os.Environ(), env)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatal(err, string(out))
	}
	return bin
}

// putter is a process with a site, which stores the source each time that it is asked to.
type putter struct {
	dir string
	in  io.WriteCloser
	out *bufio.Scanner
}

const (
	envPutDir     = "ENSTORE_PUT_DIR"
	envPutSource  = "ENSTORE_PUT_SOURCE"
	envPutProfile = "ENSTORE_PUT_PROFILE"
)

func startPutter(b *testing.B, bin, dir, src string) *putter {
	b.Helper()
	cmd := exec.Command(bin, "-test.run=^TestPutter$")
	if name := os.Getenv(envPutProfile); name != "" {
		cmd.Args = append(cmd.Args, "-test.cpuprofile="+name+"."+filepath.Base(dir))
	}
	cmd.Env = append(os.Environ(), envPutDir+"="+dir, envPutSource+"="+src)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			b.Error(err)
		}
	})
	p := &putter{dir: dir, in: in, out: bufio.NewScanner(out)}
	return p
}

// put stores the source once more, and then gives back the room that the tape images take: what is on
// them is not read again.
func (p *putter) put(b *testing.B) took {
	b.Helper()
	if _, err := io.WriteString(p.in, "put\n"); err != nil {
		b.Fatal(err)
	}
	var t took
	if !p.out.Scan() {
		b.Fatal("the putter has ended", p.out.Err())
	}
	if _, err := fmt.Sscan(p.out.Text(), &t.wall, &t.cpu); err != nil {
		b.Fatal(p.out.Text())
	}
	images, err := filepath.Glob(filepath.Join(p.dir, "tapes", "volumes", "*.tap"))
	if err != nil {
		b.Fatal(err)
	}
	for _, name := range images {
		if err := punch(name); err != nil {
			b.Fatal(err)
		}
	}
	return t
}

// punch makes a hole of a file, but for its last megabytes.
func punch(name string) error {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil || st.Size() < 8<<20 {
		return err
	}
	return unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, (st.Size()-4<<20)&^(1<<20-1))
}

// TestPutter is the process of a putter.
func TestPutter(t *testing.T) {
	dir, src := os.Getenv(envPutDir), os.Getenv(envPutSource)
	if dir == "" {
		t.Skip("BenchmarkRatioPut starts it")
	}
	ctx := t.Context()
	if err := site.Init(ctx, dir, site.InitOptions{Drives: 1, Slots: 1}); err != nil {
		t.Fatal(err)
	}
	if err := amend(dir, "\n[flush]\nlinger = \"1ms\"\n"); err != nil {
		t.Fatal(err)
	}
	s, err := site.Open(ctx, dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.AddVolumes(ctx, []catalog.Label{"PU0001"}, site.VolumeOptions{Capacity: 1 << 40}); err != nil {
		t.Fatal(err)
	}
	for in, n := bufio.NewScanner(os.Stdin), 0; in.Scan(); n++ {
		cpu, began := processorTime(t), time.Now()
		if _, err := s.Client().PutFile(ctx, fmt.Sprint("/", n), src, enstore.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		wall := time.Since(began)
		fmt.Println(int64(wall), int64(processorTime(t)-cpu))
	}
}

// amend appends to the site file in dir.
func amend(dir, text string) error {
	f, err := os.OpenFile(filepath.Join(dir, site.FileName), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}

// processorTime is what this process and its plugins have used.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	sum := time.Duration(u.Utime.Nano() + u.Stime.Nano())
	for _, pid := range children(t) {
		f := statOf(pid)
		if len(f) < 15 {
			continue // it has ended
		}
		for _, ticks := range f[13:15] {
			n, err := strconv.Atoi(ticks)
			if err != nil {
				t.Fatal(err)
			}
			sum += time.Duration(n) * time.Second / 100 // USER_HZ
		}
	}
	return sum
}

// statOf gives the fields of /proc/PID/stat.
func statOf(pid int) []string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	_, rest, _ := strings.Cut(string(b), ") ") // the program's name may contain anything
	return append([]string{"", ""}, strings.Fields(rest)...)
}

// children are the plugins of this process.
func children(t *testing.T) (pids []int) {
	t.Helper()
	es, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range es {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if f := statOf(pid); len(f) > 3 && f[3] == strconv.Itoa(os.Getpid()) {
			pids = append(pids, pid)
		}
	}
	return pids
}
