package cern

import (
	"fmt"

	"github.com/enstore-go/sdk/wrapper"
)

// Ansi is the format.
var Ansi wrapper.Format = ansi{}

const (
	labelLen  = 80
	pathFirst = 17 // bytes of the path in HDR1
	pathNext  = 76 // and in each of UHLA, UHLB …
	maxPath   = pathFirst + 26*pathNext - 1
	fixed     = 6          // labels that every group has
	maxGroup  = fixed + 26 // and the most it may have

	// 14 decimal digits are what CERN's tape server reads of the size.
	maxSize = 99_999_999_999_999
)

type ansi struct{}

func (ansi) Name() string { return "cern" }

func (ansi) Limits() wrapper.Limits {
	return wrapper.Limits{MaxSize: maxSize, MaxPath: maxPath, SizeFirst: true}
}

func (ansi) Layout() wrapper.Layout { return wrapper.Layout{TapeFiles: 3, Data: 1} }

func (ansi) VolumeLabel() wrapper.VolumeLabel {
	return wrapper.VolumeLabel{Standard: '3', UserLabels: true}
}

func (ansi) Check(f wrapper.File) error {
	switch {
	case f.Size < 0:
		return fmt.Errorf("cern: size %d: %w", f.Size, wrapper.ErrSize)
	case f.Size > maxSize:
		return &wrapper.TooLargeError{Format: "cern", Size: f.Size, Max: maxSize, Instead: []string{"null"}}
	case len(f.Path) > maxPath:
		return fmt.Errorf("cern: path of %d bytes, at most %d: %w", len(f.Path), maxPath, wrapper.ErrPathTooLong)
	case f.Path != "" && blank(f.Path[:min(len(f.Path), pathFirst)]):
		return fmt.Errorf("cern: path that begins with blanks: %w", wrapper.ErrPath)
	}
	return wrapper.CheckPath("cern", f.Path)
}

func (ansi) Header(f wrapper.File) ([]byte, error) {
	if f.Size < 0 || f.Size > maxSize || len(f.Path) > maxPath {
		return nil, ansi{}.Check(f)
	}
	return group{File: f, size: f.Size, algorithm: adler}.encode(leading), nil
}

func (ansi) Trailer(_ wrapper.File, size int64, _ uint32) ([]byte, error) {
	return make([]byte, -size&511), nil
}

func (ansi) Label(f wrapper.File, size int64, sum uint32) ([]byte, error) {
	return trailingGroup(f, size, group{size: size, algorithm: adler, sum: sum})
}

func (ansi) DeadLabel(f wrapper.File, size int64) ([]byte, error) {
	return trailingGroup(f, size, group{size: size, algorithm: none})
}

func trailingGroup(f wrapper.File, size int64, g group) ([]byte, error) {
	if size < 0 || size > maxSize || len(f.Path) > maxPath {
		f.Size = size
		return nil, ansi{}.Check(f)
	}
	g.File = f
	if f.BlockSize > 0 {
		g.blocks = (size + int64(f.BlockSize) - 1) / int64(f.BlockSize) // padding is never a block of its own
	}
	return g.encode(trailing), nil
}

func (ansi) Detect(first []byte) bool {
	_, err := parse(first, leading)
	return err == nil
}

func (ansi) ParseHeader(first []byte) (wrapper.File, int, error) {
	g, err := parse(first, leading)
	if err != nil {
		return wrapper.File{Size: -1}, 0, err
	}
	return g.File, 0, nil
}

func (ansi) CheckEnd(f wrapper.File, size int64, tail, label []byte) (wrapper.End, error) {
	g, err := parse(label, trailing)
	switch {
	case err != nil:
		return wrapper.End{}, err
	case g.algorithm == none:
		return wrapper.End{}, fmt.Errorf("cern: %s: given up after %d bytes: %w", g.Path, g.size, wrapper.ErrDead)
	case f.Path != "" && f.Path != g.Path:
		return wrapper.End{}, fmt.Errorf("cern: labels of %q in front and of %q behind: %w", f.Path, g.Path, wrapper.ErrHeader)
	case g.size != size:
		return wrapper.End{}, fmt.Errorf("cern: %s: size %d in the trailing labels, %d expected: %w", g.Path, g.size, size, wrapper.ErrHeader)
	case len(tail) > 511:
		return wrapper.End{}, fmt.Errorf("cern: %s: data go on behind %d bytes: %w", g.Path, size, wrapper.ErrLong)
	}
	return wrapper.End{Sum: g.sum, HasSum: g.algorithm == adler}, nil
}

// ParseLabel reads the record of trailing labels. sum is the checksum in them, an Adler-32 of
// either seed (see crc.Matches); ErrDead if the file was given up, ErrHeader for a
// record that is none.
func ParseLabel(record []byte) (f wrapper.File, sum uint32, err error) {
	g, err := parse(record, trailing)
	if err == nil && g.algorithm == none {
		err = fmt.Errorf("cern: %s: given up after %d bytes: %w", g.Path, g.size, wrapper.ErrDead)
	}
	return g.File, g.sum, err
}
