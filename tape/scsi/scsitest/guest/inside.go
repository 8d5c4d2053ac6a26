//go:build unix

package guest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/drivertest"
)

// Open opens scsi_debug's drive in one way or another.
type Open func(t testing.TB, d *Drive) (driver.Drive, error)

// InsideKit runs the kit on a drive. by is a device of it that nobody has open when open has opened it, for resets.
func InsideKit(t *testing.T, open Open, by func(*Drive) string) {
	Check(t, func(t testing.TB, s drivertest.Scratch) *drivertest.Rig {
		if s.None || s.WORM || s.WriteProtect {
			return nil
		}
		d := Load(t)
		longest := 0
		if s.Capacity > 0 {
			longest = Shortest // its capacity is a number of blocks
		}
		return &drivertest.Rig{MaxBlock: longest, Reset: func() error { return Reset(by(d)) }, Open: func() (driver.Drive, error) {
			got, err := open(t, d)
			if err != nil {
				return nil, err
			}
			return Remember(got), nil
		}}
	})
}

func outcomeOf(t *testing.T, err error) driver.Outcome {
	t.Helper()
	e, ok := errors.AsType[*driver.Error](err)
	if !ok {
		t.Fatalf("%v is a %T", err, err)
	}
	return e.Outcome
}

// opened is a drive with three blocks on tape, at the load point.
func opened(t *testing.T, open Open) (driver.Drive, *Drive) {
	t.Helper()
	is := is.New(t)
	g := Load(t)
	d, err := open(t, g)
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

// InsideBadSpot sees that a bad spot is told as one, and that the tape is of use behind it.
func InsideBadSpot(t *testing.T, open Open) {
	is := is.New(t)
	d, g := opened(t, open)
	buf := make([]byte, 2048)
	is.NoErr(g.Fail(0x08, 3, 0x11, 0))
	_, _, err := d.ReadBlock(t.Context(), buf)
	is.Equal(outcomeOf(t, err), driver.OutcomeMedium)
	is.NoErr(d.Locate(t.Context(), 2))
	n, _, err := d.ReadBlock(t.Context(), buf)
	is.NoErr(err)
	is.Equal(n, 1024)
}

// InsideStuck sees that a command without an answer ends with its context, and what the drive says then; and that one that is opened anew works,
// or says that the kernel still has the other one's command.
func InsideStuck(t *testing.T, open Open, then driver.Outcome, anew driver.Outcome) {
	is := is.New(t)
	d, g := opened(t, open)
	is.NoErr(g.Hang(0x08))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, _, err := d.ReadBlock(ctx, make([]byte, 2048))
	is.Equal(outcomeOf(t, err), driver.OutcomeUnknown)
	is.True(ctx.Err() != nil)
	_, err = d.Position(t.Context())
	is.Equal(outcomeOf(t, err), then)
	is.NoErr(d.Close())
	d, err = open(t, g)
	if anew != driver.OutcomeNone {
		is.Equal(outcomeOf(t, err), anew)
		return
	}
	is.NoErr(err)
	is.NoErr(d.Load(t.Context()))
	n, _, err := d.ReadBlock(t.Context(), make([]byte, 2048))
	is.NoErr(err)
	is.Equal(n, 1024)
	is.NoErr(d.Close())
}
