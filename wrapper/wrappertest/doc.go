// Package wrappertest proves a wrapper.Format, and the tapes that are written with it.
//
// Nouns: a [Tape] is a list of records and filemarks in memory, to write and to read; the kit,
// [TestFormat], is what every Format must pass; [CTA] is a model of what CERN's tape server
// demands of the tapes of Enstore that it reads; a judge ([Judge]) is a foreign program that
// reads what we wrote.
//
//	func TestFormat(t *testing.T) { wrappertest.TestFormat(t, cpio.Odc) }
//
//	tape := wrappertest.NewTape()
//	tape.WriteRecord(volumeLabel)
//	tape.WriteFilemark()
//	w, err := wrapper.NewWriter(tape.Blocks(256<<10), cpio.Odc, file)
//	...
//	server, err := wrappertest.NewCTA(tape, "VO1234", wrappertest.CTAEnstore)
//	data, err := server.ReadFile(1)
//
// It does not emulate a drive: there is no early warning, no capacity and no error but the
// ones that a test puts in. Package tape/memtape does that.
package wrappertest
