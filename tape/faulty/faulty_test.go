package faulty_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/drivertest"
	"github.com/enstore-go/sdk/tape/faulty"
	"github.com/enstore-go/sdk/tape/memtape"
)

// Without rules the wrapper is a drive like the one beneath.
func TestNoRules(t *testing.T) {
	drivertest.TestDrive(t, func(t testing.TB, s drivertest.Scratch) *drivertest.Rig {
		lib := memtape.New(memtape.Options{Window: 2})
		if !s.None {
			lib.AddVolume("TST001", memtape.VolumeOptions{Capacity: s.Capacity, WriteProtect: s.WriteProtect, WORM: s.WORM})
			lib.Insert("TST001", 0)
		}
		return &drivertest.Rig{
			Open: func() (driver.Drive, error) {
				d, err := lib.OpenDrive(0)
				return faulty.Drive(d), err
			},
			Damage: func(n int64) error { return lib.Damage("TST001", int(n), driver.Sense{}) },
			Reset:  func() error { return lib.Reset(0) },
		}
	})
	drivertest.TestChanger(t, func(t testing.TB) *drivertest.Robot {
		lib := memtape.New(memtape.Options{})
		lib.AddVolume("TST001", memtape.VolumeOptions{})
		lib.AddVolume("TST002", memtape.VolumeOptions{})
		return &drivertest.Robot{Exclusive: true, Open: func() (driver.Changer, error) {
			c, err := lib.OpenChanger()
			return faulty.Changer(c), err
		}}
	})
}

func loaded(t testing.TB, rules ...faulty.Rule) *faulty.TapeDrive {
	t.Helper()
	is := is.New(t)
	lib := memtape.New(memtape.Options{})
	_, err := lib.AddVolume("TST001", memtape.VolumeOptions{})
	is.NoErr(err)
	is.NoErr(lib.Insert("TST001", 0))
	d := faulty.Drive(lib.Drive(0), rules...)
	is.NoErr(d.Load(t.Context()))
	return d
}

func outcome(err error) driver.Outcome {
	var e *driver.Error
	errors.As(err, &e)
	if e == nil {
		return driver.OutcomeNone
	}
	return e.Outcome
}

func TestNthCall(t *testing.T) {
	is := is.New(t)
	d := loaded(t,
		faulty.Rule{Op: faulty.WriteBlock, Nth: 2, Outcome: driver.OutcomeMedium, Sense: driver.Sense{Key: 3, ASC: 0x0c, Deferred: true}},
		faulty.Rule{Op: faulty.WriteBlock, From: 4, Outcome: driver.OutcomeGone},
	)
	var got []driver.Outcome
	for range 5 {
		_, err := d.WriteBlock(t.Context(), []byte("x"))
		got = append(got, outcome(err))
	}
	is.Equal(got, []driver.Outcome{0, driver.OutcomeMedium, 0, driver.OutcomeGone, driver.OutcomeGone})
	is.Equal(d.Calls(faulty.WriteBlock), 5)
	p, err := d.Position(t.Context())
	is.NoErr(err)
	is.Equal(p.Block, int64(2)) // the failed ones were not carried out
}

func TestLostAnswer(t *testing.T) {
	is := is.New(t)
	d := loaded(t, faulty.Rule{Op: faulty.WriteBlock, Outcome: driver.OutcomeUnknown, Done: true})
	_, err := d.WriteBlock(t.Context(), []byte("x"))
	is.Equal(outcome(err), driver.OutcomeUnknown)
	p, err := d.Position(t.Context())
	is.NoErr(err)
	is.Equal(p.Block, int64(1)) // it was
}

func TestFlushIsAFilemarkCommandToo(t *testing.T) {
	is := is.New(t)
	d := loaded(t, faulty.Rule{Op: faulty.Flush, Nth: 1, Outcome: driver.OutcomeHardware})
	_, err := d.WriteFilemarks(t.Context(), 1, true)
	is.NoErr(err)
	_, err = d.WriteFilemarks(t.Context(), 0, false)
	is.Equal(outcome(err), driver.OutcomeHardware)
	is.Equal(d.Calls(faulty.WriteFilemarks), 2)
	is.Equal(d.Calls(faulty.Flush), 1)
}

func TestCorrupt(t *testing.T) {
	is := is.New(t)
	d := loaded(t, faulty.Rule{Op: faulty.WriteBlock, Nth: 1, Corrupt: true}, faulty.Rule{Op: faulty.ReadBlock, Nth: 2, Corrupt: true})
	in := []byte("abc")
	for range 2 {
		_, err := d.WriteBlock(t.Context(), in)
		is.NoErr(err)
	}
	is.Equal(string(in), "abc") // the caller's buffer is not touched
	is.NoErr(d.Rewind(t.Context()))
	buf := make([]byte, 10)
	for range 2 {
		n, _, err := d.ReadBlock(t.Context(), buf)
		is.NoErr(err)
		is.Equal(string(buf[:n]), "arc")
	}
}

func TestShift(t *testing.T) {
	is := is.New(t)
	d := loaded(t, faulty.Rule{Op: faulty.Position, Nth: 1, Shift: -3})
	p, err := d.Position(t.Context())
	is.NoErr(err)
	is.Equal(p.Block, int64(-3))
}

func TestHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		d := loaded(t, faulty.Rule{Op: faulty.Rewind, Hang: true}, faulty.Rule{Op: faulty.Locate, Hang: true, Deaf: true})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		is.True(errors.Is(d.Rewind(ctx), context.DeadlineExceeded))
		done := make(chan error)
		go func() { done <- d.Locate(ctx, 0) }()
		synctest.Wait()
		select {
		case <-done:
			t.Fatal("a deaf call listened to its context")
		default:
		}
		d.Release()
		is.Equal(outcome(<-done), driver.OutcomeAborted)
		d.Clear()
		is.NoErr(d.Rewind(t.Context()))
	})
}

func TestPredicates(t *testing.T) {
	is := is.New(t)
	var seen []faulty.Call
	d := loaded(t,
		faulty.Rule{Op: faulty.WriteBlock, When: func(c faulty.Call) bool { seen = append(seen, c); return c.Volume == "TST001" && c.Block == 2 }, Nth: 1, Outcome: driver.OutcomeMedium},
		faulty.Rule{Op: faulty.Locate, When: func(c faulty.Call) bool { return c.N == 7 }, Outcome: driver.OutcomeHardware},
		faulty.Rule{Op: faulty.Space, When: func(c faulty.Call) bool { return c.Volume == "TST002" }, Outcome: driver.OutcomeHardware},
	)
	var got []driver.Outcome
	for range 4 {
		_, err := d.WriteBlock(t.Context(), []byte("xyz"))
		got = append(got, outcome(err))
	}
	is.Equal(got, []driver.Outcome{0, 0, driver.OutcomeMedium, 0}) // once
	is.Equal(seen[1], faulty.Call{Op: faulty.WriteBlock, Volume: "TST001", Block: 1, N: 3})
	is.NoErr(d.Locate(t.Context(), 1))
	is.Equal(outcome(d.Locate(t.Context(), 7)), driver.OutcomeHardware)
	_, _, err := d.Space(t.Context(), driver.SpaceBlocks, 1)
	is.NoErr(err) // of another volume

	lib := memtape.New(memtape.Options{})
	for _, v := range []string{"TST001", "TST002"} {
		_, err := lib.AddVolume(v, memtape.VolumeOptions{})
		is.NoErr(err)
	}
	r, err := lib.OpenChanger()
	is.NoErr(err)
	robot := faulty.Changer(r, faulty.Rule{Op: faulty.Move, When: func(c faulty.Call) bool { return c.From == memtape.FirstSlot+1 }, Outcome: driver.OutcomeHardware})
	is.Equal(outcome(robot.Move(t.Context(), memtape.FirstSlot+1, 1)), driver.OutcomeHardware)
	is.NoErr(robot.Move(t.Context(), memtape.FirstSlot, 1))
}

// What was lost looks as if it were there, until the tape moves.
func TestLostTail(t *testing.T) {
	is := is.New(t)
	d := loaded(t, faulty.Rule{Op: faulty.WriteBlock, From: 2, Lost: true}, faulty.Rule{Op: faulty.WriteFilemarks, Lost: true})
	for range 3 {
		_, err := d.WriteBlock(t.Context(), []byte("x"))
		is.NoErr(err)
	}
	_, err := d.WriteFilemarks(t.Context(), 2, false)
	is.NoErr(err)
	p, err := d.Position(t.Context())
	is.NoErr(err)
	is.Equal(p.Block, int64(5))
	is.Equal(p.File, int64(2))
	_, _, err = d.Space(t.Context(), driver.SpaceEndOfData, 0)
	is.NoErr(err)
	p, err = d.Position(t.Context())
	is.NoErr(err)
	is.Equal(p.Block, int64(1))
	is.Equal(p.File, int64(0))
}

// A power failure takes the drive, and what it had not flushed.
func TestPowerFailure(t *testing.T) {
	is := is.New(t)
	lib := memtape.New(memtape.Options{Window: 10})
	_, err := lib.AddVolume("TST001", memtape.VolumeOptions{})
	is.NoErr(err)
	is.NoErr(lib.Insert("TST001", 0))
	raw, err := lib.OpenDrive(0)
	is.NoErr(err)
	d := faulty.Drive(raw, faulty.Rule{Op: faulty.WriteBlock, Nth: 4, Die: true})
	is.NoErr(d.Load(t.Context()))
	write := func() driver.Outcome {
		_, err := d.WriteBlock(t.Context(), []byte("x"))
		return outcome(err)
	}
	is.Equal(write(), driver.OutcomeNone)
	_, err = d.WriteFilemarks(t.Context(), 0, false)
	is.NoErr(err)
	is.Equal([]driver.Outcome{write(), write(), write(), write()}, []driver.Outcome{0, 0, driver.OutcomeGone, driver.OutcomeGone})
	_, err = d.Position(t.Context())
	is.Equal(outcome(err), driver.OutcomeGone)
	is.Equal(outcome(d.Load(t.Context())), driver.OutcomeGone)
	is.NoErr(d.Close())
	raw, err = lib.OpenDrive(0)
	is.NoErr(err)
	is.NoErr(raw.Load(t.Context()))
	_, _, err = raw.Space(t.Context(), driver.SpaceEndOfData, 0)
	is.NoErr(err)
	p, err := raw.Position(t.Context())
	is.NoErr(err)
	is.Equal(p.Block, int64(1)) // what was flushed
}

// A robot may answer late, or move twice.
func TestLateAndTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		lib := memtape.New(memtape.Options{})
		_, err := lib.AddVolume("TST001", memtape.VolumeOptions{})
		is.NoErr(err)
		r, err := lib.OpenChanger()
		is.NoErr(err)
		robot := faulty.Changer(r,
			faulty.Rule{Op: faulty.Move, Nth: 1, Delay: time.Hour}, faulty.Rule{Op: faulty.Move, Nth: 2, Delay: time.Hour}, faulty.Rule{Op: faulty.Move, Nth: 3, Twice: true})
		began := time.Now()
		is.NoErr(robot.Move(t.Context(), memtape.FirstSlot, 1))
		is.True(time.Since(began) >= time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		is.True(errors.Is(robot.Move(ctx, 1, memtape.FirstSlot), context.DeadlineExceeded)) // and it has not moved
		is.Equal(outcome(robot.Move(t.Context(), 1, memtape.FirstSlot)), driver.OutcomeNoMedium)
		all, err := robot.Inventory(t.Context())
		is.NoErr(err)
		for _, e := range all {
			is.Equal(e.Full, e.Address == memtape.FirstSlot) // the first of the two was good
		}
	})
}
