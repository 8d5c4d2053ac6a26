package wrapper_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"

	"github.com/enstore-go/sdk/wrapper"
	"github.com/enstore-go/sdk/wrapper/cern"
	"github.com/enstore-go/sdk/wrapper/cpio"
	"github.com/enstore-go/sdk/wrapper/wrappertest"
)

// FuzzDetect: what Detect takes for a format, that format's header parser takes too.
func FuzzDetect(f *testing.F) {
	for _, format := range formats {
		h, err := format.Header(wrappertest.NewFile("/exp/a", 100))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(h)
		f.Add(append(h, "data"...))
	}
	f.Fuzz(func(t *testing.T, first []byte) {
		format, err := wrapper.Detect(first, formats...)
		if err != nil {
			t.Fatal(err) // null is among them
		}
		file, n, err := format.ParseHeader(first)
		if err != nil {
			t.Fatalf("%s detected, and then: %v", format.Name(), err)
		}
		if n < 0 || n > len(first) || file.Size < -1 {
			t.Fatalf("%s: data at %d of %d bytes, size %d", format.Name(), n, len(first), file.Size)
		}
	})
}

// pack makes one string of a tape's objects: two bytes of length each, 0 for a filemark.
func pack(tape *wrappertest.Tape) []byte {
	var b []byte
	for _, o := range tape.Objects() {
		b = binary.BigEndian.AppendUint16(b, uint16(len(o)))
		b = append(b, o...)
	}
	return b
}

func unpack(b []byte) *wrappertest.Tape {
	var objects [][]byte
	for len(b) >= 2 {
		n := int(binary.BigEndian.Uint16(b))
		b = b[2:]
		if n == 0 {
			objects = append(objects, nil)
			continue
		}
		n = min(n, len(b))
		if n > 0 {
			objects = append(objects, b[:n])
		}
		b = b[n:]
	}
	return wrappertest.NewTape(objects...)
}

// FuzzReader reads any tape as any format: it never delivers more or less than the size
// without an error, and comes to an end.
func FuzzReader(f *testing.F) {
	for i, format := range []wrapper.Format{wrapper.Null, cpio.Odc, cern.Ansi} {
		for _, size := range []int64{0, 5, 512, 5000} {
			tape := wrappertest.NewTape()
			wrappertest.Put(f, tape, format, wrappertest.NewFile("/exp/a", size), 4096, wrappertest.Data(size))
			f.Add(pack(tape), uint8(i), size)
			f.Add(pack(tape), uint8(i+4), int64(-1))
			f.Add(pack(tape)[:len(pack(tape))/2], uint8(i), size)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, which uint8, size int64) {
		tape := unpack(b)
		format := formats[int(which&3)%len(formats)]
		open := wrapper.NewReader
		if which&8 != 0 {
			open = wrapper.NewDataReader
		}
		r, err := open(tape, format, size)
		if err != nil {
			return
		}
		var got bytes.Buffer
		if which&4 != 0 {
			_, err = r.WriteTo(&got)
		} else {
			_, err = io.CopyBuffer(&got, struct{ io.Reader }{r}, make([]byte, 100))
		}
		if size >= 0 && int64(got.Len()) > size || r.Size() >= 0 && int64(got.Len()) > r.Size() {
			t.Fatalf("%d bytes of %d", got.Len(), r.Size())
		}
		if err == nil && int64(got.Len()) != r.Size() {
			t.Fatalf("%d bytes of %d without an error", got.Len(), r.Size())
		}
		end := r.Skip()
		if err != nil && end == nil {
			t.Fatalf("Skip finds nothing wrong after %v", err)
		}
	})
}
