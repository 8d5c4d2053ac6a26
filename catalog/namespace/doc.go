// Package namespace is the built-in name space: directories, whose tags are inherited
// and say where and how files go to tape, and files. Its rows live in the catalogue's own
// store, so that a file gets its name in the transaction that records it
// (catalog.Catalog.Flush).
//
// Nouns: a [Tree] is the name space of one catalogue. A [Path] is absolute and clean. A
// catalog.Entry is one name. [Tags] are what a directory says about files written into
// it, its own tags and, for those it does not have, those of the nearest directory above.
// A [Place] is where a new file will get its name.
//
//	tree := namespace.New(c)
//	_, err := tree.MkdirAll(ctx, "/cms/raw", namespace.Attr{Mode: 0o755})
//	err = tree.SetTag(ctx, "/cms", namespace.Library, "LTO8")
//	err = tree.SetTag(ctx, "/cms", namespace.StorageGroup, "cms")
//	err = tree.SetTag(ctx, "/cms/raw", namespace.FileFamily, "raw2026")
//	place, err := tree.Resolve(ctx, "/cms/raw/run1.root") // ErrExists if it is there
//	// … catalog.NewFile{Parent: place.Parent, Name: place.Name, …} in a flush …
//	entry, err := tree.Lookup(ctx, "/cms/raw/run1.root")
//	for entry, err := range tree.List(ctx, "/cms/raw") { … }
//
// Names and paths are bytes: they need not be UTF-8, and they are ordered bytewise.
//
// It checks no permissions (mode, owner and group are kept, and judged by others), has no
// links, and no files without a file on tape behind them.
package namespace
