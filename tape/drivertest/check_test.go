package drivertest_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/drivertest"
	"github.com/enstore-go/sdk/tape/memtape"
)

// forgetful is a drive that does not know where it stands, and one rule makes it panic.
type forgetful struct{ driver.Drive }

func (f forgetful) Position(ctx context.Context) (driver.Position, error) {
	p, err := f.Drive.Position(ctx)
	p.Block += 7
	return p, err
}

func (f forgetful) Locate(context.Context, int64) error { panic("lost") }

func TestCheckNamesWhatIsBroken(t *testing.T) {
	is := is.New(t)
	lib := memtape.New(memtape.Options{})
	_, err := lib.AddVolume("TST001", memtape.VolumeOptions{})
	is.NoErr(err)
	is.NoErr(lib.Insert("TST001", 0))
	cleaned := 0
	harness := func(tb testing.TB, s drivertest.Scratch) *drivertest.Rig {
		tb.Cleanup(func() { cleaned++ })
		if s != (drivertest.Scratch{}) {
			return nil
		}
		return &drivertest.Rig{Open: func() (driver.Drive, error) {
			d, err := lib.OpenDrive(0)
			return forgetful{d}, err
		}}
	}
	var all []drivertest.Result
	verdicts := map[string]drivertest.Verdict{}
	is.NoErr(drivertest.CheckDrive(t.Context(), harness, func(r drivertest.Result) {
		all = append(all, r)
		verdicts[r.Rule] = r.Verdict
		switch r.Rule {
		case "positions":
			is.True(strings.Contains(r.Text, "position: block"))
		case "locate":
			is.True(strings.Contains(r.Text, "panic: lost"))
		case "write once":
			is.Equal(r.Text, "the harness has not a write-once cartridge")
		}
	}))
	is.Equal(verdicts["positions"], drivertest.Broken)
	is.Equal(verdicts["locate"], drivertest.Broken)
	is.Equal(verdicts["identity"], drivertest.Kept)
	is.Equal(verdicts["write once"], drivertest.NotTried)
	is.Equal(cleaned, len(all))

	var b bytes.Buffer
	is.NoErr(drivertest.WriteJUnit(&b, "forgetful", all))
	is.True(strings.Contains(b.String(), "panic: lost"))
	is.True(strings.Contains(b.String(), `<skipped message="the harness has not a write-once cartridge">`))

	ctx, cancel := context.WithCancel(t.Context())
	ran := 0
	err = drivertest.CheckDrive(ctx, harness, func(drivertest.Result) { ran++; cancel() })
	is.True(errors.Is(err, context.Canceled))
	is.Equal(ran, 1)

	// A rule that was cut off is not one that was broken.
	ctx, cancel = context.WithCancel(t.Context())
	err = drivertest.CheckDrive(ctx, func(t testing.TB, _ drivertest.Scratch) *drivertest.Rig {
		cancel()
		return &drivertest.Rig{Open: func() (driver.Drive, error) { return nil, ctx.Err() }}
	}, func(r drivertest.Result) { t.Errorf("%s is reported: %s", r.Rule, r.Verdict) })
	is.True(errors.Is(err, context.Canceled))
}
