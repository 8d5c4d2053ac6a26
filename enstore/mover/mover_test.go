package mover_test

import (
	"bytes"
	"errors"
	"hash/adler32"
	"testing"
	"time"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore/mover"
	"github.com/enstore-go/sdk/enstore/wire"
	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/faulty"
	"github.com/enstore-go/sdk/tape/memtape"
	"github.com/matryer/is"
)

func TestFilesAreWrittenInOneFlushAndReadBack(t *testing.T) {
	for _, wrapper := range []string{"null", "cpio_odc", "cern"} {
		t.Run(wrapper, func(t *testing.T) {
			is := is.New(t)
			r := newRig(t, memtape.Options{Window: 8}, memtape.VolumeOptions{}, mover.FlushPolicy{}, "VO0001")
			fam := family
			fam.Wrapper = wrapper
			data := patterns(1, 13, 511, 512, 65536, 65537, 300_000, 1_000_000)
			out, rel := r.write(fam, data, nil)
			is.Equal(rel.Err, nil)
			is.Equal(rel.Mounted, catalog.Label("VO0001"))
			var files []catalog.File
			for i, o := range out {
				is.NoErr(o.err)
				is.Equal(o.rec.Level, catalog.OnTape)
				is.Equal(o.rec.Size, int64(len(data[i])))
				is.Equal(o.rec.Adler, adler32.Checksum(data[i]))
				files = append(files, r.file(o.rec))
			}
			is.Equal(r.m.Stats().Flushes, int64(2)) // the label's, and one for all the files
			got, errs := r.read(files...)
			for i := range data {
				is.NoErr(errs[i])
				is.True(bytes.Equal(got[i], data[i])) // read as written
			}
			v, err := r.cat.Volume(r.ctx, "VO0001")
			is.NoErr(err)
			is.True(v.Intent == nil) // the lease ended cleanly
			is.Equal(v.Files, int64(len(data)))
		})
	}
}

func TestFlushPolicyByFilesAndBytes(t *testing.T) {
	is := is.New(t)
	r := newRig(t, memtape.Options{}, memtape.VolumeOptions{}, mover.FlushPolicy{Files: 3}, "VO0001")
	out, _ := r.write(family, patterns(10, 20, 30, 40, 50, 60, 70), nil)
	for _, o := range out {
		is.NoErr(o.err)
	}
	is.Equal(r.m.Stats().Flushes, int64(1+3)) // label; 3, 3 and 1 files
}

func TestFilesOfDifferentLeasesFollowEachOther(t *testing.T) {
	is := is.New(t)
	r := newRig(t, memtape.Options{}, memtape.VolumeOptions{}, mover.FlushPolicy{}, "VO0001")
	for i := range 3 {
		out, rel := r.write(family, patterns(100, 200), nil)
		is.Equal(rel.Err, nil)
		is.NoErr(out[0].err)
		is.NoErr(out[1].err)
		v, err := r.cat.Volume(r.ctx, "VO0001")
		is.NoErr(err)
		is.Equal(v.EOD.File, int64(1+2*(i+1)))
	}
	is.Equal(r.m.Stats().Mounts, int64(1)) // it stayed in the drive
}

func TestWrongChecksumBecomesDeadSpace(t *testing.T) {
	is := is.New(t)
	r := newRig(t, memtape.Options{}, memtape.VolumeOptions{}, mover.FlushPolicy{}, "VO0001")
	data := patterns(1000, 2000, 3000)
	wrong := uint32(4711)
	out, rel := r.write(family, data, func(i int, p *wire.Put) {
		if i == 1 {
			p.Sum = &wrong
		}
	})
	is.Equal(rel.Err, nil)
	is.NoErr(out[0].err)
	is.NoErr(out[2].err)
	is.True(errors.Is(out[1].err, wire.ErrChecksum)) // only the wrong one fails
	v, err := r.cat.Volume(r.ctx, "VO0001")
	is.NoErr(err)
	is.Equal(v.Files, int64(2))
	is.Equal(v.DeadBytes, int64(76+37+2000)) // the header with its name, and the data: a file given up has no trailer
	got, errs := r.read(r.file(out[0].rec), r.file(out[2].rec))
	is.NoErr(errs[0])
	is.NoErr(errs[1])
	is.True(bytes.Equal(got[0], data[0]))
	is.True(bytes.Equal(got[1], data[2]))
}

func TestSourceThatIsNotAsLongAsDeclared(t *testing.T) {
	for _, declared := range []int64{999, 1001} {
		is := is.New(t)
		r := newRig(t, memtape.Options{}, memtape.VolumeOptions{}, mover.FlushPolicy{}, "VO0001")
		out, rel := r.write(family, patterns(1000, 500), func(i int, p *wire.Put) {
			if i == 0 {
				p.Size = declared
			}
		})
		is.Equal(rel.Err, nil)
		is.True(out[0].err != nil)
		is.NoErr(out[1].err) // the next file stands
		v, err := r.cat.Volume(r.ctx, "VO0001")
		is.NoErr(err)
		is.Equal(v.Files, int64(1))
	}
}

func TestEndOfMediumSavesWhatIsWhole(t *testing.T) {
	for _, window := range []int{0, 6} {
		is := is.New(t)
		r := newRig(t, memtape.Options{Window: window}, memtape.VolumeOptions{Capacity: 1 << 20, EarlyWarning: 1 << 10}, mover.FlushPolicy{}, "VO0001", "VO0002")
		// The catalogue believes in more room than there is.
		data := patterns(300_000, 300_000, 600_000)
		out, _ := r.write(family, data, nil)
		is.NoErr(out[0].err)
		is.NoErr(out[1].err)
		is.True(errors.Is(out[2].err, wire.ErrRestart)) // the torn one is to be sent again
		v, err := r.cat.Volume(r.ctx, "VO0001")
		is.NoErr(err)
		is.Equal(v.Files, int64(2))
		is.True(v.Writable() != nil) // full
		got, errs := r.read(r.file(out[0].rec), r.file(out[1].rec))
		is.NoErr(errs[0])
		is.NoErr(errs[1])
		is.True(bytes.Equal(got[0], data[0]))
		is.True(bytes.Equal(got[1], data[1]))
	}
}

func TestFileLargerThanAnEmptyVolume(t *testing.T) {
	is := is.New(t)
	r := newRig(t, memtape.Options{Window: 4}, memtape.VolumeOptions{Capacity: 1 << 20, EarlyWarning: 1 << 10}, mover.FlushPolicy{}, "VO0001")
	out, _ := r.write(family, patterns(1<<20), nil)
	is.True(errors.Is(out[0].err, wire.ErrTooLarge))
	v, err := r.cat.Volume(r.ctx, "VO0001")
	is.NoErr(err)
	is.NoErr(v.Writable()) // the volume is not to blame
	out, rel := r.write(family, patterns(1000), nil)
	is.Equal(rel.Err, nil)
	is.NoErr(out[0].err) // and takes a file that fits, over the torn one
}

func TestForeignDataStopsTheWriter(t *testing.T) {
	is := is.New(t)
	r := newRig(t, memtape.Options{}, memtape.VolumeOptions{}, mover.FlushPolicy{}, "VO0001", "VO0002")
	out, _ := r.write(family, patterns(100), nil)
	is.NoErr(out[0].err)
	r.halt() // the cartridge leaves the drive
	scribble(t, r, "VO0001")
	r.start(mover.FlushPolicy{})
	out, rel := r.write(family, patterns(100), nil)
	is.True(out[0].err != nil)
	is.Equal(rel.Fault, wire.FaultVolume)
	v, err := r.cat.Volume(r.ctx, "VO0001")
	is.NoErr(err)
	is.True(v.Writable() != nil) // read-only until somebody has looked
	is.NoErr(v.Readable())
}

// scribble writes a record behind the end of data, as a foreign program would.
func scribble(t *testing.T, r *rig, label string) {
	t.Helper()
	is := is.New(t)
	is.NoErr(r.lib.Insert(label, 0))
	d, err := r.lib.OpenDrive(0)
	is.NoErr(err)
	is.NoErr(d.Load(r.ctx))
	_, _, err = d.Space(r.ctx, driver.SpaceEndOfData, 0)
	is.NoErr(err)
	_, err = d.WriteBlock(r.ctx, pattern(9, 5000))
	is.NoErr(err)
	_, err = d.WriteFilemarks(r.ctx, 1, false)
	is.NoErr(err)
	is.NoErr(d.Unload(r.ctx))
	is.NoErr(d.Close())
}

func TestWrongCartridgeIsRefused(t *testing.T) {
	is := is.New(t)
	r := newRig(t, memtape.Options{}, memtape.VolumeOptions{}, mover.FlushPolicy{}, "VO0001")
	out, _ := r.write(family, patterns(100), nil)
	is.NoErr(out[0].err)
	f := r.file(out[0].rec)
	_, err := r.lib.AddVolume("VO0002", memtape.VolumeOptions{})
	is.NoErr(err)
	is.NoErr(r.cat.AddVolume(r.ctx, catalog.Volume{Label: "VO0002", Library: "lib", MediaType: "mem", BlockSize: 64 << 10, Capacity: 1 << 30, Remaining: 1 << 30}))
	f.Volume = "VO0002" // the cartridge there is blank
	_, errs := r.read(f)
	is.True(errs[0] != nil)
	v, err := r.cat.Volume(r.ctx, "VO0002")
	is.NoErr(err)
	is.True(v.Readable() != nil) // no access until somebody has looked
}

func TestDriveThatDiesFailsTheGroupAndNothingElse(t *testing.T) {
	is := is.New(t)
	r := newRig(t, memtape.Options{Window: 8}, memtape.VolumeOptions{}, mover.FlushPolicy{}, "VO0001")
	out, _ := r.write(family, patterns(100, 200), nil)
	is.NoErr(out[0].err)
	safe := r.file(out[0].rec)
	r.halt()
	first := true
	r.wrap = func(d driver.Drive) driver.Drive {
		if !first {
			return d
		}
		first = false
		return faulty.Drive(d, faulty.Rule{Op: faulty.WriteBlock, Nth: 3, From: 3, Outcome: driver.OutcomeGone})
	}
	r.start(mover.FlushPolicy{})
	out, rel := r.write(family, patterns(100, 200, 300_000, 400), nil)
	for _, o := range out {
		if !errors.Is(o.err, wire.ErrRestart) && !errors.Is(o.err, wire.ErrBusy) { // the latter was not begun
			t.Fatalf("none of them is safe: %v", o.err)
		}
	}
	is.True(rel.Err != nil)
	is.Equal(rel.Mounted, catalog.Label("VO0001")) // until the robot has taken it out
	v, err := r.cat.Volume(r.ctx, "VO0001")
	is.NoErr(err)
	is.Equal(v.Files, int64(2))
	is.NoErr(v.Writable()) // the volume is not to blame
	out, rel = r.write(family, patterns(100, 200), nil)
	is.Equal(rel.Err, nil)
	is.NoErr(out[0].err)
	is.NoErr(out[1].err)
	got, errs := r.read(safe, r.file(out[1].rec))
	is.NoErr(errs[0])
	is.NoErr(errs[1])
	is.True(bytes.Equal(got[0], pattern(0, 100)))
	is.True(bytes.Equal(got[1], pattern(1, 200)))
}

func TestFlippedBitIsAChecksumError(t *testing.T) {
	is := is.New(t)
	r := newRig(t, memtape.Options{}, memtape.VolumeOptions{}, mover.FlushPolicy{}, "VO0001")
	out, _ := r.write(family, patterns(300_000, 100), nil)
	is.NoErr(out[0].err)
	is.NoErr(r.lib.Flip("VO0001", 4)) // label, filemark, three blocks of the first file
	_, errs := r.read(r.file(out[0].rec), r.file(out[1].rec))
	is.True(errors.Is(errs[0], wire.ErrChecksum))
	is.NoErr(errs[1])
}

func TestNameTakenMeanwhile(t *testing.T) {
	is := is.New(t)
	r := newRig(t, memtape.Options{}, memtape.VolumeOptions{}, mover.FlushPolicy{}, "VO0001")
	out, rel := r.write(family, patterns(100, 200), func(i int, p *wire.Put) { p.Key = "/same" })
	is.Equal(rel.Err, nil)
	is.NoErr(out[0].err)
	is.True(errors.Is(out[1].err, wire.ErrExists))
}

// An attempt whose outcome nobody knew had succeeded: the client of the next one hears that.
func TestRequestThatWasRecordedBefore(t *testing.T) {
	is := is.New(t)
	r := newRig(t, memtape.Options{}, memtape.VolumeOptions{}, mover.FlushPolicy{}, "VO0001")
	id := catalog.NewRequestID()
	again := func(_ int, p *wire.Put) { p.ID, p.Key = id, "/again" }
	first, _ := r.write(family, patterns(100), again)
	is.NoErr(first[0].err)
	r.mu.Lock()
	delete(r.settled, id)
	r.mu.Unlock()
	second, rel := r.write(family, patterns(100), again)
	is.Equal(rel.Err, nil)
	is.NoErr(second[0].err)
	is.Equal(second[0].rec.BFID, first[0].rec.BFID)
	r.mu.Lock()
	delete(r.settled, id)
	r.mu.Unlock()
	other, _ := r.write(family, patterns(101), again)
	is.True(errors.Is(other[0].err, wire.ErrExists)) // but not with other content
}

func TestBlockSizeThatIsNotKnown(t *testing.T) {
	is := is.New(t)
	r := newRig(t, memtape.Options{}, memtape.VolumeOptions{}, mover.FlushPolicy{}, "VO0001")
	out, _ := r.write(family, patterns(300_000), nil)
	is.NoErr(out[0].err)
	r.amend = func(g *catalog.Grant) { g.Volume.BlockSize = 0 }
	more, _ := r.write(family, patterns(300_000), nil)
	is.NoErr(more[0].err)
	got, errs := r.read(r.file(out[0].rec), r.file(more[0].rec))
	for i := range got {
		is.NoErr(errs[i])
		is.True(bytes.Equal(got[i], pattern(0, 300_000)))
	}
}

func TestClientThatDoesNotComeHoldsNobodyUp(t *testing.T) {
	is := is.New(t)
	r := newRig(t, memtape.Options{}, memtape.VolumeOptions{}, mover.FlushPolicy{Age: time.Second}, "VO0001")
	g, err := r.cat.ChooseForWrite(r.ctx, catalog.Choice{Lease: catalog.NewLeaseID(), Library: "lib", Family: family, Width: 1, Drive: "d0"})
	is.NoErr(err)
	absent, present := catalog.NewRequestID(), catalog.NewRequestID()
	assign := func(id catalog.RequestID, size int64) wire.Assignment {
		return wire.Assignment{Request: id, Put: &wire.Put{ID: id, Key: "/" + id.String(), Size: size}, Parent: catalog.RootEntry, Name: id.String()}
	}
	got := make(chan outcome, 1)
	go func() {
		rec, err := r.client(present, pattern(0, 100))
		got <- outcome{rec, err}
	}()
	r.leases <- wire.Lease{ID: g.Lease, Kind: wire.WriteLease, Drive: "d0", Grant: g, Family: family, Expires: time.Now().Add(time.Minute), Assignments: []wire.Assignment{assign(present, 100), assign(absent, 50)}}
	o := <-got
	is.NoErr(o.err) // safe by age, while the mover still waits for the other client
	<-r.released
	r.mu.Lock()
	defer r.mu.Unlock()
	is.Equal(r.settled[absent].Err.Kind, wire.Timeout)
}

// A file that this system wrote is gone to by its block: spacing over filemarks would be the slow way.
func TestReadsGoByBlock(t *testing.T) {
	is := is.New(t)
	r := newRig(t, memtape.Options{}, memtape.VolumeOptions{}, mover.FlushPolicy{}, "VO0001")
	out, _ := r.write(family, patterns(1000, 2000, 3000), nil)
	f := r.file(out[1].rec)
	is.True(f.Header > 0)
	is.True(r.volume("VO0001").EOD.Block > f.Header)
	r.halt()
	var dev *faulty.TapeDrive
	r.wrap = func(d driver.Drive) driver.Drive { dev = faulty.Drive(d); return dev }
	r.start(mover.FlushPolicy{})
	_, errs := r.read(f)
	is.NoErr(errs[0])
	is.Equal(dev.Calls(faulty.Space), 0)
	is.Equal(dev.Calls(faulty.Locate), 1)
}

// A drive that cannot locate counts filemarks, whatever the catalogue knows of blocks.
func TestReadsOfADriveThatCannotLocate(t *testing.T) {
	is := is.New(t)
	r := newRig(t, memtape.Options{NoPositions: true, NoLocate: true}, memtape.VolumeOptions{}, mover.FlushPolicy{}, "VO0001")
	data := patterns(1000, 2000, 3000)
	out, _ := r.write(family, data, nil)
	r.halt()
	r.start(mover.FlushPolicy{})
	for _, i := range []int{2, 0, 1} {
		got, errs := r.read(r.file(out[i].rec))
		is.NoErr(errs[0])
		is.Equal(got[0], data[i])
	}
}

func TestWhatIsNotToBeBegunIsLeftAlone(t *testing.T) {
	is := is.New(t)
	r := newRig(t, memtape.Options{}, memtape.VolumeOptions{}, mover.FlushPolicy{}, "VO0001")
	out, rel := r.write(family, patterns(1000, 2000, 3000), func(i int, p *wire.Put) {
		if i == 1 {
			r.denied[p.ID] = wire.Errorf(wire.Busy, "drive d0", "is needed")
		}
	})
	is.Equal(rel.Err, nil)
	is.NoErr(out[0].err)
	is.NoErr(out[2].err)
	is.True(errors.Is(out[1].err, wire.ErrBusy) || errors.Is(out[1].err, wire.ErrUnavailable)) // its client asks for another turn
	is.Equal(len(r.settled), 2)
	v, err := r.cat.Volume(r.ctx, "VO0001")
	is.NoErr(err)
	is.Equal(v.Files, int64(2))
	is.Equal(v.DeadBytes, int64(0))
}
