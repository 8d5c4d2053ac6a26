package site_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/adler32"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore"
	"github.com/enstore-go/sdk/enstore/scan"
	"github.com/enstore-go/sdk/enstore/site"
	"github.com/enstore-go/sdk/plugins"
	"github.com/enstore-go/sdk/tape"
	"github.com/enstore-go/sdk/tape/filetape"
	"github.com/matryer/is"
	"golang.org/x/sync/errgroup"
)

// These tests kill a whole site, library manager, movers, catalogue and all, at every numbered step
// of the way of a file and at random moments, and then look whether anything acknowledged was
// lost or anything unacknowledged can be seen. The victim is this test binary started again.

const (
	envDir   = "ENSTORE_KILL_DIR"   // the site of the victim
	envStep  = "ENSTORE_KILL_STEP"  // at which step to die
	envCount = "ENSTORE_KILL_COUNT" // at which time that it is reached, from 1
	envSeed  = "ENSTORE_KILL_SEED"  // of the work
	envWhom  = "ENSTORE_KILL_WHOM"  // "plugins": its plugins die, not the victim itself
	envMore  = "ENSTORE_KILLS"      // how many random kills; default 60
)

func TestMain(m *testing.M) {
	plugins.Main(plugins.Builtin...)
	os.Setenv("GORACE", "atexit_sleep_ms=0") // under the race detector each plugin would take a second to end
	if dir := os.Getenv(envDir); dir != "" {
		if err := play(context.Background(), dir); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// content is what a key's file contains: it follows from the key alone.
func content(key string) []byte {
	h := fnv.New64a()
	io.WriteString(h, key)
	r := rand.New(rand.NewPCG(h.Sum64(), 7))
	sizes := []int{0, 1, 511, 512, 4096, 65535, 65536, 200_000, 700_000}
	b := make([]byte, sizes[r.IntN(len(sizes))]+r.IntN(3))
	var c rand.ChaCha8
	var seed [32]byte
	copy(seed[:], key)
	c = *rand.NewChaCha8(seed)
	c.Read(b)
	return b
}

// play is what this binary does as a victim, or in the guest as its judge.
func play(ctx context.Context, dir string) error {
	count, _ := strconv.Atoi(os.Getenv(envCount)) // 0: never
	seed, _ := strconv.ParseUint(os.Getenv(envSeed), 10, 64)
	if what := os.Getenv(envJudge); what != "" {
		return judge(ctx, dir, what, seed)
	}
	return victim(ctx, dir, os.Getenv(envStep), count, seed)
}

// victim works on a site until it is done or killed, and says on standard output what it was told.
func victim(ctx context.Context, dir, die string, count int, seed uint64) error {
	var mu sync.Mutex
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		os.Stdout.WriteString(fmt.Sprintf(format, args...) + "\n")
	}
	reached := map[string]int{}
	step := func(name string) {
		mu.Lock()
		reached[name]++
		n := reached[name]
		mu.Unlock()
		if n == 1 {
			say("step %s", name)
		}
		if name != die || n != count {
			return
		}
		if os.Getenv(envWhom) == "plugins" {
			killChildren()
			return
		}
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	s, err := site.Open(ctx, dir, &site.Options{Step: step})
	if err != nil {
		return err
	}
	say("open")
	c := s.Client()
	if err := c.MkdirAll(ctx, fmt.Sprint("/kill/", seed)); err != nil {
		return err
	}
	var g errgroup.Group
	g.SetLimit(6)
	for i := range 24 {
		g.Go(func() error {
			key := fmt.Sprintf("/kill/%d/f%02d", seed, i)
			return put(ctx, c, key, i%4 == 3, say)
		})
	}
	if err := errors.Join(g.Wait(), s.Close()); err != nil {
		return err
	}
	say("done")
	return nil
}

// killChildren kills the plugin processes of this process.
func killChildren() {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		_, after, _ := strings.Cut(string(b), ") ")
		if f := strings.Fields(after); len(f) > 1 && f[1] == strconv.Itoa(os.Getpid()) {
			if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name))); err == nil {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	}
}

// put streams one file, and does so again when it is told that nothing of it is safe, as a program
// with a buffer of its own would.
func put(ctx context.Context, c *enstore.Client, key string, spooled bool, say func(string, ...any)) (err error) {
	for range 10 {
		if err = putOnce(ctx, c, key, spooled, say); !errors.Is(err, enstore.ErrRestart) {
			return err
		}
	}
	return err
}

// putOnce streams one file; spooled ones state no size.
func putOnce(ctx context.Context, c *enstore.Client, key string, spooled bool, say func(string, ...any)) error {
	b := content(key)
	o := enstore.PutOptions{Size: int64(len(b))}
	if spooled {
		o = enstore.PutOptions{Commit: enstore.Cached}
	}
	w, err := c.Put(ctx, key, o)
	if errors.Is(err, enstore.ErrExists) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	defer w.Abort()
	if _, err := w.Write(b); err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	rec, err := w.Commit(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	say("ack %s %d %08x %d", key, rec.Size, rec.Adler, rec.Level)
	return nil
}

// told is what a victim was told before it ended.
type told struct {
	acks   map[string]string // key: size and checksum
	steps  []string
	done   bool
	failed string
}

// runVictim runs a victim in dir. With after > 0 it is killed so long after it has opened its site.
func runVictim(t *testing.T, dir, step string, count int, seed uint64, after time.Duration) told {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envDir+"="+dir, envStep+"="+step, fmt.Sprint(envCount, "=", count), fmt.Sprint(envSeed, "=", seed))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	got := told{acks: map[string]string{}}
	guard := time.AfterFunc(2*time.Minute, func() { _ = cmd.Process.Signal(syscall.SIGQUIT) })
	defer guard.Stop()
	for sc := bufio.NewScanner(out); sc.Scan(); {
		f := strings.SplitN(sc.Text(), " ", 3)
		switch {
		case f[0] == "open" && after > 0:
			time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
		case f[0] == "ack" && len(f) == 3:
			got.acks[f[1]] = f[2]
		case f[0] == "step":
			got.steps = append(got.steps, strings.TrimPrefix(sc.Text(), "step "))
		case f[0] == "done":
			got.done = true
		case f[0] == "error":
			got.failed = sc.Text()
		}
	}
	_ = cmd.Wait() // it was killed; that is the point
	if got.failed != "" {
		t.Fatalf("victim (step %q, count %d, seed %d): %s\n%s", step, count, seed, got.failed, stderr.String())
	}
	return got
}

// newSite makes a site for a victim.
func newSite(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "site")
	is.New(t).NoErr(makeSite(context.Background(), dir))
	return dir
}

// makeSite makes a site with small volumes and two drives.
func makeSite(ctx context.Context, dir string) error {
	if err := site.Init(ctx, dir, site.InitOptions{Drives: 2, Slots: 8}); err != nil {
		return err
	}
	s, err := site.Open(ctx, dir, nil)
	if err != nil {
		return err
	}
	var labels []catalog.Label
	for i := range 6 {
		labels = append(labels, catalog.Label(fmt.Sprintf("KL%04d", i+1)))
	}
	err = s.AddVolumes(ctx, labels, site.VolumeOptions{Capacity: 64 << 20})
	return errors.Join(err, s.Client().MkdirAll(ctx, "/kill"), s.Close())
}

// inspect opens the site after its death and demands that everything acknowledged is there, that
// everything listed is whole, that catalogue and tapes agree, and that the site goes on working.
func inspect(ctx context.Context, dir string, acks map[string]string, seed uint64) error {
	ctx, cancel := context.WithTimeout(ctx, 4*time.Minute)
	defer cancel()
	s, err := site.Open(ctx, dir, nil)
	if err != nil {
		return fmt.Errorf("open after the end: %w", err)
	}
	defer s.Close()
	c := s.Client()
	var errs []error
	for key, want := range acks {
		rec, err := c.WaitFor(ctx, key, enstore.OnTape)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s was acknowledged (%s) and is lost: %w", key, want, err))
			continue
		}
		if got := fmt.Sprintf("%d %08x", rec.Size, rec.Adler); !strings.HasPrefix(want, got) {
			errs = append(errs, fmt.Errorf("%s was acknowledged as %s, it is %s", key, want, got))
		}
	}
	after := fmt.Sprintf("/kill/after%d", seed)
	if err := put(ctx, c, after, false, func(string, ...any) {}); err != nil {
		errs = append(errs, fmt.Errorf("the site does not go on: %w", err))
	}
	errs = append(errs, readAll(ctx, c, "/kill"), agree(ctx, s, dir))
	return errors.Join(errs...)
}

// readAll reads every listed file and compares it with what its key says it contains.
func readAll(ctx context.Context, c *enstore.Client, dir string) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	var walk func(dir string) error
	walk = func(dir string) error {
		for e, err := range c.List(ctx, dir) {
			if err != nil {
				return err
			}
			key := dir + "/" + e.Name
			if e.Dir {
				if err := walk(key); err != nil {
					return err
				}
				continue
			}
			g.Go(func() error {
				r, err := c.Get(ctx, key, enstore.GetOptions{})
				if err != nil {
					return fmt.Errorf("%s is listed: %w", key, err)
				}
				defer r.Close()
				b, err := io.ReadAll(r)
				if err != nil {
					return fmt.Errorf("%s is listed: %w", key, err)
				}
				if want := content(key); !bytes.Equal(b, want) {
					return fmt.Errorf("%s is listed and wrong: %d bytes with adler32 %08x, not %d with %08x", key, len(b), adler32.Checksum(b), len(want), adler32.Checksum(want))
				}
				return nil
			})
		}
		return nil
	}
	return errors.Join(walk(dir), g.Wait())
}

// agree compares the catalogue with the images: every live file is on its tape at its place with its
// checksum, and no end of data lies beyond the tape's.
func agree(ctx context.Context, s *site.Site, dir string) error {
	want := map[catalog.Label]map[int64]catalog.File{}
	for v, err := range s.Catalog().Volumes(ctx, catalog.Filter{}) {
		if err != nil {
			return err
		}
		want[v.Label] = map[int64]catalog.File{}
		for f, err := range s.Catalog().FilesOfVolume(ctx, v.Label) {
			if err != nil {
				return err
			}
			if f.Deletion == catalog.Live {
				want[v.Label][f.Location.File] = f
			}
		}
	}
	errs := []error{s.Close()} // the images are free to be read now
	for label, files := range want {
		if len(files) == 0 {
			continue
		}
		if err := compareImage(ctx, filepath.Join(dir, "tapes", "volumes", string(label)+".tap"), files); err != nil {
			errs = append(errs, fmt.Errorf("volume %s: %w", label, err))
		}
	}
	return errors.Join(errs...)
}

func compareImage(ctx context.Context, image string, files map[int64]catalog.File) (err error) {
	raw, err := filetape.OpenImage(image)
	if err != nil {
		return err
	}
	d, err := tape.NewDrive(ctx, raw, nil)
	if err != nil {
		return errors.Join(err, raw.Close())
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	l, err := d.Load(ctx)
	if err != nil {
		return err
	}
	tp, err := scan.Open(ctx, l, site.Formats()...)
	if err != nil {
		return err
	}
	for {
		f, err := tp.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		rec, ok := files[f.TapeFile]
		if !ok {
			continue // dead space
		}
		size, sum, err := f.Verify()
		if err != nil || size != rec.Size || sum != rec.Adler || f.Header.Path != rec.Path && rec.Family.Wrapper != "null" {
			return fmt.Errorf("tape file %d: %s, %d bytes, %08x (%v); the catalogue has %s, %d, %08x", f.TapeFile, f.Header.Path, size, sum, err, rec.Path, rec.Size, rec.Adler)
		}
		delete(files, f.TapeFile)
	}
	if len(files) > 0 {
		return fmt.Errorf("%d files of the catalogue are not on it", len(files))
	}
	return nil
}

// TestKilledAtEveryStep kills the site before and after each durable act, five times each.
func TestKilledAtEveryStep(t *testing.T) {
	if testing.Short() {
		t.Skip("long: kills at every step")
	}
	is := is.New(t)
	dir := newSite(t)
	dry := runVictim(t, dir, "", 0, 1, 0)
	is.True(dry.done)            // a site that nobody kills does its work
	is.True(len(dry.steps) > 15) // the way of a file has its steps
	slices.Sort(dry.steps)
	for _, step := range dry.steps {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			dir := newSite(t)
			acks := map[string]string{}
			for n := range 5 {
				seed := uint64(100 + n)
				got := runVictim(t, dir, step, n+1, seed, 0)
				for k, v := range got.acks {
					acks[k] = v
				}
				if err := inspect(context.Background(), dir, acks, seed); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
			}
		})
	}
}

// TestPluginsKilledAtEveryStep kills the drive and robot processes at each step. The site goes on:
// whoever was told to send a file again does so, and everything is stored in the end.
func TestPluginsKilledAtEveryStep(t *testing.T) {
	if testing.Short() {
		t.Skip("long: kills at every step")
	}
	t.Setenv(envWhom, "plugins")
	is := is.New(t)
	dry := runVictim(t, newSite(t), "", 0, 1, 0)
	is.True(dry.done)
	slices.Sort(dry.steps)
	for _, step := range dry.steps {
		t.Run(step, func(t *testing.T) {
			dir := newSite(t)
			seed := uint64(200)
			got := runVictim(t, dir, step, 1, seed, 0)
			if !got.done || len(got.acks) != 24 {
				t.Fatalf("seed %d: done %v, %d of 24 files acknowledged", seed, got.done, len(got.acks))
			}
			if err := inspect(context.Background(), dir, got.acks, seed); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		})
	}
}

// TestKilledAtRandom kills the site at random moments. The seed of a failure is in its message.
func TestKilledAtRandom(t *testing.T) {
	if testing.Short() {
		t.Skip("long: kills at random moments")
	}
	kills := 60
	if n, err := strconv.Atoi(os.Getenv(envMore)); err == nil {
		kills = n
	}
	const perSite = 10
	for first := 0; first < kills; first += perSite {
		t.Run(fmt.Sprint("from seed ", 1000+first), func(t *testing.T) {
			t.Parallel()
			dir := newSite(t)
			acks := map[string]string{}
			for i := range min(perSite, kills-first) {
				seed := uint64(1000 + first + i)
				r := rand.New(rand.NewPCG(seed, 3))
				got := runVictim(t, dir, "", 0, seed, time.Duration(1+r.IntN(600))*time.Millisecond)
				for k, v := range got.acks {
					acks[k] = v
				}
				if err := inspect(context.Background(), dir, acks, seed); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
			}
		})
	}
}
