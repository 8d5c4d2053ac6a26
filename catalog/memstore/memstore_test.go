package memstore_test

import (
	"testing"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/catalog/memstore"
	"github.com/enstore-go/sdk/catalog/storetest"
)

func TestStore(t *testing.T) {
	storetest.Test(t, func(testing.TB) catalog.Store { return memstore.New() })
}
