package filetape

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape/disk"
	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/drivertest"
)

// story is what is on a tape; an empty object is a filemark.
type story [][]byte

func (s story) equal(o story) bool {
	if len(s) != len(o) {
		return false
	}
	for i := range s {
		if !bytes.Equal(s[i], o[i]) {
			return false
		}
	}
	return true
}

func (s story) String() string {
	text := fmt.Sprint(len(s), " objects:")
	for _, o := range s {
		text += fmt.Sprint(" ", len(o))
	}
	return text
}

// readAll reads a tape from the load point, and checks the positions on the way.
func readAll(t testing.TB, d driver.Drive) story {
	t.Helper()
	is := is.New(t)
	is.NoErr(d.Rewind(t.Context()))
	var s story
	file := int64(0)
	buf := make([]byte, maxWrite)
	for {
		p, err := d.Position(t.Context())
		is.NoErr(err)
		is.Equal(p, driver.Position{Block: int64(len(s)), File: file})
		n, cond, err := d.ReadBlock(t.Context(), buf)
		is.NoErr(err)
		switch cond {
		case driver.EndOfData:
			return s
		case driver.Filemark:
			file++
		}
		s = append(s, bytes.Clone(buf[:n]))
	}
}

// player writes and overwrites at random, and knows what must be on the tape after a crash.
type player struct {
	r       *rand.Rand
	d       *drive
	now     story // what is on the tape while there is power
	at      int
	durable story
	// also is what may be on the tape instead if the power goes in the command that is at work.
	also   []story
	active bool // the last command wrote
}

func (p *player) block() []byte {
	n := 1 + p.r.IntN(300)
	switch p.r.IntN(12) {
	case 0:
		n = 1 + p.r.IntN(3*align)
	case 1:
		n = 1 + p.r.IntN(chunkSize+chunkSize/4)
	}
	b := make([]byte, n)
	seed := p.r.Uint64()
	for i := range b {
		if i%8 == 0 {
			seed = seed*6364136223846793005 + 1442695040888963407
		}
		b[i] = byte(seed>>(8*(i%8))) | 1
	}
	return b
}

// cut is what a write at this place does before anything else.
func (p *player) cut() {
	if !p.active {
		p.now = p.now[:p.at:p.at]
		p.also = append(p.also, p.now)
	}
}

// step does one command and returns its error. After good ones the model says what is durable.
func (p *player) step(t testing.TB) (err error) {
	ctx := t.Context()
	p.also = nil
	var after func()
	flush := func() { p.also = append(p.also, p.now) }
	moved := func(to int) func() {
		flush()
		return func() { p.durable, p.at, p.active = p.now, to, false }
	}
	wrote := func(objects ...[]byte) func() {
		cut := !p.active
		p.cut()
		p.now = append(p.now, objects...)
		return func() {
			if cut {
				p.durable = p.also[0]
			}
			p.at, p.active = len(p.now), true
		}
	}
	switch k := p.r.IntN(20); {
	case k < 10:
		b := p.block()
		after = wrote(b)
		_, err = p.d.WriteBlock(ctx, b)
	case k < 13:
		marks := make([][]byte, 1+p.r.IntN(3))
		after = wrote(marks...)
		_, err = p.d.WriteFilemarks(ctx, len(marks), true)
	case k < 16:
		marks := make([][]byte, p.r.IntN(3))
		after = func() {}
		if len(marks) > 0 {
			after = wrote(marks...)
		}
		flush()
		_, err = p.d.WriteFilemarks(ctx, len(marks), false)
		then := after
		after = func() {
			then()
			if p.active {
				p.durable = p.now
			}
		}
	case k < 17:
		after = moved(0)
		err = p.d.Rewind(ctx)
	case k < 19:
		to := p.r.IntN(len(p.now) + 1)
		if p.r.IntN(2) == 0 {
			to = max(to, len(p.now)-3)
		}
		after = moved(to)
		err = p.d.Locate(ctx, int64(to))
	default:
		after = moved(0)
		if err = p.d.Unload(ctx); err == nil {
			err = p.d.Load(ctx)
		}
	}
	if err == nil {
		after()
		p.also = nil
	}
	return err
}

func TestCrash(t *testing.T) {
	runs := 120
	if testing.Short() {
		runs = 40
	}
	for seed := range uint64(runs) {
		crashes(t, seed)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// crashes plays a tape through several power cuts.
func crashes(t *testing.T, seed uint64) {
	is := is.New(t)
	r := rand.New(rand.NewPCG(seed, 1))
	f := disk.NewForgetful()
	scratchLibrary(t, f, "/library", drivertest.Scratch{})
	p := &player{r: r}
	for range 6 {
		var err error
		p.d, err = newDrive(library{f, "/library"}, 0, false)
		is.NoErr(err)
		is.NoErr(p.d.Load(t.Context()))
		p.now = readAll(t, p.d)
		allowed := append(p.also, p.durable)
		found := false
		for _, a := range allowed {
			found = found || p.now.equal(a)
		}
		if !found {
			t.Errorf("on tape after the crash: %v", p.now)
			for _, a := range allowed {
				t.Errorf("allowed: %v", a)
			}
			return
		}
		p.durable, p.at, p.active, p.also = p.now, len(p.now), false, nil

		f.StopAfter(int64(r.IntN(80)))
		steps := 0
		for ; steps < 200 && err == nil; steps++ {
			err = p.step(t)
		}
		if steps < 200 && !isCrash(err) {
			t.Errorf("the disk stopped, the drive says %v", err)
			return
		}
		p.d.Close()
		if r.IntN(3) > 0 {
			f = f.Crash(r)
		} else {
			f = f.Crash(nil)
		}
		checkScan(t, f, p)
	}
}

// TestFailure has one call of the disk fail, with the disk full or worse, and goes on.
func TestFailure(t *testing.T) {
	runs := 150
	if testing.Short() {
		runs = 40
	}
	for seed := range uint64(runs) {
		failures(t, seed)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func failures(t *testing.T, seed uint64) {
	is := is.New(t)
	r := rand.New(rand.NewPCG(seed, 2))
	f := disk.NewForgetful()
	l := scratchLibrary(t, f, "/library", drivertest.Scratch{})
	p := &player{r: r}
	var err error
	p.d, err = newDrive(l, 0, false)
	is.NoErr(err)
	is.NoErr(p.d.Load(t.Context()))
	for range 6 {
		cause := syscall.ENOSPC
		if r.IntN(2) == 0 {
			cause = syscall.EIO
		}
		f.FailChange(1+int64(r.IntN(60)), cause)
		err = nil
		for steps := 0; steps < 100 && err == nil; steps++ {
			err = p.step(t)
		}
		f.Inject(nil)
		if err != nil {
			var e *driver.Error
			is.True(errors.As(err, &e))
			is.Equal(e.Outcome, driver.OutcomeHardware)            // never the volume's fault
			is.Equal(e.Sense.ASC == 0x08, cause == syscall.ENOSPC) // a full disk is told from a broken one
			is.NoErr(p.d.Load(t.Context()))
			p.now = readAll(t, p.d)
			found := p.now.equal(p.durable)
			for _, a := range p.also {
				found = found || p.now.equal(a)
			}
			is.True(found) // what is left is what was durable before the command, or after it
			p.durable, p.at, p.active = p.now, len(p.now), false
		}
		// What the drive says now is what a power cut leaves.
		is.NoErr(p.d.Unload(t.Context()))
		is.NoErr(p.d.Close())
		if p.active {
			p.durable = p.now
		}
		f = f.Crash(nil)
		p.d, err = newDrive(library{f, "/library"}, 0, false)
		is.NoErr(err)
		is.NoErr(p.d.Load(t.Context()))
		p.now = readAll(t, p.d)
		is.True(p.now.equal(p.durable))
		p.at, p.active = len(p.now), false
	}
	is.NoErr(p.d.Close())
}

func isCrash(err error) bool {
	var e *driver.Error
	return errors.As(err, &e) && bytes.Contains([]byte(e.Text), []byte(disk.ErrCrashed.Error()))
}

// checkScan looks at an image as if its index were lost: everything flushed is there, but perhaps filemarks at the
// very end, where zeros say nothing.
func checkScan(t *testing.T, f *disk.Forgetful, p *player) {
	is := is.New(t)
	name := library{f, "/library"}.image("TST001")
	want := p.durable
	for _, a := range p.also {
		if len(a) < len(want) { // it may have been cut off already
			want = a
		}
	}
	for len(want) > 0 && len(want[len(want)-1]) == 0 {
		want = want[:len(want)-1]
	}
	img, err := f.OpenFile(name, 0, 0)
	is.NoErr(err)
	defer img.Close()
	info, err := img.Stat()
	is.NoErr(err)
	end, _, _, err := scan(t.Context(), img, info.Size())
	is.NoErr(err)
	if end.obj < int64(len(want)) {
		t.Errorf("a scan finds %d objects, at least %d are durable", end.obj, len(want))
	}
	off := int64(0)
	for i, o := range want {
		got := make([]byte, len(o))
		if len(o) == 0 {
			off += wordSize
			continue
		}
		_, err := img.ReadAt(got, off+wordSize)
		is.NoErr(err)
		if !bytes.Equal(got, o) {
			t.Fatalf("object %d is not what was flushed", i)
		}
		off += blockSize(int64(len(o)))
	}
}
