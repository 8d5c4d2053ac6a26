package catalog_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/catalog/memstore"
)

func TestRecordDrive(t *testing.T) {
	is := is.New(t)
	ctx := t.Context()
	c, err := catalog.Open(ctx, memstore.New(), nil)
	is.NoErr(err)
	e := catalog.DriveEvent{Volume: "VO0001", Alerts: []int{3, 20}, Why: "the drive must be cleaned now"}
	is.NoErr(c.RecordDrive(ctx, "drive0", catalog.DriveAlerts, e))
	events, err := c.Events(ctx, 0, 10)
	is.NoErr(err)
	is.Equal(len(events), 1)
	is.Equal(events[0].Kind, catalog.DriveAlerts)
	is.Equal(events[0].Subject, "drive0")
	var got catalog.DriveEvent
	is.NoErr(json.Unmarshal(events[0].Data, &got))
	is.Equal(got, e)
	for _, err := range []error{
		c.RecordDrive(ctx, "drive0", catalog.VolumeAdded, e),
		c.RecordDrive(ctx, "", catalog.DriveAlerts, e),
		c.RecordDrive(ctx, "drive\x00", catalog.DriveAlerts, e),
		c.RecordDrive(ctx, "drive0", catalog.DriveAlerts, catalog.DriveEvent{Why: strings.Repeat("x", 1<<20)}),
		c.RecordDrive(ctx, "drive0", catalog.DriveAlerts, catalog.DriveEvent{Alerts: make([]int, 65)}),
	} {
		is.True(errors.Is(err, catalog.ErrInvalid))
	}
}
