package storetest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/catalog"
)

var volumeCases = []testCase{
	{"declared", "a volume is declared once, with defaults, and an event tells of it", declared},
	{"refused", "a volume that cannot be is refused with what is wrong", refused},
	{"equal on tape", "VO1234L7 and VO1234L8 do not both exist, and the error names the other", equalOnTape},
	{"listed", "volumes are listed by label, through the filter", listed},
	{"inhibits", "an inhibit is kept with who and why, and forbids what it says", inhibits},
	{"deleted is for good", "a deleted volume cannot be changed", deletedIsForGood},
	{"marks and counts", "protection, check, comment, mounts and errors are recorded", marksAndCounts},
}

func declared(is *is.I, b *bench) {
	b.blank("VO1234L8")
	v := b.volume("VO1234L8")
	is.Equal(v.Remaining, v.Capacity)
	is.Equal(v.Declared, b.c.Now())
	is.Equal(v.Family.String(), "none.none.none")
	is.Equal(v.EOD, catalog.Location{})
	is.True(v.FirstAccess.IsZero())
	err := b.c.AddVolume(b.ctx, catalog.Volume{Label: "VO1234L8", Library: library, MediaType: "LTO8", Capacity: 1})
	is.True(errors.Is(err, catalog.ErrExists))
	events, err := b.c.Events(b.ctx, 0, 10)
	is.NoErr(err)
	is.Equal(len(events), 1)
	is.Equal(events[0].Kind, catalog.VolumeAdded)
	is.Equal(events[0].Subject, "VO1234L8")
	_, err = b.c.Volume(b.ctx, "VO9999L8")
	is.True(errors.Is(err, catalog.ErrNotFound))
	is.Equal(err.Error(), "volume VO9999L8: not found")
}

func refused(is *is.I, b *bench) {
	good := catalog.Volume{Label: "VO1234L8", Library: library, MediaType: "LTO8", Capacity: 100}
	for what, spoil := range map[string]func(v *catalog.Volume){
		"label":             func(v *catalog.Volume) { v.Label = "vo1234" },
		"label of a disk":   func(v *catalog.Volume) { v.Label = "host:a.b.c" },
		"label of no more":  func(v *catalog.Volume) { v.Label = "VO1234L8.deleted" },
		"library":           func(v *catalog.Volume) { v.Library = "" },
		"family":            func(v *catalog.Volume) { v.Family = catalog.Family{Group: "a.b", Family: "c", Wrapper: "d"} },
		"open left of set":  func(v *catalog.Volume) { v.Family = catalog.Family{Family: "c"} },
		"media type":        func(v *catalog.Volume) { v.MediaType = "" },
		"capacity":          func(v *catalog.Volume) { v.Capacity = -1 },
		"remaining":         func(v *catalog.Volume) { v.Remaining = 101 },
		"negative":          func(v *catalog.Volume) { v.Remaining = -1 },
		"block size":        func(v *catalog.Volume) { v.BlockSize = 1 << 30 },
		"end of data":       func(v *catalog.Volume) { v.EOD.File = 10_000_000 },
		"blank with data":   func(v *catalog.Volume) { v.EOD.File = 5 },
		"inhibit":           func(v *catalog.Volume) { v.State[catalog.SystemAccess].Limit = catalog.Full },
		"comment too long":  func(v *catalog.Volume) { v.Comment = strings.Repeat("x", 1025) },
		"comment not UTF-8": func(v *catalog.Volume) { v.Comment = "\xff" },
		"comment with NUL":  func(v *catalog.Volume) { v.Comment = "a\x00" },
	} {
		v := good
		spoil(&v)
		if err := b.c.AddVolume(b.ctx, v); !errors.Is(err, catalog.ErrInvalid) {
			b.t.Errorf("%s: %v", what, err)
		}
	}
	is.NoErr(b.c.AddVolume(b.ctx, good))
}

func equalOnTape(is *is.I, b *bench) {
	b.blank("VO1234L8")
	err := b.c.AddVolume(b.ctx, catalog.Volume{Label: "VO1234L7", Library: library, MediaType: "LTO7", Capacity: 1})
	is.True(errors.Is(err, catalog.ErrExists))
	is.True(strings.Contains(err.Error(), "VO1234L8"))
}

func listed(is *is.I, b *bench) {
	const n = 600 // more than an iterator reads at once
	for i := range n {
		b.must(b.c.AddVolume(b.ctx, catalog.Volume{Label: catalog.Label(fmt.Sprintf("V%05dL8", (i*7)%n)), Library: []catalog.LibraryName{"A", "B"}[i%2], MediaType: "LTO8", Capacity: 1}))
	}
	list := func(f catalog.Filter) (labels []catalog.Label) {
		for v, err := range b.c.Volumes(b.ctx, f) {
			is.NoErr(err)
			labels = append(labels, v.Label)
		}
		return labels
	}
	all := list(catalog.Filter{})
	is.Equal(len(all), n)
	for i, l := range all {
		is.Equal(l, catalog.Label(fmt.Sprintf("V%05dL8", i)))
	}
	is.Equal(len(list(catalog.Filter{Library: "A"})), n/2)
	is.Equal(len(list(catalog.Filter{Family: &catalog.Family{}})), n)
	is.Equal(len(list(catalog.Filter{Family: &raw})), 0)
	is.Equal(len(list(catalog.Filter{Intents: true})), 0)
	for range b.c.Volumes(b.ctx, catalog.Filter{}) {
		break // and it may be left
	}
}

func inhibits(is *is.I, b *bench) {
	b.blank("VO1234L8")
	set := func(s catalog.Slot, l catalog.Limit) error {
		return b.c.SetInhibit(b.ctx, "VO1234L8", s, l, "operator", "because")
	}
	for _, bad := range []struct {
		s catalog.Slot
		l catalog.Limit
	}{{catalog.SystemAccess, catalog.Full}, {catalog.UserWrite, catalog.NoAccess}, {catalog.SystemAccess, catalog.Deleted}, {7, catalog.Unlimited}, {catalog.UserWrite, "wet"}} {
		is.True(errors.Is(set(bad.s, bad.l), catalog.ErrInvalid))
	}
	is.NoErr(set(catalog.SystemWrite, catalog.Full))
	v := b.volume("VO1234L8")
	is.NoErr(v.Readable())
	is.True(errors.Is(v.Writable(), catalog.ErrNotAllowed))
	is.Equal(v.Writable().Error(), "volume VO1234L8: system write is full (because): not allowed")
	is.Equal(v.State[catalog.SystemWrite], catalog.Inhibit{Limit: catalog.Full, When: b.c.Now(), Who: "operator", Why: "because"})
	is.NoErr(set(catalog.UserAccess, catalog.NotAllowed))
	v = b.volume("VO1234L8")
	is.True(errors.Is(v.Readable(), catalog.ErrNotAllowed))
	is.NoErr(set(catalog.UserAccess, catalog.Unlimited))
	b.at = b.at.Add(time.Hour)
	is.NoErr(set(catalog.SystemWrite, catalog.Full)) // already: no event, the older mark stays
	v = b.volume("VO1234L8")
	is.NoErr(v.Readable())
	is.True(v.State[catalog.SystemWrite].Is(catalog.Full)) // one slot does not touch the other
	is.Equal(v.State[catalog.SystemWrite].When, b.c.Now().Add(-time.Hour))
	events, err := b.c.Events(b.ctx, 0, 10)
	is.NoErr(err)
	is.Equal(len(events), 4)
	is.True(strings.Contains(string(events[2].Data), `"slot":"user access","value":"notallowed","who":"operator","why":"because"`))
	is.True(errors.Is(b.c.SetInhibit(b.ctx, "VO9999L8", 0, catalog.NoAccess, "", ""), catalog.ErrNotFound))
}

func deletedIsForGood(is *is.I, b *bench) {
	v := catalog.Volume{Label: "VO1234L8", Library: library, MediaType: "LTO8", Capacity: 1}
	v.State[catalog.SystemAccess].Limit = catalog.Deleted
	is.NoErr(b.c.AddVolume(b.ctx, v))
	is.True(errors.Is(b.c.SetInhibit(b.ctx, v.Label, catalog.SystemAccess, catalog.Unlimited, "", ""), catalog.ErrNotAllowed))
	is.True(errors.Is(b.c.SetComment(b.ctx, v.Label, "x"), catalog.ErrNotAllowed))
}

func marksAndCounts(is *is.I, b *bench) {
	l := catalog.Label("VO1234L8")
	b.blank(l)
	is.NoErr(b.c.SetWriteProtected(b.ctx, l, true, "mover"))
	is.NoErr(b.c.SetWriteProtected(b.ctx, l, true, "mover")) // no second event
	is.NoErr(b.c.SetChecked(b.ctx, l, true, "mover"))
	is.NoErr(b.c.SetComment(b.ctx, l, "böse"))
	is.NoErr(b.c.RecordMount(b.ctx, l, "drive0"))
	is.NoErr(b.c.RecordErrors(b.ctx, l, 2, 3))
	is.NoErr(b.c.RecordErrors(b.ctx, l, 1, 0))
	is.True(errors.Is(b.c.RecordErrors(b.ctx, l, -1, 0), catalog.ErrInvalid))
	v := b.volume(l)
	is.True(v.WriteProtected)
	is.True(v.Checked)
	is.Equal(v.Comment, "böse")
	is.Equal(v.Mounts, int64(1))
	is.Equal(v.LastAccess, b.c.Now())
	is.Equal(v.ReadErrors, int64(3))
	is.Equal(v.WriteErrors, int64(3))
	events, err := b.c.Events(b.ctx, 0, 10)
	is.NoErr(err)
	is.Equal(len(events), 3)
	is.Equal(events[1].Kind, catalog.VolumeProtect)
	is.Equal(events[2].Kind, catalog.VolumeChecked)
}
