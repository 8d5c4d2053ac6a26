package filetape

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"strconv"
	"strings"

	"github.com/enstore-go/sdk/tape/disk"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// mark is one filemark: where its word is in the image, and how many objects are before it.
type mark struct{ off, obj int64 }

// extent is a place on the tape: offset in the image, objects before it, filemarks before it.
type extent struct{ off, obj, file int64 }

// index is what an index file says. The filemarks are those in the file itself.
type index struct {
	end       extent
	base      int64  // filemarks taken from the older ones' file
	baseN     uint64 // its number
	baseSum   uint32
	filemarks []mark
}

const (
	indexMagic   = "EnTapIdx"
	indexVersion = 1
	indexHead    = 64
	markSize     = 16
	maxInline    = 1024    // filemarks in the index itself
	maxMarks     = 1 << 24 // of a tape; LTO-9 holds fewer files than that
	minRecord    = 10      // bytes of a block of one byte in the image
	maxIndexFile = indexHead + maxInline*markSize + 4
	maxBaseFile  = maxMarks * markSize
)

// encode gives the bytes of an index file.
func (x *index) encode() []byte {
	b := make([]byte, 0, indexHead+len(x.filemarks)*markSize+4)
	b = append(b, indexMagic...)
	le := binary.LittleEndian
	b = le.AppendUint32(b, indexVersion)
	b = le.AppendUint32(b, 0)
	for _, v := range []int64{x.end.off, x.end.obj, x.end.file, x.base} {
		b = le.AppendUint64(b, uint64(v))
	}
	b = le.AppendUint64(b, x.baseN)
	b = le.AppendUint32(b, x.baseSum)
	b = le.AppendUint32(b, 0)
	b = appendMarks(b, x.filemarks)
	return le.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func appendMarks(b []byte, marks []mark) []byte {
	for _, m := range marks {
		b = binary.LittleEndian.AppendUint64(b, uint64(m.off))
		b = binary.LittleEndian.AppendUint64(b, uint64(m.obj))
	}
	return b
}

func parseMarks(b []byte) []mark {
	marks := make([]mark, len(b)/markSize)
	for i := range marks {
		marks[i].off = int64(binary.LittleEndian.Uint64(b[i*markSize:]))
		marks[i].obj = int64(binary.LittleEndian.Uint64(b[i*markSize+8:]))
	}
	return marks
}

// parseIndex reads an index file. What its numbers mean for the tape is checked by checkMarks, when
// the older filemarks are there too.
func parseIndex(b []byte) (*index, error) {
	if len(b) < indexHead+4 || string(b[:8]) != indexMagic {
		return nil, fmt.Errorf("%w: not an index", ErrDamaged)
	}
	le := binary.LittleEndian
	if v := le.Uint32(b[8:]); v != indexVersion {
		return nil, fmt.Errorf("index version %d: this program reads version %d", v, indexVersion)
	}
	body := b[:len(b)-4]
	if sum, written := crc32.Checksum(body, castagnoli), le.Uint32(b[len(b)-4:]); sum != written {
		return nil, fmt.Errorf("%w: checksum is %08x, written is %08x", ErrDamaged, sum, written)
	}
	num := func(at int) int64 { return int64(le.Uint64(b[at:])) }
	x := &index{
		end: extent{num(16), num(24), num(32)}, base: num(40),
		baseN: le.Uint64(b[48:]), baseSum: le.Uint32(b[56:]),
	}
	rest := body[indexHead:]
	if le.Uint32(b[12:]) != 0 || le.Uint32(b[60:]) != 0 || len(rest)%markSize != 0 || len(rest) > maxInline*markSize {
		return nil, fmt.Errorf("%w: fields that make no sense", ErrDamaged)
	}
	x.filemarks = parseMarks(rest)
	if x.base < 0 || x.base > maxMarks || x.end.file != x.base+int64(len(x.filemarks)) {
		return nil, fmt.Errorf("%w: %d filemarks, %d of them elsewhere, %d here", ErrDamaged, x.end.file, x.base, len(x.filemarks))
	}
	return x, nil
}

// checkMarks says whether such filemarks can be those of a tape that ends so.
func checkMarks(end extent, marks []mark) error {
	at := extent{}
	for i, m := range marks {
		blocks := m.obj - at.obj
		if m.off < at.off || blocks < 0 || m.off-at.off < blocks*minRecord || blocks > maxObjects {
			return fmt.Errorf("%w: filemark %d cannot be at offset %d, object %d", ErrDamaged, i, m.off, m.obj)
		}
		at = extent{off: m.off + 4, obj: m.obj + 1}
	}
	if blocks := end.obj - at.obj; end.off < at.off || blocks < 0 || blocks > maxObjects || end.off-at.off < blocks*minRecord {
		return fmt.Errorf("%w: the tape cannot end at offset %d, object %d", ErrDamaged, end.off, end.obj)
	}
	return nil
}

// maxObjects keeps sums of sizes within 64 bits.
const maxObjects = 1 << 56

// indexStore is the index file of one image and the files it refers to.
type indexStore struct {
	fs    disk.FS
	stem  string // of the names: the image's without .tap
	base  int    // filemarks that agree with the file of the older ones
	baseN uint64
	sum   uint32
	stale []uint64 // numbers of files that no index refers to any more, once the next one is durable
	// certain says that the file on disk is the one last stored or loaded. Otherwise there is none, or storing
	// failed half way, and nothing may be written before one is stored.
	certain bool
}

func newIndexStore(fsys disk.FS, image string) *indexStore {
	return &indexStore{fs: fsys, stem: strings.TrimSuffix(image, ".tap")}
}

func (s *indexStore) name() string             { return s.stem + ".idx" }
func (s *indexStore) baseName(n uint64) string { return s.stem + ".m" + strconv.FormatUint(n, 10) }

// load gives what the index says, or fs.ErrNotExist if there is none.
func (s *indexStore) load() (extent, []mark, error) {
	data, err := disk.ReadFile(s.fs, s.name(), maxIndexFile)
	if err != nil {
		return extent{}, nil, err
	}
	x, err := parseIndex(data)
	if err != nil {
		return extent{}, nil, fmt.Errorf("%s: %w", s.name(), err)
	}
	marks := x.filemarks
	s.base, s.baseN, s.sum = int(x.base), x.baseN, x.baseSum
	if x.base > 0 {
		older, err := disk.ReadFile(s.fs, s.baseName(x.baseN), maxBaseFile)
		if err != nil {
			return extent{}, nil, fmt.Errorf("%s: %w: filemarks are in another file: %w", s.name(), ErrDamaged, errNoLonger(err))
		}
		if sum := crc32.Checksum(older, castagnoli); sum != x.baseSum || int64(len(older)) < x.base*markSize {
			return extent{}, nil, fmt.Errorf("%s: %w: checksum is %08x, the index has %08x", s.baseName(x.baseN), ErrDamaged, sum, x.baseSum)
		}
		marks = append(parseMarks(older[:x.base*markSize]), marks...)
	}
	if err := checkMarks(x.end, marks); err != nil {
		return extent{}, nil, fmt.Errorf("%s: %w", s.name(), err)
	}
	s.certain = true
	// A crash may have left a file of a store that failed, or not removed the one before.
	s.stale = []uint64{s.baseN + 1}
	if s.baseN > 0 {
		s.stale = append(s.stale, s.baseN-1)
	}
	return x.end, marks, nil
}

// errNoLonger keeps a missing second file from being taken for a missing index.
func errNoLonger(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New(err.Error())
	}
	return err
}

// store makes an index durable that says that the tape ends so. marks are all filemarks
// before the end; where they are fewer than at the store before, the others are forgotten.
func (s *indexStore) store(end extent, marks []mark) error {
	s.certain = false
	if s.base > 0 && len(marks) == 0 {
		s.stale = append(s.stale, s.baseN)
	}
	s.base = min(s.base, len(marks))
	if len(marks)-s.base > maxInline {
		if err := s.storeBase(marks); err != nil {
			return err
		}
	}
	x := index{end: end, base: int64(s.base), filemarks: marks[s.base:]}
	x.end.file = int64(len(marks))
	if s.base > 0 {
		x.baseN, x.baseSum = s.baseN, s.sum
	} else {
		x.baseN = s.baseN // the next number goes on from here
	}
	if err := disk.WriteFileAtomic(s.fs, s.name(), x.encode(), 0o666); err != nil {
		return err
	}
	s.certain = true
	for _, n := range s.stale {
		if n != s.baseN || s.base == 0 {
			s.fs.Remove(s.baseName(n)) // one that stays is only in the way
		}
	}
	s.stale = nil
	return nil
}

// storeBase writes all filemarks to a file of the next number. Until an index refers to it, it means nothing; the
// one before stays as long as an index on disk may refer to it.
func (s *indexStore) storeBase(marks []mark) error {
	if len(marks) > maxMarks {
		return fmt.Errorf("%s: more than %d filemarks", s.name(), maxMarks)
	}
	s.stale = append(s.stale, s.baseN)
	s.baseN++
	data := appendMarks(make([]byte, 0, len(marks)*markSize), marks)
	name := s.baseName(s.baseN)
	s.base = 0
	if err := disk.WriteFileAtomic(s.fs, name, data, 0o666); err != nil {
		return err
	}
	s.base, s.sum = len(marks), crc32.Checksum(data, castagnoli)
	return nil
}
