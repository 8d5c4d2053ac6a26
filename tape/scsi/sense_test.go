package scsi_test

import (
	"errors"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape"
	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/scsi"
)

var (
	// A filemark met by a read of 262144 bytes in variable mode: fixed format, SPC-5 table 50.
	filemark = []byte{0xf0, 0, 0x80, 0, 4, 0, 0, 10, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0}
	// A block of 1000 bytes more than asked for: a negative residue.
	tooLong = []byte{0xf0, 0, 0x20, 0xff, 0xff, 0xfc, 0x18, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	// A deferred write error of the medium, descriptor format with information, sense key specific and stream descriptors.
	deferred = []byte{0x73, 3, 0x0c, 0x00, 0, 0, 0, 24,
		0, 10, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 7,
		2, 6, 0, 0, 0x80, 1, 2, 0,
		4, 2, 0, 0x40}
	// Becoming ready, half done.
	loading = []byte{0x70, 0, 2, 0, 0, 0, 0, 10, 0, 0, 0, 0, 4, 1, 0, 0x80, 0x80, 0}
	// Invalid field in CDB, byte 4.
	badField = []byte{0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x24, 0, 0, 0xc0, 0, 4}
)

func TestSense(t *testing.T) {
	for _, c := range []struct {
		name string
		b    []byte
		want scsi.Sense
		text string
	}{
		{"filemark", filemark, scsi.Sense{ASCQ: 1, Filemark: true, InfoValid: true, Info: 262144}, "no sense 0/00/01, filemark, residue 262144"},
		{"too long", tooLong, scsi.Sense{ILI: true, InfoValid: true, Info: -1000}, "no sense 0/00/00, another length, residue -1000"},
		{"deferred", deferred, scsi.Sense{Key: scsi.MediumError, ASC: 0x0c, Deferred: true, EOM: true, InfoValid: true, Info: 7}, "medium error 3/0c/00, deferred, end of medium, residue 7"},
		{"loading", loading, scsi.Sense{Key: scsi.NotReady, ASC: 4, ASCQ: 1, ProgressValid: true, Progress: 0x8000}, "not ready 2/04/01"},
		{"bad field", badField, scsi.Sense{Key: scsi.IllegalRequest, ASC: 0x24, FieldValid: true, Field: 4}, "illegal request 5/24/00"},
		{"cut to its key", filemark[:3], scsi.Sense{Filemark: true}, "no sense 0/00/00, filemark"},
		{"a length beyond its end", append([]byte{0x70, 0, 4, 0, 0, 0, 0, 200}, make([]byte, 6)...), scsi.Sense{Key: scsi.HardwareError}, "hardware error 4/00/00"},
		{"a length before its end", []byte{0x70, 0, 4, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0x44, 1}, scsi.Sense{Key: scsi.HardwareError}, "hardware error 4/00/00"},
		{"a descriptor that overruns", []byte{0x72, 3, 0x11, 0, 0, 0, 0, 4, 0, 10, 0x80, 0}, scsi.Sense{Key: scsi.MediumError, ASC: 0x11}, "medium error 3/11/00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			is := is.New(t)
			s, err := scsi.ParseSense(c.b)
			is.NoErr(err)
			is.Equal(s, c.want)
			is.Equal(s.String(), c.text)
		})
	}
	for _, b := range [][]byte{nil, {0x70}, {0x70, 0}, {0x72, 0, 0}, {0x7f, 0, 0, 0}, {0, 0, 0, 0}} {
		_, err := scsi.ParseSense(b)
		is.New(t).True(errors.Is(err, scsi.ErrMalformed))
	}
}

func TestMoved(t *testing.T) {
	for _, c := range []struct {
		s     scsi.Sense
		asked int64
		n     int64
		ok    bool
	}{
		{scsi.Sense{Filemark: true, InfoValid: true, Info: 1000}, 1000, 0, true},
		{scsi.Sense{ILI: true, InfoValid: true, Info: 400}, 1000, 600, true},
		{scsi.Sense{ILI: true, InfoValid: true, Info: -400}, 1000, 1000, true}, // all of it, and more is on tape
		{scsi.Sense{Filemark: true}, 1000, 0, false},
		{scsi.Sense{Filemark: true, InfoValid: true, Info: 1001}, 1000, 0, false},
		{scsi.Sense{InfoValid: true, Info: -1}, 1000, 0, false},
	} {
		is := is.New(t)
		n, ok := c.s.Moved(c.asked)
		is.Equal(n, c.n)
		is.Equal(ok, c.ok)
	}
}

func TestSenseOfADriver(t *testing.T) {
	is := is.New(t)
	s, err := scsi.ParseSense(deferred)
	is.NoErr(err)
	raw := append([]byte(nil), deferred...)
	d := s.Of(raw)
	raw[0] = 0
	is.Equal(d, driver.Sense{Key: 3, ASC: 0x0c, Deferred: true, EOM: true, Info: 7, Raw: deferred})
	is.Equal(scsi.Sense{}.Of(nil).Info, driver.Unknown)
	is.Equal(len(scsi.Sense{}.Of(make([]byte, 1000)).Raw), scsi.MaxSense)
}

func TestParsingSenseAllocatesNothing(t *testing.T) {
	for _, b := range [][]byte{filemark, deferred} {
		if n := testing.AllocsPerRun(100, func() { _, _ = scsi.ParseSense(b) }); n != 0 {
			t.Errorf("%v allocations", n)
		}
	}
}

func BenchmarkParseSense(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := scsi.ParseSense(deferred); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzParseSense(f *testing.F) {
	for _, b := range [][]byte{filemark, tooLong, deferred, loading, badField} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := scsi.ParseSense(b)
		if err != nil {
			return
		}
		if n, ok := s.Moved(100); ok && (n < 0 || n > 100) {
			t.Fatalf("moved %d of 100", n)
		}
		_ = s.String()
	})
}

// From bytes to a verdict nothing is allocated.
func TestJudgingAllocatesNothing(t *testing.T) {
	fixed := []byte{0xf0, 0, 3, 0, 0, 0, 5, 10, 0, 0, 0, 0, 0x11, 8, 0, 0, 0, 0}
	descriptors := []byte{0x72, 3, 0x0c, 0, 0, 0, 0, 16, 0, 10, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 5, 4, 2, 0, 0x40}
	for _, raw := range [][]byte{fixed, descriptors} {
		n := testing.AllocsPerRun(100, func() { verdict, _ = judge(raw) })
		is.New(t).Equal(n, 0.0)
		is.New(t).Equal(verdict.Fault, tape.FaultVolume)
	}
}

var verdict tape.Verdict

func judge(raw []byte) (tape.Verdict, string) {
	s, err := scsi.ParseSense(raw)
	if err != nil {
		return tape.Verdict{}, ""
	}
	return tape.Judge(s.Outcome(), s.Of(nil))
}

// BenchmarkJudge goes from sense data to a verdict; the goal is no allocation.
func BenchmarkJudge(b *testing.B) {
	raw := []byte{0xf0, 0, 3, 0, 0, 0, 5, 10, 0, 0, 0, 0, 0x11, 8, 0, 0, 0, 0}
	b.ReportAllocs()
	for b.Loop() {
		verdict, _ = judge(raw)
	}
}
