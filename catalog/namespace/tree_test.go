package namespace_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/catalog/memstore"
	"github.com/enstore-go/sdk/catalog/namespace"
)

func newTree(t *testing.T) (*namespace.Tree, *catalog.Catalog) {
	t.Helper()
	s := memstore.New()
	t.Cleanup(func() { s.Close() })
	c, err := catalog.Open(context.Background(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	return namespace.New(c), c
}

func TestTagsAreInherited(t *testing.T) {
	is := is.New(t)
	ctx := context.Background()
	tree, _ := newTree(t)
	_, err := tree.MkdirAll(ctx, "/cms/raw/2026", namespace.Attr{})
	is.NoErr(err)
	is.NoErr(tree.SetTag(ctx, "/cms", namespace.Library, "LTO8,LTO9"))
	is.NoErr(tree.SetTag(ctx, "/cms", namespace.StorageGroup, "cms"))
	is.NoErr(tree.SetTag(ctx, "/", namespace.Wrapper, "cpio_odc"))
	is.NoErr(tree.SetTag(ctx, "/cms", namespace.FileFamily, "all"))
	is.NoErr(tree.SetTag(ctx, "/cms/raw", namespace.FileFamily, "raw"))
	is.NoErr(tree.SetTag(ctx, "/cms/raw/2026", namespace.Width, "3"))

	tags, err := tree.Tags(ctx, "/cms/raw/2026")
	is.NoErr(err)
	is.Equal(tags, namespace.Tags{Library: []catalog.LibraryName{"LTO8", "LTO9"}, Group: "cms", Family: "raw", Width: 3, Wrapper: "cpio_odc"})
	f, err := tags.VolumeFamily()
	is.NoErr(err)
	is.Equal(f.String(), "cms.raw.cpio_odc")

	is.NoErr(tree.SetTag(ctx, "/cms/raw", namespace.FileFamily, ""))
	place, err := tree.Resolve(ctx, "/cms/raw/2026/run1")
	is.NoErr(err)
	is.Equal(place.Tags.Family, catalog.FileFamily("all"))
	own, err := tree.OwnTags(ctx, "/cms/raw/2026")
	is.NoErr(err)
	is.Equal(own, map[namespace.Tag]string{namespace.Width: "3"})
}

func TestTagValues(t *testing.T) {
	tree, _ := newTree(t)
	for _, test := range []struct {
		tag   namespace.Tag
		value string
	}{
		{namespace.Width, "-1"}, {namespace.Width, "0"}, {namespace.Width, "1001"}, {namespace.Width, "two"},
		{namespace.Library, "a,,b"}, {namespace.Library, "a b"}, {namespace.Library, "a,b,c,d,e,f,g,h,i"},
		{namespace.FileFamily, "a.b"}, {namespace.StorageGroup, "none"}, {namespace.Wrapper, "\x00"}, {"colour", "red"}, {"colour", ""},
	} {
		t.Run(string(test.tag)+"="+test.value, func(t *testing.T) {
			is := is.New(t)
			err := tree.SetTag(context.Background(), "/", test.tag, test.value)
			is.True(errors.Is(err, catalog.ErrInvalid))
			is.True(strings.HasPrefix(err.Error(), "tag "))
		})
	}
}

func TestMkdirAllMakesWhatIsMissing(t *testing.T) {
	is := is.New(t)
	ctx := context.Background()
	tree, _ := newTree(t)
	root, err := tree.MkdirAll(ctx, "/", namespace.Attr{})
	is.NoErr(err)
	is.Equal(root.ID, catalog.RootEntry)
	first, err := tree.MkdirAll(ctx, "/a/b/c", namespace.Attr{Mode: 0o700})
	is.NoErr(err)
	again, err := tree.MkdirAll(ctx, "/a/b/c", namespace.Attr{})
	is.NoErr(err)
	is.Equal(again, first)
	_, err = tree.Mkdir(ctx, "/a/b", namespace.Attr{})
	is.True(errors.Is(err, catalog.ErrExists))
	_, err = tree.Mkdir(ctx, "/x/y", namespace.Attr{})
	is.True(errors.Is(err, catalog.ErrNotFound))
	path, err := tree.PathOf(ctx, first.ID)
	is.NoErr(err)
	is.Equal(path, "/a/b/c")
}

func TestRename(t *testing.T) {
	is := is.New(t)
	ctx := context.Background()
	tree, _ := newTree(t)
	deep, err := tree.MkdirAll(ctx, "/a/b/c", namespace.Attr{})
	is.NoErr(err)
	_, err = tree.MkdirAll(ctx, "/z", namespace.Attr{})
	is.NoErr(err)
	is.True(errors.Is(tree.Rename(ctx, "/a", "/a/b/d", ""), catalog.ErrInvalid))
	is.True(errors.Is(tree.Rename(ctx, "/a", "/z", ""), catalog.ErrExists))
	is.True(errors.Is(tree.Rename(ctx, "/a", "/", ""), catalog.ErrNotAllowed))
	is.True(errors.Is(tree.Rename(ctx, "/q", "/r", ""), catalog.ErrNotFound))
	is.NoErr(tree.Rename(ctx, "/a", "/a", ""))
	is.NoErr(tree.Rename(ctx, "/a/b", "/z/\xff", "who"))
	path, err := tree.PathOf(ctx, deep.ID)
	is.NoErr(err)
	is.Equal(path, "/z/\xff/c")
	_, err = tree.Lookup(ctx, "/a/b")
	is.True(errors.Is(err, catalog.ErrNotFound))
}
