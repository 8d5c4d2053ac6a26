package tape_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape"
	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/faulty"
	"github.com/enstore-go/sdk/tape/memtape"
)

// robot makes a library of two drives and four slots with VO0001 to VO0003.
func robot(t testing.TB, o memtape.Options, rules ...faulty.Rule) (*memtape.Library, *faulty.Robot, *tape.Changer) {
	t.Helper()
	is := is.New(t)
	o.Drives, o.Slots = 2, 4
	lib := memtape.New(o)
	for _, v := range []string{"VO0001", "VO0002", "VO0003"} {
		_, err := lib.AddVolume(v, memtape.VolumeOptions{})
		is.NoErr(err)
	}
	dev := faulty.Changer(lib.Changer(), rules...)
	c, err := tape.NewChanger(t.Context(), dev, nil)
	is.NoErr(err)
	t.Cleanup(func() { c.Close() })
	return lib, dev, c
}

// where is the address of a volume.
func where(t testing.TB, c *tape.Changer, volume string) int {
	t.Helper()
	is := is.New(t)
	all, err := c.Inventory(context.Background())
	is.NoErr(err)
	for _, e := range all {
		if e.Label == volume {
			return e.Address
		}
	}
	return -1
}

func TestMountAndDismount(t *testing.T) {
	is := is.New(t)
	_, dev, c := robot(t, memtape.Options{})
	is.NoErr(c.Mount(t.Context(), "VO0002", 1))
	is.Equal(where(t, c, "VO0002"), memtape.FirstDrive+1)
	moves := dev.Calls(faulty.Move)
	is.NoErr(c.Mount(t.Context(), "VO0002", 1)) // there already
	is.Equal(dev.Calls(faulty.Move), moves)

	is.True(errors.Is(c.Mount(t.Context(), "VO0009", 0), tape.ErrNotFound))
	is.True(errors.Is(c.Mount(t.Context(), "", 0), tape.ErrNotFound))
	is.True(errors.Is(c.Mount(t.Context(), "VO0001", 2), tape.ErrNoDrive))
	is.True(errors.Is(c.Mount(t.Context(), "VO0002", 0), tape.ErrInOtherDrive))
	err := c.Mount(t.Context(), "VO0001", 1)
	is.True(errors.Is(err, tape.ErrDriveFull))
	is.Equal(tape.VerdictOf(err), tape.Verdict{Fault: tape.FaultRequest, Do: tape.MendRequest})

	is.True(errors.Is(c.Dismount(t.Context(), "VO0002", 0), tape.ErrInOtherDrive))
	is.True(errors.Is(c.Dismount(t.Context(), "VO0009", 1), tape.ErrDriveFull))
	is.True(errors.Is(c.Dismount(t.Context(), "VO0009", 0), tape.ErrNotFound))
	is.NoErr(c.Dismount(t.Context(), "VO0001", 1)) // it is in its slot
	is.NoErr(c.Dismount(t.Context(), "VO0002", 1))
	is.Equal(where(t, c, "VO0002"), memtape.FirstSlot+1) // home
	is.NoErr(c.Dismount(t.Context(), "VO0002", 1))
}

func TestDismountElsewhere(t *testing.T) {
	is := is.New(t)
	_, dev, c := robot(t, memtape.Options{})
	is.NoErr(c.Mount(t.Context(), "VO0001", 0))
	is.NoErr(c.Mount(t.Context(), "VO0002", 1))
	is.NoErr(dev.Move(t.Context(), memtape.FirstSlot+2, memtape.FirstSlot)) // VO0003 into the slot of VO0001, by a person
	is.NoErr(c.Dismount(t.Context(), "VO0001", 0))
	is.Equal(where(t, c, "VO0001"), memtape.FirstSlot+2) // not into the slot that VO0002 came from
	is.NoErr(c.Dismount(t.Context(), "VO0002", 1))
	is.Equal(where(t, c, "VO0002"), memtape.FirstSlot+1)
}

func TestNoFreeSlot(t *testing.T) {
	is := is.New(t)
	lib, _, c := robot(t, memtape.Options{})
	is.NoErr(c.Mount(t.Context(), "VO0001", 0))
	for _, v := range []string{"VO0004", "VO0005"} {
		_, err := lib.AddVolume(v, memtape.VolumeOptions{})
		is.NoErr(err)
	}
	is.True(errors.Is(c.Dismount(t.Context(), "VO0001", 0), tape.ErrNoSlot))
}

// A cartridge that a drive has loaded is not taken, whether the robot knows or only refuses.
func TestHeldCartridge(t *testing.T) {
	is := is.New(t)
	lib, dev, c := robot(t, memtape.Options{})
	is.NoErr(c.Mount(t.Context(), "VO0001", 0))
	d := over(t, lib.Drive(0))
	l := load(t, d)
	moves := dev.Calls(faulty.Move)
	err := c.Dismount(t.Context(), "VO0001", 0)
	is.True(errors.Is(err, tape.ErrHeld))
	is.Equal(tape.VerdictOf(err), tape.Verdict{Fault: tape.FaultDrive, Do: tape.Retry})
	is.Equal(dev.Calls(faulty.Move), moves)
	is.NoErr(l.Unload(t.Context()))
	dev.Add(faulty.Rule{Op: faulty.Move, Nth: 1, Outcome: driver.OutcomeHeld})
	is.True(errors.Is(c.Dismount(t.Context(), "VO0001", 0), tape.ErrHeld))
	is.NoErr(c.Dismount(t.Context(), "VO0001", 0))
}

// What became of a move whose answer was lost is looked up.
func TestUnknownOutcomeOfAMove(t *testing.T) {
	for _, o := range []driver.Outcome{driver.OutcomeUnknown, driver.OutcomeTimeout, driver.OutcomeGone, driver.OutcomeHardware} {
		for _, done := range []bool{true, false} {
			is := is.New(t)
			_, dev, c := robot(t, memtape.Options{})
			dev.Add(faulty.Rule{Op: faulty.Move, Nth: 1, Outcome: o, Done: done}, faulty.Rule{Op: faulty.Move, Nth: 2, Outcome: o, Done: done})
			err := c.Mount(t.Context(), "VO0001", 0)
			is.Equal(err == nil, done)
			if !done {
				is.Equal(tape.OutcomeOf(err), o)
				is.Equal(where(t, c, "VO0001"), memtape.FirstSlot)
				dev.Clear()
				is.NoErr(c.Mount(t.Context(), "VO0001", 0))
				dev.Add(faulty.Rule{Op: faulty.Move, Outcome: o})
			}
			is.Equal(c.Dismount(t.Context(), "VO0001", 0) == nil, done)
		}
	}
}

func TestMoveAndInventoryFail(t *testing.T) {
	is := is.New(t)
	_, dev, c := robot(t, memtape.Options{})
	dev.Add(faulty.Rule{Op: faulty.Move, Outcome: driver.OutcomeUnknown}, faulty.Rule{Op: faulty.Inventory, From: 2, Outcome: driver.OutcomeGone})
	err := c.Mount(t.Context(), "VO0001", 0)
	is.Equal(tape.OutcomeOf(err), driver.OutcomeUnknown)
	is.True(errors.Is(err, tape.ErrGone))
}

// toHand lets the hand drop nothing: it stops half way.
type toHand struct{ driver.Changer }

func (r toHand) Move(ctx context.Context, from, to int) error {
	if err := r.Changer.Move(ctx, from, memtape.Hand); err != nil {
		return err
	}
	return &driver.Error{Op: "move", Outcome: driver.OutcomeHardware}
}

func TestCartridgeInTheHand(t *testing.T) {
	is := is.New(t)
	lib := memtape.New(memtape.Options{Drives: 2})
	for _, v := range []string{"VO0001", "VO0002"} {
		_, err := lib.AddVolume(v, memtape.VolumeOptions{})
		is.NoErr(err)
	}
	c, err := tape.NewChanger(t.Context(), toHand{lib.Changer()}, nil)
	is.NoErr(err)
	err = c.Mount(t.Context(), "VO0001", 0)
	is.True(errors.Is(err, tape.ErrInHand))
	is.Equal(tape.OutcomeOf(err), driver.OutcomeHardware)
	is.True(errors.Is(c.Mount(t.Context(), "VO0002", 1), tape.ErrInHand)) // nothing more is moved
	is.True(errors.Is(c.Dismount(t.Context(), "VO0001", 0), tape.ErrInHand))
}

func TestCallerOfMountGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		_, _, c := robot(t, memtape.Options{Timing: memtape.Timing{Move: time.Minute}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		is.NoErr(c.Mount(ctx, "VO0001", 0)) // the robot had it in place: the inventory tells
		is.Equal(where(t, c, "VO0001"), memtape.FirstDrive)
	})
}

// twice is a robot with two stickers of one name.
type twice struct{ driver.Changer }

func (r twice) Inventory(ctx context.Context) ([]driver.Element, error) {
	all, err := r.Changer.Inventory(ctx)
	for i := range all {
		if all[i].Full {
			all[i].Label = "VO0001"
		}
	}
	return all, err
}

func TestDuplicateLabel(t *testing.T) {
	is := is.New(t)
	lib := memtape.New(memtape.Options{})
	for _, v := range []string{"VO0001", "VO0002"} {
		_, err := lib.AddVolume(v, memtape.VolumeOptions{})
		is.NoErr(err)
	}
	c, err := tape.NewChanger(t.Context(), twice{lib.Changer()}, nil)
	is.NoErr(err)
	is.True(errors.Is(c.Mount(t.Context(), "VO0001", 0), tape.ErrDuplicate))
}

func TestChangerIsClosed(t *testing.T) {
	is := is.New(t)
	_, _, c := robot(t, memtape.Options{})
	is.NoErr(c.Close())
	is.NoErr(c.Close())
	is.True(errors.Is(c.Mount(t.Context(), "VO0001", 0), tape.ErrClosed))
}

// blind is a robot that cannot read labels in drives.
type blind struct{ driver.Changer }

func (b blind) Inventory(ctx context.Context) ([]driver.Element, error) {
	all, err := b.Changer.Inventory(ctx)
	for i := range all {
		if all[i].Kind == driver.DriveBay {
			all[i].Label = ""
		}
	}
	return all, err
}

// A cartridge whose label the robot does not tell is taken out all the same.
func TestUnlabelledBay(t *testing.T) {
	is := is.New(t)
	lib, dev, _ := robot(t, memtape.Options{})
	c, err := tape.NewChanger(t.Context(), blind{dev}, nil)
	is.NoErr(err)
	is.NoErr(c.Empty(t.Context(), 1)) // nothing is in it
	is.NoErr(dev.Move(t.Context(), memtape.FirstSlot+1, memtape.FirstDrive+1))
	is.NoErr(c.Empty(t.Context(), 1))
	is.Equal(where(t, c, "VO0002"), memtape.FirstSlot+1)
	is.NoErr(dev.Move(t.Context(), memtape.FirstSlot+1, memtape.FirstDrive+1))
	d := lib.Drive(1)
	is.NoErr(d.Load(t.Context()))
	is.True(errors.Is(c.Empty(t.Context(), 1), tape.ErrHeld))
	is.NoErr(d.Unload(t.Context()))
	is.NoErr(c.Dismount(t.Context(), "VO0002", 1)) // the one that is nowhere else
	is.Equal(where(t, c, "VO0002"), memtape.FirstSlot+1)
	is.True(errors.Is(c.Empty(t.Context(), 7), tape.ErrNoDrive))

	seen, err := tape.NewChanger(t.Context(), dev, nil) // and one that it tells
	is.NoErr(err)
	is.NoErr(seen.Mount(t.Context(), "VO0003", 0))
	is.NoErr(seen.Empty(t.Context(), 0))
	is.Equal(where(t, seen, "VO0003"), memtape.FirstSlot+2)
}
