package cern

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/enstore-go/sdk/wrapper"
)

// names are the first three characters of the labels of a group: system and user labels.
type names struct{ system, user string }

var (
	leading  = names{"HDR", "UHL"}
	trailing = names{"EOF", "UTL"}
)

// Checksum algorithms in UHL3 and UTL3.
const (
	adler = "AD"
	none  = "  " // dead space
)

// group is what one record of labels says.
type group struct {
	wrapper.File        // its Size is not looked at
	size         int64  // of the data
	blocks       int64  // of the data; trailing only
	algorithm    string // of the checksum
	sum          uint32 // trailing only
}

// label builds one label field by field.
type label []byte

// text adds s, cut or filled with blanks to n bytes. What is not printable ASCII becomes ?.
func (l label) text(s string, n int) label {
	for i := range n {
		c := byte(' ')
		if i < len(s) {
			if c = s[i]; c < ' ' || c > '~' {
				c = '?'
			}
		}
		l = append(l, c)
	}
	return l
}

// known adds s like text, or other where s is blank.
func (l label) known(s, other string, n int) label {
	if blank(s[:min(len(s), n)]) {
		s = other
	}
	return l.text(s, n)
}

// number adds the last n decimal digits of v.
func (l label) number(v int64, n int) label {
	s := fmt.Sprintf("%0*d", n, max(v, 0))
	return append(l, s[len(s)-n:]...)
}

// bytes adds s as it is, filled with blanks to n bytes.
func (l label) bytes(s string, n int) label {
	l = append(l, s...)
	return append(l, strings.Repeat(" ", n-len(s))...)
}

func blank(s string) bool { return strings.Trim(s, " ") == "" }

// encode writes the group.
func (g group) encode(n names) []byte {
	b := make(label, 0, maxGroup*labelLen)
	path := g.Path
	if path == "" {
		path = "???"
	}
	first := path[:min(len(path), pathFirst)]
	var century string
	var dates string
	if g.Created.IsZero() {
		century, dates = " ", "00000"
	} else {
		t := g.Created.UTC()
		century = " "
		if c := (t.Year() - 1900) / 100; c > 0 {
			century = strconv.Itoa((c - 1) % 10)
		}
		dates = fmt.Sprintf("%02d%03d", t.Year()%100, t.YearDay())
	}
	b = append(b, n.system+"1"...).bytes(first, pathFirst).text("000000", 6).text("0000", 4).
		number(g.Sequence, 4).text("0001", 4).text("00", 2).text(century+dates, 6).
		text(century+"00000", 6).text("", 1).number(g.blocks, 6).
		known(strings.ReplaceAll(g.Version, "CVS $Revision: ", ""), "enstore-sdk", 13).text("", 7)

	length := int64(g.BlockSize)
	if length > 99999 {
		length = 0
	}
	technique := ""
	if g.Compressed {
		technique = "P"
	}
	b = append(b, n.system+"2D"...).number(length, 5).number(length, 5).text("", 19).text(technique, 1).
		text("", 15).text("00", 2).text("", 28)

	b = append(b, n.user+"1"...).number(g.Sequence, 10).number(int64(g.BlockSize), 10).number(int64(g.BlockSize), 10).
		known(g.Site, "Fermilab", 8).known(g.Host, "UNKNOWN", 10).known(g.DriveVendor, "UNKNOWN", 8).
		known(g.DriveProduct, "UNKNOWN", 8).known(g.DriveSerial, "UNKNOWN", 12)

	bfid := g.BFID[:min(len(g.BFID), 20)]
	b = append(b, n.user+"2"...).text(strings.Repeat(" ", 20-len(bfid))+bfid, 20).text("", 10).
		text(fmt.Sprintf("%04o", g.Mode&0o7777), 4).text(strconv.FormatUint(uint64(g.UID), 10), 10).
		text(strconv.FormatUint(uint64(g.GID), 10), 10).number(g.size, 20).text("", 2)

	b = append(b, n.user+"3"...).text(g.User, 14).text(g.StorageGroup, 8).text(g.algorithm, 2).
		number(int64(g.sum), 10).text("", 19).text("", 23)

	stamp := ""
	if !g.Created.IsZero() {
		stamp = g.Created.UTC().Format(stampForm)
	}
	b = append(b, n.user+"4"...).number(0, 5).number(0, 5).number(0, 20).text(adler, 2).number(0, 10).
		text(stamp, 19).number(0, 10).text("", 5)

	if len(path) > pathFirst {
		// While something, or nothing, is left: a rest of whole labels is followed by a blank one.
		rest := path[pathFirst:]
		for letter := byte('A'); ; letter++ {
			k := min(len(rest), pathNext)
			b = append(append(b, n.user...), letter).bytes(rest[:k], pathNext)
			if rest = rest[k:]; k < pathNext {
				break
			}
		}
	}
	return b
}

const stampForm = "2006/01/02 15:04:05"

// parse reads a group. Everything but names, size and checksum is taken as it comes.
func parse(record []byte, n names) (group, error) {
	bad := func(format string, args ...any) (group, error) {
		return group{File: wrapper.File{Size: -1}}, fmt.Errorf("cern: "+format+": %w", append(args, wrapper.ErrHeader)...)
	}
	count := len(record) / labelLen
	if len(record)%labelLen != 0 || count < fixed || count > maxGroup {
		return bad("%d bytes are no group of labels", len(record))
	}
	for i := range count {
		want := n.system + string(rune('1'+i))
		switch {
		case i >= fixed:
			want = n.user + string(rune('A'+i-fixed))
		case i >= 2:
			want = n.user + string(rune('1'+i-2))
		}
		if have := record[i*labelLen:][:4]; string(have) != want {
			return bad("label %d is %q instead of %s", i+1, have, want)
		}
	}
	field := func(label, offset, length int) string {
		return string(record[label*labelLen+offset:][:length])
	}
	text := func(label, offset, length int) string { return strings.Trim(field(label, offset, length), " ") }
	const (
		hdr1, hdr2, uhl1, uhl2, uhl3, uhl4 = 0, 1, 2, 3, 4, 5
	)
	size, err := strconv.ParseUint(field(uhl2, 58, 20), 10, 63)
	if err != nil {
		return bad("size %q in %s2", field(uhl2, 58, 20), n.user)
	}
	g := group{size: int64(size), algorithm: field(uhl3, 26, 2)}
	if g.algorithm == adler {
		sum, err := strconv.ParseUint(field(uhl3, 28, 10), 10, 32)
		if err != nil {
			return bad("checksum %q in %s3", field(uhl3, 28, 10), n.user)
		}
		g.sum = uint32(sum)
	}
	path := field(hdr1, 4, pathFirst)
	for i := fixed; i < count; i++ {
		path += field(i, 4, pathNext)
	}
	g.File = wrapper.File{
		Path:         strings.TrimRight(path, " "),
		Size:         g.size,
		Mode:         0o100000 | uint32(number(text(uhl2, 34, 4), 8, 12)),
		UID:          uint32(number(text(uhl2, 38, 10), 10, 32)),
		GID:          uint32(number(text(uhl2, 48, 10), 10, 32)),
		User:         text(uhl3, 4, 14),
		StorageGroup: text(uhl3, 18, 8),
		BlockSize:    int(number(text(uhl1, 14, 10), 10, 31)),
		Site:         text(uhl1, 34, 8),
		Host:         text(uhl1, 42, 10),
		DriveVendor:  text(uhl1, 52, 8),
		DriveProduct: text(uhl1, 60, 8),
		DriveSerial:  text(uhl1, 68, 12),
		BFID:         text(uhl2, 4, 20),
		Version:      text(hdr1, 60, 13),
		Sequence:     int64(number(text(uhl1, 4, 10), 10, 63)),
		Compressed:   field(hdr2, 34, 1) == "P",
	}
	if g.Path == "" {
		return bad("no path")
	}
	if t, err := time.Parse(stampForm, text(uhl4, 46, 19)); err == nil {
		g.Created = t
	}
	g.blocks = int64(number(text(hdr1, 54, 6), 10, 63))
	return g, nil
}

// number reads a field that is a hint: what is no number is 0.
func number(s string, base, bits int) uint64 {
	v, err := strconv.ParseUint(s, base, bits)
	if err != nil {
		return 0
	}
	return v
}
