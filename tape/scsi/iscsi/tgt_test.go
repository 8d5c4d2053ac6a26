package iscsi_test

import (
	"bytes"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape/scsi"
	"github.com/enstore-go/sdk/tape/scsi/iscsi"
	"github.com/enstore-go/sdk/tape/scsi/scsitest"
)

// A target that others wrote: blocks go out and come back, by request and at once.
func TestTGT(t *testing.T) {
	is := is.New(t)
	lib := scsitest.Start(t, scsitest.Options{})
	open := func(lun int) *iscsi.Session {
		s, err := iscsi.Dial(t.Context(), iscsi.Unit{Portal: lib.Portal, Target: lib.Target, LUN: lun}, iscsi.Options{})
		is.NoErr(err)
		t.Cleanup(func() { s.Close() })
		// Each new session is told once of the target's start.
		r, err := s.Exec(t.Context(), scsi.TestUnitReady(), nil, nil)
		is.NoErr(err)
		sense, err := scsi.ParseSense(r.Sense)
		is.NoErr(err)
		is.True(sense.Is(scsi.UnitAttention, 0x29, 0))
		return s
	}
	all, err := iscsi.Discover(t.Context(), lib.Portal, iscsi.Options{})
	is.NoErr(err)
	is.Equal(len(all), 1)
	is.Equal(all[0].Name, lib.Target)
	good := func(s *iscsi.Session, cdb, out, in []byte) scsi.Result {
		t.Helper()
		r, err := s.Exec(t.Context(), cdb, out, in)
		is.NoErr(err)
		is.Equal(r.Status, scsi.Good)
		return r
	}

	robot := open(lib.Robot)
	id := make([]byte, 96)
	r := good(robot, scsi.Inquiry(len(id)), nil, id)
	u, err := scsi.ParseInquiry(id[:r.Transferred])
	is.NoErr(err)
	is.Equal(u.Type, uint8(scsi.TypeChanger))
	is.Equal(u.Product, "VTL-CHANGER")
	status := make([]byte, 4096)
	r = good(robot, scsi.ReadElementStatus(scsi.SlotElement, 0, 100, len(status), false), nil, status)
	es, err := scsi.ParseElements(status[:r.Transferred])
	is.NoErr(err)
	is.Equal(len(es), 4)
	is.Equal(es[0].Label, scsitest.Label(1))
	is.Equal(es[3].Full, false)
	good(robot, scsi.MoveMedium(0, scsitest.FirstSlot, scsitest.FirstDrive), nil, nil)

	for _, tuned := range []bool{false, true} {
		if tuned {
			lib.Set(t, "MaxRecvDataSegmentLength", "262144")
			lib.Set(t, "InitialR2T", "No")
			lib.Set(t, "FirstBurstLength", "262144")
		}
		drive := open(lib.Drives[0])
		good(drive, scsi.LoadUnload(true), nil, nil)
		good(drive, scsi.Rewind(false), nil, nil)
		blocks := [][]byte{pattern(256 << 10), pattern(1000), pattern(1 << 20)}
		for _, b := range blocks {
			is.Equal(good(drive, scsi.Write(len(b)), b, nil).Transferred, len(b))
		}
		good(drive, scsi.WriteFilemarks(1, false), nil, nil)
		good(drive, scsi.Rewind(false), nil, nil)
		for _, b := range blocks {
			got := make([]byte, len(b))
			is.Equal(good(drive, scsi.Read(len(b)), nil, got).Transferred, len(b))
			is.True(bytes.Equal(got, b))
		}
		r, err := drive.Exec(t.Context(), scsi.Read(5000), nil, make([]byte, 5000))
		is.NoErr(err)
		s, err := scsi.ParseSense(r.Sense)
		is.NoErr(err)
		is.True(s.Filemark)
		n, ok := s.Moved(5000) // whatever it sent
		is.True(ok)
		is.Equal(n, int64(0))
		is.NoErr(drive.Close())
	}
}
