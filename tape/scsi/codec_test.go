package scsi_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/scsi"
)

func TestCommands(t *testing.T) {
	for _, c := range []struct {
		name string
		got  []byte
		want []byte
	}{
		{"test unit ready", scsi.TestUnitReady(), []byte{0, 0, 0, 0, 0, 0}},
		{"request sense", scsi.RequestSense(1000), []byte{3, 0, 0, 0, 252, 0}},
		{"inquiry", scsi.Inquiry(0x160), []byte{0x12, 0, 0, 1, 0x60, 0}},
		{"serial number", scsi.InquiryPage(scsi.PageSerial, 255), []byte{0x12, 1, 0x80, 0, 255, 0}},
		{"mode sense", scsi.ModeSense(scsi.PageCompression, 512), []byte{0x5a, 0, 0x0f, 0, 0, 0, 0, 2, 0, 0}},
		{"log sense", scsi.LogSense(scsi.LogAlert, 2048), []byte{0x4d, 0, 0x6e, 0, 0, 0, 0, 8, 0, 0}},
		{"block limits", scsi.ReadBlockLimits(), []byte{5, 0, 0, 0, 0, 0}},
		{"read", scsi.Read(0x40000), []byte{8, 0, 4, 0, 0, 0}},
		{"read fixed", scsi.ReadFixed(3), []byte{8, 1, 0, 0, 3, 0}},
		{"write", scsi.Write(0x10001), []byte{0x0a, 0, 1, 0, 1, 0}},
		{"write fixed", scsi.WriteFixed(3), []byte{0x0a, 1, 0, 0, 3, 0}},
		{"filemarks", scsi.WriteFilemarks(2, true), []byte{0x10, 1, 0, 0, 2, 0}},
		{"flush", scsi.WriteFilemarks(0, false), []byte{0x10, 0, 0, 0, 0, 0}},
		{"space back", scsi.Space(scsi.SpaceFilemarks, -2), []byte{0x11, 1, 0xff, 0xff, 0xfe, 0}},
		{"space to the end", scsi.Space(scsi.SpaceEndOfData, 0), []byte{0x11, 3, 0, 0, 0, 0}},
		{"rewind", scsi.Rewind(false), []byte{1, 0, 0, 0, 0, 0}},
		{"load", scsi.LoadUnload(true), []byte{0x1b, 0, 0, 0, 1, 0}},
		{"erase", scsi.Erase(false), []byte{0x19, 0, 0, 0, 0, 0}},
		{"locate", scsi.Locate(0x01020304), []byte{0x2b, 0, 0, 1, 2, 3, 4, 0, 0, 0}},
		{"locate a file", scsi.LocateTo(scsi.ToFile, 0x0102030405), []byte{0x92, 8, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 0, 0, 0, 0}},
		{"position", scsi.ReadPosition(), []byte{0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
		{"position, long", scsi.ReadPositionLong(), []byte{0x34, 6, 0, 0, 0, 0, 0, 0, 0, 0}},
		{"prevent", scsi.PreventRemoval(true), []byte{0x1e, 0, 0, 0, 1, 0}},
		{"units", scsi.ReportLUNs(0x1000), []byte{0xa0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0}},
		{"attributes", scsi.ReadAttributes(0x400, 0x1000), []byte{0x8c, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0x10, 0, 0, 0}},
		{"initialize", scsi.InitializeElementStatus(), []byte{7, 0, 0, 0, 0, 0}},
		{"initialize a range", scsi.InitializeRange(1000, 300), []byte{0x37, 1, 3, 0xe8, 0, 0, 1, 0x2c, 0, 0}},
		{"move", scsi.MoveMedium(0, 1000, 500), []byte{0xa5, 0, 0, 0, 3, 0xe8, 1, 0xf4, 0, 0, 0, 0}},
		{"exchange", scsi.ExchangeMedium(1, 2, 3, 4), []byte{0xa6, 0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 0}},
		{"position the hand", scsi.PositionToElement(1, 1000), []byte{0x2b, 0, 0, 1, 3, 0xe8, 0, 0, 0, 0}},
		{"element status", scsi.ReadElementStatus(scsi.DriveElement, 500, 4, 0x10000, true), []byte{0xb8, 0x14, 1, 0xf4, 0, 4, 1, 1, 0, 0, 0, 0}},
	} {
		t.Run(c.name, func(t *testing.T) { is.New(t).Equal(c.got, c.want) })
	}
	is := is.New(t)
	cdb, out := scsi.ModeSelect(0x40000, 0x5e, true)
	is.Equal(cdb, []byte{0x15, 0x10, 0, 0, 12, 0})
	is.Equal(out, []byte{0, 0, 0x10, 8, 0x5e, 0, 0, 0, 0, 4, 0, 0})
}

func inquiry() []byte {
	b := make([]byte, 96)
	b[0], b[1] = scsi.TypeTape, 0x80
	copy(b[8:], "IBM     ULT3580-TD8     J4D1")
	return b
}

func TestInquiry(t *testing.T) {
	is := is.New(t)
	u, err := scsi.ParseInquiry(inquiry())
	is.NoErr(err)
	is.Equal(u, scsi.InquiryData{Type: scsi.TypeTape, Connected: true, Removable: true, Vendor: "IBM", Product: "ULT3580-TD8", Revision: "J4D1"})
	b := inquiry()
	b[0] = 0x7f // no unit here
	copy(b[8:], "\x1b[2J\x00\x00\xff ")
	u, err = scsi.ParseInquiry(b)
	is.NoErr(err)
	is.Equal(u.Connected, false)
	is.Equal(u.Vendor, "?[2J  ?") // nothing that a terminal acts upon
	_, err = scsi.ParseInquiry(b[:35])
	is.True(errors.Is(err, scsi.ErrMalformed))

	s, err := scsi.ParseSerial([]byte{1, 0x80, 0, 10, ' ', '1', '0', '1', '3', '0', '0', 'A', 0, 0, 'x'})
	is.NoErr(err)
	is.Equal(s, "101300A")
	_, err = scsi.ParseSerial([]byte{1, 0x83, 0, 1, 'a'})
	is.True(errors.Is(err, scsi.ErrMalformed))
	pages, err := scsi.ParseSupportedPages([]byte{1, 0, 0, 3, 0, 0x80, 0x83, 0xb0})
	is.NoErr(err)
	is.Equal(pages, []uint8{0, 0x80, 0x83})
	ids, err := scsi.ParseIdentities([]byte{1, 0x83, 0, 12, 1, 0x03, 0, 2, 0x50, 1, 2, 0x11, 0, 200, 'a', 'b'})
	is.True(errors.Is(err, scsi.ErrMalformed)) // the second overruns
	is.Equal(ids, []scsi.Identity{{Kind: 3, Binary: true, Value: []byte{0x50, 1}}})
	luns, err := scsi.ParseLUNs([]byte{0, 0, 0, 200, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 9})
	is.NoErr(err)
	is.Equal(luns, []uint64{0, 1 << 48})
}

func TestPosition(t *testing.T) {
	is := is.New(t)
	b := make([]byte, 20)
	b[0] = 0x80
	p, err := scsi.ParsePosition(b)
	is.NoErr(err)
	is.Equal(p, scsi.Position{LoadPoint: true, BlockKnown: true, BufferKnown: true})
	binary.BigEndian.PutUint32(b[4:], 70000)
	b[0], b[15] = 0x40, 9
	p, err = scsi.ParsePosition(b)
	is.NoErr(err)
	is.Equal(p, scsi.Position{EndOfTape: true, BlockKnown: true, Block: 70000, BufferKnown: true, BufferBlocks: 9})
	b[0] = 0x34 // a target that never knows
	p, err = scsi.ParsePosition(b)
	is.NoErr(err)
	is.Equal(p, scsi.Position{})
	b[0] = 0x02 // the number does not fit
	p, err = scsi.ParsePosition(b)
	is.NoErr(err)
	is.Equal(p.BlockKnown, false)

	l := make([]byte, 32)
	binary.BigEndian.PutUint64(l[8:], 1<<40)
	binary.BigEndian.PutUint64(l[16:], 77)
	p, err = scsi.ParsePositionLong(l)
	is.NoErr(err)
	is.Equal(p, scsi.Position{BlockKnown: true, Block: 1 << 40, FileKnown: true, File: 77})
	l[0] = 0x0c
	p, err = scsi.ParsePositionLong(l)
	is.NoErr(err)
	is.Equal(p, scsi.Position{})
	_, err = scsi.ParsePosition(b[:19])
	is.True(errors.Is(err, scsi.ErrMalformed))
	_, err = scsi.ParsePositionLong(l[:31])
	is.True(errors.Is(err, scsi.ErrMalformed))
	lim, err := scsi.ParseBlockLimits([]byte{2, 0x10, 0, 0, 2, 0})
	is.NoErr(err)
	is.Equal(lim, scsi.BlockLimits{Min: 512, Max: 1 << 20, Granularity: 4})
}

var mode = []byte{0, 30, 0x78, 0x90, 0, 0, 0, 8, 0x5e, 0, 0, 0, 0, 4, 0, 0,
	0x0f, 2, 0xc0, 0x80,
	0x50, 0x01, 0, 4, 1, 2, 3, 4,
	0x1d, 2, 0, 1}

func TestMode(t *testing.T) {
	is := is.New(t)
	m, err := scsi.ParseMode(mode)
	is.NoErr(err)
	is.Equal(m, scsi.Mode{Medium: 0x78, WriteProtected: true, Buffered: 1, Density: 0x5e, BlockLength: 0x40000, Pages: []scsi.ModePage{
		{Page: 0x0f, Data: []byte{0xc0, 0x80}}, {Page: 0x10, Sub: 1, Data: []byte{1, 2, 3, 4}}, {Page: 0x1d, Data: []byte{0, 1}},
	}})
	cut, err := scsi.ParseMode(mode[:len(mode)-1])
	is.True(errors.Is(err, scsi.ErrMalformed))
	is.Equal(len(cut.Pages), 2)
	for _, n := range []int{0, 7, 12} {
		_, err = scsi.ParseMode(mode[:n])
		is.True(errors.Is(err, scsi.ErrMalformed))
	}
	a, err := scsi.ParseAddresses(scsi.ModePage{Page: scsi.PageElements, Data: []byte{0, 100, 0, 1, 3, 0xe8, 0, 40, 0, 200, 0, 2, 0, 1, 0, 4, 0, 0}})
	is.NoErr(err)
	is.Equal(a, scsi.Addresses{Transport: scsi.Range{First: 100, Count: 1}, Slots: scsi.Range{First: 1000, Count: 40}, Ports: scsi.Range{First: 200, Count: 2}, Drives: scsi.Range{First: 1, Count: 4}})
	_, err = scsi.ParseAddresses(m.Pages[2])
	is.True(errors.Is(err, scsi.ErrMalformed))
}

func TestLog(t *testing.T) {
	is := is.New(t)
	b := []byte{0x2e, 0, 0, 15, 0, 1, 0x60, 1, 0, 0, 20, 0x60, 1, 1, 0, 200, 0x60, 1, 1}
	a, err := scsi.ParseAlerts(b)
	is.NoErr(err)
	is.Equal(a.Flags(), []int{driver.AlertCleanNow})
	a, err = scsi.ParseAlerts(b[:len(b)-1])
	is.True(errors.Is(err, scsi.ErrMalformed))
	is.True(a.Has(driver.AlertCleanNow)) // what came before counts
	_, err = scsi.ParseAlerts(append([]byte{0x0c}, b[1:]...))
	is.True(errors.Is(err, scsi.ErrMalformed))
	page, all, err := scsi.ParseLog([]byte{0x0c, 0, 0, 8, 1, 0, 3, 4, 0, 1, 0, 0, 9, 9, 9})
	is.NoErr(err)
	is.Equal(page, uint8(scsi.LogSequential))
	n, ok := all[0].Number()
	is.True(ok)
	is.Equal(n, uint64(0x10000))
	_, ok = scsi.LogParameter{Value: make([]byte, 9)}.Number()
	is.True(!ok)
}

func TestAttributes(t *testing.T) {
	is := is.New(t)
	b := []byte{0, 0, 0, 13 + 15, 0, 0, 0x80, 0, 8, 0, 0, 0, 0, 0, 0xb7, 0x1b, 0,
		4, 1, 0x81, 0, 10, 'F', '0', '1', ' ', ' ', ' ', ' ', ' ', ' ', ' '}
	all, err := scsi.ParseAttributes(b)
	is.NoErr(err)
	is.Equal(len(all), 2)
	n, ok := all[0].Number()
	is.True(ok && all[0].ReadOnly)
	is.Equal(n, uint64(0xb71b00))
	is.Equal(all[1].ID, uint16(scsi.AttributeSerial))
	is.Equal(all[1].String(), "F01")
	all, err = scsi.ParseAttributes(b[:len(b)-1])
	is.True(errors.Is(err, scsi.ErrMalformed))
	is.Equal(len(all), 1)
}

// page is one page of element status; a label of nil is an empty place.
func page(kind scsi.ElementKind, first int, tagged bool, labels ...string) []byte {
	size := 16
	if tagged {
		size += 36
	}
	b := make([]byte, 8)
	b[0] = byte(kind)
	if tagged {
		b[1] = 0x80
	}
	b[3] = byte(size)
	n := size * len(labels)
	b[5], b[6], b[7] = byte(n>>16), byte(n>>8), byte(n)
	for i, l := range labels {
		d := make([]byte, size)
		binary.BigEndian.PutUint16(d, uint16(first+i))
		d[2] = 0x08
		if l != "" {
			d[2] |= 1
			d[9] = 0x80
			binary.BigEndian.PutUint16(d[10:], uint16(1000+i))
			if tagged {
				copy(d[12:44], bytes.Repeat([]byte{' '}, 32))
				copy(d[12:], l)
			}
		}
		b = append(b, d...)
	}
	return b
}

func status(pages ...[]byte) []byte {
	b := append(make([]byte, 8), bytes.Join(pages, nil)...)
	b[0], b[1], b[3] = 0x10, 0x07, 200 // "first element" and count as wrong as robots give them
	n := len(b) - 8
	b[5], b[6], b[7] = byte(n>>16), byte(n>>8), byte(n)
	return b
}

func TestElements(t *testing.T) {
	is := is.New(t)
	b := status(page(scsi.DriveElement, 1, true, "", "VO0001L8"), page(scsi.SlotElement, 1000, true, "VO0002L8", "\x00\x00\x00", ""), page(scsi.TransportElement, 100, false, ""))
	all, err := scsi.ParseElements(b)
	is.NoErr(err)
	var labels []string
	var at []int
	for _, e := range all {
		labels = append(labels, e.Label)
		at = append(at, e.Address)
	}
	is.Equal(labels, []string{"", "VO0001L8", "VO0002L8", "", "", ""})
	is.Equal(at, []int{1, 2, 1000, 1001, 1002, 100})
	is.Equal(all[1], scsi.Element{Kind: scsi.DriveElement, Address: 2, Full: true, Access: true, Source: 1001, SourceValid: true, Label: "VO0001L8"})
	is.Equal(all[3].Full, true) // with a bar code that was not read

	cut, err := scsi.ParseElements(b[:len(b)-16-8-8]) // as a robot that forgets its own header
	is.NoErr(err)
	is.Equal(len(cut), 5)
	is.Equal(cut[4].Address, 1002)
	_, err = scsi.ParseElements(b[:7])
	is.True(errors.Is(err, scsi.ErrMalformed))
	bad := slices.Clone(b)
	bad[11] = 3 // descriptors without flags
	_, err = scsi.ParseElements(bad)
	is.True(errors.Is(err, scsi.ErrMalformed))
	bad = slices.Clone(b)
	bad[8] = 9
	_, err = scsi.ParseElements(bad)
	is.True(errors.Is(err, scsi.ErrMalformed))

	// A drive that tells its serial number.
	d := page(scsi.DriveElement, 1, true, "VO0001")
	d[3] += 34
	d[7] += 34
	id := make([]byte, 34)
	copy(id, "IBM     ULT3580-TD8     1013000A01")
	d[8+12+36+3] = 34
	d = append(d, id...)
	all, err = scsi.ParseElements(status(d))
	is.NoErr(err)
	is.Equal(all[0].Identity, "IBM     ULT3580-TD8     1013000A01")
}

// BenchmarkParseElements decodes a robot of 10,000 slots; the goal is at most 1 ms.
func BenchmarkParseElements(b *testing.B) {
	labels := slices.Repeat([]string{"VO0001L8"}, 10_000)
	in := status(page(scsi.SlotElement, 1, true, labels...))
	b.ReportAllocs()
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		all, err := scsi.ParseElements(in)
		if err != nil || len(all) != 10_000 {
			b.Fatal(len(all), err)
		}
	}
}

func FuzzDecoders(f *testing.F) {
	for _, b := range [][]byte{inquiry(), mode, status(page(scsi.SlotElement, 1, true, "VO0001", "")), {0x2e, 0, 0, 5, 0, 1, 0x60, 1, 1}, make([]byte, 40),
		{1, 0x83, 0, 6, 1, 3, 0, 2, 5, 1}, {0, 0, 0, 6, 4, 1, 0x81, 0, 1, 'x'}} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = scsi.ParseInquiry(b)
		_, _ = scsi.ParseSerial(b)
		_, _ = scsi.ParseSupportedPages(b)
		_, _ = scsi.ParseIdentities(b)
		_, _ = scsi.ParseLUNs(b)
		_, _ = scsi.ParseBlockLimits(b)
		_, _ = scsi.ParsePosition(b)
		_, _ = scsi.ParsePositionLong(b)
		_, _ = scsi.ParseAlerts(b)
		_, _ = scsi.ParseAttributes(b)
		if m, err := scsi.ParseMode(b); err == nil {
			for _, p := range m.Pages {
				_, _ = scsi.ParseAddresses(p)
			}
		}
		if all, _ := scsi.ParseElements(b); len(all) > len(b)/4 {
			t.Fatalf("%d elements in %d bytes", len(all), len(b))
		}
	})
}
