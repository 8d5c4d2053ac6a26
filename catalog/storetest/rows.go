package storetest

import (
	"errors"
	"time"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/catalog"
)

var rowCases = []testCase{
	{"volume comes back", "a record is given back as it was put, in normal form", volumeComesBack},
	{"file comes back", "a record is given back as it was put, in normal form", fileComesBack},
	{"missing is ErrNotFound", "reading, changing or removing what is not there is ErrNotFound, and the transaction goes on", missing},
	{"adding twice is ErrExists", "adding what is there is ErrExists, and the transaction goes on", addingTwice},
	{"one cartridge one volume", "two volumes never carry the same six characters on tape", oneOnTape},
	{"names are bytes", "names are kept and ordered as bytes, whatever they hold", namesAreBytes},
	{"entries need directories", "a new entry's parent is a directory", entriesNeedDirectories},
	{"tags", "tags are set, replaced, removed, and go with their directory", tags},
	{"copies are counted", "Copies counts what is neither deleted nor bad among original and copies", copiesAreCounted},
	{"records are not shared", "what was given or taken can be changed by the caller", recordsAreNotShared},
}

func fullVolume(b *bench) catalog.Volume {
	at := start.Add(3 * time.Hour)
	v := catalog.Volume{
		Label: "VO1234L8", Library: library, Family: raw, MediaType: "LTO8", BlockSize: 1 << 18, Capacity: 12 * tera, Remaining: 5 * tera,
		EOD: catalog.Location{Partition: 1, Block: 1 << 40, File: 42}, Epoch: 7, Holder: b.lease(), WriteProtected: true, Checked: true,
		Declared: at, FirstAccess: at.Add(time.Microsecond), LastAccess: at.Add(time.Hour),
		Mounts: 1, WriteErrors: 2, ReadErrors: 3, Files: 4, Bytes: 5, DeletedFiles: 6, DeletedBytes: 7, DeadBytes: 8, Comment: "ä comment",
	}
	v.Intent = &catalog.Intent{Lease: v.Holder, Epoch: 7, From: catalog.Location{Block: 9, File: 40}, Since: at, Drive: "drive0", Unclean: true}
	v.State[catalog.SystemWrite] = catalog.Inhibit{Limit: catalog.Full, When: at, Who: "mover", Why: "end of medium"}
	v.State[catalog.UserAccess] = catalog.Inhibit{Limit: catalog.Unlimited, When: at, Who: "operator", Why: "back again"}
	return v
}

func volumeComesBack(is *is.I, b *bench) {
	want := fullVolume(b)
	var bare catalog.Volume
	bare.Label = "VO9999"
	b.update(func(tx catalog.Tx) error { return errors.Join(tx.AddVolume(want), tx.AddVolume(bare)) })
	b.view(func(tx catalog.Tx) error {
		for _, read := range []func() (catalog.Volume, error){
			func() (catalog.Volume, error) { return tx.Volume("VO1234L8") },
			func() (catalog.Volume, error) { return tx.VolumeOnTape("VO1234") },
			func() (catalog.Volume, error) { return tx.VolumeOfLease(want.Holder) },
		} {
			got, err := read()
			is.NoErr(err)
			is.Equal(got, want.Normal())
		}
		got, err := tx.Volume("VO9999")
		is.NoErr(err)
		is.Equal(got, bare.Normal())
		list, err := tx.Volumes(catalog.Filter{}, "", 10)
		is.NoErr(err)
		is.Equal(list, []catalog.Volume{want.Normal(), bare.Normal()})
		return nil
	})
	// what a flush changes, and what it does not
	changed := want
	changed.Intent = &catalog.Intent{Lease: want.Holder, Epoch: 7, From: catalog.Location{File: 43}, Since: want.Intent.Since, Drive: "drive0"}
	changed.EOD, changed.Remaining, changed.Files = catalog.Location{File: 43}, 1, 5
	b.update(func(tx catalog.Tx) error {
		_, err := tx.Volume(want.Label)
		is.NoErr(err)
		is.NoErr(tx.PutVolume(changed))
		changed.Library, changed.Epoch = "other", 8
		is.NoErr(tx.PutVolume(changed))
		got, err := tx.Volume(want.Label)
		is.NoErr(err)
		is.Equal(got, changed.Normal())
		changed.Intent = nil
		return tx.PutVolume(changed)
	})
	b.view(func(tx catalog.Tx) error {
		got, err := tx.Volume(want.Label)
		is.NoErr(err)
		is.Equal(got, changed.Normal())
		return nil
	})
}

func fullFile(b *bench) catalog.File {
	return catalog.File{
		BFID: "CDMS170000000000007", Request: b.request(), Volume: "VO1234L8", Location: catalog.Location{Partition: 2, Block: 77, File: 9_999_999}, Header: -1,
		Size: 1 << 62, Adler: 0xffffffff, SanitySize: 65536, SanitySum: 0x80000000, Deletion: catalog.DeletionUnknown, Bad: true,
		Family: raw, Library: library, Path: "/a\xff\x00b", Entry: 1 << 50, UID: 0xffffffff, GID: 0xfffffffe, Mode: 0o7777,
		MTime: time.Date(1901, 1, 1, 0, 0, 0, 1000, time.UTC), Created: start, Drive: "drive0", Level: catalog.Verified, Verified: start,
	}
}

func fileComesBack(is *is.I, b *bench) {
	want := fullFile(b)
	bare := catalog.File{BFID: "95628374400000L"}
	b.update(func(tx catalog.Tx) error { return errors.Join(tx.AddFile(want), tx.AddFile(bare)) })
	b.view(func(tx catalog.Tx) error {
		got, err := tx.File(want.BFID)
		is.NoErr(err)
		is.Equal(got, want.Normal())
		got, err = tx.FileByRequest(want.Request)
		is.NoErr(err)
		is.Equal(got, want.Normal())
		got, err = tx.File(bare.BFID)
		is.NoErr(err)
		is.Equal(got.Copies, 1)
		_, err = tx.FileByRequest(catalog.RequestID{})
		is.True(errors.Is(err, catalog.ErrNotFound)) // no request is nobody's
		return nil
	})
	changed := want
	changed.Bad, changed.Deletion, changed.Path, changed.Original, changed.Request = false, catalog.Live, "", bare.BFID, b.request()
	b.update(func(tx catalog.Tx) error { return tx.PutFile(changed) })
	b.view(func(tx catalog.Tx) error {
		got, err := tx.File(want.BFID)
		is.NoErr(err)
		changed.Request, changed.Copies = want.Request, 2 // the request stays
		is.Equal(got, changed.Normal())
		return nil
	})
}

func missing(is *is.I, b *bench) {
	b.update(func(tx catalog.Tx) error {
		for what, err := range map[string]error{
			"volume":          second(tx.Volume("VO1234L8")),
			"volume on tape":  second(tx.VolumeOnTape("VO1234")),
			"volume of lease": second(tx.VolumeOfLease(b.lease())),
			"file":            second(tx.File("CDMS170000000000007")),
			"file by request": second(tx.FileByRequest(b.request())),
			"flush":           second(tx.Flush(b.lease(), 1)),
			"entry":           second(tx.Entry(77)),
			"child":           second(tx.Child(catalog.RootEntry, "a")),
			"meta":            second(tx.Meta("nothing")),
			"put volume":      tx.PutVolume(catalog.Volume{Label: "VO1234L8"}),
			"put file":        tx.PutFile(catalog.File{BFID: "CDMS170000000000007"}),
			"put entry":       tx.PutEntry(catalog.Entry{ID: 77, Parent: catalog.RootEntry, Name: "a"}),
			"delete entry":    tx.DeleteEntry(77),
		} {
			if !errors.Is(err, catalog.ErrNotFound) {
				b.t.Errorf("%s: %v", what, err)
			}
		}
		for what, n := range map[string]int{
			"volumes": length(tx.Volumes(catalog.Filter{}, "", 5)), "candidates": length(tx.Candidates(library, raw, 0, 5)),
			"files": length(tx.FilesOfVolume("VO1234L8", -1, "", 5)), "copies": length(tx.CopiesOf("CDMS170000000000007")),
			"children": length(tx.Children(77, "", 5)), "events": length(tx.Events(1<<63, 5)),
		} {
			if n != 0 {
				b.t.Errorf("%s: %d records", what, n)
			}
		}
		tags, err := tx.Tags(77)
		is.NoErr(err)
		is.Equal(len(tags), 0)
		return tx.SetMeta("a", []byte("b")) // the transaction goes on
	})
	b.view(func(tx catalog.Tx) error { return second(tx.Meta("a")) })
}

func second[T any](_ T, err error) error { return err }

// length is -1 for an error.
func length[T any](list []T, err error) int {
	if err != nil {
		return -1
	}
	return len(list)
}

func addingTwice(is *is.I, b *bench) {
	v, f := fullVolume(b), fullFile(b)
	flush := catalog.FlushRecord{Lease: b.lease(), Seq: 1, Volume: v.Label, To: catalog.Location{File: 2}, Results: []catalog.FlushedFile{{Request: f.Request, BFID: f.BFID, Failed: "exists"}}}
	dir := catalog.Entry{ID: 5, Parent: catalog.RootEntry, Name: "a", Dir: true}
	add := func(tx catalog.Tx) []error {
		return []error{tx.AddVolume(v), tx.AddFile(f), tx.AddFlush(flush), tx.AddEntry(dir)}
	}
	b.update(func(tx catalog.Tx) error { return errors.Join(add(tx)...) })
	b.update(func(tx catalog.Tx) error {
		for _, err := range add(tx) {
			is.True(errors.Is(err, catalog.ErrExists))
		}
		f.BFID = "CDMS170000000000008" // another file of the same request
		is.True(errors.Is(tx.AddFile(f), catalog.ErrExists))
		dir.ID = 6 // another entry of the same name
		is.True(errors.Is(tx.AddEntry(dir), catalog.ErrExists))
		dir.ID, dir.Name = 5, "b" // the same entry by another name
		is.True(errors.Is(tx.AddEntry(dir), catalog.ErrExists))
		dir.ID = 7
		is.NoErr(tx.AddEntry(dir))
		dir.Name = "a" // renamed to one that is there
		is.True(errors.Is(tx.PutEntry(dir), catalog.ErrExists))
		return nil
	})
	b.view(func(tx catalog.Tx) error {
		got, err := tx.Flush(flush.Lease, 1)
		is.NoErr(err)
		is.Equal(got, flush)
		is.Equal(length(tx.Children(catalog.RootEntry, "", 10)), 2)
		return nil
	})
}

func oneOnTape(is *is.I, b *bench) {
	b.update(func(tx catalog.Tx) error {
		is.NoErr(tx.AddVolume(catalog.Volume{Label: "VO1234L8"}))
		is.True(errors.Is(tx.AddVolume(catalog.Volume{Label: "VO1234L7"}), catalog.ErrExists))
		is.True(errors.Is(tx.AddVolume(catalog.Volume{Label: "VO1234"}), catalog.ErrExists))
		return tx.AddVolume(catalog.Volume{Label: "VO1234L8.deleted"}) // its cartridge is somebody else's now
	})
}

func namesAreBytes(is *is.I, b *bench) {
	names := []string{"\x01", " ", "A", "B", "a", "b", "ä", "\xc3", "\xff", "\xff\xff"} // sorted below as bytes
	order := []string{"\x01", " ", "A", "B", "a", "b", "\xc3", "ä", "\xff", "\xff\xff"}
	b.update(func(tx catalog.Tx) error {
		for i, name := range names {
			is.NoErr(tx.AddEntry(catalog.Entry{ID: catalog.EntryID(100 + i), Parent: catalog.RootEntry, Name: name}))
		}
		return nil
	})
	b.view(func(tx catalog.Tx) error {
		var got []string
		for after := ""; ; {
			page, err := tx.Children(catalog.RootEntry, after, 3)
			is.NoErr(err)
			for _, e := range page {
				got = append(got, e.Name)
				after = e.Name
			}
			if len(page) < 3 {
				break
			}
		}
		is.Equal(got, order)
		for _, name := range names {
			_, err := tx.Child(catalog.RootEntry, name)
			is.NoErr(err)
		}
		return nil
	})
}

func entriesNeedDirectories(is *is.I, b *bench) {
	b.update(func(tx catalog.Tx) error {
		is.NoErr(tx.AddEntry(catalog.Entry{ID: 5, Parent: catalog.RootEntry, Name: "file"}))
		is.True(errors.Is(tx.AddEntry(catalog.Entry{ID: 6, Parent: 5, Name: "a"}), catalog.ErrNotFound))
		is.True(errors.Is(tx.AddEntry(catalog.Entry{ID: 6, Parent: 77, Name: "a"}), catalog.ErrNotFound))
		is.True(errors.Is(tx.AddEntry(catalog.Entry{ID: catalog.RootEntry, Dir: true}), catalog.ErrExists))
		return nil
	})
}

func tags(is *is.I, b *bench) {
	b.update(func(tx catalog.Tx) error {
		is.NoErr(tx.AddEntry(catalog.Entry{ID: 5, Parent: catalog.RootEntry, Name: "d", Dir: true}))
		return errors.Join(tx.PutTag(5, "library", "A"), tx.PutTag(5, "width", "1"), tx.PutTag(5, "library", "B"),
			tx.PutTag(5, "gone", "x"), tx.PutTag(5, "gone", ""), tx.PutTag(5, "never", ""))
	})
	b.view(func(tx catalog.Tx) error {
		got, err := tx.Tags(5)
		is.NoErr(err)
		is.Equal(got, map[string]string{"library": "B", "width": "1"})
		return nil
	})
	b.update(func(tx catalog.Tx) error { return tx.DeleteEntry(5) })
	b.update(func(tx catalog.Tx) error {
		return tx.AddEntry(catalog.Entry{ID: 5, Parent: catalog.RootEntry, Name: "e", Dir: true})
	})
	b.view(func(tx catalog.Tx) error {
		got, err := tx.Tags(5)
		is.NoErr(err)
		is.Equal(len(got), 0)
		return nil
	})
}

func copiesAreCounted(is *is.I, b *bench) {
	ids := []catalog.BFID{"CDMS170000000000001", "CDMS170000000000002", "CDMS170000000000003", "CDMS170000000000004"}
	b.update(func(tx catalog.Tx) error {
		is.NoErr(tx.AddFile(catalog.File{BFID: ids[0]}))
		for i, id := range ids[1:] {
			is.NoErr(tx.AddFile(catalog.File{BFID: id, Original: ids[0], Volume: "VO1234L8", Location: catalog.Location{File: int64(i)}}))
		}
		is.NoErr(tx.PutFile(catalog.File{BFID: ids[2], Original: ids[0], Bad: true}))
		return tx.AddFile(catalog.File{BFID: "CDMS170000000000005"}) // of its own
	})
	count := func(want int) {
		b.view(func(tx catalog.Tx) error {
			for _, id := range ids {
				f, err := tx.File(id)
				is.NoErr(err)
				is.Equal(f.Copies, want)
			}
			copies, err := tx.CopiesOf(ids[0])
			is.NoErr(err)
			is.Equal(len(copies), 3)
			is.Equal(copies[0].BFID, ids[1])
			return nil
		})
	}
	count(3)
	b.update(func(tx catalog.Tx) error { return tx.PutFile(catalog.File{BFID: ids[0], Deletion: catalog.Gone}) })
	count(2)
}

func recordsAreNotShared(is *is.I, b *bench) {
	want := fullVolume(b)
	given := want.Clone()
	value := []byte("value")
	b.update(func(tx catalog.Tx) error {
		is.NoErr(tx.AddVolume(given))
		is.NoErr(tx.SetMeta("a", value))
		given.Intent.Drive, value[0] = "changed", 'x'
		got, err := tx.Volume(want.Label)
		is.NoErr(err)
		got.Intent.Drive = "changed"
		return nil
	})
	b.view(func(tx catalog.Tx) error {
		got, err := tx.Volume(want.Label)
		is.NoErr(err)
		is.Equal(got, want.Normal())
		meta, err := tx.Meta("a")
		is.NoErr(err)
		is.Equal(string(meta), "value")
		return nil
	})
}
