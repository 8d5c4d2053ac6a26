package namespace_test

import (
	"context"
	"errors"
	"fmt"
	"log"
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

// write puts a file in its place, as a mover does.
func write(t *testing.T, c *catalog.Catalog, place namespace.Place, label catalog.Label, original catalog.BFID) catalog.File {
	t.Helper()
	is := is.New(t)
	ctx := context.Background()
	is.NoErr(c.AddVolume(ctx, catalog.Volume{Label: label, Library: "LTO8", MediaType: "LTO8", Capacity: 100}))
	g, err := c.ChooseForWrite(ctx, catalog.Choice{Lease: catalog.NewLeaseID(), Library: "LTO8", Width: 9, Family: catalog.Family{Group: "a", Family: "b", Wrapper: "null"}})
	is.NoErr(err)
	g, err = c.Labelled(ctx, g.Lease, g.Volume.Label, g.Epoch, 1<<18)
	is.NoErr(err)
	results, err := c.Flush(ctx, catalog.Commit{Lease: g.Lease, Seq: 1, Volume: g.Volume.Label, Epoch: g.Epoch, From: g.Volume.EOD, To: catalog.Location{File: 2},
		Files: []catalog.NewFile{{Request: catalog.NewRequestID(), Parent: place.Parent, Name: place.Name, Path: place.Path, Location: catalog.Location{File: 1}, Original: original}}})
	is.NoErr(err)
	is.NoErr(results[0].Err)
	return results[0].File
}

func TestFilesHaveNames(t *testing.T) {
	is := is.New(t)
	ctx := context.Background()
	tree, c := newTree(t)
	_, err := tree.Mkdir(ctx, "/d", namespace.Attr{})
	is.NoErr(err)
	place, err := tree.Resolve(ctx, "/d/f")
	is.NoErr(err)
	f := write(t, c, place, "VO0001", "")
	copied := write(t, c, namespace.Place{}, "VO0002", f.BFID)

	e, err := tree.Lookup(ctx, "/d/f")
	is.NoErr(err)
	is.Equal(e.BFID, f.BFID)
	again, err := tree.Resolve(ctx, "/d/f")
	is.True(errors.Is(err, catalog.ErrExists))
	is.Equal(*again.Existing, e)
	for path, want := range map[string]error{"/d/f/g": catalog.ErrNotDir, "/x/y": catalog.ErrNotFound, "/": catalog.ErrIsDir, "d": catalog.ErrInvalid} {
		_, err := tree.Resolve(ctx, path)
		is.True(errors.Is(err, want))
	}
	_, err = tree.MkdirAll(ctx, "/d/f", namespace.Attr{})
	is.True(errors.Is(err, catalog.ErrNotDir))
	_, err = tree.Tags(ctx, "/d/f")
	is.True(errors.Is(err, catalog.ErrNotDir))
	_, err = tree.ListAfter(ctx, "/d/f", "", 1)
	is.True(errors.Is(err, catalog.ErrNotDir))
	is.True(errors.Is(tree.SetTag(ctx, "/d/f", namespace.Width, "1"), catalog.ErrNotDir))

	is.True(errors.Is(tree.Remove(ctx, "/d", "who"), catalog.ErrNotEmpty))
	is.True(errors.Is(tree.Remove(ctx, "/", "who"), catalog.ErrNotAllowed))
	is.NoErr(tree.Rename(ctx, "/d/f", "/g", "who"))
	is.NoErr(tree.Remove(ctx, "/g", "who"))
	for _, id := range []catalog.BFID{f.BFID, copied.BFID} { // the copies go with the file
		got, err := c.File(ctx, id)
		is.NoErr(err)
		is.Equal(got.Deletion, catalog.Gone)
		is.Equal(got.Copies, 0)
	}
	is.True(errors.Is(tree.Remove(ctx, "/g", "who"), catalog.ErrNotFound))
	is.NoErr(tree.Remove(ctx, "/d", "who"))

	events, err := c.Events(ctx, 0, 1000)
	is.NoErr(err)
	var kinds []catalog.EventKind
	for _, e := range events[len(events)-5:] {
		kinds = append(kinds, e.Kind)
	}
	is.Equal(kinds, []catalog.EventKind{catalog.EntryRenamed, catalog.FileDeleted, catalog.FileDeleted, catalog.EntryRemoved, catalog.EntryRemoved})
}

func TestListIsOrderedAndPaged(t *testing.T) {
	is := is.New(t)
	ctx := context.Background()
	tree, _ := newTree(t)
	const n = 600 // more than is read at once
	for i := range n {
		_, err := tree.Mkdir(ctx, fmt.Sprintf("/%03d", (i*7)%n), namespace.Attr{})
		is.NoErr(err)
	}
	i := 0
	for e, err := range tree.List(ctx, "/") {
		is.NoErr(err)
		is.Equal(e.Name, fmt.Sprintf("%03d", i))
		i++
	}
	is.Equal(i, n)
	for range tree.List(ctx, "/") {
		break
	}
	for _, err := range tree.List(ctx, "/nowhere") {
		is.True(errors.Is(err, catalog.ErrNotFound))
	}
	some, err := tree.ListAfter(ctx, "/", "597", 10)
	is.NoErr(err)
	is.Equal(len(some), 2)
	_, err = tree.ListAfter(ctx, "/", "", 0)
	is.True(errors.Is(err, catalog.ErrInvalid))
}

func ExampleTree() {
	ctx := context.Background()
	store := memstore.New()
	defer store.Close()
	c, err := catalog.Open(ctx, store, nil)
	if err != nil {
		log.Fatal(err)
	}
	tree := namespace.New(c)
	if _, err := tree.MkdirAll(ctx, "/cms/raw", namespace.Attr{}); err != nil {
		log.Fatal(err)
	}
	for _, t := range []struct {
		dir   string
		tag   namespace.Tag
		value string
	}{{"/", namespace.Wrapper, "cpio_odc"}, {"/cms", namespace.StorageGroup, "cms"}, {"/cms", namespace.FileFamily, "all"}, {"/cms/raw", namespace.FileFamily, "raw"}} {
		if err := tree.SetTag(ctx, t.dir, t.tag, t.value); err != nil {
			log.Fatal(err)
		}
	}
	place, err := tree.Resolve(ctx, "/cms/raw/run1.root")
	if err != nil {
		log.Fatal(err)
	}
	family, err := place.Tags.VolumeFamily()
	fmt.Println(place.Name, family, err)
	// Output:
	// run1.root cms.raw.cpio_odc <nil>
}
