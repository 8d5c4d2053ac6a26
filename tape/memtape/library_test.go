package memtape_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/memtape"
)

func Example() {
	ctx := context.Background()
	lib := memtape.New(memtape.Options{Drives: 2})
	slot, _ := lib.AddVolume("VO0001", memtape.VolumeOptions{Capacity: 1 << 20})
	fmt.Println(lib.Changer().Move(ctx, slot, memtape.FirstDrive))
	d := lib.Drive(0)
	d.Load(ctx)
	d.WriteBlock(ctx, []byte("some data"))
	d.WriteFilemarks(ctx, 1, false)
	objects, _ := lib.Objects("VO0001")
	fmt.Printf("%q\n", objects)
	// Output:
	// <nil>
	// ["some data" ""]
}

func outcome(err error) driver.Outcome {
	var e *driver.Error
	errors.As(err, &e)
	if e == nil {
		return driver.OutcomeNone
	}
	return e.Outcome
}

// Things take as long as they were told to, in the time of the bubble.
func TestTiming(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		lib := memtape.New(memtape.Options{Timing: memtape.Timing{
			Command: time.Millisecond, Load: 20 * time.Second, Unload: 15 * time.Second, Move: 7 * time.Second,
			Start: 2 * time.Second, Flush: time.Second, PerByte: 1e-6, WindPerByte: 1e-7,
		}})
		slot, err := lib.AddVolume("VO0001", memtape.VolumeOptions{})
		is.NoErr(err)
		d, r := lib.Drive(0), lib.Changer()
		takes := func(want time.Duration, f func() error) {
			t.Helper()
			start := time.Now()
			is.NoErr(f())
			is.Equal(time.Since(start), want)
		}
		ctx := t.Context()
		p := make([]byte, 1e6)
		takes(7*time.Second, func() error { return r.Move(ctx, slot, memtape.FirstDrive) })
		takes(20*time.Second, func() error { return d.Load(ctx) })
		takes(time.Second, func() error { _, err := d.WriteBlock(ctx, p); return err })
		takes(time.Millisecond, func() error { _, err := d.WriteFilemarks(ctx, 1, true); return err })
		takes(time.Second, func() error { _, err := d.WriteFilemarks(ctx, 0, false); return err })
		takes(2*time.Second+100*time.Millisecond+100*time.Nanosecond, func() error { return d.Rewind(ctx) })
		takes(time.Second, func() error { _, _, err := d.ReadBlock(ctx, p); return err })
		takes(15*time.Second, func() error { return d.Unload(ctx) })

		// Who gives up does not know what became of it.
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		is.Equal(outcome(d.Load(short)), driver.OutcomeUnknown)
		is.True(errors.Is(d.Load(short), context.DeadlineExceeded)) // was never tried
	})
}

func TestFlip(t *testing.T) {
	is := is.New(t)
	lib := memtape.New(memtape.Options{})
	_, err := lib.AddVolume("VO0001", memtape.VolumeOptions{})
	is.NoErr(err)
	is.NoErr(lib.Insert("VO0001", 0))
	d := lib.Drive(0)
	is.NoErr(d.Load(t.Context()))
	_, err = d.WriteBlock(t.Context(), []byte("abc"))
	is.NoErr(err)
	is.NoErr(d.Rewind(t.Context()))
	is.NoErr(lib.Flip("VO0001", 0))
	is.NoErr(lib.Flip("VO0001", 1)) // nothing is there
	buf := make([]byte, 10)
	n, _, err := d.ReadBlock(t.Context(), buf)
	is.NoErr(err)
	is.Equal(string(buf[:n]), "arc")
}

func TestProtect(t *testing.T) {
	is := is.New(t)
	lib := memtape.New(memtape.Options{})
	_, err := lib.AddVolume("VO0001", memtape.VolumeOptions{})
	is.NoErr(err)
	is.NoErr(lib.Insert("VO0001", 0))
	d := lib.Drive(0)
	is.NoErr(d.Load(t.Context()))
	is.NoErr(lib.Protect("VO0001", true))
	_, err = d.WriteBlock(t.Context(), []byte("x"))
	is.Equal(outcome(err), driver.OutcomeWriteProtected)
	is.NoErr(lib.Protect("VO0001", false))
	_, err = d.WriteBlock(t.Context(), []byte("x"))
	is.NoErr(err)
}

// A cartridge is in one place only, whatever is inserted where.
func TestInsert(t *testing.T) {
	is := is.New(t)
	lib := memtape.New(memtape.Options{Drives: 2, Slots: 2})
	for _, v := range []string{"VO0001", "VO0002"} {
		_, err := lib.AddVolume(v, memtape.VolumeOptions{})
		is.NoErr(err)
	}
	is.NoErr(lib.Insert("VO0001", 0))
	is.NoErr(lib.Insert("VO0001", 0))
	is.NoErr(lib.Insert("VO0002", 0))
	is.NoErr(lib.Insert("VO0001", 1))
	is.True(lib.Insert("VO0002", 1) != nil)
	is.True(lib.Insert("VO0003", 1) != nil)
	is.True(lib.Insert("VO0001", 2) != nil)
	all, err := lib.Changer().Inventory(t.Context())
	is.NoErr(err)
	at := map[string]int{}
	for _, e := range all {
		if e.Full {
			at[e.Label] = e.Address
		}
	}
	is.Equal(at, map[string]int{"VO0001": memtape.FirstDrive + 1, "VO0002": memtape.FirstDrive})
}

func TestWrongNames(t *testing.T) {
	is := is.New(t)
	lib := memtape.New(memtape.Options{Slots: 1})
	_, err := lib.AddVolume("", memtape.VolumeOptions{})
	is.True(err != nil)
	_, err = lib.AddVolume("VO0001", memtape.VolumeOptions{})
	is.NoErr(err)
	_, err = lib.AddVolume("VO0001", memtape.VolumeOptions{})
	is.True(err != nil)
	_, err = lib.AddVolume("VO0002", memtape.VolumeOptions{})
	is.True(err != nil) // no slot
	is.True(lib.Reset(1) != nil)
	is.True(lib.Damage("VO0002", 0, driver.Sense{}) != nil)
	_, err = lib.Objects("VO0002")
	is.True(err != nil)
	_, _, err = lib.Drive(7).Identify(t.Context())
	is.Equal(outcome(err), driver.OutcomeConfig)
	is.NoErr(lib.Drive(7).Close())
	d := lib.Drive(0)
	is.Equal(outcome(lib.Drive(0).Load(t.Context())), driver.OutcomeHeld)
	is.NoErr(d.Close())
	is.Equal(outcome(lib.Drive(0).Load(t.Context())), driver.OutcomeNoMedium)
	r := lib.Changer()
	_, err = lib.Changer().Inventory(t.Context())
	is.Equal(outcome(err), driver.OutcomeHeld)
	is.NoErr(r.Close())
}

func TestRobotWithoutBarcodes(t *testing.T) {
	is := is.New(t)
	lib := memtape.New(memtape.Options{NoBarcodes: true})
	_, err := lib.AddVolume("VO0001", memtape.VolumeOptions{})
	is.NoErr(err)
	r := lib.Changer()
	_, caps, err := r.Identify(t.Context())
	is.NoErr(err)
	is.True(!caps.Barcodes)
	all, err := r.Inventory(t.Context())
	is.NoErr(err)
	for _, e := range all {
		is.Equal(e.Label, "")
	}
}
