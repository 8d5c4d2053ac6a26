package wrappertest

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/enstore-go/sdk/crc"
	"github.com/enstore-go/sdk/wrapper"
)

// wrongLength: a source shorter or longer than declared is found, and can be abandoned.
func (k kit) wrongLength(t *testing.T) {
	const declared = 2 * wrapper.MinBlock
	for _, have := range []int64{0, 1, declared - 1, declared + 1, declared + 2*wrapper.MinBlock} {
		tape := NewTape()
		w, err := wrapper.NewWriter(tape.Blocks(wrapper.MinBlock), k.f, NewFile("/kit/length", declared))
		if err != nil {
			t.Fatal(err)
		}
		src := bytes.NewReader(Data(have))
		_, err = w.ReadFrom(src)
		want := wrapper.ErrShort
		if have > declared {
			want = wrapper.ErrLong
			if !errors.Is(err, want) {
				t.Errorf("%d bytes for %d: ReadFrom: %v, want ErrLong", have, declared, err)
			}
			if taken := have - int64(src.Len()); taken > declared+1 {
				t.Errorf("%d bytes for %d: %d were taken from the source, at most one too many is allowed", have, declared, taken)
			}
		} else if err != nil {
			t.Errorf("%d bytes for %d: ReadFrom: %v", have, declared, err)
		}
		if err := w.Close(w.Sum()); !errors.Is(err, want) {
			t.Errorf("%d bytes for %d: Close: %v, want %v", have, declared, err, want)
		}
		k.abandoned(t, tape, w, declared, min(have, declared))
	}
	tape := NewTape()
	w, err := wrapper.NewWriter(tape.Blocks(wrapper.MinBlock), k.f, NewFile("/kit/length", 10))
	if err != nil {
		t.Fatal(err)
	}
	if n, err := w.Write(Data(11)); n != 10 || !errors.Is(err, wrapper.ErrLong) {
		t.Errorf("Write of 11 bytes for 10: %d, %v, want 10, ErrLong", n, err)
	}
	k.abandoned(t, tape, w, 10, 10)
}

// abandoned gives a file up, writes a good one behind it, and reads both.
func (k kit) abandoned(t *testing.T, tape *Tape, w *wrapper.Writer, declared, there int64) {
	t.Helper()
	if err := w.Abandon(); err != nil {
		t.Errorf("Abandon: %v", err)
	}
	marks := 0
	for _, o := range tape.Objects() {
		if o == nil {
			marks++
		}
	}
	if marks != k.f.Layout().TapeFiles {
		t.Errorf("dead space has %d filemarks, a file %d", marks, k.f.Layout().TapeFiles)
	}
	n := tape.Position()
	if err := w.Abandon(); err != nil || tape.Position() != n {
		t.Errorf("a second Abandon: %v, or it wrote", err)
	}
	if _, err := w.Write([]byte("x")); !errors.Is(err, wrapper.ErrClosed) {
		t.Errorf("Write after Abandon: %v, want ErrClosed", err)
	}
	if err := w.Close(0); !errors.Is(err, wrapper.ErrClosed) {
		t.Errorf("Close after Abandon: %v, want ErrClosed", err)
	}
	Put(t, tape, k.f, NewFile("/kit/next", 700), wrapper.MinBlock, Data(700))
	tape.Rewind()
	r, err := wrapper.NewReader(tape, k.f, declared)
	if err != nil && k.named() {
		t.Fatalf("header of dead space: %v", err)
	}
	if err == nil {
		err = r.Skip()
		switch {
		case there < declared && !errors.Is(err, wrapper.ErrTruncated):
			t.Errorf("Skip over dead space of %d bytes for %d: %v, want ErrTruncated", there, declared, err)
		case k.named() && !errors.Is(err, wrapper.ErrDead):
			t.Errorf("Skip over dead space of %d bytes for %d: %v, want ErrDead", there, declared, err)
		}
	}
	k.get(t, tape, 700, Data(700))
}

// wrongChecksum: a file whose sender computed something else is not closed.
func (k kit) wrongChecksum(t *testing.T) {
	data := Data(wrapper.MinBlock + 1)
	tape := NewTape()
	w, err := wrapper.NewWriter(tape.Blocks(wrapper.MinBlock), k.f, NewFile("/kit/sum", int64(len(data))))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(crc.Adler(crc.Seed1, data) ^ 1); !errors.Is(err, wrapper.ErrChecksum) {
		t.Errorf("Close with another checksum: %v, want ErrChecksum", err)
	}
	k.abandoned(t, tape, w, int64(len(data)), int64(len(data)))

	// An empty file can be given up too.
	tape = NewTape()
	w, err = wrapper.NewWriter(tape.Blocks(wrapper.MinBlock), k.f, NewFile("/kit/sum", 0))
	if err != nil {
		t.Fatal(err)
	}
	k.abandoned(t, tape, w, 0, 0)
}

// sourceFails: the source's error comes back as it is, and the file cannot be closed.
func (k kit) sourceFails(t *testing.T) {
	broken := errors.New("source broke")
	for _, src := range []struct {
		io.Reader
		want error
	}{
		{iotest.ErrReader(broken), broken},
		{io.MultiReader(bytes.NewReader(Data(wrapper.MinBlock)), iotest.ErrReader(broken)), broken},
		{idle{}, io.ErrNoProgress},
	} {
		tape := NewTape()
		w, err := wrapper.NewWriter(tape.Blocks(wrapper.MinBlock), k.f, NewFile("/kit/source", 2*wrapper.MinBlock))
		if err != nil {
			t.Fatal(err)
		}
		n, err := w.ReadFrom(src.Reader)
		if !errors.Is(err, src.want) || n != w.Size() {
			t.Errorf("ReadFrom: %d, %v, want %d, %v", n, err, w.Size(), src.want)
		}
		if err := w.Close(w.Sum()); !errors.Is(err, src.want) {
			t.Errorf("Close after that: %v, want the same", err)
		}
		k.abandoned(t, tape, w, 2*wrapper.MinBlock, w.Size())
	}
	tape := NewTape()
	w, err := wrapper.NewWriter(tape.Blocks(wrapper.MinBlock), k.f, NewFile("/kit/source", 5))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.ReadFrom(liar{}); err == nil {
		t.Error("a source that claims more than it was asked for is believed")
	}
}

type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

type liar struct{}

func (liar) Read(p []byte) (int, error) { return len(p) + 1, nil }

// tapeFails lets each record and each filemark fail in turn.
func (k kit) tapeFails(t *testing.T) {
	broken := errors.New("tape broke")
	data := Data(2*wrapper.MinBlock + 10)
	for at := 0; ; at++ {
		tape := NewTape()
		b := tape.Blocks(wrapper.MinBlock)
		calls := 0
		b.Fail = func(int) error {
			if calls++; calls > at {
				return broken
			}
			return nil
		}
		w, err := wrapper.NewWriter(b, k.f, NewFile("/kit/tape", int64(len(data))))
		if err == nil {
			_, err = w.ReadFrom(bytes.NewReader(data))
		}
		if err == nil {
			err = w.Close(crc.Adler(crc.Seed1, data))
		}
		if calls <= at {
			if err != nil {
				t.Errorf("a tape without a fault: %v", err)
			}
			return
		}
		if !errors.Is(err, broken) {
			t.Errorf("fault at call %d: %v, want the tape's error", at, err)
		}
		if w != nil {
			if err := w.Abandon(); !errors.Is(err, broken) {
				t.Errorf("fault at call %d: Abandon: %v, want the same error", at, err)
			}
		}
		if calls != at+1 {
			t.Errorf("fault at call %d: the tape was written %d more times", at, calls-at-1)
		}
	}
}

// buffers: the block size is the file's, or the first buffer's, and is checked.
func (k kit) buffers(t *testing.T) {
	for _, c := range []struct {
		what        string
		buf, size   int
		ok          bool
		explanation string
	}{
		{"64 KiB", 64 << 10, 0, true, "the first buffer's length counts if the file has no block size"},
		{"longer buffer", 64<<10 + 13, 64 << 10, true, "a buffer may be longer than the block size"},
		{"shorter buffer", 32 << 10, 64 << 10, false, "a buffer must hold a block"},
		{"odd", 64<<10 + 1, 0, false, "blocks are multiples of 512, or padding would need a block of its own"},
		{"tiny", 512, 0, false, "the longest header must fit into a block"},
		{"huge", 1 << 25, 0, false, "a drive counts the bytes of a block in 24 bits"},
	} {
		file := NewFile("/kit/buffer", 70000)
		file.BlockSize = c.size
		tape := NewTape()
		w, err := wrapper.NewWriter(tape.Blocks(c.buf), k.f, file)
		if err == nil {
			_, err = w.Write(Data(70000))
		}
		if err == nil {
			err = w.Close(w.Sum())
		}
		if c.ok && err != nil || !c.ok && !errors.Is(err, wrapper.ErrBlockSize) {
			t.Errorf("%s: %v: %s", c.what, err, c.explanation)
		}
		if c.ok {
			k.shape(t, tape.Objects(), 64<<10, 70000)
		}
	}
}
