package library_test

import (
	"context"
	"fmt"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/catalog/memstore"
	"github.com/enstore-go/sdk/catalog/namespace"
	"github.com/enstore-go/sdk/enstore/library"
	"github.com/enstore-go/sdk/enstore/wire"
	"github.com/enstore-go/sdk/tape/disk"
)

// A client's request meets a mover that asks for work.
func Example() {
	ctx := context.Background()
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	cat, err := catalog.Open(ctx, memstore.New(), nil)
	must(err)
	tree := namespace.New(cat)
	must(tree.SetTag(ctx, "/", namespace.Library, "LTO8"))
	must(tree.SetTag(ctx, "/", namespace.StorageGroup, "cms"))
	must(tree.SetTag(ctx, "/", namespace.FileFamily, "raw"))
	must(tree.SetTag(ctx, "/", namespace.Wrapper, "cpio_odc"))
	must(cat.AddVolume(ctx, catalog.Volume{Label: "VO1234L8", Library: "LTO8", MediaType: "LTO8", Capacity: 12e12}))

	l, err := library.Open(ctx, library.Options{Dir: "/journal", FS: disk.NewForgetful(), Catalog: cat, Tree: tree})
	must(err)
	defer l.Close()
	_, err = l.Accept(ctx, wire.Put{ID: catalog.NewRequestID(), Key: "/run1", Size: 1 << 30})
	must(err)
	lease, err := l.Next(ctx, wire.DriveReport{Drive: "drive0", Libraries: []catalog.LibraryName{"LTO8"}})
	must(err)
	fmt.Println(lease.Kind, lease.Grant.Volume.Label, lease.Family, lease.Assignments[0].Put.Key)
	// Output: write VO1234L8 cms.raw.cpio_odc /run1
}
