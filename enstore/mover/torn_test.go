package mover_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore/mover"
	"github.com/enstore-go/sdk/enstore/wire"
	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/faulty"
	"github.com/enstore-go/sdk/tape/memtape"
	"github.com/matryer/is"
)

// A file torn in its first tape file leaves the tape in the very file that the next lease begins with, and the load may
// go on: the next file must not be written behind the torn blocks, as part of the same tape file.
func TestNextLeaseDoesNotContinueATornFile(t *testing.T) {
	for _, tapes := range []memtape.Options{{}, {NoPositions: true, NoFiles: true}} {
		for _, worm := range []bool{false, true} {
			is := is.New(t)
			r := newRig(t, tapes, memtape.VolumeOptions{WORM: worm}, mover.FlushPolicy{}, "VO0001")
			out, _ := r.write(family, patterns(100), nil)
			is.NoErr(out[0].err)
			r.halt()
			r.wrap = func(d driver.Drive) driver.Drive {
				return faulty.Drive(d, faulty.Rule{Op: faulty.WriteBlock, Nth: 3, Outcome: driver.OutcomeAborted})
			}
			r.start(mover.FlushPolicy{})
			out, rel := r.write(family, patterns(500_000), nil)
			is.True(errors.Is(out[0].err, wire.ErrRestart))
			is.True(rel.Err != nil)

			data := patterns(200_000, 300)
			out, rel = r.write(family, data, nil)
			is.Equal(rel.Err, nil)
			is.NoErr(out[0].err)
			is.NoErr(out[1].err)
			got, errs := r.read(r.file(out[0].rec), r.file(out[1].rec))
			for i := range data {
				is.NoErr(errs[i])
				is.True(bytes.Equal(got[i], data[i]))
			}
		}
	}
}

// A cartridge that the robot brought without saying so does not block the drive, and counts as mounted there until it is gone.
func TestMountThatFailedAndCameNoneTheLess(t *testing.T) {
	is := is.New(t)
	r := newRig(t, memtape.Options{}, memtape.VolumeOptions{}, mover.FlushPolicy{}, "VO0001", "VO0002")
	r.halt()
	faults := [][]faulty.Rule{ // of the robot as it is opened first, and then
		{{Op: faulty.Move, Done: true, Outcome: driver.OutcomeGone}, {Op: faulty.Inventory, From: 2, Outcome: driver.OutcomeGone}},
		{{Op: faulty.Inventory, Outcome: driver.OutcomeGone}},
	}
	r.hand = func(c driver.Changer) driver.Changer {
		if len(faults) == 0 {
			return c
		}
		c = faulty.Changer(c, faults[0]...)
		faults = faults[1:]
		return c
	}
	r.start(mover.FlushPolicy{})
	out, rel := r.write(family, patterns(100), nil)
	is.True(out[0].err != nil)
	is.Equal(rel.Mounted, catalog.Label("VO0001"))
	is.NoErr(r.cat.SetInhibit(r.ctx, "VO0001", catalog.SystemWrite, catalog.ReadOnly, "test", "test"))
	out, rel = r.write(family, patterns(100), nil)
	is.Equal(rel.Err, nil)
	is.NoErr(out[0].err)
	is.Equal(rel.Mounted, catalog.Label("VO0002"))
}
