package wrapper

import (
	"fmt"
	"math"
)

// Null is the format without anything: data blocks and a filemark. It is the only one that
// takes a stream whose size is not known first. Nothing on tape tells where data end within a
// tape file but its filemark, nor whose they are, nor whether they are whole.
var Null Format = null{}

type null struct{}

func (null) Name() string { return "null" }

func (null) Limits() Limits { return Limits{MaxSize: math.MaxInt64, MaxPath: math.MaxInt} }

func (null) Check(f File) error {
	if f.Size < -1 {
		return fmt.Errorf("null: size %d: %w", f.Size, ErrSize)
	}
	return CheckPath("null", f.Path)
}

func (null) Layout() Layout { return Layout{TapeFiles: 1} }

func (null) VolumeLabel() VolumeLabel { return VolumeLabel{Standard: '0'} }

func (null) Header(File) ([]byte, error) { return nil, nil }

func (null) Trailer(File, int64, uint32) ([]byte, error) { return nil, nil }

func (null) Label(File, int64, uint32) ([]byte, error) { return nil, nil }

func (null) DeadLabel(File, int64) ([]byte, error) { return nil, nil }

// Detect is always true: any block may be data.
func (null) Detect([]byte) bool { return true }

func (null) ParseHeader([]byte) (File, int, error) { return File{Size: -1}, 0, nil }

func (null) CheckEnd(_ File, size int64, tail, _ []byte) (End, error) {
	if len(tail) > 0 {
		return End{}, fmt.Errorf("null: data go on behind the %d bytes: %w", size, ErrLong)
	}
	return End{}, nil
}
