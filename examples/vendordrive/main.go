// Command vendordrive is the shortest complete drive plugin: a tape drive whose cartridge is a directory, with a file for
// each block. It is what a vendor copies to begin with. Build it, and try it against the contract:
//
//	go build -o /tmp/vendordrive ./examples/vendordrive
//	mkdir /tmp/cartridge
//	enstore drive check --plugin /tmp/vendordrive --config '{"dir": "/tmp/cartridge"}'
//
// Its setting faults makes it break rules on purpose, to see what the kit says of a drive that does. The kit has left its label on the cartridge, which has to
// be given for it to be overwritten:
//
//	enstore drive check --plugin /tmp/vendordrive --config '{"dir": "/tmp/cartridge", "faults": ["comes short"]}' --overwrite SCRTCH
//
// The others are "keeps the tail", "loses count", "mixes outcomes" (with --blank, because this drive cannot read a blank cartridge), "shares itself",
// "truncates reads" and "hides labels".
//
// A site uses it as any other plugin, by its absolute path.
package main

import "github.com/enstore-go/sdk/plugins"

func main() { plugins.Serve(plugins.Plugin{Name: "drive-vendor", Drive: open}) }
