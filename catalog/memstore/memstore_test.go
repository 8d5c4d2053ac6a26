package memstore_test

import (
	"context"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/catalog/memstore"
)

func TestFlushIsRecordedWhole(t *testing.T) {
	is := is.New(t)
	ctx := context.Background()
	s := memstore.New()
	defer s.Close()
	c, err := catalog.Open(ctx, s, nil)
	is.NoErr(err)
	is.NoErr(c.AddVolume(ctx, catalog.Volume{Label: "VO1234L8", Library: "LTO8", MediaType: "LTO8", Capacity: 12e12}))
	family, err := catalog.ParseFamily("cms.raw.cpio_odc")
	is.NoErr(err)
	g, err := c.ChooseForWrite(ctx, catalog.Choice{Lease: catalog.NewLeaseID(), Library: "LTO8", Family: family, MinBytes: 5})
	is.NoErr(err)
	g, err = c.Labelled(ctx, g.Lease, g.Volume.Label, g.Epoch, 256<<10)
	is.NoErr(err)
	results, err := c.Flush(ctx, catalog.Commit{Lease: g.Lease, Seq: 1, Volume: g.Volume.Label, Epoch: g.Epoch,
		From: g.Volume.EOD, To: catalog.Location{File: 2}, Remaining: -1,
		Files: []catalog.NewFile{{Request: catalog.NewRequestID(), Parent: catalog.RootEntry, Name: "a", Location: catalog.Location{File: 1}, Size: 5}}})
	is.NoErr(err)
	is.NoErr(results[0].Err)
	f, err := c.File(ctx, results[0].File.BFID)
	is.NoErr(err)
	is.Equal(f, results[0].File)
	is.NoErr(c.EndIntent(ctx, g.Lease, g.Volume.Label, g.Epoch))
}
