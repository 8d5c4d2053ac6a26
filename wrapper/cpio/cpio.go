// Package cpio is Enstore's wrapper cpio_odc: each tape file is one POSIX portable ASCII
// cpio archive ("odc") with one member, which GNU cpio and bsdtar list and extract:
//
//	dd if=/dev/nst0 bs=1M | cpio -itv -H odc
//
// Its only noun is [Odc], a wrapper.Format.
//
//	w, err := wrapper.NewWriter(drive, cpio.Odc, wrapper.File{Path: "/exp/run7", Size: n, Mode: 0o100644, MTime: t})
//	r, err := wrapper.NewReader(drive, cpio.Odc, n)
//
// # Format
//
// Header, name, data, trailer header, trailer name, zeros; nothing is aligned but the end.
// All numbers are octal digits, zeros in front.
//
//	offset  length  field      what is written
//	0       6       magic      070707
//	6       6       dev        0
//	12      6       ino        0
//	18      6       mode       low 16 bits; 100664 unless it is a regular file with nothing but
//	                           permission bits (0100000 to 0100777)
//	24      6       uid        low 16 bits
//	30      6       gid        low 16 bits
//	36      6       nlink      1
//	42      6       rdev       0
//	48      11      mtime      seconds since 1970; 0 for times before
//	59      6       namesize   length of the name, its NUL included
//	65      11      filesize   length of the data
//	76      n       name       the path without one leading slash; ??? if there is none
//	76+n    1       NUL
//	        size    data
//	        76      trailer    a header with nlink 1, namesize 13 (octal), all else 0
//	        11      name       TRAILER!!! and NUL
//	        0..511  zeros      up to a multiple of 512 bytes from the magic
//
// The owner's numbers above 65535 are cut, as Enstore cuts them: they are in the catalogue.
// The format has no place for a checksum.
//
// # Limits
//
//	largest file  8 589 934 591 bytes (8 GiB - 1): eleven octal digits
//	longest path  1024 bytes with its leading slash, so that CERN's tape server reads it
//
// Reading takes any name of up to 65 535 bytes with its NUL. It checks the magic, the
// digits and the name's NUL; the trailer is looked at by Reader.Skip only: a tape file
// without one was given up by its writer.
//
// Everything is written as Enstore writes it, byte for byte; none of the fields is one that
// Enstore fills wrongly.
//
// # What it does not do
//
// Other cpio kinds (newc, crc, binary), sizes in hexadecimal as OSM wrote them, more than
// one member in a tape file.
package cpio

import (
	"bytes"
	"fmt"
	"time"

	"github.com/enstore-go/sdk/wrapper"
)

// Odc is the format.
var Odc wrapper.Format = odc{}

const (
	magic       = "070707"
	headerLen   = 76
	trailerName = "TRAILER!!!"
	trailerLen  = headerLen + len(trailerName) + 1

	maxSize = 1<<33 - 1 // eleven octal digits
	maxName = 1024      // with NUL: what CERN's tape server takes
	octal11 = 1<<33 - 1 // the same bound, for mtime
)

type odc struct{}

func (odc) Name() string { return "cpio_odc" }

func (odc) Limits() wrapper.Limits {
	return wrapper.Limits{MaxSize: maxSize, MaxPath: maxName, SizeFirst: true}
}

func (odc) Layout() wrapper.Layout { return wrapper.Layout{TapeFiles: 1} }

func (odc) VolumeLabel() wrapper.VolumeLabel { return wrapper.VolumeLabel{Standard: '0'} }

func (odc) Check(f wrapper.File) error {
	if f.Size < 0 {
		return fmt.Errorf("cpio_odc: size %d: %w", f.Size, wrapper.ErrSize)
	}
	if f.Size > maxSize {
		return &wrapper.TooLargeError{Format: "cpio_odc", Size: f.Size, Max: maxSize, Instead: []string{"cern", "null"}}
	}
	if n := len(f.Path); n > maxName || len(name(f.Path))+1 > maxName {
		return fmt.Errorf("cpio_odc: path of %d bytes, at most %d: %w", n, maxName, wrapper.ErrPathTooLong)
	}
	if name(f.Path) == "" && f.Path != "" || name(f.Path) == trailerName {
		return fmt.Errorf("cpio_odc: path %q: %w", f.Path, wrapper.ErrPath)
	}
	return wrapper.CheckPath("cpio_odc", f.Path)
}

// name is the path as the archive has it: Enstore takes away one slash.
func name(path string) string {
	if path != "" && path[0] == '/' {
		return path[1:]
	}
	return path
}

// fields are the numbers of a header.
type fields struct {
	dev, ino, mode, uid, gid, nlink, rdev uint32
	mtime                                 int64
	size                                  int64
}

// encode writes a header and its name.
func (h fields) encode(name string) []byte {
	b := make([]byte, 0, headerLen+len(name)+1)
	b = fmt.Appendf(b, "%s%06o%06o%06o%06o%06o%06o%06o%011o%06o%011o%s", magic,
		h.dev&0xffff, h.ino&0xffff, h.mode&0xffff, h.uid&0xffff, h.gid&0xffff, h.nlink&0xffff,
		h.rdev&0xfff, h.mtime, len(name)+1, h.size, name)
	return append(b, 0)
}

// regular is Enstore's rule for the mode.
func regular(mode uint32) uint32 {
	if mode&0o777000 != 0o100000 {
		return 0o100664
	}
	return mode
}

func (odc) Header(f wrapper.File) ([]byte, error) {
	if f.Size < 0 || f.Size > maxSize {
		return nil, odc{}.Check(f)
	}
	n := name(f.Path)
	if f.Path == "" {
		n = "???"
	}
	if len(n)+1 > maxName {
		return nil, odc{}.Check(f)
	}
	var mtime int64
	if !f.MTime.IsZero() {
		mtime = min(max(f.MTime.Unix(), 0), octal11)
	}
	h := fields{mode: regular(f.Mode), uid: f.UID, gid: f.GID, nlink: 1, mtime: mtime, size: f.Size}
	return h.encode(n), nil
}

func (odc) Trailer(f wrapper.File, size int64, _ uint32) ([]byte, error) {
	header, err := odc{}.Header(f)
	if err != nil {
		return nil, err
	}
	b := fields{nlink: 1}.encode(trailerName)
	total := int64(len(header)) + size + int64(len(b))
	return append(b, make([]byte, -total&511)...), nil
}

func (odc) Label(wrapper.File, int64, uint32) ([]byte, error) { return nil, nil }

func (odc) DeadLabel(wrapper.File, int64) ([]byte, error) { return nil, nil }

func (odc) Detect(first []byte) bool {
	_, _, err := odc{}.ParseHeader(first)
	return err == nil
}

func (odc) ParseHeader(first []byte) (wrapper.File, int, error) {
	h, n, err := parse(first)
	if err != nil {
		return wrapper.File{Size: -1}, 0, err
	}
	if n == trailerName {
		return wrapper.File{Size: -1}, 0, fmt.Errorf("cpio_odc: archive without a member: %w", wrapper.ErrHeader)
	}
	f := wrapper.File{Path: "/" + n, Size: h.size, Mode: h.mode, UID: h.uid, GID: h.gid, MTime: time.Unix(h.mtime, 0).UTC()}
	return f, headerLen + len(n) + 1, nil
}

func (odc) CheckEnd(_ wrapper.File, size int64, tail, _ []byte) (wrapper.End, error) {
	if len(tail) > 0 {
		if _, n, err := parse(tail); err == nil && n == trailerName {
			if len(tail) > trailerLen+511 {
				return wrapper.End{}, fmt.Errorf("cpio_odc: data go on behind the trailer: %w", wrapper.ErrLong)
			}
			return wrapper.End{}, nil
		}
	}
	return wrapper.End{}, fmt.Errorf("cpio_odc: no trailer behind %d bytes of data: %w", size, wrapper.ErrDead)
}

// parse reads a header and its name.
func parse(b []byte) (fields, string, error) {
	bad := func(format string, args ...any) (fields, string, error) {
		return fields{}, "", fmt.Errorf("cpio_odc: "+format+": %w", append(args, wrapper.ErrHeader)...)
	}
	if len(b) < headerLen {
		return bad("%d bytes where a header of %d should be", len(b), headerLen)
	}
	if string(b[:6]) != magic {
		return bad("magic %q", b[:6])
	}
	at := 6
	var failed string
	octal := func(field string, width int) int64 {
		var v int64
		for _, c := range b[at : at+width] {
			if c < '0' || c > '7' {
				if failed == "" {
					failed = fmt.Sprintf("%s %q is no octal number", field, b[at:at+width])
				}
				break
			}
			v = v<<3 | int64(c-'0')
		}
		at += width
		return v
	}
	var h fields
	for _, f := range []struct {
		name string
		to   *uint32
	}{
		{"dev", &h.dev}, {"ino", &h.ino}, {"mode", &h.mode}, {"uid", &h.uid},
		{"gid", &h.gid}, {"nlink", &h.nlink}, {"rdev", &h.rdev},
	} {
		*f.to = uint32(octal(f.name, 6))
	}
	h.mtime = octal("mtime", 11)
	nameSize := octal("namesize", 6)
	h.size = octal("filesize", 11)
	if failed != "" {
		return bad("%s", failed)
	}
	if nameSize < 2 || nameSize > 65535 || int64(len(b)) < headerLen+nameSize {
		return bad("name of %d bytes in a block of %d", nameSize, len(b))
	}
	n := b[headerLen : headerLen+nameSize]
	if bytes.IndexByte(n, 0) != len(n)-1 {
		return bad("name %q does not end with its only NUL", n[:min(len(n), 64)])
	}
	return h, string(n[:len(n)-1]), nil
}
