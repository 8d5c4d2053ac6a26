package storetest

import (
	"errors"
	"strings"
	"time"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/catalog"
)

var flushCases = []testCase{
	{"recorded whole", "a flush records files, names, end of data, counters and events together", recordedWhole},
	{"fenced whole", "a flush of another epoch or end of data changes nothing at all", fencedWhole},
	{"asked again", "a flush asked again gives its results and changes nothing", askedAgain},
	{"names that cannot be", "a file that cannot get its name is dead space, the others of its flush are stored", namesThatCannotBe},
	{"a request once", "at most one file is recorded for a request", requestOnce},
	{"copies", "a copy is recorded beside its original, if it is one", copies},
	{"the end of a volume", "the end of the medium, or of the numbers of tape files, closes the volume for writing, and keeps it readable", endOfVolume},
	{"commits that contradict themselves", "a commit that cannot be is refused, and nothing is changed", badCommits},
	{"ids of old", "BFIDs are those that Enstore's own generator makes, and never go back", idsOfOld},
}

func recordedWhole(is *is.I, b *bench) {
	const l = catalog.Label("VO1234L8")
	g := b.writer(l)
	since := events(b)
	b.at = b.at.Add(time.Hour)
	cm := b.commit(g, 1, b.file(1, "a"), b.file(2, "\xff"), b.file(3, ""))
	cm.To, cm.DeadBytes = catalog.Location{File: 5, Block: 777}, 1000 // tape file 4 is dead space
	results, err := b.c.Flush(b.ctx, cm)
	is.NoErr(err)
	v := b.volume(l)
	is.Equal(v.EOD, cm.To)
	is.Equal(v.Files, int64(3))
	is.Equal(v.Bytes, int64(3e6))
	is.Equal(v.DeadBytes, int64(1000))
	is.Equal(v.Remaining, 12*tera-3e6-1000)
	is.Equal(v.LastAccess, b.c.Now())
	is.Equal(v.Intent.From, cm.To)
	for i, r := range results {
		is.NoErr(r.Err)
		stored, err := b.c.File(b.ctx, r.File.BFID)
		is.NoErr(err)
		is.Equal(stored, r.File)
		byRequest, err := b.c.FileByRequest(b.ctx, cm.Files[i].Request)
		is.NoErr(err)
		is.Equal(byRequest, r.File)
		is.Equal(r.File.Location, cm.Files[i].Location)
		is.Equal(r.File.Level, catalog.OnTape)
		is.Equal(r.File.Family, raw)
		is.Equal(r.File.MTime, time.Unix(0, 0).UTC()) // 1970 is a time
		is.Equal(r.File.Created, b.c.Now())
	}
	b.view(func(tx catalog.Tx) error {
		e, err := tx.Child(catalog.RootEntry, "\xff")
		is.NoErr(err)
		is.Equal(e.BFID, results[1].File.BFID)
		is.Equal(e.ID, results[1].File.Entry)
		is.Equal(e.Size, int64(1e6))
		is.Equal(length(tx.Children(catalog.RootEntry, "", 10)), 2)
		return nil
	})
	told, err := b.c.Events(b.ctx, since, 10)
	is.NoErr(err)
	is.Equal(len(told), 3)
	is.Equal(told[0].Kind, catalog.FileStored)
	is.Equal(told[0].Subject, string(results[0].File.BFID))
	is.True(strings.Contains(string(told[0].Data), `"volume":"VO1234L8","location":"0000_000000000_0000001","size":1000000,"adler":4294967295,"level":3`))
	listed := 0
	for f, err := range b.c.FilesOfVolume(b.ctx, l) {
		is.NoErr(err)
		is.Equal(f, results[listed].File)
		listed++
	}
	is.Equal(listed, 3)
}

// events is the number of the last event.
func events(b *bench) uint64 {
	list, err := b.c.Events(b.ctx, 0, 10_000)
	b.must(err)
	return uint64(len(list))
}

func fencedWhole(is *is.I, b *bench) {
	const l = catalog.Label("VO1234L8")
	g := b.writer(l)
	_, err := b.c.Flush(b.ctx, b.commit(g, 1, b.file(1, "a")))
	is.NoErr(err)
	g.Volume = b.volume(l)
	_, err = b.c.NewBFID(b.ctx) // so that the numbers of the refused do not raise the mark in between
	is.NoErr(err)
	before := Dump(b.t, b.s)
	for what, spoil := range map[string]func(*catalog.Commit){
		"epoch before":      func(cm *catalog.Commit) { cm.Epoch-- },
		"epoch behind":      func(cm *catalog.Commit) { cm.Epoch++ },
		"lease":             func(cm *catalog.Commit) { cm.Lease = b.lease() },
		"end of data past":  func(cm *catalog.Commit) { cm.From.File, cm.Files[0].Location.File, cm.To.File = 1, 1, 2 },
		"end of data ahead": func(cm *catalog.Commit) { cm.From.File, cm.Files[0].Location.File, cm.To.File = 3, 3, 4 },
		"number given":      func(cm *catalog.Commit) { cm.Seq = 1 },
	} {
		cm := b.commit(g, 2, b.file(2, "b"))
		spoil(&cm)
		if _, err := b.c.Flush(b.ctx, cm); !errors.Is(err, catalog.ErrFenced) {
			b.t.Errorf("%s: %v", what, err)
		}
	}
	cm := b.commit(g, 2, b.file(2, "b"))
	cm.Volume = "VO9999L8"
	_, err = b.c.Flush(b.ctx, cm)
	is.True(errors.Is(err, catalog.ErrNotFound))
	is.Equal(Dump(b.t, b.s), before)
}

func askedAgain(is *is.I, b *bench) {
	const l = catalog.Label("VO1234L8")
	g := b.writer(l)
	b.store2(g, "taken")
	g.Volume = b.volume(l)
	_, err := b.c.FlushOutcome(b.ctx, g.Lease, 2)
	is.True(errors.Is(err, catalog.ErrNotFound))
	cm := b.commit(g, 2, b.file(2, "a"), b.file(3, "taken"), b.file(4, "c"))
	first, err := b.c.Flush(b.ctx, cm)
	is.NoErr(err)
	before := Dump(b.t, b.s)
	for _, again := range []func() ([]catalog.FileResult, error){
		func() ([]catalog.FileResult, error) { return b.c.Flush(b.ctx, cm) },
		func() ([]catalog.FileResult, error) { return b.c.FlushOutcome(b.ctx, g.Lease, 2) },
	} {
		results, err := again()
		is.NoErr(err)
		is.Equal(len(results), 3)
		for i := range results {
			is.Equal(results[i].File, first[i].File)
			is.Equal(results[i].Err == nil, first[i].Err == nil)
			if first[i].Err != nil {
				is.True(errors.Is(results[i].Err, catalog.ErrExists))
			}
		}
	}
	is.Equal(Dump(b.t, b.s), before)

	// a flush that moves nothing cannot be told from its repetition by the end of data
	g.Volume = b.volume(l)
	nothing := b.commit(g, 3)
	nothing.DeadBytes = 7
	for range 2 {
		_, err = b.c.Flush(b.ctx, nothing)
		is.NoErr(err)
	}
	is.Equal(b.volume(l).DeadBytes, int64(7))

	// and when the lease is over, its flushes are still known
	is.NoErr(b.c.AbandonIntent(b.ctx, g.Lease, l, "died"))
	results, err := b.c.Flush(b.ctx, cm)
	is.NoErr(err)
	is.Equal(results[0].File, first[0].File)
}

// store2 flushes one file as the lease's first flush.
func (b *bench) store2(g catalog.Grant, name string) catalog.File {
	b.t.Helper()
	results, err := b.c.Flush(b.ctx, b.commit(g, 1, b.file(g.Volume.EOD.File, name)))
	b.must(err)
	b.must(results[0].Err)
	return results[0].File
}

func namesThatCannotBe(is *is.I, b *bench) {
	const l = catalog.Label("VO1234L8")
	g := b.writer(l)
	b.store2(g, "taken")
	g.Volume = b.volume(l)
	gone, below := b.file(3, "gone"), b.file(4, "below")
	gone.Parent = 77
	b.view(func(tx catalog.Tx) error {
		e, err := tx.Child(catalog.RootEntry, "taken")
		below.Parent = e.ID // a file
		return err
	})
	cm := b.commit(g, 2, b.file(2, "taken"), gone, below, b.file(5, "good"), b.file(6, "good"))
	results, err := b.c.Flush(b.ctx, cm)
	is.NoErr(err)
	for i, want := range []error{catalog.ErrExists, catalog.ErrNotFound, catalog.ErrNotFound, nil, catalog.ErrExists} {
		if want == nil {
			is.NoErr(results[i].Err)
			continue
		}
		is.True(errors.Is(results[i].Err, want))
		is.True(!errors.Is(results[i].Err, catalog.ErrStored))
		f, err := b.c.File(b.ctx, results[i].File.BFID)
		is.NoErr(err)
		is.Equal(f, results[i].File)
		is.Equal(f.Deletion, catalog.Gone)
		is.Equal(f.Copies, 0)
		_, err = b.c.FileByRequest(b.ctx, cm.Files[i].Request)
		is.True(errors.Is(err, catalog.ErrNotFound)) // it may be tried again under another name
	}
	v := b.volume(l)
	is.Equal(v.EOD.File, int64(7))
	is.Equal(v.Files, int64(2))
	is.Equal(v.DeletedFiles, int64(4))
	is.Equal(v.DeletedBytes, int64(4e6))
}

func requestOnce(is *is.I, b *bench) {
	const l = catalog.Label("VO1234L8")
	g := b.writer(l)
	one := b.file(1, "a")
	results, err := b.c.Flush(b.ctx, b.commit(g, 1, one))
	is.NoErr(err)
	g.Volume = b.volume(l)
	again, other := one, one
	again.Location.File, other.Location.File, other.Name = 2, 3, "b"
	twice, err := b.c.Flush(b.ctx, b.commit(g, 2, again, other))
	is.NoErr(err)
	for _, r := range twice {
		is.True(errors.Is(r.Err, catalog.ErrStored))
		is.True(errors.Is(r.Err, catalog.ErrExists))
		is.Equal(*r.Earlier, results[0].File)
	}
	outcome, err := b.c.FlushOutcome(b.ctx, g.Lease, 2)
	is.NoErr(err)
	is.True(errors.Is(outcome[1].Err, catalog.ErrStored))
	is.Equal(*outcome[1].Earlier, results[0].File)
	b.view(func(tx catalog.Tx) error {
		is.Equal(length(tx.Children(catalog.RootEntry, "", 10)), 1) // "b" is nobody's
		return nil
	})
	is.Equal(b.volume(l).Files, int64(1))
}

func copies(is *is.I, b *bench) {
	original := b.store("VO0001L8", "a")
	g := b.writer("VO0002L8")
	copy, wrong, lost, second := b.file(1, ""), b.file(2, ""), b.file(3, ""), b.file(4, "")
	copy.Original, wrong.Original, second.Original = original.BFID, original.BFID, original.BFID
	wrong.Adler, lost.Original = 1, "GCMS100000000000000"
	results, err := b.c.Flush(b.ctx, b.commit(g, 1, copy, wrong, lost, second))
	is.NoErr(err)
	is.NoErr(results[0].Err)
	is.Equal(results[0].File.Copies, 2)
	is.True(errors.Is(results[1].Err, catalog.ErrInvalid))
	is.True(errors.Is(results[2].Err, catalog.ErrNotFound))
	is.NoErr(results[3].Err)
	is.Equal(results[3].File.Copies, 3)
	g.Volume = b.volume("VO0002L8")
	of := b.file(g.Volume.EOD.File, "")
	of.Original = results[0].File.BFID
	results2, err := b.c.Flush(b.ctx, b.commit(g, 2, of))
	is.NoErr(err)
	is.True(errors.Is(results2[0].Err, catalog.ErrInvalid)) // no copies of copies
	all, err := b.c.CopiesOf(b.ctx, results[3].File.BFID)
	is.NoErr(err)
	is.Equal(len(all), 3)
	is.Equal(all[0].BFID, original.BFID)
	is.Equal(all[0].Copies, 3)
}

func endOfVolume(is *is.I, b *bench) {
	g := b.writer("VO0001L8")
	cm := b.commit(g, 1, b.file(1, "a"))
	cm.Full = true
	_, err := b.c.Flush(b.ctx, cm)
	is.NoErr(err)
	v := b.volume("VO0001L8")
	is.True(v.State[catalog.SystemWrite].Is(catalog.Full))
	is.NoErr(v.Readable())
	is.NoErr(b.c.EndIntent(b.ctx, g.Lease, v.Label, g.Epoch))
	_, err = b.c.ChooseForWrite(b.ctx, catalog.Choice{Lease: b.lease(), Library: library, Family: raw})
	is.True(errors.Is(err, catalog.ErrNoVolume))

	g = b.writer("VO0002L8")
	cm = b.commit(g, 1, b.file(1, "b"))
	cm.Remaining = 100 // what the drive says goes before what we compute
	_, err = b.c.Flush(b.ctx, cm)
	is.NoErr(err)
	is.Equal(b.volume("VO0002L8").Remaining, int64(100))
	g.Volume = b.volume("VO0002L8")
	_, err = b.c.Flush(b.ctx, b.commit(g, 2, b.file(2, "c"))) // larger than what remains, as far as we knew
	is.NoErr(err)
	v = b.volume("VO0002L8")
	is.Equal(v.Remaining, int64(0))
	is.True(v.State[catalog.SystemWrite].Is(catalog.Full))

	g = b.writer("VO0003L8") // room, but hardly a number left for the next tape file
	cm = b.commit(g, 1, b.file(1, "d"))
	cm.To.File = catalog.MaxFile - 1000
	_, err = b.c.Flush(b.ctx, cm)
	is.NoErr(err)
	v = b.volume("VO0003L8")
	is.True(v.Remaining > 0)
	is.True(v.State[catalog.SystemWrite].Is(catalog.Full))
}

func badCommits(is *is.I, b *bench) {
	g := b.writer("VO0001L8")
	before := Dump(b.t, b.s)
	for what, spoil := range map[string]func(*catalog.Commit){
		"lease":            func(cm *catalog.Commit) { cm.Lease = catalog.LeaseID{} },
		"number 0":         func(cm *catalog.Commit) { cm.Seq = 0 },
		"backwards":        func(cm *catalog.Commit) { cm.To.File = 0 },
		"beyond cookies":   func(cm *catalog.Commit) { cm.To.File = 10_000_000 },
		"dead bytes":       func(cm *catalog.Commit) { cm.DeadBytes = -1 },
		"file outside":     func(cm *catalog.Commit) { cm.Files[1].Location.File = 3 },
		"file before":      func(cm *catalog.Commit) { cm.Files[0].Location.File = 0 },
		"two at one place": func(cm *catalog.Commit) { cm.Files[1].Location.File = 1 },
		"size":             func(cm *catalog.Commit) { cm.Files[0].Size = -1 },
		"sanity":           func(cm *catalog.Commit) { cm.Files[0].SanitySize = 1e6 + 1 },
		"name":             func(cm *catalog.Commit) { cm.Files[0].Name = ".." },
		"name too long":    func(cm *catalog.Commit) { cm.Files[0].Name = strings.Repeat("x", 256) },
		"path too long":    func(cm *catalog.Commit) { cm.Files[0].Path = strings.Repeat("x", 4097) },
		"drive":            func(cm *catalog.Commit) { cm.Drive = "\x00" },
		"too many":         func(cm *catalog.Commit) { cm.Files = make([]catalog.NewFile, 10_001) },
	} {
		cm := b.commit(g, 1, b.file(1, "a"), b.file(2, "b"))
		spoil(&cm)
		_, err := b.c.Flush(b.ctx, cm)
		if !errors.Is(err, catalog.ErrInvalid) || !strings.HasPrefix(err.Error(), "volume VO0001L8: ") {
			b.t.Errorf("%s: %v", what, err)
		}
	}
	is.Equal(Dump(b.t, b.s), before)
}

func idsOfOld(is *is.I, b *bench) {
	// the vectors of Enstore's generator: five in the second in which it was made, then
	// some in the next, in which the clock is set back
	var got []catalog.BFID
	next := func(n int) {
		for range n {
			id, err := b.c.NewBFID(b.ctx)
			is.NoErr(err)
			got = append(got, id)
		}
	}
	next(5)
	b.at = b.at.Add(time.Second)
	next(2)
	b.at = b.at.Add(-time.Hour)
	next(4)
	is.Equal(got, []catalog.BFID{"GCMS170000000000001", "GCMS170000000000002", "GCMS170000000000003", "GCMS170000000000004", "GCMS170000000000005",
		"GCMS170000000100000", "GCMS170000000100001", "GCMS170000000100002", "GCMS170000000100003", "GCMS170000000100004", "GCMS170000000100005"})
	last := got[len(got)-1]
	other := b.c
	for range 5 { // restarts, with the clock an hour back, beside a catalogue that goes on
		b.reopen()
		id, err := b.c.NewBFID(b.ctx)
		is.NoErr(err)
		is.True(id > last)
		last = id
		id, err = other.NewBFID(b.ctx)
		is.NoErr(err)
		is.True(id != last)
		last = max(id, last)
	}
}
