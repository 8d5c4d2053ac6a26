package storetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/catalog"
)

var fileCases = []testCase{
	{"deleted", "a deleted file keeps its record, and the volume counts it as deleted", deleted},
	{"verified and bad", "verification and bad marks are recorded with who and why", verifiedAndBad},
	{"many files of a volume", "the files of a volume are listed in their order, however many", manyFiles},
	{"watch", "Watch returns when an event is there", watch},
}

func deleted(is *is.I, b *bench) {
	f := b.store("VO0001L8", "a")
	since := events(b)
	for range 2 { // twice is once
		is.NoErr(b.c.Delete(b.ctx, f.BFID, "operator"))
	}
	got, err := b.c.File(b.ctx, f.BFID)
	is.NoErr(err)
	f.Deletion, f.Copies = catalog.Gone, 0
	is.Equal(got, f)
	v := b.volume("VO0001L8")
	is.Equal([]int64{v.Files, v.Bytes, v.DeletedFiles, v.DeletedBytes}, []int64{0, 0, 1, 1e6})
	is.Equal(events(b), since+1)
	is.True(errors.Is(b.c.Delete(b.ctx, "GCMS100000000000000", ""), catalog.ErrNotFound))
}

func verifiedAndBad(is *is.I, b *bench) {
	f := b.store("VO0001L8", "a")
	b.at = b.at.Add(time.Minute)
	is.NoErr(b.c.MarkVerified(b.ctx, f.BFID, "scrub"))
	got, err := b.c.File(b.ctx, f.BFID)
	is.NoErr(err)
	is.Equal(got.Level, catalog.Verified)
	is.Equal(got.Verified, b.c.Now())
	for range 2 {
		is.NoErr(b.c.MarkBad(b.ctx, f.BFID, "mover", "checksum"))
	}
	got, err = b.c.File(b.ctx, f.BFID)
	is.NoErr(err)
	is.Equal(got.Level, catalog.OnTape)
	is.True(got.Bad)
	is.Equal(got.Copies, 0)
	for range 2 {
		is.NoErr(b.c.MarkGood(b.ctx, f.BFID, "operator", "cleaned the drive"))
	}
	got, err = b.c.File(b.ctx, f.BFID)
	is.NoErr(err)
	is.True(!got.Bad)
	is.Equal(got.Copies, 1)
	list, err := b.c.Events(b.ctx, 0, 100)
	is.NoErr(err)
	var kinds []catalog.EventKind
	for _, e := range list[len(list)-3:] {
		kinds = append(kinds, e.Kind)
	}
	is.Equal(kinds, []catalog.EventKind{catalog.FileVerified, catalog.FileBad, catalog.FileGood})
}

func manyFiles(is *is.I, b *bench) {
	const n = 600 // more than an iterator reads at once
	g := b.writer("VO0001L8")
	var files []catalog.NewFile
	for i := range n {
		files = append(files, b.file(int64(i+1), fmt.Sprint(i)))
	}
	_, err := b.c.Flush(b.ctx, b.commit(g, 1, files...))
	is.NoErr(err)
	i := int64(0)
	for f, err := range b.c.FilesOfVolume(b.ctx, "VO0001L8") {
		is.NoErr(err)
		i++
		is.Equal(f.Location.File, i)
	}
	is.Equal(i, int64(n))
	for range b.c.FilesOfVolume(b.ctx, "VO9999L8") {
		b.t.Error("a file of no volume")
	}
	_, err = b.c.Events(b.ctx, 0, 0)
	is.True(errors.Is(err, catalog.ErrInvalid))
}

func watch(is *is.I, b *bench) {
	since := events(b)
	done := make(chan error, 1)
	go func() { done <- b.c.Watch(b.ctx, since) }()
	b.blank("VO0001L8")
	is.NoErr(<-done)
	list, err := b.c.Events(b.ctx, since, 10)
	is.NoErr(err)
	is.Equal(len(list), 1)
}
