package sqlitestore

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/catalog"
)

func TestEveryConnectionIsDurable(t *testing.T) {
	is := is.New(t)
	ctx := context.Background()
	s, err := Open(ctx, filepath.Join(t.TempDir(), "c.db"))
	is.NoErr(err)
	defer s.Close()
	c, err := catalog.Open(ctx, s, nil)
	is.NoErr(err)
	is.NoErr(c.AddVolume(ctx, catalog.Volume{Label: "VO1234L8", Library: "LTO8", MediaType: "LTO8", Capacity: 12e12}))
	v, err := c.Volume(ctx, "VO1234L8")
	is.NoErr(err)
	is.Equal(v.Remaining, int64(12e12))
}
