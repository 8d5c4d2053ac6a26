package wrapper_test

import (
	"errors"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/enstore-go/sdk/crc"
	"github.com/enstore-go/sdk/wrapper"
	"github.com/enstore-go/sdk/wrapper/cern"
	"github.com/enstore-go/sdk/wrapper/cpio"
	"github.com/enstore-go/sdk/wrapper/wrappertest"
)

// A file goes to tape and comes back.
func Example() {
	tape := wrappertest.NewTape()
	text := "one run of the detector\n"

	w, err := wrapper.NewWriter(tape.Blocks(64<<10), cpio.Odc, wrapper.File{
		Path: "/exp/raw/run7", Size: int64(len(text)), Mode: 0o100644,
	})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := w.ReadFrom(strings.NewReader(text)); err != nil {
		log.Fatal(err)
	}
	if err := w.Close(crc.Adler(crc.Seed1, []byte(text))); err != nil {
		log.Fatal(err)
	}

	tape.Rewind()
	r, err := wrapper.NewReader(tape, cpio.Odc, int64(len(text)))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(r.File().Path)
	if _, err := r.WriteTo(os.Stdout); err != nil {
		log.Fatal(err)
	}
	fmt.Println(r.Sum() == w.Sum())
	// Output:
	// /exp/raw/run7
	// one run of the detector
	// true
}

// A site takes the first format that fits.
func ExampleFits() {
	file := wrapper.File{Path: "/exp/raw/large", Size: 20 << 30, Mode: 0o100644}
	for _, f := range []wrapper.Format{cpio.Odc, cern.Ansi} {
		err := wrapper.Fits(f, file)
		if errors.Is(err, wrapper.ErrTooLarge) {
			fmt.Println(err)
			continue
		}
		fmt.Println(f.Name(), "takes it")
	}
	// Output:
	// cpio_odc: file of 21474836480 bytes: larger than 8589934591 bytes, the most this format can tell; formats that can: cern, null
	// cern takes it
}

// What lies on an unknown tape.
func ExampleDetect() {
	header, err := cpio.Odc.Header(wrapper.File{Path: "/exp/a", Size: 5, Mode: 0o100644})
	if err != nil {
		log.Fatal(err)
	}
	for _, first := range [][]byte{append(header, "hello"...), []byte("hello")} {
		f, err := wrapper.Detect(first, cpio.Odc, cern.Ansi, wrapper.Null)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(f.Name())
	}
	// Output:
	// cpio_odc
	// null
}

// A file given up keeps its place, and is known for what it is.
func ExampleWriter_Abandon() {
	tape := wrappertest.NewTape()
	w, err := wrapper.NewWriter(tape.Blocks(64<<10), cpio.Odc, wrapper.File{Path: "/exp/a", Size: 5, Mode: 0o100644})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := w.ReadFrom(strings.NewReader("hell")); err != nil {
		log.Fatal(err)
	}
	if err := w.Close(w.Sum()); errors.Is(err, wrapper.ErrShort) {
		fmt.Println(err)
		if err := w.Abandon(); err != nil {
			log.Fatal(err)
		}
	}
	tape.Rewind()
	r, err := wrapper.NewReader(tape, cpio.Odc, -1)
	if err != nil {
		log.Fatal(err)
	}
	err = r.Skip()
	fmt.Println(errors.Is(err, wrapper.ErrTruncated), errors.Is(err, wrapper.ErrDead))
	// Output:
	// cpio_odc: /exp/a: 4 of 5 bytes: data shorter than declared
	// true true
}
