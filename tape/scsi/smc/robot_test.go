package smc_test

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/scsi"
	"github.com/enstore-go/sdk/tape/scsi/smc"
)

// unit is a robot of three slots from 1000 on, a hand at 1 and a drive at 500, that answers as a test wants.
type unit struct {
	status func(kind byte, first, count int) []byte
	sense  map[byte][]byte // by operation code, once
}

func (u *unit) Exec(_ context.Context, cdb, _, in []byte) (scsi.Result, error) {
	if s := u.sense[cdb[0]]; s != nil {
		delete(u.sense, cdb[0])
		return scsi.Result{Status: scsi.CheckCondition, Sense: s}, nil
	}
	switch cdb[0] {
	case 0x12:
		b := make([]byte, 36)
		b[0] = scsi.TypeChanger
		return scsi.Result{Transferred: copy(in, b)}, nil
	case 0x5a:
		return scsi.Result{Transferred: copy(in, []byte{0, 26, 0, 0, 0, 0, 0, 0, 0x1d, 18, 0, 1, 0, 1, 0x03, 0xe8, 0, 3, 0, 0, 0, 0, 0x01, 0xf4, 0, 1, 0, 0})}, nil
	case 0xb8:
		f := u.status
		if f == nil {
			f = elements
		}
		return scsi.Result{Transferred: copy(in, f(cdb[1]&0xf, int(binary.BigEndian.Uint16(cdb[2:])), int(binary.BigEndian.Uint16(cdb[4:]))))}, nil
	}
	return scsi.Result{}, nil
}

func (u *unit) Close() error { return nil }

// elements are as many as were asked for; the first slot is full.
func elements(kind byte, first, count int) []byte {
	b := make([]byte, 16)
	n := 52 * count
	b[8], b[9], b[11], b[14], b[15] = kind, 0x80, 52, byte(n>>8), byte(n)
	for i := range count {
		d := make([]byte, 52)
		binary.BigEndian.PutUint16(d, uint16(first+i))
		if first+i == 1000 {
			d[2] = 1
			copy(d[12:], "VO0001L8                        ")
		}
		b = append(b, d...)
	}
	return b
}

func TestInventory(t *testing.T) {
	is := is.New(t)
	u := &unit{sense: map[byte][]byte{}}
	r, err := smc.Open(t.Context(), u, smc.Options{})
	is.NoErr(err)
	u.sense[0x00] = []byte{0x70, 0, 6, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x28, 1, 0, 0, 0, 0} // a door was opened
	es, err := r.Inventory(t.Context())
	is.NoErr(err)
	is.Equal(es, []driver.Element{
		{Kind: driver.Transport, Address: 1, Drive: -1}, {Kind: driver.DriveBay, Address: 500, Drive: 0},
		{Kind: driver.Slot, Address: 1000, Drive: -1, Full: true, Label: "VO0001L8"}, {Kind: driver.Slot, Address: 1001, Drive: -1}, {Kind: driver.Slot, Address: 1002, Drive: -1},
	})
	u.sense[0xa5] = []byte{0x70, 0, 6, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x28, 1, 0, 0, 0, 0}
	var e *driver.Error
	is.True(errors.As(r.Move(t.Context(), 1000, 500), &e))
	is.Equal(e.Outcome, driver.OutcomeUnitAttention) // the caller looks again
	is.NoErr(r.Move(t.Context(), 1000, 500))

	// A robot that gives fewer than were asked for is asked for the rest; what others give too much is not looked at.
	for _, n := range []int{-1, 1} {
		u.status = func(kind byte, first, count int) []byte { return elements(kind, first, max(count+n, 1)) }
		u.sense[0x00] = []byte{0x70, 0, 6, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x28, 1, 0, 0, 0, 0}
		again, err := r.Inventory(t.Context())
		is.NoErr(err)
		is.Equal(again, es)
	}
}

// What the robot said is believed for a while, until it tells that something happened; a move looks at its two places.
func TestInventoryIsRemembered(t *testing.T) {
	is := is.New(t)
	asked, taken := 0, false
	u := &unit{sense: map[byte][]byte{}}
	u.status = func(kind byte, first, count int) []byte {
		asked++
		b := elements(kind, first, count)
		if taken && kind == 2 && first == 1000 {
			b[16+2] = 0 // a hand took the cartridge out of slot 1000
		}
		return b
	}
	r, err := smc.Open(t.Context(), u, smc.Options{})
	is.NoErr(err)
	es, err := r.Inventory(t.Context())
	is.NoErr(err)
	before := asked
	again, err := r.Inventory(t.Context())
	is.NoErr(err)
	is.Equal(asked, before)
	is.Equal(again, es)
	again[0].Label = "changed by the caller"

	is.NoErr(r.Move(t.Context(), 1000, 500))
	is.Equal(asked, before+2)
	es, err = r.Inventory(t.Context())
	is.NoErr(err)
	is.Equal(asked, before+2)
	is.Equal(es[1], driver.Element{Kind: driver.DriveBay, Address: 500, Drive: 0, Full: true, Label: "VO0001L8"})
	is.Equal(es[2], driver.Element{Kind: driver.Slot, Address: 1000, Drive: -1})

	u.sense[0x00] = []byte{0x70, 0, 6, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x28, 1, 0, 0, 0, 0} // a port was used
	es, err = r.Inventory(t.Context())
	is.NoErr(err)
	is.True(asked > before+2)
	is.True(es[2].Full) // as this robot says, always

	taken = true // nobody tells
	var e *driver.Error
	is.True(errors.As(r.Move(t.Context(), 1000, 500), &e))
	is.Equal(e.Outcome, driver.OutcomeNoMedium)
	es, err = r.Inventory(t.Context())
	is.NoErr(err)
	is.True(!es[2].Full)
}

// One that does not know what it has is told to look.
func TestUninitialized(t *testing.T) {
	is := is.New(t)
	u := &unit{sense: map[byte][]byte{0xb8: {0x70, 0, 2, 0, 0, 0, 0, 10, 0, 0, 0, 0, 4, 3, 0, 0, 0, 0}}}
	_, err := smc.Open(t.Context(), u, smc.Options{})
	is.NoErr(err)
}

func TestRobotsThatLie(t *testing.T) {
	for name, status := range map[string]func(kind byte, first, count int) []byte{
		"nothing":         func(byte, int, int) []byte { return make([]byte, 8) },
		"no header":       func(byte, int, int) []byte { return []byte{1} },
		"another kind":    func(k byte, first, count int) []byte { return elements(k%4+1, first, count) },
		"other addresses": func(k byte, first, count int) []byte { return elements(k, first-1, count) },
		"one twice": func(k byte, first, count int) []byte {
			b := elements(k, first, count)
			if count > 1 {
				copy(b[16+52:18+52], b[16:18])
			}
			return b
		},
		"descriptors too short": func(k byte, first, count int) []byte { b := elements(k, first, count); b[11] = 2; return b },
	} {
		t.Run(name, func(t *testing.T) {
			_, err := smc.Open(t.Context(), &unit{status: status}, smc.Options{})
			var e *driver.Error
			is.New(t).True(errors.As(err, &e))
			is.New(t).Equal(e.Outcome, driver.OutcomeHardware)
		})
	}
}

func TestSettings(t *testing.T) {
	for _, c := range []string{`{}`, `{"portal": "127.0.0.1:1"}`, `{"portal": "127.0.0.1:1", "target": "a", "lun": 20000}`, `{"prtal": "x"}`} {
		_, err := smc.OpenChanger(t.Context(), driver.Config(c))
		var e *driver.Error
		is.New(t).True(errors.As(err, &e))
		is.New(t).Equal(e.Outcome, driver.OutcomeConfig)
	}
	_, err := smc.OpenChanger(t.Context(), driver.Config(`{"portal": "127.0.0.1:1", "target": "a"}`))
	var e *driver.Error
	is.New(t).True(errors.As(err, &e))
	is.New(t).Equal(e.Outcome, driver.OutcomeNotReady) // nobody is there, for now
}

// One that is told to look anew does so once, and a robot that cannot is an error.
func TestRescan(t *testing.T) {
	is := is.New(t)
	u := &unit{sense: map[byte][]byte{0x07: {0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0}}}
	_, err := smc.Open(t.Context(), u, smc.Options{})
	is.NoErr(err)
	_, err = smc.Open(t.Context(), u, smc.Options{Rescan: true})
	var e *driver.Error
	is.True(errors.As(err, &e))
	is.Equal(e.Outcome, driver.OutcomeIllegalRequest)
	_, err = smc.Open(t.Context(), u, smc.Options{Rescan: true})
	is.NoErr(err)
}
