package filetape

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape/disk"
	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/drivertest"
	"github.com/enstore-go/sdk/tape/memtape"
)

// openScratch gives a drive with a blank cartridge loaded.
func openScratch(t testing.TB, fsys disk.FS, dir string, s drivertest.Scratch) *drive {
	t.Helper()
	d, err := newDrive(scratchLibrary(t, fsys, dir, s), 0, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	if err := d.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestFullDisk fills the disk under the library. The volume is not to blame, what was flushed stays, and
// there is a way on when room is made.
func TestFullDisk(t *testing.T) {
	is := is.New(t)
	f := disk.NewForgetful()
	d := openScratch(t, f, "/library", drivertest.Scratch{})
	flushed := story{bytes.Repeat([]byte("x"), 100_000), nil}
	_, err := d.WriteBlock(t.Context(), flushed[0])
	is.NoErr(err)
	_, err = d.WriteFilemarks(t.Context(), 1, false)
	is.NoErr(err)
	f.Limit(f.Used() + 5<<20)
	block := make([]byte, 256<<10)
	taken := 0
	for ; err == nil && taken < 100; taken++ {
		_, err = d.WriteBlock(t.Context(), block)
	}
	if err == nil {
		t.Fatal("25 MiB on a disk with room for 5")
	}
	is.True(taken <= 20+window/4+5) // told as soon as the buffers are used up
	check := func(err error) {
		t.Helper()
		is.Equal(outcome(err), driver.OutcomeHardware)
		e := err.(*driver.Error)
		is.Equal([]uint8{e.Sense.Key, e.Sense.ASC, e.Sense.ASCQ}, []uint8{4, 8, 0})
		is.True(e.Sense.Deferred)
		is.True(strings.Contains(e.Text, "volume TST001: no room on the disk"))
	}
	check(err)
	// Whoever does not listen is told again.
	_, err = d.WriteBlock(t.Context(), block)
	check(err)
	_, err = d.WriteFilemarks(t.Context(), 1, true)
	check(err)
	_, err = d.WriteFilemarks(t.Context(), 0, false)
	check(err)
	p, err := d.Position(t.Context())
	is.NoErr(err)
	is.Equal(p, driver.Position{Block: 2, File: 1})
	is.True(readAll(t, d).equal(flushed)) // the disk is still full
	is.NoErr(d.Unload(t.Context()))
	f.Limit(-1)
	is.NoErr(d.Load(t.Context()))
	is.True(readAll(t, d).equal(flushed))
	_, err = d.WriteBlock(t.Context(), block)
	is.NoErr(err)
	_, err = d.WriteFilemarks(t.Context(), 1, false)
	is.NoErr(err)
	is.True(readAll(t, d).equal(append(flushed, block, nil)))
}

// TestImageForOthers looks at the file: after Unload it is a plain SIMH image and nothing more.
func TestImageForOthers(t *testing.T) {
	is := is.New(t)
	dir := t.TempDir()
	d := openScratch(t, disk.OS(), dir, drivertest.Scratch{})
	image := library{disk.OS(), dir}.image("TST001")
	write := func(s string) {
		_, err := d.WriteBlock(t.Context(), []byte(s))
		is.NoErr(err)
	}
	write("label")
	_, err := d.WriteFilemarks(t.Context(), 1, false)
	is.NoErr(err)
	write("not flushed")
	is.NoErr(d.Unload(t.Context()))
	b, err := os.ReadFile(image)
	is.NoErr(err)
	is.Equal(b, words("label", 0, "not flushed", wordEnd))

	is.NoErr(d.Load(t.Context()))
	is.NoErr(d.Locate(t.Context(), 2))
	big := strings.Repeat("z", 3<<20)
	write(big)
	is.NoErr(d.Close()) // and this is lost
	b, err = os.ReadFile(image)
	is.NoErr(err)
	is.Equal(b, words("label", 0))
}

func TestCapacity(t *testing.T) {
	is := is.New(t)
	is.Equal(defaultEarlyWarning(12e12), int64(64<<20))
	is.Equal(defaultEarlyWarning(1<<30), int64(1<<30/50))
	is.Equal(defaultEarlyWarning(50<<20), int64(2<<20))
	is.Equal(defaultEarlyWarning(4<<20), int64(1<<20))
	is.Equal(defaultEarlyWarning(0), int64(0))
	d := openScratch(t, disk.NewForgetful(), "/library", drivertest.Scratch{Capacity: 1 << 20})
	s, err := d.Status(t.Context())
	is.NoErr(err)
	is.Equal(s.Capacity, int64(1<<20))
	is.Equal(s.Remaining, int64(1<<20-1<<18))
	_, err = d.WriteBlock(t.Context(), make([]byte, 1000))
	is.NoErr(err)
	s, err = d.Status(t.Context())
	is.NoErr(err)
	is.Equal(s.Remaining, int64(1<<20-1<<18-1008))
}

func TestWriteProtectTab(t *testing.T) {
	is := is.New(t)
	f := disk.NewForgetful()
	d := openScratch(t, f, "/library", drivertest.Scratch{})
	_, err := d.WriteBlock(t.Context(), []byte("one"))
	is.NoErr(err)
	is.NoErr(SetWriteProtect(f, "/library", "TST001", true))
	_, err = d.WriteBlock(t.Context(), []byte("two"))
	is.NoErr(err) // until it is loaded again
	is.NoErr(d.Unload(t.Context()))
	is.NoErr(d.Load(t.Context()))
	_, err = d.WriteBlock(t.Context(), []byte("three"))
	is.Equal(outcome(err), driver.OutcomeWriteProtected)
	is.Equal(len(readAll(t, d)), 2)
}

// slowDisk is a disk whose syncs of images wait until open is closed, and tell that they do.
type slowDisk struct {
	disk.FS
	disk.Locker
	waits, open chan struct{}
}

type slowFile struct {
	disk.File
	d *slowDisk
}

func (s *slowDisk) OpenFile(name string, flag int, perm os.FileMode) (disk.File, error) {
	f, err := s.FS.OpenFile(name, flag, perm)
	if err != nil || !strings.HasSuffix(name, ".tap") {
		return f, err
	}
	return slowFile{f, s}, nil
}

func (f slowFile) Sync() error {
	select {
	case f.d.waits <- struct{}{}:
	case <-f.d.open:
	}
	<-f.d.open
	return f.File.Sync()
}

// openSlow gives a drive on a slow disk with one block written and not flushed.
func openSlow(t *testing.T) (*drive, *slowDisk) {
	is := is.New(t)
	f := disk.NewForgetful()
	s := &slowDisk{f, f, make(chan struct{}), make(chan struct{})}
	l := scratchLibrary(t, f, "/library", drivertest.Scratch{})
	d, err := newDrive(library{s, l.dir}, 0, false)
	is.NoErr(err)
	is.NoErr(d.Load(t.Context()))
	_, err = d.WriteBlock(t.Context(), []byte("one"))
	is.NoErr(err)
	return d, s
}

// TestGivenUpFlush gives up a flush that hangs. Nobody knows what became of it until the drive is told to go
// somewhere; then what it made durable is on tape.
func TestGivenUpFlush(t *testing.T) {
	is := is.New(t)
	d, s := openSlow(t)
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() {
		_, err := d.WriteFilemarks(ctx, 1, false)
		result <- err
	}()
	<-s.waits
	cancel()
	is.Equal(outcome(<-result), driver.OutcomeUnknown)
	_, err := d.WriteBlock(t.Context(), []byte("two"))
	is.Equal(outcome(err), driver.OutcomeUnknown) // nothing is written behind what is not known
	over, cancel := context.WithCancel(t.Context())
	go cancel()
	is.True(d.Rewind(over) != nil) // nor waited for longer than the caller wants
	close(s.open)
	is.NoErr(d.Rewind(t.Context()))
	is.True(readAll(t, d).equal(story{[]byte("one"), nil}))
	is.NoErr(d.Close())
}

// TestCloseDuringFlush closes the drive while a flush hangs.
func TestCloseDuringFlush(t *testing.T) {
	is := is.New(t)
	d, s := openSlow(t)
	result := make(chan error)
	go func() {
		_, err := d.WriteFilemarks(t.Context(), 1, false)
		result <- err
	}()
	<-s.waits
	closed := make(chan error)
	go func() { closed <- d.Close() }()
	is.Equal(outcome(<-result), driver.OutcomeUnknown)
	close(s.open)
	is.NoErr(<-closed)
	_, err := d.Position(t.Context())
	is.Equal(outcome(err), driver.OutcomeNotReady)
}

// TestSameAsMemtape plays the same random commands on a drive in memory, on images, and on one that discards: the
// same answers, positions and lengths.
func TestSameAsMemtape(t *testing.T) {
	for seed := range uint64(40) {
		is := is.New(t)
		mem := memtape.New(memtape.Options{})
		_, err := mem.AddVolume("TST001", memtape.VolumeOptions{})
		is.NoErr(err)
		is.NoErr(mem.Insert("TST001", 0))
		l := scratchLibrary(t, disk.NewForgetful(), "/library", drivertest.Scratch{})
		file, err := newDrive(l, 0, false)
		is.NoErr(err)
		drives := []driver.Drive{mem.Drive(0), file, Null(0)}
		for _, d := range drives {
			is.NoErr(d.Load(t.Context()))
		}
		r := rand.New(rand.NewPCG(seed, 5))
		for range 300 {
			kind, n, size := r.IntN(12), r.Int64N(9)-4, 1+r.IntN(9000)
			var first string
			for i, d := range drives {
				got := answer(t, d, kind, n, size)
				if i == 0 {
					first = got
				} else if got != first {
					t.Fatalf("seed %d: command %d with %d: drive %d answers %q, memtape %q", seed, kind, n, i, got, first)
				}
			}
		}
		for _, d := range drives {
			is.NoErr(d.Close())
		}
	}
}

func answer(t *testing.T, d driver.Drive, kind int, n int64, size int) string {
	ctx := t.Context()
	var err error
	var cond driver.Condition
	var count int64
	switch kind {
	case 0, 1, 2, 3:
		cond, err = d.WriteBlock(ctx, make([]byte, size/1000*1000+1))
	case 4, 5:
		cond, err = d.WriteFilemarks(ctx, int(max(0, n)), n%2 == 0)
	case 6, 7:
		count, cond, err = d.Space(ctx, driver.SpaceBlocks, n)
	case 8:
		count, cond, err = d.Space(ctx, driver.SpaceFilemarks, n)
	case 9:
		err = d.Locate(ctx, max(0, n*10))
	case 10:
		var k int
		k, cond, err = d.ReadBlock(ctx, make([]byte, size+4000))
		count = int64(k)
	case 11:
		if n == 0 {
			err = d.Unload(ctx)
			if err == nil {
				err = d.Load(ctx)
			}
		} else {
			count, cond, err = d.Space(ctx, driver.SpaceEndOfData, n)
		}
	}
	p, perr := d.Position(ctx)
	return fmt.Sprint(cond, count, outcome(err), p.Block, p.File, perr)
}

func TestNull(t *testing.T) {
	is := is.New(t)
	dir := t.TempDir()
	scratchLibrary(t, disk.OS(), dir, drivertest.Scratch{})
	d, err := OpenDrive(t.Context(), driver.Config(fmt.Sprintf(`{"dir":%q,"null":true}`, dir)))
	is.NoErr(err)
	defer d.Close()
	is.NoErr(d.Load(t.Context()))
	_, err = d.WriteBlock(t.Context(), []byte("VOL1TST001"))
	is.NoErr(err)
	_, err = d.WriteFilemarks(t.Context(), 1, false)
	is.NoErr(err)
	big := bytes.Repeat([]byte{7}, 1<<20)
	for range 3000 { // 3 GB, if they were kept
		_, err = d.WriteBlock(t.Context(), big)
		is.NoErr(err)
	}
	is.NoErr(d.Unload(t.Context()))
	is.NoErr(d.Load(t.Context()))
	n, _, err := d.ReadBlock(t.Context(), big)
	is.NoErr(err)
	is.Equal(string(big[:n]), "VOL1TST001")
	is.NoErr(d.Locate(t.Context(), 3001))
	n, _, err = d.ReadBlock(t.Context(), big)
	is.NoErr(err)
	is.Equal(n, 1<<20)
	is.True(bytes.Equal(big, make([]byte, 1<<20))) // zeros
	n, cond, err := d.ReadBlock(t.Context(), big)
	is.NoErr(err)
	is.Equal(n, 0)
	is.Equal(cond, driver.EndOfData)
	info, err := os.Stat(library{disk.OS(), dir}.image("TST001"))
	is.NoErr(err)
	is.Equal(info.Size(), int64(0))
	is.Equal(len(d.(*null).tape.runs), 3)

	small := Null(10_000)
	defer small.Close()
	is.NoErr(small.Load(t.Context()))
	cond, err = small.WriteBlock(t.Context(), make([]byte, 9000))
	is.NoErr(err)
	is.Equal(cond, driver.EarlyWarning)
	_, err = small.WriteBlock(t.Context(), make([]byte, 1000))
	is.Equal(outcome(err), driver.OutcomeEndOfMedium)
	s, err := small.Status(t.Context())
	is.NoErr(err)
	is.Equal(s.Remaining, int64(0))
}
