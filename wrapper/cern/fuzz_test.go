package cern_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"testing"

	"github.com/enstore-go/sdk/wrapper"
	"github.com/enstore-go/sdk/wrapper/cern"
)

// FuzzParseHeader: any bytes give ErrHeader, or a file whose labels, written again, are read
// the same.
func FuzzParseHeader(f *testing.F) {
	text, err := os.ReadFile("testdata/cern.json")
	if err != nil {
		f.Fatal(err)
	}
	var all struct{ Vectors []vector }
	if err := json.Unmarshal(text, &all); err != nil {
		f.Fatal(err)
	}
	for _, v := range all.Vectors {
		for _, s := range []string{v.Header, v.Trailer} {
			b, err := hex.DecodeString(s)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, _, err := cern.ParseLabel(b); err != nil && !errors.Is(err, wrapper.ErrHeader) && !errors.Is(err, wrapper.ErrDead) {
			t.Fatalf("trailing labels: %v", err)
		}
		file, n, err := cern.Ansi.ParseHeader(b)
		if err != nil {
			if !errors.Is(err, wrapper.ErrHeader) {
				t.Fatalf("%v is no ErrHeader", err)
			}
			return
		}
		if n != 0 || file.Size < 0 || file.BlockSize < 0 || file.Path == "" {
			t.Fatalf("data at %d: %+v", n, file)
		}
		if cern.Ansi.Check(file) != nil {
			return // written by others, and not by us
		}
		again, err := cern.Ansi.Header(file)
		if err != nil {
			t.Fatal(err)
		}
		other, _, err := cern.Ansi.ParseHeader(again)
		if err != nil {
			t.Fatalf("%+v: %v", file, err)
		}
		if other.Path != file.Path || other.Size != file.Size || other.Mode != file.Mode || other.UID != file.UID ||
			other.GID != file.GID || other.BlockSize != file.BlockSize || other.Compressed != file.Compressed {
			t.Fatalf("%+v, written again: %+v", file, other)
		}
	})
}
