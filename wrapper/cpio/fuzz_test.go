package cpio_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/enstore-go/sdk/wrapper"
	"github.com/enstore-go/sdk/wrapper/cpio"
)

// FuzzParseHeader: any bytes give ErrHeader, or a file whose header, written again, is read
// the same.
func FuzzParseHeader(f *testing.F) {
	images, err := filepath.Glob("testdata/cpio_odc/*.cpio")
	if err != nil || len(images) == 0 {
		f.Fatal("no images", err)
	}
	for _, name := range images {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(b[:80])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		file, n, err := cpio.Odc.ParseHeader(b)
		if err != nil {
			if !errors.Is(err, wrapper.ErrHeader) {
				t.Fatalf("%v is no ErrHeader", err)
			}
			return
		}
		if n < 78 || n > len(b) {
			t.Fatalf("data at %d of %d bytes", n, len(b))
		}
		if cpio.Odc.Check(file) != nil || file.Mode&0o777000 != 0o100000 || file.UID > 0xffff || file.GID > 0xffff {
			return // written by others, and not by us
		}
		again, err := cpio.Odc.Header(file)
		if err != nil {
			t.Fatal(err)
		}
		other, m, err := cpio.Odc.ParseHeader(again)
		if err != nil || m != n || other != file {
			t.Fatalf("%+v, written again: %+v, %v", file, other, err)
		}
		// Only numbers that a File has no place for may differ.
		if !bytes.Equal(again[18:36], b[18:36]) || !bytes.Equal(again[48:], b[48:n]) {
			t.Fatalf("%q written again is %q", b[:n], again)
		}
	})
}
