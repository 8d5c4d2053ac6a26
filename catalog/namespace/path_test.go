package namespace_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/catalog/namespace"
)

func TestPaths(t *testing.T) {
	is := is.New(t)
	for _, good := range []string{"/", "/a", "/a/b", "/a\xff", "/...", "/" + strings.Repeat("x", 255), strings.Repeat("/x", 2048)} {
		p, err := namespace.ParsePath(good)
		is.NoErr(err)
		is.Equal(p.String(), good)
	}
	for _, bad := range []string{"", "a", "a/b", "//", "/a/", "/a//b", "/.", "/a/..", "/../a", "/a\x00b", "/" + strings.Repeat("x", 256), strings.Repeat("/x", 2049)} {
		_, err := namespace.ParsePath(bad)
		is.True(errors.Is(err, catalog.ErrInvalid))
		is.True(strings.HasPrefix(err.Error(), "path "))
		is.True(len(err.Error()) < 400) // however long the path
	}
	root, err := namespace.ParsePath("/")
	is.NoErr(err)
	is.True(root.IsRoot() && root.Dir().IsRoot() && root.Base() == "")
}

func FuzzParsePath(f *testing.F) {
	for _, s := range []string{"/", "/a/b", "/a/../b", "//", "a", "/\xff\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := namespace.ParsePath(s)
		if err != nil {
			if !errors.Is(err, catalog.ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		if p.String() != s || len(s) > namespace.MaxPath || strings.Contains(s+"/", "/../") || strings.Contains(s+"/", "/./") || strings.IndexByte(s, 0) >= 0 {
			t.Fatalf("%q parses as %q", s, p)
		}
	})
}

func ExamplePath() {
	p, err := namespace.ParsePath("/cms/raw/run1.root")
	fmt.Println(p.Dir(), p.Base(), err)
	_, err = namespace.ParsePath("/cms/../etc")
	fmt.Println(err)
	// Output:
	// /cms/raw run1.root <nil>
	// path "/cms/../etc": name "..": invalid
}
