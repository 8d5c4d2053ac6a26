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
//	func openMine(t testing.TB) catalog.Store {
//		s, err := minestore.Open(filepath.Join(t.TempDir(), "catalogue"))
//		if err != nil {
//			t.Fatal(err)
//		}
//		return s
//	}
//
// Its nouns: an [Open] makes an empty store, which the kit closes; a [Dump] is all rows of a
// store as text. A case that fails says which rule it found broken.
//
// The kit does not measure, and does not end the process: speed, and what survives a crash, are
// for the store's own tests.
package storetest
