//go:build linux

package sg_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/drivertest"
	"github.com/enstore-go/sdk/tape/scsi/scsitest/guest"
	"github.com/enstore-go/sdk/tape/scsi/ssc"
)

func TestMain(m *testing.M) { guest.Main(m) }

// openDrive opens scsi_debug's drive, in the guest.
func openDrive(t testing.TB, d *guest.Drive) (driver.Drive, error) {
	c, err := driver.ConfigOf(map[string]any{"device": d.SG})
	if err != nil {
		return nil, err
	}
	return ssc.OpenDrive(t.Context(), c)
}

// rig is scsi_debug's drive for the kit.
func rig(t testing.TB, s drivertest.Scratch) *drivertest.Rig {
	if s.None || s.WORM || s.WriteProtect {
		return nil
	}
	d := guest.Load(t)
	longest := 0
	if s.Capacity > 0 {
		longest = guest.Shortest // its capacity is a number of blocks
	}
	return &drivertest.Rig{MaxBlock: longest, Reset: func() error { return guest.Reset(d.ST) }, Open: func() (driver.Drive, error) {
		got, err := openDrive(t, d)
		if err != nil {
			return nil, err
		}
		return guest.Remember(got), nil
	}}
}

func TestInsideKit(t *testing.T) { guest.Check(t, rig) }

func outcomeOf(t *testing.T, err error) driver.Outcome {
	t.Helper()
	e, ok := errors.AsType[*driver.Error](err)
	if !ok {
		t.Fatalf("%v is a %T", err, err)
	}
	return e.Outcome
}

// loaded is a drive with three blocks on tape, at the load point.
func loaded(t *testing.T) (driver.Drive, *guest.Drive) {
	t.Helper()
	is := is.New(t)
	g := guest.Load(t)
	d, err := openDrive(t, g)
	is.NoErr(err)
	t.Cleanup(func() { d.Close() })
	is.NoErr(d.Load(t.Context()))
	for range 3 {
		_, err := d.WriteBlock(t.Context(), make([]byte, 1024))
		is.NoErr(err)
	}
	is.NoErr(d.Rewind(t.Context()))
	return d, g
}

// A bad spot is told as one, and the tape is of use behind it.
func TestInsideBadSpot(t *testing.T) {
	is := is.New(t)
	d, g := loaded(t)
	buf := make([]byte, 2048)
	is.NoErr(g.Fail(0x08, 3, 0x11, 0))
	_, _, err := d.ReadBlock(t.Context(), buf)
	is.Equal(outcomeOf(t, err), driver.OutcomeMedium)
	is.NoErr(d.Locate(t.Context(), 2))
	n, _, err := d.ReadBlock(t.Context(), buf)
	is.NoErr(err)
	is.Equal(n, 1024)
}

// A command without an answer ends with its context, and the drive with it; a new one works.
func TestInsideStuckDrive(t *testing.T) {
	is := is.New(t)
	d, g := loaded(t)
	is.NoErr(g.Hang(0x08))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, _, err := d.ReadBlock(ctx, make([]byte, 2048))
	is.Equal(outcomeOf(t, err), driver.OutcomeUnknown)
	is.True(ctx.Err() != nil)
	_, err = d.Position(t.Context())
	is.Equal(outcomeOf(t, err), driver.OutcomeNotReady) // the load has ended
	is.NoErr(d.Close())
	d, err = openDrive(t, g)
	is.NoErr(err)
	is.NoErr(d.Load(t.Context()))
	n, _, err := d.ReadBlock(t.Context(), make([]byte, 2048))
	is.NoErr(err)
	is.Equal(n, 1024)
	is.NoErr(d.Close())
}

// TestSCSIDebug runs the kit on the kernel's emulated drive, and the other tests that need it.
func TestSCSIDebug(t *testing.T) {
	guest.Judge(t, "../../testdata/targets/sg.json", drivertest.Target{Name: "scsi_debug, through sg", Kind: "drive"}, map[string]string{
		"space over blocks":                 "backwards it counts the filemark that stopped it",
		"a flush truncates nothing":         "WRITE FILEMARKS of none ends the data where the tape stands",
		"a walk at random by spacing":       "backwards it begins one object too early, and goes to before the load point",
		"early warning, then end of medium": "the block that it says did not fit is there",
	})
}
