package site_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/enstore-go/sdk/enstore"
	"github.com/enstore-go/sdk/tape/disk"
	"golang.org/x/sync/errgroup"
)

// envChaos is a seed for TestPluginsKilledAtRandom; default 1.
const envChaos = "ENSTORE_CHAOS_SEED"

// TestPluginsKilledAtRandom kills and stops plugins at random moments of much work. The seed is in the log.
func TestPluginsKilledAtRandom(t *testing.T) {
	seed, err := strconv.ParseUint(os.Getenv(envChaos), 10, 64)
	if err != nil {
		seed = 1
	}
	t.Logf("seed %d", seed)
	f := newFaulty(t, shape{drives: 2, volumes: 6})
	for i := range 3 { // families, so that cartridges move
		f.is.NoErr(f.c.Mkdir(f.ctx, fmt.Sprintf("/d%d", i)))
		f.is.NoErr(f.c.SetTag(f.ctx, fmt.Sprintf("/d%d", i), enstore.TagFamily, fmt.Sprint("fam", i)))
	}
	stop := make(chan struct{})
	var killer sync.WaitGroup
	killer.Go(func() { f.torment(rand.New(rand.NewPCG(seed, 5)), stop) })

	var mu sync.Mutex
	files := map[string][]byte{}
	var g errgroup.Group
	for i := range 8 {
		g.Go(func() error {
			r := rand.New(rand.NewPCG(seed, uint64(100+i)))
			for n := range 5 {
				key := fmt.Sprintf("/d%d/w%d.%d", r.IntN(3), i, n)
				b := stuff(key, 1+r.IntN(2<<20))
				if err := f.store(key, b, r.IntN(3)); err != nil {
					return fmt.Errorf("%s: %w", key, err)
				}
				mu.Lock()
				files[key] = b
				mu.Unlock()
				if got, err := f.get(key); err != nil || !bytes.Equal(got, b) {
					return fmt.Errorf("%s is stored and cannot be read: %w", key, err)
				}
			}
			return nil
		})
	}
	err = g.Wait()
	close(stop)
	killer.Wait()
	f.is.NoErr(err)
	for _, l := range labels(6) {
		f.is.NoErr(f.volume(l).Writable()) // no volume is to blame
		f.is.NoErr(f.volume(l).Readable())
	}
	f.holds(files)
}

// store puts a file in one of three ways: as a file, as a stream straight to tape, or over the spool. A stream that is cut is sent
// once more, as its caller is told to.
func (f *faulty) store(key string, b []byte, way int) error {
	if way == 0 {
		_, err := f.put(key, b)
		return err
	}
	size := int64(len(b))
	if way == 2 {
		size = -1
	}
	for {
		_, err := f.stream(key, b, size, nil)
		if !errors.Is(err, enstore.ErrRestart) {
			return err
		}
	}
}

// torment kills plugins, a few times each, and stops them now and then for a while.
func (f *faulty) torment(r *rand.Rand, stop chan struct{}) {
	for range 10 {
		select {
		case <-stop:
			return
		case <-time.After(time.Duration(50+r.IntN(400)) * time.Millisecond): // the moments are the test
		}
		lock := []string{"drive0", "drive1", "changer"}[r.IntN(3)]
		h, err := disk.ReadHolder(disk.OS(), filepath.Join(f.dir, "tapes", "locks", lock))
		if err != nil || h.PID < 2 {
			continue
		}
		if alive, _ := h.Running(); !alive {
			continue
		}
		if r.IntN(4) > 0 {
			_ = syscall.Kill(h.PID, syscall.SIGKILL)
			continue
		}
		_ = syscall.Kill(h.PID, syscall.SIGSTOP)
		time.Sleep(time.Duration(r.IntN(300)) * time.Millisecond)
		_ = syscall.Kill(h.PID, syscall.SIGCONT)
	}
}
