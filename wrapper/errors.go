package wrapper

import (
	"errors"
	"fmt"
	"strings"
)

// What may be wrong with a file before it is written.
var (
	// ErrTooLarge is a file larger than the format can tell; the error is a *TooLargeError.
	ErrTooLarge = errors.New("file is too large for the format")
	// ErrPathTooLong is a path longer than the format's Limits.MaxPath.
	ErrPathTooLong = errors.New("path is too long for the format")
	// ErrPath is a path that is empty, contains NUL or a component "..", or that the
	// format cannot tell from none.
	ErrPath = errors.New("bad path")
	// ErrSize is a negative size, or none where the format wants it first.
	ErrSize = errors.New("size must be known first")
	// ErrBlockSize is a block size that is not a multiple of 512 between MinBlock and
	// MaxBlock, or a buffer shorter than the block size.
	ErrBlockSize = errors.New("bad block size")
)

// What may go wrong while a file is written. The tape is whole after each of them: Abandon
// makes the file dead space.
var (
	// ErrShort is fewer bytes of data than the size declared.
	ErrShort = errors.New("data shorter than declared")
	// ErrLong is more bytes of data than the size declared; on reading, more than asked for.
	ErrLong = errors.New("data longer than declared")
	// ErrChecksum is a checksum that differs: on writing the sender's from that of what
	// went to tape, on reading that in the trailing labels from that of what was read.
	ErrChecksum = errors.New("checksum differs")
	// ErrClosed is a use of a Writer after Close or Abandon.
	ErrClosed = errors.New("writer is closed")
)

// What may be wrong with a tape.
var (
	// ErrUnknown is a first block that no format knows.
	ErrUnknown = errors.New("no known format")
	// ErrHeader is a header, or label, that is not of the format, does not agree with
	// itself, or gives another size than the catalogue.
	ErrHeader = errors.New("bad header")
	// ErrTruncated is a filemark before the end of the data.
	ErrTruncated = errors.New("truncated")
	// ErrDead is a file whose writer gave it up, or never came to its end.
	ErrDead = errors.New("dead space")
)

// TooLargeError is a file larger than a format can hold. errors.Is(err, ErrTooLarge) holds.
type TooLargeError struct {
	// Format is the name of the format.
	Format string
	// Size is that of the file, Max that of the largest file of the format, in bytes.
	Size, Max int64
	// Instead names formats that can hold the file.
	Instead []string
}

func (e *TooLargeError) Error() string {
	s := fmt.Sprintf("%s: file of %d bytes: larger than %d bytes, the most this format can tell", e.Format, e.Size, e.Max)
	if len(e.Instead) > 0 {
		s += "; formats that can: " + strings.Join(e.Instead, ", ")
	}
	return s
}

// Is makes the error an ErrTooLarge.
func (e *TooLargeError) Is(target error) bool { return target == ErrTooLarge }

// CheckPath tells whether a path can be told on tape at all: not empty, no NUL, no
// component "..". Formats call it from Check. The error is ErrPath and begins with the
// format's name.
func CheckPath(format, path string) error {
	switch {
	case path == "":
		return fmt.Errorf("%s: empty path: %w", format, ErrPath)
	case strings.IndexByte(path, 0) >= 0:
		return fmt.Errorf("%s: path %q contains NUL: %w", format, clip(path), ErrPath)
	}
	for part := range strings.SplitSeq(path, "/") {
		if part == ".." {
			return fmt.Errorf("%s: path %q contains ..: %w", format, clip(path), ErrPath)
		}
	}
	return nil
}

// clip keeps a path from filling a log: errors show at most 200 bytes of it.
func clip(s string) string {
	if len(s) > 200 {
		return s[:200] + "…"
	}
	return s
}

// subject is what an error text begins with: the format, and the path where it is known.
func subject(f Format, file File) string {
	if file.Path == "" {
		return f.Name()
	}
	return f.Name() + ": " + clip(file.Path)
}
