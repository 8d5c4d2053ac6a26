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
	"github.com/enstore-go/sdk/tape/order"
)

// Flags are read once and kept; what they say of cleaning stays until the drive has been cleaned.
func TestHealthIsKept(t *testing.T) {
	is := is.New(t)
	lib, d := drive(t, memtape.Options{}, memtape.VolumeOptions{})
	ctx := t.Context()
	is.Equal(d.Cleaning(), driver.CleaningUnknown) // nobody asked
	h, err := d.Health(ctx)
	is.NoErr(err)
	is.Equal(h.Cleaning, driver.CleaningNone)
	is.NoErr(lib.Soil(0, driver.CleaningNow))
	is.NoErr(lib.Alert(0, 7, driver.CleaningUnknown))
	load(t, d)
	is.Equal(d.Alerts(), driver.Alerts(0)) // not read yet
	s, err := d.Status(ctx)
	is.NoErr(err)
	is.True(s.NeedsClean)
	is.Equal(d.Cleaning(), driver.CleaningDue) // as far as a status says
	for range 2 {
		h, err = d.Health(ctx)
		is.NoErr(err)
		is.Equal(h.Cleaning, driver.CleaningNow)
		is.Equal(d.Alerts().Flags(), []int{7, 20})
	}
	is.Equal(h.Alerts, driver.Alerts(0)) // the second time the drive had none
	is.Equal(h.Cartridge.Barcode, "VO0001")
	load(t, d)
	is.Equal(d.Alerts(), driver.Alerts(0)) // of another load
	is.Equal(d.Cleaning(), driver.CleaningNow)
}

// teller is a drive that tells what the test says.
type teller struct {
	driver.Drive
	tells driver.Health
	flag  bool
}

func (d *teller) Health(context.Context) (driver.Health, error) { return d.tells, nil }
func (d *teller) Identify(ctx context.Context) (driver.Identity, driver.Capabilities, error) {
	id, caps, err := d.Drive.Identify(ctx)
	caps.ReportsHealth = d.flag
	return id, caps, err
}

func tells(t *testing.T, flag bool) (*teller, *tape.Drive) {
	lib, first := drive(t, memtape.Options{}, memtape.VolumeOptions{})
	is.New(t).NoErr(first.Close())
	dev := &teller{lib.Drive(0), driver.UnknownHealth(), flag}
	return dev, over(t, dev)
}

func TestHealthThatIsNotThere(t *testing.T) {
	is := is.New(t)
	dev, d := tells(t, false)
	dev.tells.Loads = 3
	h, err := d.Health(t.Context())
	is.NoErr(err)
	is.Equal(h, driver.UnknownHealth())
}

// A drive that says nothing of cleaning but by its flags, which are gone once they are read.
func TestCleaningByFlagsAlone(t *testing.T) {
	is := is.New(t)
	dev, d := tells(t, true)
	for _, c := range []struct {
		flags []int
		says  driver.Cleaning
		want  driver.Cleaning
	}{
		{nil, driver.CleaningUnknown, driver.CleaningUnknown},
		{[]int{21}, driver.CleaningUnknown, driver.CleaningDue},
		{nil, driver.CleaningUnknown, driver.CleaningDue},
		{[]int{20}, driver.CleaningUnknown, driver.CleaningNow},
		{[]int{21}, driver.CleaningDue, driver.CleaningNow},
		{nil, driver.CleaningNone, driver.CleaningNone},
		{nil, driver.CleaningUnknown, driver.CleaningNone},
	} {
		dev.tells.Alerts, dev.tells.Cleaning = driver.AlertsOf(c.flags...), c.says
		h, err := d.Health(t.Context())
		is.NoErr(err)
		is.Equal(h.Cleaning, c.want)
		is.Equal(d.Cleaning(), c.want)
		s, err := d.Status(t.Context())
		is.NoErr(err)
		is.Equal(s.NeedsClean, c.want >= driver.CleaningDue)
	}
}

func TestHealthThatCannotBe(t *testing.T) {
	is := is.New(t)
	dev, d := tells(t, true)
	l := load(t, d)
	dev.tells.Alerts, dev.tells.Stops = driver.AlertsOf(20), -7
	h, err := d.Health(t.Context())
	is.True(err != nil)
	is.Equal(h, driver.UnknownHealth())
	is.Equal(tape.VerdictOf(err), tape.Verdict{}) // nobody's fault that is known
	is.Equal(d.Cleaning(), driver.CleaningUnknown)
	is.NoErr(l.Err())
}

// A drive that asks for cleaning in the sense data of an error is believed too.
func TestCleaningBySense(t *testing.T) {
	is := is.New(t)
	dev, d, l := broken(t, memtape.Options{})
	dev.Add(faulty.Rule{Op: faulty.ReadBlock, Outcome: driver.OutcomeMedium, Sense: driver.Sense{Key: 3, ASC: 0, ASCQ: 0x17}})
	_, _, err := l.ReadBlock(t.Context(), make([]byte, 10))
	is.True(err != nil)
	is.Equal(d.Cleaning(), driver.CleaningDue)
}

func TestClean(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		lib := memtape.New(memtape.Options{Timing: memtape.Timing{Clean: 3 * time.Minute}})
		cln, err := lib.AddVolume("CLN001L1", memtape.VolumeOptions{Cleanings: 1})
		is.NoErr(err)
		vol, err := lib.AddVolume("VO0001", memtape.VolumeOptions{})
		is.NoErr(err)
		ctx := t.Context()
		r, d := lib.Changer(), over(t, lib.Drive(0))
		is.NoErr(lib.Soil(0, driver.CleaningNow))
		_, err = d.Health(ctx)
		is.NoErr(err)

		is.NoErr(r.Move(ctx, vol, memtape.FirstDrive))
		is.True(errors.Is(d.Clean(ctx), tape.ErrNotCleaning))
		is.NoErr(r.Move(ctx, memtape.FirstDrive, vol)) // it was unloaded

		is.NoErr(r.Move(ctx, cln, memtape.FirstDrive))
		began := time.Now()
		_, err = d.Load(ctx)
		is.True(errors.Is(err, tape.ErrCleaning)) // no volume
		is.True(!errors.Is(err, tape.ErrNoMedium))
		is.NoErr(d.Clean(ctx))
		is.Equal(time.Since(began), 3*time.Minute)
		is.Equal(d.Cleaning(), driver.CleaningNone)
		is.NoErr(r.Move(ctx, memtape.FirstDrive, cln))
		is.NoErr(d.Clean(ctx)) // a drive that has ejected it already

		is.NoErr(lib.Soil(0, driver.CleaningDue))
		is.NoErr(r.Move(ctx, cln, memtape.FirstDrive))
		err = d.Clean(ctx)
		is.True(errors.Is(err, tape.ErrUncleaned) && errors.Is(err, tape.ErrCleanerSpent)) // it is used up
		is.Equal(d.Cleaning(), driver.CleaningDue)
		is.NoErr(r.Move(ctx, memtape.FirstDrive, cln))
		err = d.Clean(ctx)
		is.True(errors.Is(err, tape.ErrNoMedium) && !errors.Is(err, tape.ErrCleanerSpent)) // there was none, and it wants to be cleaned as before
		is.Equal(d.Cleaning(), driver.CleaningDue)
	})
}

// Stops are counted for the drive and for the load, as far as the drive tells them.
func TestStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		timing := memtape.As(order.LTO9)
		timing.Streaming.Scale = 1e6
		_, d := drive(t, memtape.Options{Timing: timing}, memtape.VolumeOptions{})
		l := load(t, d)
		stop := func(l *tape.Load, n int) {
			for range n {
				_, err := l.WriteBlock(t.Context(), make([]byte, 1000))
				is.NoErr(err)
				_, err = l.Sync(t.Context())
				is.NoErr(err)
			}
			_, err := d.Health(t.Context())
			is.NoErr(err)
		}
		stop(l, 3)
		stop(l, 2)
		is.Equal(l.Stats().Stops, int64(5))
		l = load(t, d) // the same stay of the cartridge
		stop(l, 1)
		is.Equal(l.Stats().Stops, int64(1))
		is.NoErr(l.Unload(t.Context()))
		l = load(t, d)
		stop(l, 2)
		is.Equal(l.Stats().Stops, int64(2))
		is.Equal(d.Stats().Stops, int64(8))
	})
}
