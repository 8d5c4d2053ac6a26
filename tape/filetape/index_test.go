package filetape

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape/disk"
)

// marksOf gives n filemarks with a block of 2 bytes before each, and the end behind them.
func marksOf(n int) (extent, []mark) {
	var marks []mark
	for i := range int64(n) {
		marks = append(marks, mark{14*i + 10, 2*i + 1})
	}
	return extent{14 * int64(n), 2 * int64(n), int64(n)}, marks
}

// tapeState is what an index says.
type tapeState struct {
	end   extent
	marks []mark
}

func (a tapeState) equal(b tapeState) bool { return a.end == b.end && slices.Equal(a.marks, b.marks) }

// grown is a with n more filemarks, none where other states have theirs.
func (a tapeState) grown(r *rand.Rand, n int) tapeState {
	b := tapeState{a.end, slices.Clip(a.marks)}
	for range n {
		b.end.off += 2 * (5 + r.Int64N(1000))
		b.end.obj++
		b.marks = append(b.marks, mark{b.end.off, b.end.obj})
		b.end.off, b.end.obj, b.end.file = b.end.off+wordSize, b.end.obj+1, b.end.file+1
	}
	return b
}

func (a tapeState) cut(n int) tapeState {
	if n == 0 {
		return tapeState{}
	}
	m := a.marks[n-1]
	return tapeState{extent{m.off + wordSize, m.obj + 1, int64(n)}, a.marks[:n:n]}
}

// TestIndexStore stores indexes that grow and shrink, with power cuts and failures between: the disk has the
// last one that was stored, or the one whose storing was interrupted.
func TestIndexStore(t *testing.T) {
	for seed := range uint64(100) {
		is := is.New(t)
		r := rand.New(rand.NewPCG(seed, 3))
		f := disk.NewForgetful()
		is.NoErr(f.MkdirAll("/v", 0o777))
		is.NoErr(f.SyncDir("/"))
		s := newIndexStore(f, "/v/A.tap")
		var now tapeState
		is.NoErr(s.store(now.end, now.marks))
		for range 40 {
			next := now.grown(r, r.IntN(1500))
			if r.IntN(4) == 0 {
				next = now.cut(r.IntN(len(now.marks) + 1))
			}
			kind := r.IntN(6)
			switch kind {
			case 0:
				f.StopAfter(int64(r.IntN(14)))
			case 1:
				f.FailChange(1+int64(r.IntN(14)), errors.New("failure"))
			}
			allowed := []tapeState{next}
			if err := s.store(next.end, next.marks); err == nil {
				now = next
			} else if kind == 1 { // as a drive does after a failure
				f.Inject(nil)
				is.NoErr(s.store(now.end, now.marks))
				allowed = []tapeState{now}
			} else {
				allowed = append(allowed, now)
			}
			f.Inject(nil)
			if kind != 0 && r.IntN(3) > 0 {
				continue
			}
			f = f.Crash(r)
			s = newIndexStore(f, "/v/A.tap")
			var err error
			now.end, now.marks, err = s.load()
			is.NoErr(err)
			is.True(slices.ContainsFunc(allowed, now.equal))
		}
		list, err := f.ReadDir("/v")
		is.NoErr(err)
		is.True(len(list) < 8) // older files do not pile up
	}
}

// TestFlushCost shows that a flush writes little, however many filemarks there are.
func TestFlushCost(t *testing.T) {
	is := is.New(t)
	f := disk.NewForgetful()
	is.NoErr(f.MkdirAll("/v", 0o777))
	s := newIndexStore(f, "/v/A.tap")
	const n = 20_000
	end, marks := marksOf(n)
	total := int64(0)
	for i := 10; i <= n; i += 10 {
		is.NoErr(s.store(extent{marks[i-1].off + 4, marks[i-1].obj + 1, int64(i)}, marks[:i]))
		info, err := f.Stat("/v/A.idx")
		is.NoErr(err)
		is.True(info.Size() <= maxIndexFile)
		total += info.Size()
	}
	is.Equal(s.baseN, uint64(n/maxInline)) // each new file of older ones took maxInline flushed marks at least
	is.NoErr(s.store(end, marks))
	got, m, err := newIndexStore(f, "/v/A.tap").load()
	is.NoErr(err)
	is.Equal(got, end)
	is.True(slices.Equal(m, marks))
}

func TestIndexRefuses(t *testing.T) {
	end, marks := marksOf(3)
	good := index{end: end, filemarks: marks}
	for _, c := range []struct {
		name   string
		change func(b []byte) []byte
		text   string
	}{
		{"a flipped bit", func(b []byte) []byte { b[70] ^= 1; return b }, "checksum"},
		{"cut short", func(b []byte) []byte { return b[:len(b)-5] }, "checksum"},
		{"empty", func(b []byte) []byte { return nil }, "not an index"},
		{"another file", func(b []byte) []byte { b[0] = 'X'; return b }, "not an index"},
		{"a later version", func(b []byte) []byte { b[8] = 2; return b }, "version 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			is := is.New(t)
			_, err := parseIndex(c.change(good.encode()))
			is.True(err != nil)
			is.True(strings.Contains(err.Error(), c.text))
		})
	}
}

func TestMarksThatCannotBe(t *testing.T) {
	for name, c := range map[string]struct {
		end   extent
		marks []mark
	}{
		"order":             {extent{40, 6, 2}, []mark{{20, 2}, {4, 0}}},
		"same place":        {extent{40, 6, 2}, []mark{{20, 2}, {20, 2}}},
		"too many blocks":   {extent{40, 6, 1}, []mark{{20, 3}}},
		"behind the end":    {extent{20, 6, 1}, []mark{{20, 2}}},
		"blocks at the end": {extent{30, 6, 1}, []mark{{20, 2}}},
		"negative":          {extent{40, 6, 1}, []mark{{-4, 0}}},
		"huge":              {extent{1 << 62, 1 << 62, 0}, nil},
	} {
		if err := checkMarks(c.end, c.marks); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzIndex(f *testing.F) {
	for _, n := range []int{0, 1, 50} {
		end, marks := marksOf(n)
		f.Add((&index{end: end, filemarks: marks}).encode())
	}
	f.Add((&index{end: extent{1, 2, 7}, base: 7, baseN: 1, baseSum: 5}).encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= 4 { // a sum that is right leads further in
			body := b[:len(b)-4]
			b = binary.LittleEndian.AppendUint32(slices.Clip(body), crc32.Checksum(body, castagnoli))
		}
		x, err := parseIndex(b)
		if err != nil {
			return
		}
		if err := checkMarks(x.end, x.filemarks); err == nil && x.base == 0 && len(x.filemarks) > 0 && x.filemarks[0].off < 0 {
			t.Fatal("a filemark before the tape")
		}
		if string(x.encode()) != string(b) {
			t.Fatal("what was read is not what is written")
		}
	})
}

func FuzzRobot(f *testing.F) {
	good, err := encodeRobot(&robot{ID: "00c0ffee", Drives: 2, Slots: 5, Cartridges: []cartridge{{Label: "VO0001", Address: firstSlot}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"format":"enstore filetape","version":2}`))
	f.Add([]byte(`{"format":"enstore filetape","version":1,"crc32c":"","robot":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var file robotFile
		if json.Unmarshal(b, &file) == nil { // likewise
			var state bytes.Buffer
			if json.Compact(&state, file.Robot) == nil {
				file.CRC32C = fmt.Sprintf("%08x", crc32.Checksum(state.Bytes(), castagnoli))
				b, _ = json.Marshal(file)
			}
		}
		r, err := parseRobot(b)
		if err != nil {
			return
		}
		again, err := encodeRobot(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseRobot(again); err != nil {
			t.Fatal(err)
		}
	})
}

func TestOlderMarksAreMissed(t *testing.T) {
	is := is.New(t)
	f := disk.NewForgetful()
	is.NoErr(f.MkdirAll("/v", 0o777))
	end, marks := marksOf(maxInline + 1)
	is.NoErr(newIndexStore(f, "/v/A.tap").store(end, marks))
	older, err := disk.ReadFile(f, "/v/A.m1", maxBaseFile)
	is.NoErr(err)
	older[5] ^= 1
	is.NoErr(disk.WriteFileAtomic(f, "/v/A.m1", older, 0o666))
	_, _, err = newIndexStore(f, "/v/A.tap").load()
	is.True(errors.Is(err, ErrDamaged))
	is.True(strings.Contains(err.Error(), "A.m1"))
	is.NoErr(f.Remove("/v/A.m1"))
	_, _, err = newIndexStore(f, "/v/A.tap").load()
	is.True(errors.Is(err, ErrDamaged))
	is.True(!errors.Is(err, fs.ErrNotExist)) // or the image would be scanned, and show what was not flushed
}
