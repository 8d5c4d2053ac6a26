package tape_test

import (
	"context"
	"errors"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape"
	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/faulty"
	"github.com/enstore-go/sdk/tape/memtape"
)

// Files are found on every kind of drive, from anywhere, by number and by block.
func TestLocateFile(t *testing.T) {
	everyKind(t, func(t *testing.T, _ *memtape.Library, d *tape.Drive) {
		is := is.New(t)
		l := load(t, d)
		put(t, l, "L|ab|c||def|")
		sync(t, l)
		rest := []string{"L|ab|c||def|", "ab|c||def|", "c||def|", "|def|", "def|", ""}
		for fresh := range 2 {
			for _, n := range []int64{1, 4, 4, 0, 5, 3, 2, 1, 5, 0} {
				is.NoErr(l.LocateFile(t.Context(), n))
				is.Equal(l.Position().File, n)
				is.Equal(get(t, l), rest[n])
			}
			if fresh == 0 {
				l = load(t, d) // nothing is remembered now
			}
		}
	})
}

func TestLocateFileThatIsNotThere(t *testing.T) {
	everyKind(t, func(t *testing.T, _ *memtape.Library, d *tape.Drive) {
		is := is.New(t)
		l := load(t, d)
		put(t, l, "L|ab|")
		sync(t, l)
		is.True(errors.Is(l.LocateFile(t.Context(), 3), tape.ErrEndOfData))
		is.NoErr(l.Err()) // the place is known all the same
		is.NoErr(l.LocateFile(t.Context(), 1))
		is.Equal(get(t, l), "ab|")
		err := l.LocateFile(t.Context(), -1)
		is.Equal(tape.VerdictOf(err), tape.Verdict{Fault: tape.FaultRequest, Permanent: true, Do: tape.MendRequest})
	})
}

func TestLocateBlock(t *testing.T) {
	everyKind(t, func(t *testing.T, _ *memtape.Library, d *tape.Drive) {
		is := is.New(t)
		l := load(t, d)
		put(t, l, "L|ab|cde|")
		sync(t, l)
		for _, c := range []struct {
			p    tape.Position
			rest string
		}{
			{tape.Position{Block: 7, File: 2}, "e|"},
			{tape.Position{Block: 2, File: 1}, "ab|cde|"},
			{tape.Position{Block: 0, File: 0}, "L|ab|cde|"},
			{tape.Position{Block: 9, File: 3}, ""},
			{tape.Position{Block: driver.Unknown, File: 2}, "cde|"},
		} {
			is.NoErr(l.LocateBlock(t.Context(), c.p))
			is.Equal(l.Position().File, c.p.File)
			is.Equal(get(t, l), c.rest)
		}
	})
}

// A catalogue whose block and file numbers do not belong together is found out.
func TestLocateBlockOfAnotherFile(t *testing.T) {
	is := is.New(t)
	_, d := drive(t, memtape.Options{}, memtape.VolumeOptions{})
	l := load(t, d)
	put(t, l, "L|ab|cde|")
	sync(t, l)
	err := l.LocateBlock(t.Context(), tape.Position{Block: 3, File: 2})
	is.True(errors.Is(err, tape.ErrPosition))
	is.True(errors.Is(l.Rewind(t.Context()), tape.ErrLoadEnded))
}

func TestLocateEnd(t *testing.T) {
	everyKind(t, func(t *testing.T, _ *memtape.Library, d *tape.Drive) {
		is := is.New(t)
		l := load(t, d)
		put(t, l, "L|ab|")
		sync(t, l)
		is.NoErr(l.Rewind(t.Context()))
		p, err := l.LocateEnd(t.Context())
		is.NoErr(err)
		is.Equal(p.File, int64(2))
		put(t, l, "c|")
		sync(t, l)
		is.NoErr(l.Rewind(t.Context()))
		is.Equal(get(t, l), "L|ab|c|")
	})
}

func TestSyncTellsThePosition(t *testing.T) {
	everyKind(t, func(t *testing.T, _ *memtape.Library, d *tape.Drive) {
		is := is.New(t)
		l := load(t, d)
		put(t, l, "L|ab|")
		is.Equal(sync(t, l), tape.Position{Block: 5, File: 2})
		put(t, l, "c")
		is.Equal(l.Position(), tape.Position{Block: 6, File: 2})
	})
}

// A drive that stands elsewhere than was counted is never written to.
func TestTapeThatMovedIsNotWritten(t *testing.T) {
	is := is.New(t)
	lib := memtape.New(memtape.Options{})
	_, err := lib.AddVolume("VO0001", memtape.VolumeOptions{})
	is.NoErr(err)
	is.NoErr(lib.Insert("VO0001", 0))
	dev := lib.Drive(0)
	l := load(t, over(t, dev))
	put(t, l, "L|ab|")
	sync(t, l)
	is.NoErr(l.LocateFile(t.Context(), 2))
	is.NoErr(dev.Rewind(t.Context())) // behind the engine's back
	_, err = l.WriteBlock(t.Context(), []byte("x"))
	is.True(errors.Is(err, tape.ErrPosition))
	is.True(errors.Is(l.Err(), tape.ErrPosition))
	all, err := lib.Objects("VO0001")
	is.NoErr(err)
	is.Equal(len(all), 5) // nothing was overwritten
}

func TestSyncFindsAPositionThatIsWrong(t *testing.T) {
	is := is.New(t)
	lib := memtape.New(memtape.Options{})
	_, err := lib.AddVolume("VO0001", memtape.VolumeOptions{})
	is.NoErr(err)
	is.NoErr(lib.Insert("VO0001", 0))
	dev := lib.Drive(0)
	l := load(t, over(t, dev))
	put(t, l, "L|ab")
	_, err = dev.WriteBlock(t.Context(), []byte("somebody else's"))
	is.NoErr(err)
	_, err = l.Sync(t.Context())
	is.True(errors.Is(err, tape.ErrPosition))
	is.Equal(tape.VerdictOf(err).Fault, tape.FaultUnknown)
	_, err = l.Sync(t.Context())
	is.True(errors.Is(err, tape.ErrLoadEnded))
	is.True(errors.Is(err, tape.ErrPosition)) // and why
}

// A deferred error fails the call that tells it and all writing after it. Reading goes on.
func TestDeferredErrorEndsWriting(t *testing.T) {
	for name, o := range map[string]memtape.Options{"reported": {Window: 8}, "nothing": {Window: 8, NoPositions: true}} {
		t.Run(name, func(t *testing.T) {
			is := is.New(t)
			lib, d := drive(t, o, memtape.VolumeOptions{})
			l := load(t, d)
			put(t, l, "L|a|")
			sync(t, l)
			is.NoErr(lib.Damage("VO0001", 5, driver.Sense{}))
			put(t, l, "bcd")
			_, err := l.Sync(t.Context())
			is.True(errors.Is(err, tape.ErrMedium))
			is.Equal(tape.VerdictOf(err), tape.Verdict{Fault: tape.FaultVolume, Permanent: true, Do: tape.ReadOnly})
			is.NoErr(l.Err())
			is.True(l.WriteErr() != nil)
			_, err = l.WriteBlock(t.Context(), []byte("e"))
			is.True(errors.Is(err, tape.ErrLoadEnded))
			is.NoErr(l.LocateFile(t.Context(), 1))
			is.Equal(get(t, l), "a|b")
		})
	}
}

func TestUnitAttentionEndsTheLoad(t *testing.T) {
	is := is.New(t)
	lib, d := drive(t, memtape.Options{}, memtape.VolumeOptions{})
	l := load(t, d)
	put(t, l, "L|")
	sync(t, l)
	is.NoErr(lib.Reset(0))
	_, err := l.WriteBlock(t.Context(), []byte("x"))
	is.Equal(tape.OutcomeOf(err), driver.OutcomeUnitAttention)
	is.True(!errors.Is(err, tape.ErrLoadEnded)) // this call tells the cause itself
	for _, f := range []func() error{
		func() error { return l.Rewind(t.Context()) },
		func() error { return l.LocateFile(t.Context(), 1) },
		func() error { return l.LocateBlock(t.Context(), tape.Position{}) },
		func() error { _, err := l.LocateEnd(t.Context()); return err },
		func() error { _, _, err := l.SpaceFilemarks(t.Context(), 1); return err },
		func() error { _, _, err := l.ReadBlock(t.Context(), make([]byte, 10)); return err },
		func() error { _, err := l.WriteBlock(t.Context(), make([]byte, 10)); return err },
		func() error { _, err := l.WriteFilemarks(t.Context(), 1); return err },
		func() error { _, err := l.Sync(t.Context()); return err },
		func() error { _, _, err := l.ReadLabel(t.Context()); return err },
		func() error { _, err := l.CheckEnd(t.Context(), 1); return err },
		func() error { return l.Unload(t.Context()) },
	} {
		err := f()
		is.True(errors.Is(err, tape.ErrLoadEnded))
		is.Equal(tape.OutcomeOf(err), driver.OutcomeUnitAttention)
	}
	l = load(t, d)
	is.Equal(get(t, l), "L|")
}

func TestOneLoadAtATime(t *testing.T) {
	is := is.New(t)
	_, d := drive(t, memtape.Options{}, memtape.VolumeOptions{})
	first := load(t, d)
	second := load(t, d)
	is.True(errors.Is(first.Rewind(t.Context()), tape.ErrLoadEnded))
	is.NoErr(second.Unload(t.Context()))
	is.True(errors.Is(second.Rewind(t.Context()), tape.ErrLoadEnded))
	st, err := d.Status(t.Context())
	is.NoErr(err)
	is.True(!st.Loaded)
}

// Every outcome that leaves the state of the tape in doubt ends the load; others do not.
func TestWhatEndsALoad(t *testing.T) {
	ends := map[driver.Outcome]bool{
		driver.OutcomeUnknown: true, driver.OutcomeUnitAttention: true, driver.OutcomeTimeout: true, driver.OutcomeGone: true,
		driver.OutcomeHeld: true, driver.OutcomeNoMedium: true, driver.OutcomeNotReady: true,
	}
	for o := driver.OutcomeUnknown; o <= driver.OutcomeGone; o++ {
		for _, op := range []faulty.Op{faulty.Rewind, faulty.ReadBlock, faulty.WriteBlock, faulty.WriteFilemarks, faulty.Space, faulty.Locate} {
			t.Run(string(op)+" "+o.String(), func(t *testing.T) {
				is := is.New(t)
				lib := memtape.New(memtape.Options{})
				_, err := lib.AddVolume("VO0001", memtape.VolumeOptions{})
				is.NoErr(err)
				is.NoErr(lib.Insert("VO0001", 0))
				l := load(t, over(t, faulty.Drive(lib.Drive(0), faulty.Rule{Op: op, Nth: 1, Outcome: o})))
				switch op {
				case faulty.Rewind:
					err = l.Rewind(t.Context())
				case faulty.ReadBlock:
					_, _, err = l.ReadBlock(t.Context(), make([]byte, 10))
				case faulty.WriteBlock:
					_, err = l.WriteBlock(t.Context(), make([]byte, 10))
				case faulty.WriteFilemarks:
					_, err = l.Sync(t.Context())
				case faulty.Space:
					_, _, err = l.SpaceFilemarks(t.Context(), 1)
				case faulty.Locate:
					err = l.LocateBlock(t.Context(), tape.Position{Block: 1, File: driver.Unknown})
				}
				is.Equal(tape.OutcomeOf(err), o)
				is.Equal(l.Err() != nil, ends[o])
				is.True(err.Error() != "")
			})
		}
	}
}

// After an error that moved the tape nobody knows where, nothing relative is done.
func TestLostPosition(t *testing.T) {
	is := is.New(t)
	lib, d := drive(t, memtape.Options{NoPositions: true}, memtape.VolumeOptions{})
	l := load(t, d)
	put(t, l, "L|abc|")
	sync(t, l)
	is.NoErr(lib.Damage("VO0001", 3, driver.Sense{}))
	is.NoErr(l.LocateFile(t.Context(), 1))
	_, _, err := l.ReadBlock(t.Context(), make([]byte, 10))
	is.NoErr(err)
	_, _, err = l.ReadBlock(t.Context(), make([]byte, 10))
	is.True(errors.Is(err, tape.ErrMedium))
	is.Equal(l.Position(), tape.Position{Block: driver.Unknown, File: driver.Unknown})
	_, _, err = l.ReadBlock(t.Context(), make([]byte, 10))
	is.True(errors.Is(err, tape.ErrPosition))
	is.NoErr(l.LocateFile(t.Context(), 1))
	is.Equal(l.Position(), tape.Position{Block: 2, File: 1})
}

func TestEndOfMedium(t *testing.T) {
	is := is.New(t)
	_, d := drive(t, memtape.Options{Window: 3}, memtape.VolumeOptions{Capacity: 100, EarlyWarning: 30})
	l := load(t, d)
	var err error
	var c driver.Condition
	warned, n := false, int64(0)
	for ; n < 20; n++ {
		if c, err = l.WriteBlock(t.Context(), make([]byte, 15)); err != nil {
			break
		}
		warned = warned || c == driver.EarlyWarning
	}
	is.True(warned)
	is.Equal(n, int64(6))
	is.True(errors.Is(err, tape.ErrEndOfMedium))
	is.Equal(tape.VerdictOf(err), tape.Verdict{Fault: tape.FaultVolume, Permanent: true, Do: tape.OtherVolume})
	is.Equal(sync(t, l), tape.Position{Block: 6, File: 0}) // what was taken stands
	is.Equal(d.Stats().BytesWritten, int64(90))
}

func TestBlockLimits(t *testing.T) {
	is := is.New(t)
	_, d := drive(t, memtape.Options{MinBlock: 10, MaxBlock: 20}, memtape.VolumeOptions{})
	l := load(t, d)
	for _, n := range []int{0, 9, 21} {
		_, err := l.WriteBlock(t.Context(), make([]byte, n))
		is.Equal(tape.VerdictOf(err), tape.Verdict{Fault: tape.FaultRequest, Permanent: true, Do: tape.MendRequest})
	}
	_, err := l.WriteBlock(t.Context(), make([]byte, 20))
	is.NoErr(err)
	is.NoErr(l.Rewind(t.Context()))
	_, _, err = l.ReadBlock(t.Context(), make([]byte, 19))
	is.True(errors.Is(err, tape.ErrBlockTooLong))
	is.Equal(l.Position(), tape.Position{Block: 1, File: 0})
}

func TestStats(t *testing.T) {
	is := is.New(t)
	_, d := drive(t, memtape.Options{}, memtape.VolumeOptions{})
	l := load(t, d)
	put(t, l, "L|ab|")
	sync(t, l)
	is.NoErr(l.Rewind(t.Context()))
	is.Equal(get(t, l), "L|ab|")
	is.True(errors.Is(l.LocateBlock(t.Context(), tape.Position{Block: 99, File: driver.Unknown}), tape.ErrEndOfData))
	s := l.Stats()
	is.Equal([]int64{s.BlocksWritten, s.BytesWritten, s.FilemarksWritten, s.BlocksRead, s.BytesRead, s.FilemarksPassed, s.Syncs, s.Rewinds, s.Loads},
		[]int64{3, 3, 2, 3, 3, 2, 1, 1, 1})
	is.Equal(s.Errors, map[driver.Outcome]int64{driver.OutcomeEndOfData: 1})
	is.NoErr(l.Unload(t.Context()))
	load(t, d)
	is.Equal(d.Stats().Loads, int64(2))
	is.Equal(d.Stats().Unloads, int64(1))
	is.Equal(d.Stats().BlocksRead, int64(3))
}

// liar is a drive that makes one space backwards wrong.
type liar struct {
	driver.Drive
	space func(kind driver.Space, n int64) (int64, driver.Condition, bool)
}

func (d *liar) Space(ctx context.Context, kind driver.Space, n int64) (int64, driver.Condition, error) {
	if passed, c, lies := d.space(kind, n); lies {
		return passed, c, nil
	}
	return d.Drive.Space(ctx, kind, n)
}

// A place where the count says that a file begins, and no filemark precedes it, is not written.
func TestCheckEndWantsAFilemarkBefore(t *testing.T) {
	is := is.New(t)
	lib := memtape.New(memtape.Options{})
	_, err := lib.AddVolume("VO0001", memtape.VolumeOptions{})
	is.NoErr(err)
	is.NoErr(lib.Insert("VO0001", 0))
	dev := &liar{Drive: lib.Drive(0), space: func(driver.Space, int64) (int64, driver.Condition, bool) { return 0, 0, false }}
	l := load(t, over(t, dev))
	put(t, l, "L|ab|")
	sync(t, l)
	dev.space = func(kind driver.Space, n int64) (int64, driver.Condition, bool) {
		if kind != driver.SpaceBlocks || n != -1 {
			return 0, 0, false
		}
		p, err := dev.Position(t.Context())
		is.NoErr(err)
		is.NoErr(dev.Locate(t.Context(), p.Block-1)) // over a block, it says
		return 1, driver.NoCondition, true
	}
	_, err = l.CheckEnd(t.Context(), 2)
	is.True(errors.Is(err, tape.ErrPosition))
	is.True(l.Err() != nil)
}

// Fewer filemarks behind than were counted: the load is over.
func TestLocateFileFindsTooFewFilemarks(t *testing.T) {
	is := is.New(t)
	lib := memtape.New(memtape.Options{NoLocate: true})
	_, err := lib.AddVolume("VO0001", memtape.VolumeOptions{})
	is.NoErr(err)
	is.NoErr(lib.Insert("VO0001", 0))
	dev := &liar{Drive: lib.Drive(0)}
	dev.space = func(kind driver.Space, n int64) (int64, driver.Condition, bool) {
		if kind != driver.SpaceFilemarks || n >= -1 {
			return 0, 0, false
		}
		is.NoErr(dev.Rewind(t.Context()))
		return 1, driver.LoadPoint, true
	}
	l := load(t, over(t, dev))
	put(t, l, "L|a|b|c|d|e|f|")
	sync(t, l)
	err = l.LocateFile(t.Context(), 5)
	is.True(errors.Is(err, tape.ErrPosition))
	is.True(l.Err() != nil)
}

// A drive that reports no position goes back by way of the load point, because nobody could check its way backwards.
func TestDriveWithoutPositionsGoesForwardsOnly(t *testing.T) {
	is := is.New(t)
	lib := memtape.New(memtape.Options{NoPositions: true, NoLocate: true})
	_, err := lib.AddVolume("VO0001", memtape.VolumeOptions{})
	is.NoErr(err)
	is.NoErr(lib.Insert("VO0001", 0))
	dev := &liar{Drive: lib.Drive(0), space: func(kind driver.Space, n int64) (int64, driver.Condition, bool) {
		return -n, driver.NoCondition, n < 0 // without moving
	}}
	l := load(t, over(t, dev))
	put(t, l, "L|a|b|c|d|e|f|")
	sync(t, l)
	is.NoErr(l.LocateFile(t.Context(), 5))
	is.Equal(get(t, l), "e|f|")
	end, err := l.CheckEnd(t.Context(), 7)
	is.NoErr(err)
	is.Equal(end, tape.AtEnd)
	end, err = l.CheckEnd(t.Context(), 6)
	is.NoErr(err)
	is.Equal(end, tape.DataBeyond)
	is.Equal(get(t, l), "f|")
}
