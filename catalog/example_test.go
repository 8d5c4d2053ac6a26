package catalog_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/catalog/memstore"
)

// A volume is declared, leased to a drive, labelled, and gets its first file.
func Example() {
	ctx := context.Background()
	store := memstore.New()
	defer store.Close()
	c, err := catalog.Open(ctx, store, &catalog.Options{Brand: "CDMS", Now: func() time.Time { return time.Unix(1_700_000_000, 0) }})
	if err != nil {
		log.Fatal(err)
	}
	if err := c.AddVolume(ctx, catalog.Volume{Label: "VO1234L8", Library: "LTO8", MediaType: "LTO8", Capacity: 12e12}); err != nil {
		log.Fatal(err)
	}
	g, err := c.ChooseForWrite(ctx, catalog.Choice{Lease: catalog.NewLeaseID(), Library: "LTO8",
		Family: catalog.Family{Group: "cms", Family: "raw", Wrapper: "cpio_odc"}, MinBytes: 2e9, Drive: "drive0"})
	if err != nil {
		log.Fatal(err)
	}
	g, err = c.Labelled(ctx, g.Lease, g.Volume.Label, g.Epoch, 256<<10)
	if err != nil {
		log.Fatal(err)
	}
	results, err := c.Flush(ctx, catalog.Commit{Lease: g.Lease, Seq: 1, Volume: g.Volume.Label, Epoch: g.Epoch,
		From: g.Volume.EOD, To: catalog.Location{File: 2}, Remaining: -1, Drive: "drive0",
		Files: []catalog.NewFile{{Request: catalog.NewRequestID(), Parent: catalog.RootEntry, Name: "run1.root", Path: "/run1.root",
			Location: catalog.Location{File: 1}, Header: -1, Size: 2e9, Adler: 0x34677ad2}}})
	if err != nil {
		log.Fatal(err)
	}
	f := results[0].File
	fmt.Println(f.BFID, f.Volume, f.Location, f.Level)
	if err := c.EndIntent(ctx, g.Lease, g.Volume.Label, g.Epoch); err != nil {
		log.Fatal(err)
	}
	v, err := c.Volume(ctx, "VO1234L8")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(v.Family, v.EOD, v.Files, v.Bytes)
	// Output:
	// CDMS170000000000001 VO1234L8 0000_000000000_0000001 on tape
	// cms.raw.cpio_odc 0000_000000000_0000002 1 2000000000
}

// Deleted and unusual labels are told apart from those of cartridges in use.
func ExampleParseLabel() {
	for _, s := range []string{"VO1234L8", "VO1234L8.deleted", "vo1234"} {
		l, err := catalog.ParseLabel(s)
		fmt.Println(l.OnTape(), l.IsDeleted(), err)
	}
	// Output:
	// VO1234 false <nil>
	// VO1234L8.deleted true <nil>
	//  false label "vo1234": invalid
}
