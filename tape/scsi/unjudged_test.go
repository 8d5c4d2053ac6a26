package scsi_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape/scsi"
)

// The bytes were worked out by hand from the tables of SPC-5 and SSC-5 and the SCSI references of LTO-8 and LTO-9 drives; no unit of
// the tests answers these commands.
func TestCommandsThatNoJudgeAnswers(t *testing.T) {
	name := [10]byte{'f', 'i', 'l', 'e', ' ', '7'}
	reserve, reserveOut := scsi.ReserveOut(scsi.ReserveHold, scsi.HoldAccess, 0x0102030405060708, 0, false)
	preempt, preemptOut := scsi.ReserveOut(scsi.ReservePreempt, scsi.HoldWrites, 1, 2, true)
	order, orderOut := scsi.GenerateAccessOrder([]scsi.Extent{{Name: name, Partition: 1, Begin: 0x1000, End: 0x1fff}}, true)
	_, estimateOut := scsi.GenerateAccessOrder(nil, false)
	attribute, attributeOut := scsi.WriteAttributes(scsi.Attribute{ID: 0x0806, Text: true, Value: []byte("VO0001L8")}, scsi.Attribute{ID: 0x0801, Value: []byte{1}})
	protect, protectOut := scsi.ProtectionSelect(scsi.Protection{Method: scsi.ProtectCRC32C, Length: 4, Write: true, Read: true})
	key := scsi.Key256(bytes.Repeat([]byte{0xaa}, 32))
	encrypt, encryptOut := scsi.SetEncryption(&key, 1)
	_, clearOut := scsi.SetEncryption(nil, 1)
	for _, c := range []struct {
		name string
		got  []byte
		want []byte
	}{
		{"reservation keys", scsi.ReserveIn(scsi.ReservationKeys, 0x108), []byte{0x5e, 0, 0, 0, 0, 0, 0, 1, 8, 0}},
		{"reservation", scsi.ReserveIn(scsi.Reservation, 24), []byte{0x5e, 1, 0, 0, 0, 0, 0, 0, 24, 0}},
		{"reserve", reserve, []byte{0x5f, 1, 3, 0, 0, 0, 0, 0, 24, 0}},
		{"its parameters", reserveOut, []byte{1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
		{"preempt", preempt, []byte{0x5f, 4, 1, 0, 0, 0, 0, 0, 24, 0}},
		{"its parameters", preemptOut, []byte{0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1, 0, 0, 0}},
		{"access order", order, []byte{0xa4, 0x1d, 2, 0, 0, 0, 0, 0, 0, 40, 0, 0}},
		{"its parameters", orderOut, []byte{0, 0, 0, 0, 0, 0, 0, 32,
			0, 30, 0, 0, 0, 'f', 'i', 'l', 'e', ' ', '7', 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0x1f, 0xff}},
		{"no extents", estimateOut, []byte{0, 0, 0, 0, 0, 0, 0, 0}},
		{"receive order", scsi.ReceiveAccessOrder(8, 0x1000), []byte{0xa3, 0x1d, 0, 0, 0, 8, 0, 0, 0x10, 0, 0, 0}},
		{"limits of orders", scsi.ReceiveAccessLimits(), []byte{0xa3, 0x9d, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0}},
		{"ends of wraps", scsi.ReadWrapEnds(0x0d24), []byte{0xa3, 0x1f, 0x45, 2, 0, 0, 0, 0, 0x0d, 0x24, 0, 0}},
		{"densities", scsi.ReportDensities(true, 0x200), []byte{0x44, 1, 0, 0, 0, 0, 0, 2, 0, 0}},
		{"write attribute", attribute, []byte{0x8d, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 23, 0, 0}},
		{"its parameters", attributeOut, append([]byte{0, 0, 0, 19, 8, 6, 1, 0, 8}, "VO0001L8\x08\x01\x00\x00\x01\x01"...)},
		{"protection", scsi.ProtectionSense(64), []byte{0x5a, 8, 0x0a, 0xf0, 0, 0, 0, 0, 64, 0}},
		{"protect", protect, []byte{0x55, 0x10, 0, 0, 0, 0, 0, 0, 40, 0}},
		{"its parameters", protectOut, append([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0x4a, 0xf0, 0, 28, 2, 4, 0xc0}, make([]byte, 25)...)},
		{"encryption", scsi.SecurityIn(scsi.EncryptionStatus, 512), []byte{0xa2, 0x20, 0, 0x20, 0, 0, 0, 0, 2, 0, 0, 0}},
		{"encrypt", encrypt, []byte{0xb5, 0x20, 0, 0x10, 0, 0, 0, 0, 0, 52, 0, 0}},
		{"its parameters", encryptOut, append([]byte{0, 0x10, 0, 48, 0x40, 4, 2, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32}, key[:]...)},
		{"encrypt no more", clearOut, []byte{0, 0x10, 0, 16, 0x40, 4, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
		{"space far", scsi.SpaceFar(scsi.SpaceFilemarks, -2), []byte{0x91, 1, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0, 0, 0, 0}},
		{"verify", scsi.Verify(0x40000, false), []byte{0x13, 0, 4, 0, 0, 0}},
		{"extended position", scsi.ReadPositionExtended(), []byte{0x34, 8, 0, 0, 0, 0, 0, 0, 32, 0}},
	} {
		t.Run(c.name, func(t *testing.T) { is.New(t).Equal(c.got, c.want) })
	}
}

func TestReservations(t *testing.T) {
	is := is.New(t)
	generation, keys, err := scsi.ParseReservationKeys([]byte{0, 0, 0, 9, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 7, 7, 7, 7, 7, 7, 7, 7})
	is.NoErr(err)
	is.Equal(generation, uint32(9))
	is.Equal(keys, []uint64{1, 2})
	held := []byte{0, 0, 0, 9, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 3, 0, 0}
	key, kind, yes, err := scsi.ParseReservation(held)
	is.NoErr(err)
	is.True(yes)
	is.Equal(key, uint64(5))
	is.Equal(kind, scsi.HoldAccess)
	_, _, yes, err = scsi.ParseReservation([]byte{0, 0, 0, 9, 0, 0, 0, 0})
	is.NoErr(err)
	is.True(!yes)
	_, _, _, err = scsi.ParseReservation(held[:20])
	is.True(errors.Is(err, scsi.ErrMalformed))
	_, _, err = scsi.ParseReservationKeys(held[:7])
	is.True(errors.Is(err, scsi.ErrMalformed))
}

func TestAccessOrder(t *testing.T) {
	is := is.New(t)
	want := []scsi.Extent{{Name: [10]byte{'b'}, Begin: 100, End: 200}, {Name: [10]byte{'a'}, Partition: 1, Begin: 1, End: math.MaxUint64}}
	_, out := scsi.GenerateAccessOrder(want, true)
	got, err := scsi.ParseAccessOrder(out) // the answer has the same form
	is.NoErr(err)
	is.Equal(got, want)
	// A drive may tell more of each extent, as how long its locate takes.
	longer := append([]byte{2, 0, 0, 0, 0, 0, 0, 36, 0, 34}, out[10:40]...)
	longer = append(longer, 1, 2, 3, 4)
	got, err = scsi.ParseAccessOrder(longer)
	is.NoErr(err)
	is.Equal(got, want[:1])
	for _, n := range []int{7, 20, 71} {
		got, err = scsi.ParseAccessOrder(out[:n])
		is.True(errors.Is(err, scsi.ErrMalformed))
		is.Equal(len(got), max(n-8, 0)/32) // what came before
	}
	extents, size, err := scsi.ParseAccessLimits([]byte{0x0b, 0xb8, 0, 64})
	is.NoErr(err)
	is.Equal(extents, 3000)
	is.Equal(size, 64)

	ends, err := scsi.ParseWrapEnds([]byte{0, 26, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 6, 0x58, 0x0f, 0, 0, 0, 0, 0, 0, 0, 1, 0, 3, 0x2d, 0xbe})
	is.NoErr(err)
	is.Equal(ends, []scsi.WrapEnd{{Wrap: 0, Object: 0x1_0003_2dbe}, {Wrap: 1, Object: 415759}})
}

func TestDensities(t *testing.T) {
	is := is.New(t)
	d := make([]byte, 52)
	copy(d, []byte{0x60, 0x60, 0xa0, 0, 0, 0, 0x4f, 0x4e, 0, 0x7f, 0x22, 0xe0, 0x01, 0x12, 0xa8, 0x80})
	copy(d[16:], "LTO-CVE U-9     Ultrium 9/32T       ")
	b := append([]byte{0, 54, 0, 0}, d...)
	all, err := scsi.ParseDensities(b)
	is.NoErr(err)
	is.Equal(all, []scsi.Density{{
		Code: 0x60, Second: 0x60, Writable: true, Default: true, BitsPerMM: 20302, Width: 127, Tracks: 8928, Capacity: 18_000_000_000_000,
		Organisation: "LTO-CVE", Name: "U-9", Comment: "Ultrium 9/32T",
	}})
	_, err = scsi.ParseDensities(b[:40])
	is.True(errors.Is(err, scsi.ErrMalformed))
	b[6] |= 1 // the descriptor's length is told, and is nonsense
	_, err = scsi.ParseDensities(b)
	is.True(errors.Is(err, scsi.ErrMalformed))
}

func TestProtection(t *testing.T) {
	is := is.New(t)
	b := scsi.AppendProtection([]byte("123456789"))
	is.Equal(b, []byte("123456789\x83\x92\x06\xe3")) // the CRC's check value, e3069283
	data, err := scsi.CheckProtection(b)
	is.NoErr(err)
	is.Equal(data, []byte("123456789"))
	b[3] ^= 1
	_, err = scsi.CheckProtection(b)
	is.True(errors.Is(err, scsi.ErrMalformed))
	_, err = scsi.CheckProtection(b[:3])
	is.True(errors.Is(err, scsi.ErrMalformed))

	want := scsi.Protection{Method: scsi.ProtectCRC32C, Length: 4, Write: true}
	_, out := scsi.ProtectionSelect(want)
	out[1] = byte(len(out) - 2) // the answer tells its length
	m, err := scsi.ParseMode(out)
	is.NoErr(err)
	is.Equal(len(m.Pages), 1)
	got, err := scsi.ParseProtection(m.Pages[0])
	is.NoErr(err)
	is.Equal(got, want)
	_, err = scsi.ParseProtection(scsi.ModePage{Page: 1})
	is.True(errors.Is(err, scsi.ErrMalformed))
}

func TestEncryption(t *testing.T) {
	is := is.New(t)
	s, err := scsi.ParseEncryptionState([]byte{0, 0x20, 0, 20, 0x40, 2, 2, 1, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	is.NoErr(err)
	is.Equal(s, scsi.EncryptionState{Encrypts: true, Decrypts: true, Algorithm: 1, Keys: 3})
	_, err = scsi.ParseEncryptionState([]byte{0, 0x21, 0, 20, 0x40, 2, 2, 1, 0, 0, 0, 3})
	is.True(errors.Is(err, scsi.ErrMalformed))
	key := scsi.Key256{1, 2, 3}
	for _, verb := range []string{"%v", "%s", "%x", "%#v", "%+v", "%d"} {
		is.Equal(fmt.Sprintf(verb, key), "(a key)") // it is logged nowhere
	}
}

func TestExtendedPosition(t *testing.T) {
	is := is.New(t)
	b := []byte{0x80, 1, 0, 28, 0, 0, 1, 2, 0, 0, 0, 1, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0}
	p, err := scsi.ParsePositionExtended(b)
	is.NoErr(err)
	is.Equal(p, scsi.Position{LoadPoint: true, Partition: 1, BlockKnown: true, Block: 1<<32 + 5, BufferKnown: true, BufferBlocks: 258, BufferBytes: 0x40000})
	b[0] = 0x24
	p, err = scsi.ParsePositionExtended(b)
	is.NoErr(err)
	is.True(!p.BlockKnown && !p.BufferKnown)
	_, err = scsi.ParsePositionExtended(b[:31])
	is.True(errors.Is(err, scsi.ErrMalformed))
}

func TestAttributesThereAndBack(t *testing.T) {
	is := is.New(t)
	want := []scsi.Attribute{{ID: 0x0806, Text: true, Value: []byte("VO0001L8")}, {ID: 0x0801, Value: []byte{1, 2}}}
	_, out := scsi.WriteAttributes(want...)
	got, err := scsi.ParseAttributes(out)
	is.NoErr(err)
	is.Equal(got, want)
}

// No decoder gives more than its input could hold, or panics.
func FuzzDecodersThatNoJudgeAnswers(f *testing.F) {
	_, order := scsi.GenerateAccessOrder([]scsi.Extent{{Begin: 1, End: 2}}, true)
	for _, b := range [][]byte{order, {0, 0, 0, 9, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1}, {0, 14, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 6, 0x58, 0x0f}, append([]byte{0, 54, 0, 0}, make([]byte, 52)...),
		{0, 0x20, 0, 20, 0x40, 2, 2, 1, 0, 0, 0, 3}, scsi.AppendProtection([]byte("x"))} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		is := is.New(t)
		_, keys, _ := scsi.ParseReservationKeys(b)
		is.True(len(keys) <= len(b)/8)
		_, _, _, _ = scsi.ParseReservation(b)
		extents, _ := scsi.ParseAccessOrder(b)
		is.True(len(extents) <= len(b)/32)
		_, _, _ = scsi.ParseAccessLimits(b)
		ends, _ := scsi.ParseWrapEnds(b)
		is.True(len(ends) <= len(b)/12)
		ds, _ := scsi.ParseDensities(b)
		is.True(len(ds) <= len(b)/52)
		_, _ = scsi.ParseEncryptionState(b)
		_, _ = scsi.ParsePositionExtended(b)
		if data, err := scsi.CheckProtection(b); err == nil {
			is.True(bytes.Equal(scsi.AppendProtection(bytes.Clone(data)), b))
		}
	})
}
