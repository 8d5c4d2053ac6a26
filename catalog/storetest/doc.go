// Package storetest proves a catalog.Store: that it keeps what catalog.Tx promises, that
// the clerk's rules hold over it, and that it answers like any other store to the same
// history.
//
//	func TestStore(t *testing.T) {
//		storetest.Test(t, func(t testing.TB) catalog.Store { return memstore.New() })
//	}
//
//	func TestSameAsMemory(t *testing.T) {
//		storetest.Same(t, openMine, openMemory)
//	}
//
// An [Open] makes an empty store, which the kit closes. A case that fails says which rule
// it found broken. What survives a crash is for the store's own tests.
package storetest
