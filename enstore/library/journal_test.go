package library

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/crc"
	"github.com/enstore-go/sdk/tape/disk"
)

// openTest opens a journal and gives the records that were in it. They stand in the snapshot of the new one.
func openTest(fsys disk.FS, most int64) (*journal, []string, error) {
	var found []string
	j, err := readJournal(fsys, "/j", most, func(string) {}, func(rec []byte) error { found = append(found, string(rec)); return nil })
	if err != nil {
		return nil, found, err
	}
	err = j.begin(func() [][]byte {
		var all [][]byte
		for _, rec := range found {
			all = append(all, []byte(rec))
		}
		return all
	})
	return j, found, err
}

func TestJournalKeepsRecordsInOrder(t *testing.T) {
	is := is.New(t)
	fsys := disk.NewForgetful()
	j, found, err := openTest(fsys, 1<<20)
	is.NoErr(err)
	is.Equal(len(found), 0)
	is.NoErr(j.commit([]byte("one")))
	j.add([]byte("two"))
	is.NoErr(j.commit([]byte("three")))
	is.True(j.commit(make([]byte, maxRecord+1)) != nil) // too long is refused, not cut
	j.add([]byte("four"))
	is.NoErr(j.close())
	is.NoErr(j.close())
	is.True(errors.Is(j.commit([]byte("five")), fs.ErrClosed))
	_, found, err = openTest(fsys.Crash(nil), 1<<20)
	is.NoErr(err)
	is.Equal(found, []string{"one", "two", "three", "four"})
}

// raw gives the bytes of a journal with three synced records, and where its frames begin.
func raw(t testing.TB) (data []byte, frames []int) {
	is := is.New(t)
	fsys := disk.NewForgetful()
	j, _, err := openTest(fsys, 1<<20)
	is.NoErr(err)
	for i := range 3 {
		frames = append(frames, int(j.end))
		is.NoErr(j.commit(fmt.Appendf(nil, "record %d", i)))
	}
	is.NoErr(j.close())
	data, err = disk.ReadFile(fsys, "/j/journal", 1<<20)
	is.NoErr(err)
	return data, frames
}

func openRaw(t testing.TB, data []byte) ([]string, error) {
	fsys := disk.NewForgetful()
	is.New(t).NoErr(disk.MkdirSync(fsys, "/j", 0o700))
	is.New(t).NoErr(disk.WriteFileAtomic(fsys, "/j/journal", data, 0o600))
	_, found, err := openTest(fsys, 1<<20)
	return found, err
}

func TestTornTailIsToleratedAndDamageIsNot(t *testing.T) {
	is := is.New(t)
	data, frames := raw(t)
	for n := frames[2]; n < len(data); n++ { // torn anywhere in the last frame
		found, err := openRaw(t, data[:n])
		is.NoErr(err)
		is.Equal(found, []string{"record 0", "record 1"})
	}
	for at := frames[0]; at < frames[1]; at++ { // a flipped bit anywhere in the first one
		bad := bytes.Clone(data)
		bad[at] ^= 4
		_, err := openRaw(t, bad)
		var corrupt *CorruptError
		is.True(errors.Is(err, ErrCorrupt))
		is.True(errors.As(err, &corrupt))
		is.Equal(corrupt.Offset, int64(frames[0]))
		is.True(corrupt.Proof >= int64(frames[1]))
	}
	for at := range headerSize { // and in the header
		bad := bytes.Clone(data)
		bad[at] ^= 4
		_, err := openRaw(t, bad)
		is.True(errors.Is(err, ErrCorrupt))
	}
	_, err := openRaw(t, nil)
	is.True(errors.Is(err, ErrCorrupt)) // it was never empty
}

func TestLaterVersionIsRefusedByName(t *testing.T) {
	is := is.New(t)
	data, _ := raw(t)
	binary.BigEndian.PutUint32(data[8:], journalVersion+1)
	binary.BigEndian.PutUint32(data[12:], crc.CRC32C(data[:12]))
	_, err := openRaw(t, data)
	is.True(errors.Is(err, ErrVersion))
}

func TestFullDiskRefusesAndRecovers(t *testing.T) {
	is := is.New(t)
	fsys := disk.NewForgetful()
	j, _, err := openTest(fsys, 1<<20)
	is.NoErr(err)
	is.NoErr(j.commit([]byte("kept")))
	fsys.Limit(fsys.Used() + 10)
	err = j.commit([]byte("refused"))
	is.True(errors.Is(err, syscall.ENOSPC))
	fsys.Limit(-1)
	is.NoErr(j.commit([]byte("later")))
	fsys.FailChange(2, syscall.EIO) // the write succeeds, the sync does not
	is.True(errors.Is(j.commit([]byte("doubtful")), syscall.EIO))
	is.NoErr(j.commit([]byte("last")))
	j.add(make([]byte, lazyBytes))
	j.relieve() // written, not synced
	fsys.FailChange(2, syscall.EIO)
	is.True(errors.Is(j.commit([]byte("doubtful")), syscall.EIO)) // takes what was not synced with it
	is.NoErr(j.commit([]byte("at the end")))
	_, found, err := openTest(fsys.Crash(nil), 1<<20)
	is.NoErr(err)
	is.Equal(found, []string{"kept", "later", "last", "at the end"})
}

func TestRotation(t *testing.T) {
	is := is.New(t)
	fsys := disk.NewForgetful()
	j, _, err := openTest(fsys, 1000)
	is.NoErr(err)
	live := []byte("alive")
	j.snapshot = func() [][]byte { return [][]byte{live} }
	for i := range 100 {
		is.NoErr(j.commit(fmt.Appendf(nil, "gone %d", i)))
	}
	is.True(j.end < 2000) // it does not grow without bound
	_, found, err := openTest(fsys.Crash(nil), 1000)
	is.NoErr(err)
	is.Equal(found[0], "alive")
	is.Equal(found[len(found)-1], "gone 99") // what came after the snapshot is there

	j, _, err = openTest(disk.NewForgetful(), 1000)
	is.NoErr(err)
	j.snapshot = func() [][]byte { return nil }
	for i := range 30 {
		is.NoErr(j.commit(make([]byte, 100)))
		if i == 5 {
			j.fsys.(*disk.Forgetful).Inject(func(c disk.Call) error {
				if c.Op == disk.OpCreate {
					return syscall.ENOSPC // there is no room for a new journal: the old one goes on
				}
				return nil
			})
		}
	}
}

// At whatever moment the power goes, everything whose commit returned is there, in order, and what is there was
// committed or was about to be.
func TestPowerCuts(t *testing.T) {
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 0))
		fsys := disk.NewForgetful()
		fsys.StopAfter(int64(r.IntN(60)))
		var mu sync.Mutex
		acked, tried := map[string]bool{}, map[string]bool{}
		for life := 0; life < 3; life++ {
			j, found, err := openTest(fsys, 600)
			if err != nil && !errors.Is(err, disk.ErrCrashed) {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if err == nil {
				checkFound(t, seed, found, acked, tried)
				run(j, life, acked, tried, &mu)
			}
			fsys = fsys.Crash(r)
			if life < 2 {
				fsys.StopAfter(int64(r.IntN(60)))
			}
		}
		_, found, err := openTest(fsys, 600)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		checkFound(t, seed, found, acked, tried)
	}
}

func run(j *journal, life int, acked, tried map[string]bool, mu *sync.Mutex) {
	j.snapshot = func() [][]byte {
		mu.Lock()
		defer mu.Unlock()
		var all [][]byte
		for rec := range acked {
			all = append(all, []byte(rec))
		}
		for rec := range tried {
			if !acked[rec] {
				all = append(all, []byte(rec))
			}
		}
		return all
	}
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 6 {
				rec := fmt.Sprintf("record %d/%d/%d", life, w, i)
				mu.Lock()
				tried[rec] = true
				mu.Unlock()
				if i%3 == 2 {
					j.add([]byte(rec))
					j.relieve()
					continue
				}
				if j.commit([]byte(rec)) != nil {
					return
				}
				mu.Lock()
				acked[rec] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

func checkFound(t *testing.T, seed uint64, found []string, acked, tried map[string]bool) {
	t.Helper()
	for rec := range acked {
		if !slices.Contains(found, rec) {
			t.Fatalf("seed %d: %s was acknowledged and is lost", seed, rec)
		}
	}
	for _, rec := range found {
		if !tried[rec] {
			t.Fatalf("seed %d: %s was never written", seed, rec)
		}
	}
}

func FuzzJournal(f *testing.F) {
	data, _ := raw(f)
	f.Add(data)
	f.Add(data[:len(data)-3])
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(dir+"/journal", data, 0o600); err != nil {
			t.Skip(err)
		}
		_, _ = readJournal(disk.OS(), dir, 1<<20, func(string) {}, func(rec []byte) error {
			past := replayed{requests: map[catalog.RequestID]*request{}}
			_ = past.take(rec)
			return nil
		})
	})
}

func TestRecordThatIsAwaitedIsSyncedWhoeverWritesIt(t *testing.T) {
	is := is.New(t)
	fsys := disk.NewForgetful()
	j, _, err := openTest(fsys, 1<<20)
	is.NoErr(err)
	j.io.Lock() // somebody is writing
	done := make(chan error, 1)
	go func() { done <- j.commit([]byte("accepted")) }()
	for waiting := false; !waiting; {
		j.mu.Lock()
		waiting = len(j.cur.payload) > 0
		j.mu.Unlock()
	}
	j.flush() // relieve was faster than the committer
	j.io.Unlock()
	is.NoErr(<-done)
	_, found, err := openTest(fsys.Crash(nil), 1<<20)
	is.NoErr(err)
	is.Equal(found, []string{"accepted"})
}
