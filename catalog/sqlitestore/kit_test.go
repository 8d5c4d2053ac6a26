package sqlitestore_test

import (
	"path/filepath"
	"testing"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/catalog/memstore"
	"github.com/enstore-go/sdk/catalog/sqlitestore"
	"github.com/enstore-go/sdk/catalog/storetest"
)

func open(t testing.TB) catalog.Store {
	t.Helper()
	s, err := sqlitestore.Open(t.Context(), filepath.Join(t.TempDir(), "catalogue.db"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) { storetest.Test(t, open) }

func TestSameAsMemory(t *testing.T) {
	storetest.Same(t, open, func(testing.TB) catalog.Store { return memstore.New() })
}
