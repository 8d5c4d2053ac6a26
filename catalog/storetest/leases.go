package storetest

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/catalog"
)

var leaseCases = []testCase{
	{"order of pools", "the family's own volumes come before its blanks, those of its group, and the common ones", orderOfPools},
	{"order in a pool", "mounted volumes come first, then the oldest declared, then the lesser label", orderInAPool},
	{"not eligible", "what is inhibited, protected, vetoed, full, of another library or being written is not chosen", notEligible},
	{"too large", "a file larger than any empty volume is told from a lack of room, and no volume is closed for it", tooLarge},
	{"width", "a family is written on as many volumes as its width, in one library", width},
	{"asked twice", "the same lease asked twice gets the same grant, and after its end none", askedTwice},
	{"labelled", "a label moves the end of data to tape file 1, once", labelled},
	{"epochs fence", "every later lease of the volume fences the earlier one", epochsFence},
	{"unclean intents explain", "an intent that did not end cleanly explains itself to the next lease until its tail is overwritten", uncleanIntents},
	{"chosen at once", "volumes chosen at once are different ones, and no more than the width", chosenAtOnce},
	{"bad choices", "a choice that can never be is refused", badChoices},
}

func (b *bench) add(l catalog.Label, f catalog.Family, change func(*catalog.Volume)) {
	b.t.Helper()
	v := catalog.Volume{Label: l, Library: library, MediaType: "LTO8", Capacity: 100, Family: f, Declared: start}
	if change != nil {
		change(&v)
	}
	b.must(b.c.AddVolume(b.ctx, v))
}

func (b *bench) choice() catalog.Choice {
	return catalog.Choice{Lease: b.lease(), Library: library, Family: raw, Width: 100, MinBytes: 50, Drive: "drive0"}
}

func (b *bench) choose(ch catalog.Choice) catalog.Label {
	b.t.Helper()
	g, err := b.c.ChooseForWrite(b.ctx, ch)
	b.must(err)
	if v := b.volume(g.Volume.Label); !v.Writing() || v.Epoch != g.Epoch || v.Intent.Lease != ch.Lease || v.Family != ch.Family {
		b.t.Fatalf("grant of %s is not what the volume says: %+v", g.Volume.Label, v)
	}
	return g.Volume.Label
}

func orderOfPools(is *is.I, b *bench) {
	b.add("COMMON", catalog.Family{}, nil)
	b.add("GROUP1", catalog.Family{Group: "cms"}, nil)
	b.add("FAMILY", catalog.Family{Group: "cms", Family: "raw"}, nil)
	b.add("OTHER1", catalog.Family{Group: "cms", Family: "raw", Wrapper: "null"}, nil)
	b.add("OTHER2", catalog.Family{Group: "cms", Family: "sim"}, nil)
	b.add("OTHER3", catalog.Family{Group: "cdf"}, nil)
	b.add("EXACT1", raw, nil)
	for _, want := range []catalog.Label{"EXACT1", "FAMILY", "GROUP1", "COMMON"} {
		is.Equal(b.choose(b.choice()), want)
	}
	_, err := b.c.ChooseForWrite(b.ctx, b.choice())
	is.True(errors.Is(err, catalog.ErrNoVolume))
	is.Equal(b.volume("COMMON").Family, raw)
	assigned := 0
	events, err := b.c.Events(b.ctx, 0, 100)
	is.NoErr(err)
	for _, e := range events {
		if e.Kind == catalog.VolumeAssigned {
			assigned++
		}
	}
	is.Equal(assigned, 3)
}

func orderInAPool(is *is.I, b *bench) {
	later := func(v *catalog.Volume) { v.Declared = start.Add(time.Microsecond) }
	b.add("AAAAA1", raw, later)
	b.add("AAAAA2", raw, later)
	b.add("BBBBB2", raw, nil)
	b.add("BBBBB1", raw, nil)
	b.add("BLANK1", catalog.Family{}, nil)
	ch := b.choice()
	ch.Prefer = []catalog.Label{"NOSUCH", "BLANK1", "AAAAA2", "AAAAA1"}
	is.Equal(b.choose(ch), catalog.Label("AAAAA2")) // mounted, but a mounted blank comes later
	for _, want := range []catalog.Label{"BBBBB1", "BBBBB2", "AAAAA1", "BLANK1"} {
		is.Equal(b.choose(b.choice()), want)
	}
}

func notEligible(is *is.I, b *bench) {
	spoil := []func(*catalog.Volume){
		func(v *catalog.Volume) { v.State[catalog.SystemAccess].Limit = catalog.NoAccess },
		func(v *catalog.Volume) { v.State[catalog.SystemWrite].Limit = catalog.Migrated },
		func(v *catalog.Volume) { v.State[catalog.UserAccess].Limit = catalog.NotAllowed },
		func(v *catalog.Volume) { v.State[catalog.UserWrite].Limit = catalog.ReadOnly },
		func(v *catalog.Volume) { v.WriteProtected = true },
		func(v *catalog.Volume) { v.Library = "other" },
		func(v *catalog.Volume) { v.EOD.File, v.Remaining = 5, 49 },
	}
	ch := b.choice()
	for i, s := range spoil {
		l := catalog.Label(fmt.Sprintf("SPOIL%d", i))
		b.add(l, raw, s)
		ch.Prefer = append(ch.Prefer, l) // being mounted does not help
	}
	b.add("VETOED", raw, nil)
	ch.Veto, ch.Prefer = []catalog.Label{"VETOED", "NOSUCH"}, append(ch.Prefer, "VETOED")
	_, err := b.c.ChooseForWrite(b.ctx, ch)
	is.True(errors.Is(err, catalog.ErrNoVolume))
	b.add("WANTED", raw, nil)
	is.Equal(b.choose(ch), catalog.Label("WANTED"))
	ch.Lease = b.lease() // WANTED is being written now
	ch.Prefer = append(ch.Prefer, "WANTED")
	_, err = b.c.ChooseForWrite(b.ctx, ch)
	is.True(errors.Is(err, catalog.ErrNoVolume))
}

func tooLarge(is *is.I, b *bench) {
	ch := b.choice()
	ch.MinBytes = 1000
	_, err := b.c.ChooseForWrite(b.ctx, ch)
	is.True(errors.Is(err, catalog.ErrNoVolume)) // a library without volumes says nothing
	b.add("SMALL1", raw, func(v *catalog.Volume) { v.EOD.File, v.Remaining = 7, 60 })
	_, err = b.c.ChooseForWrite(b.ctx, ch)
	is.True(errors.Is(err, catalog.ErrTooLarge))
	largest, err := b.c.LargestCapacity(b.ctx, library)
	is.NoErr(err)
	is.Equal(largest, int64(100))
	ch.MinBytes = 61
	_, err = b.c.ChooseForWrite(b.ctx, ch)
	is.True(errors.Is(err, catalog.ErrNoVolume)) // an empty volume would do
	ch.MinBytes = 60
	is.Equal(b.choose(ch), catalog.Label("SMALL1")) // it was not closed by the larger ones
}

func width(is *is.I, b *bench) {
	for i := range 4 {
		b.add(catalog.Label(fmt.Sprintf("VOL%03d", i)), raw, nil)
	}
	b.add("SIM001", catalog.Family{Group: "cms", Family: "sim", Wrapper: "null"}, nil)
	b.add("ELSE01", raw, func(v *catalog.Volume) { v.Library = "other" })
	ch := b.choice()
	ch.Width = 2
	first := ch.Lease
	is.Equal(b.choose(ch), catalog.Label("VOL000"))
	ch.Lease = b.lease()
	is.Equal(b.choose(ch), catalog.Label("VOL001"))
	ch.Lease = b.lease()
	_, err := b.c.ChooseForWrite(b.ctx, ch)
	is.True(errors.Is(err, catalog.ErrWidth))
	other := ch
	other.Library = "other"
	is.Equal(b.choose(other), catalog.Label("ELSE01")) // another library, another count
	sim := b.choice()
	sim.Family, sim.Width = catalog.Family{Group: "cms", Family: "sim", Wrapper: "null"}, 0
	is.Equal(b.choose(sim), catalog.Label("SIM001")) // another family; a width of 0 is 1
	is.NoErr(b.c.AbandonIntent(b.ctx, first, "VOL000", "died"))
	ch.Lease = b.lease()
	is.Equal(b.choose(ch), catalog.Label("VOL000")) // its place is free, and so is the volume
}

func askedTwice(is *is.I, b *bench) {
	b.add("VOL001", raw, nil)
	b.add("VOL002", raw, nil)
	ch := b.choice()
	g, err := b.c.ChooseForWrite(b.ctx, ch)
	is.NoErr(err)
	events := len(Dump(b.t, b.s))
	ch.Prefer = []catalog.Label{"VOL002"}
	again, err := b.c.ChooseForWrite(b.ctx, ch)
	is.NoErr(err)
	is.Equal(again, g)
	is.Equal(len(Dump(b.t, b.s)), events)
	is.NoErr(b.c.EndIntent(b.ctx, g.Lease, "VOL001", g.Epoch))
	is.NoErr(b.c.EndIntent(b.ctx, g.Lease, "VOL001", g.Epoch)) // ended is ended
	_, err = b.c.ChooseForWrite(b.ctx, ch)
	is.True(errors.Is(err, catalog.ErrFenced))

	r, err := b.c.LeaseForRead(b.ctx, "VOL001", b.lease(), "drive1")
	is.NoErr(err)
	is.Equal(r.Epoch, g.Epoch+1)
	again, err = b.c.LeaseForRead(b.ctx, "VOL001", r.Lease, "drive1")
	is.NoErr(err)
	is.Equal(again, r)
	_, err = b.c.LeaseForRead(b.ctx, "VOL002", r.Lease, "drive1")
	is.True(errors.Is(err, catalog.ErrFenced)) // a lease is of one volume
	is.True(errors.Is(b.c.EndIntent(b.ctx, g.Lease, "VOL001", g.Epoch), catalog.ErrFenced))
}

func labelled(is *is.I, b *bench) {
	b.add("VOL001", raw, nil)
	g, err := b.c.ChooseForWrite(b.ctx, b.choice())
	is.NoErr(err)
	is.Equal(g.Volume.EOD.File, int64(0))
	_, err = b.c.Flush(b.ctx, b.commit(g, 1))
	is.True(errors.Is(err, catalog.ErrInvalid)) // nothing is written in front of the label
	_, err = b.c.Labelled(b.ctx, g.Lease, "VOL001", g.Epoch, 0)
	is.True(errors.Is(err, catalog.ErrInvalid))
	_, err = b.c.Labelled(b.ctx, g.Lease, "VOL001", g.Epoch+1, 1<<18)
	is.True(errors.Is(err, catalog.ErrFenced))
	l, err := b.c.Labelled(b.ctx, g.Lease, "VOL001", g.Epoch, 1<<18)
	is.NoErr(err)
	is.Equal(l.Volume.EOD, catalog.Location{File: 1})
	is.Equal(l.Volume.BlockSize, 1<<18)
	is.Equal(l.Volume.Intent.From, catalog.Location{File: 1})
	again, err := b.c.Labelled(b.ctx, g.Lease, "VOL001", g.Epoch, 1<<18)
	is.NoErr(err)
	is.Equal(again, l)
	_, err = b.c.Flush(b.ctx, b.commit(l, 1, b.file(1, "a")))
	is.NoErr(err)
	_, err = b.c.Labelled(b.ctx, g.Lease, "VOL001", g.Epoch, 1<<18)
	is.True(errors.Is(err, catalog.ErrFenced))
}

func epochsFence(is *is.I, b *bench) {
	for name, supersede := range map[string]func(g catalog.Grant) error{
		"read": func(g catalog.Grant) error {
			_, err := b.c.LeaseForRead(b.ctx, g.Volume.Label, b.lease(), "drive1")
			return err
		},
		"abandon": func(g catalog.Grant) error { return b.c.AbandonIntent(b.ctx, g.Lease, g.Volume.Label, "died") },
		"write": func(g catalog.Grant) error {
			is.NoErr(b.c.AbandonIntent(b.ctx, g.Lease, g.Volume.Label, "died"))
			b.writer(g.Volume.Label)
			return nil
		},
		"end": func(g catalog.Grant) error { return b.c.EndIntent(b.ctx, g.Lease, g.Volume.Label, g.Epoch) },
	} {
		l := catalog.Label("VO" + map[string]string{"read": "0001", "abandon": "0002", "write": "0003", "end": "0004"}[name])
		g := b.writer(l)
		is.NoErr(supersede(g))
		before := b.volume(l)
		for what, err := range map[string]error{
			"flush":    second(b.c.Flush(b.ctx, b.commit(g, 1, b.file(1, string(l))))),
			"labelled": second(b.c.Labelled(b.ctx, g.Lease, l, g.Epoch, 1<<18)),
		} {
			if !errors.Is(err, catalog.ErrFenced) {
				b.t.Errorf("%s after %s: %v", what, name, err)
			}
		}
		is.Equal(b.volume(l), before)
	}
}

func uncleanIntents(is *is.I, b *bench) {
	const l = catalog.Label("VO1234L8")
	g := b.writer(l)
	is.True(g.Explains == nil)
	_, err := b.c.Flush(b.ctx, b.commit(g, 1, b.file(1, "a")))
	is.NoErr(err)
	is.NoErr(b.c.AbandonIntent(b.ctx, b.lease(), l, "not its own")) // changes nothing
	is.True(ptr(b.volume(l)).Writing())
	is.NoErr(b.c.AbandonIntent(b.ctx, g.Lease, l, "drive died")) // perhaps in the middle of file 2

	r, err := b.c.LeaseForRead(b.ctx, l, b.lease(), "drive1")
	is.NoErr(err)
	is.Equal(r.Explains.Lease, g.Lease) // a reader hears of it as well
	is.Equal(r.Explains.From, catalog.Location{File: 2})

	g = b.writer(l)
	is.Equal(g.Explains.From, catalog.Location{File: 2})
	is.NoErr(b.c.EndIntent(b.ctx, g.Lease, l, g.Epoch)) // wrote nothing: what lay there still does
	v := b.volume(l)
	is.True(v.Intent != nil)
	is.True(!v.Writing())
	g = b.writer(l)
	is.True(g.Explains != nil)
	_, err = b.c.Flush(b.ctx, b.commit(g, 1, b.file(2, "b"))) // overwrote it
	is.NoErr(err)
	is.NoErr(b.c.EndIntent(b.ctx, g.Lease, l, g.Epoch))
	is.True(b.volume(l).Intent == nil)
	is.True(b.writer(l).Explains == nil)
}

func ptr[T any](v T) *T { return &v }

func chosenAtOnce(is *is.I, b *bench) {
	const n, allowed = 12, 5
	for i := range n {
		b.add(catalog.Label(fmt.Sprintf("VOL%03d", i)), raw, nil)
	}
	var wg sync.WaitGroup
	grants, errs := make([]catalog.Grant, n), make([]error, n)
	for i := range n {
		ch := b.choice()
		ch.Width = allowed
		wg.Go(func() { grants[i], errs[i] = b.c.ChooseForWrite(b.ctx, ch) })
	}
	wg.Wait()
	seen := map[catalog.Label]bool{}
	for i := range n {
		if errs[i] == nil {
			is.True(!seen[grants[i].Volume.Label])
			seen[grants[i].Volume.Label] = true
		} else {
			is.True(errors.Is(errs[i], catalog.ErrWidth))
		}
	}
	is.Equal(len(seen), allowed)
}

func badChoices(is *is.I, b *bench) {
	b.add("VOL001", raw, nil)
	for what, spoil := range map[string]func(*catalog.Choice){
		"lease":    func(ch *catalog.Choice) { ch.Lease = catalog.LeaseID{} },
		"width":    func(ch *catalog.Choice) { ch.Width = -1 },
		"bytes":    func(ch *catalog.Choice) { ch.MinBytes = -1 },
		"library":  func(ch *catalog.Choice) { ch.Library = "a b" },
		"wrapper":  func(ch *catalog.Choice) { ch.Family.Wrapper = "" },
		"group":    func(ch *catalog.Choice) { ch.Family.Group = "none" },
		"drive":    func(ch *catalog.Choice) { ch.Drive = "\xff" },
		"families": func(ch *catalog.Choice) { ch.Family.Family = "a.b" },
	} {
		ch := b.choice()
		spoil(&ch)
		if _, err := b.c.ChooseForWrite(b.ctx, ch); !errors.Is(err, catalog.ErrInvalid) {
			b.t.Errorf("%s: %v", what, err)
		}
	}
	_, err := b.c.LeaseForRead(b.ctx, "VOL001", catalog.LeaseID{}, "")
	is.True(errors.Is(err, catalog.ErrInvalid))
	_, err = b.c.LeaseForRead(b.ctx, "NOSUCH", b.lease(), "")
	is.True(errors.Is(err, catalog.ErrNotFound))
	is.NoErr(b.c.SetInhibit(b.ctx, "VOL001", catalog.SystemAccess, catalog.NoAccess, "", ""))
	_, err = b.c.LeaseForRead(b.ctx, "VOL001", b.lease(), "")
	is.True(errors.Is(err, catalog.ErrNotAllowed))
}
