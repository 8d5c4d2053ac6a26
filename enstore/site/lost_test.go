package site_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/enstore-go/sdk/enstore/site"
	"github.com/matryer/is"
)

func TestALostCatalogueIsNotReplacedByAnEmptyOne(t *testing.T) {
	is := is.New(t)
	dir := newSite(t)
	name := filepath.Join(dir, "catalog.db")
	is.NoErr(os.Rename(name, name+".away"))
	_, err := site.Open(t.Context(), dir, nil)
	is.True(errors.Is(err, site.ErrNoCatalog))
	is.NoErr(os.WriteFile(name, nil, 0o600))
	_, err = site.Open(t.Context(), dir, nil)
	is.True(errors.Is(err, site.ErrNoCatalog))
	is.NoErr(os.Rename(name+".away", name))
	s, err := site.Open(t.Context(), dir, nil)
	is.NoErr(err)
	is.NoErr(s.Close())
}
