package tape_test

import (
	"context"
	"errors"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape"
	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/memtape"
)

// lateEnd takes a few blocks more than fit, as a drive with a window may.
type lateEnd struct {
	driver.Drive
	beyond int // blocks taken behind the end
	full   bool
	block  int64 // if not 0, what Position reports
}

func (d *lateEnd) WriteBlock(ctx context.Context, p []byte) (driver.Condition, error) {
	if !d.full {
		c, err := d.Drive.WriteBlock(ctx, p)
		if tape.OutcomeOf(err) != driver.OutcomeEndOfMedium {
			return c, err
		}
		d.full = true
	}
	return d.late()
}

func (d *lateEnd) WriteFilemarks(ctx context.Context, n int, immediate bool) (driver.Condition, error) {
	if d.full && n > 0 {
		return d.late()
	}
	return d.Drive.WriteFilemarks(ctx, n, immediate)
}

func (d *lateEnd) late() (driver.Condition, error) {
	d.beyond--
	if d.beyond >= 0 {
		return driver.EarlyWarning, nil
	}
	return 0, &driver.Error{Op: "write block", Outcome: driver.OutcomeEndOfMedium, Sense: driver.Sense{Deferred: true}}
}

func (d *lateEnd) Position(ctx context.Context) (driver.Position, error) {
	p, err := d.Drive.Position(ctx)
	if d.block != 0 && d.full {
		p.Block = d.block
	}
	return p, err
}

// fill writes "L|", syncs, and writes files of two blocks until the end.
func fill(t *testing.T, o memtape.Options, late *lateEnd) (*tape.Load, error) {
	is := is.New(t)
	lib := memtape.New(o)
	_, err := lib.AddVolume("VO0001", memtape.VolumeOptions{Capacity: 100})
	is.NoErr(err)
	is.NoErr(lib.Insert("VO0001", 0))
	late.Drive = lib.Drive(0)
	l := load(t, over(t, late))
	put(t, l, "L|")
	sync(t, l)
	for i := 0; ; i++ {
		if i%3 == 2 {
			_, err = l.WriteFilemarks(t.Context(), 1)
		} else {
			_, err = l.WriteBlock(t.Context(), make([]byte, 10))
		}
		if err != nil {
			return l, err
		}
	}
}

// What was taken before the end is safe up to where the drive says, told at once or late.
func TestSyncEnd(t *testing.T) {
	for name, o := range map[string]memtape.Options{"files reported": {Window: 2}, "files counted": {Window: 2, NoFiles: true}} {
		for _, beyond := range []int{0, 2} {
			t.Run(name, func(t *testing.T) {
				is := is.New(t)
				l, err := fill(t, o, &lateEnd{beyond: beyond})
				is.True(errors.Is(err, tape.ErrEndOfMedium))
				p, err := l.SyncEnd(t.Context())
				is.NoErr(err)
				// 100 bytes: label, mark, and four times two blocks and a mark, and a block less.
				is.Equal(p, tape.Position{Block: 15, File: 5})
				is.Equal(l.Position(), p)
				_, err = l.WriteBlock(t.Context(), []byte("x"))
				is.True(errors.Is(err, tape.ErrLoadEnded))
				again, err := l.SyncEnd(t.Context())
				is.NoErr(err)
				is.Equal(again, p)
				is.NoErr(l.LocateFile(t.Context(), 5))
				is.Equal(get(t, l), "\x00")
			})
		}
	}
}

func TestSyncEndFindsAPositionThatCannotBe(t *testing.T) {
	for _, block := range []int64{1, 99} {
		is := is.New(t)
		l, err := fill(t, memtape.Options{Window: 2}, &lateEnd{block: block})
		is.True(errors.Is(err, tape.ErrEndOfMedium))
		_, err = l.SyncEnd(t.Context())
		is.True(errors.Is(err, tape.ErrPosition))
		is.True(l.Err() != nil)
	}
}

func TestSyncEndRefuses(t *testing.T) {
	is := is.New(t)
	l, err := fill(t, memtape.Options{NoPositions: true}, &lateEnd{})
	is.True(errors.Is(err, tape.ErrEndOfMedium))
	_, err = l.SyncEnd(t.Context())
	is.True(errors.Is(err, tape.ErrPosition))

	lib, d := drive(t, memtape.Options{Window: 2}, memtape.VolumeOptions{})
	l = load(t, d)
	put(t, l, "L|")
	is.NoErr(lib.Damage("VO0001", 2, driver.Sense{}))
	put(t, l, "a")
	_, err = l.Sync(t.Context())
	is.True(errors.Is(err, tape.ErrMedium))
	_, err = l.SyncEnd(t.Context())
	is.True(errors.Is(err, tape.ErrLoadEnded)) // writing ended over something else

	is.NoErr(lib.Reset(0))
	is.True(l.Rewind(t.Context()) != nil)
	_, err = l.SyncEnd(t.Context())
	is.True(errors.Is(err, tape.ErrLoadEnded))
}

// A load with more filemarks than it remembers still knows those since the last Sync.
func TestSyncEndOfALongLoad(t *testing.T) {
	is := is.New(t)
	lib := memtape.New(memtape.Options{Window: 4})
	_, err := lib.AddVolume("TST001", memtape.VolumeOptions{Capacity: 1 << 20})
	is.NoErr(err)
	is.NoErr(lib.Insert("TST001", 0))
	d := over(t, lib.Drive(0))
	l, err := d.Load(t.Context())
	is.NoErr(err)
	_, err = l.WriteBlock(t.Context(), []byte("L"))
	is.NoErr(err)
	for range 67_000 { // a filemark takes no room here
		_, err = l.WriteFilemarks(t.Context(), 1)
		is.NoErr(err)
	}
	_, err = l.Sync(t.Context())
	is.NoErr(err)
	files := int64(67_000)
	for err == nil {
		if _, err = l.WriteBlock(t.Context(), make([]byte, 100_000)); err == nil {
			_, err = l.WriteFilemarks(t.Context(), 1)
			files++
		}
	}
	is.True(errors.Is(err, tape.ErrEndOfMedium))
	p, err := l.SyncEnd(t.Context())
	is.NoErr(err)
	is.True(p.File > 67_000 && p.File <= files)
}
