package site

import "github.com/enstore-go/sdk/enstore/wire"

// Control is what a client holds, for tests of clients that misbehave.
func (s *Site) Control() wire.Control { return &control{Library: s.lib, cat: s.cat, tree: s.tree} }
