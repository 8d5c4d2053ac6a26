package scsi_test

import (
	"errors"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape/scsi"
)

func TestLogPages(t *testing.T) {
	is := is.New(t)
	all, err := scsi.ParseLogPages([]byte{0, 0, 0, 3, 0x00, 0x2e, 0x0c, 9})
	is.NoErr(err)
	is.Equal(all, []uint8{0, 0x2e, 0x0c})
	_, err = scsi.ParseLogPages([]byte{0x2e, 0, 0, 0})
	is.True(errors.Is(err, scsi.ErrMalformed))
	_, err = scsi.ParseLogPages([]byte{0, 0, 0})
	is.True(errors.Is(err, scsi.ErrMalformed))
}

func TestWORMOfDrives(t *testing.T) {
	is := is.New(t)
	for _, c := range []struct {
		page []byte
		want bool
	}{
		{[]byte{1, 0xb0, 0, 2, 1, 0}, true},
		{[]byte{1, 0xb0, 0, 2, 2, 0}, false},
		{[]byte{1, 0xb0, 0, 0}, false},
		{append([]byte{0, 0xb0, 0, 0x3c, 1}, make([]byte, 0x3b)...), false}, // a disk's
	} {
		got, err := scsi.ParseWORM(c.page)
		is.NoErr(err)
		is.Equal(got, c.want)
	}
	_, err := scsi.ParseWORM([]byte{1, 0x80, 0, 1, 1})
	is.True(errors.Is(err, scsi.ErrMalformed))
}

func FuzzHealth(f *testing.F) {
	f.Add([]byte{0, 0, 0, 3, 0x00, 0x2e, 0x0c})
	f.Add([]byte{1, 0xb0, 0, 2, 1, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = scsi.ParseWORM(b)
		if all, _ := scsi.ParseLogPages(b); len(all) > len(b) {
			t.Fatalf("%d pages in %d bytes", len(all), len(b))
		}
	})
}
