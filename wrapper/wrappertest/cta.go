package wrappertest

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// CTAFormat is a label format as CERN's tape server numbers them.
type CTAFormat int

// The formats of Enstore that it reads.
const (
	CTAEnstore      CTAFormat = 2 // files of cpio_odc
	CTAEnstoreLarge CTAFormat = 3 // files of cern
)

// ErrCTA is a tape that CERN's tape server refuses, or reads to no end.
var ErrCTA = errors.New("refused by CERN's tape server")

// What the server asks a drive for.
const (
	ctaLabelRead = 256 << 10 // bytes when it reads labels
	ctaDataRead  = 1 << 20   // bytes when it reads data of CTAEnstore
	ctaMaxName   = 1024      // bytes of a cpio name with its NUL
)

// CTA is a model of CERN's tape server (CTA) reading a tape of Enstore: it moves over records
// and filemarks as the server does, and demands of the labels what the server demands,
// nothing else. It is a model: what passes it has a good chance, not a promise.
//
// It refuses empty files, volume labels of fewer than six characters, and blocks above
// 1 MiB (CTAEnstore).
type CTA struct {
	tape   *Tape
	format CTAFormat
	fseq   int // of the file ahead, as the server counts
	// BlockSize is that of the last file read, as UHL1 said it, or 1 MiB.
	BlockSize int
}

// NewCTA starts a session: rewind, read and check the volume label. vid is the volume's name
// in the catalogue of the server.
func NewCTA(t *Tape, vid string, format CTAFormat) (*CTA, error) {
	c := &CTA{tape: t, format: format}
	t.Rewind()
	label, err := c.read(ctaLabelRead)
	if err != nil {
		return nil, err
	}
	if len(label) < 80 {
		return nil, refuse("volume label of %d bytes", len(label))
	}
	standards := "03"
	if format == CTAEnstoreLarge {
		standards = "3"
	}
	if err := verify("VOL1", label[:80], []rule{
		{0, 4, "label", is("VOL1")},
		{4, 6, "volume", filled},
		{10, 1, "accessibility", blank},
		{11, 13, "reserved 1", blank},
		{24, 13, "implementation", blank},
		{51, 26, "reserved 2", blank},
		{79, 1, "label standard", func(s string) bool { return strings.Contains(standards, s) }},
	}); err != nil {
		return nil, err
	}
	if have := string(label[4:10]); have != vid {
		return nil, refuse("volume %q, not %q: names are compared as they are, in six characters", have, vid)
	}
	if format == CTAEnstoreLarge {
		if err := c.mark("behind the volume label"); err != nil {
			return nil, err
		}
		c.fseq = 1
	}
	return c, nil
}

// ReadFile reads the file with number fseq (1, 2, 3 …) and gives its data. For CTAEnstore
// that is the number of its tape file, for CTAEnstoreLarge every file has three.
func (c *CTA) ReadFile(fseq int) ([]byte, error) {
	if fseq < 1 {
		return nil, refuse("file %d", fseq)
	}
	if c.format == CTAEnstoreLarge {
		return c.readLarge(fseq)
	}
	return c.readEnstore(fseq)
}

// readEnstore positions by filemarks, then filters the cpio archive.
func (c *CTA) readEnstore(fseq int) ([]byte, error) {
	// fseq 0 here is the label itself: the session stands behind its record.
	switch delta := fseq - c.fseq; {
	case fseq == 1:
		c.tape.Rewind()
		if err := c.space(1); err != nil {
			return nil, err
		}
	case delta > 0:
		if err := c.space(delta); err != nil {
			return nil, err
		}
	case delta < 0:
		if err := c.back(-delta + 1); err != nil {
			return nil, err
		}
	}
	c.fseq = fseq
	c.BlockSize = ctaDataRead

	first, err := c.read(ctaDataRead)
	if err != nil {
		return nil, err
	}
	if len(first) == 0 {
		return nil, refuse("file %d: empty tape file", fseq)
	}
	size, header, err := ctaCpio(first)
	if err != nil {
		return nil, err
	}
	data := append([]byte{}, first[header:min(int64(len(first)), header+size)]...)
	for seen := int64(len(data)); ; {
		block, err := c.read(ctaDataRead)
		if err != nil {
			return nil, err
		}
		if len(block) == 0 { // filemark
			break
		}
		n := int64(len(block))
		seen += n
		if seen > size {
			n = max(0, n-(seen-size))
		}
		data = append(data, block[:n]...)
		if n == 0 { // a block of trailer only: the filemark must be next
			if err := c.mark("behind a block of trailer"); err != nil {
				return nil, err
			}
			break
		}
	}
	c.fseq++
	if int64(len(data)) != size {
		return nil, refuse("file %d: %d bytes of %d", fseq, len(data), size)
	}
	return data, nil
}

// ctaCpio decodes the header as the server does.
func ctaCpio(b []byte) (size, header int64, err error) {
	if len(b) < 76 || string(b[:6]) != "070707" {
		return 0, 0, refuse("no cpio header: %q", b[:min(len(b), 6)])
	}
	for at := 6; at < 59; at += 6 {
		width := 6
		if at == 48 {
			width = 11
		}
		if _, err := strconv.ParseUint(string(b[at:at+width]), 8, 64); err != nil {
			return 0, 0, refuse("cpio header: field at %d: %q", at, b[at:at+width])
		}
		if width == 11 {
			break
		}
	}
	nameSize, err := strconv.ParseInt(string(b[59:65]), 8, 64)
	if err != nil || nameSize > ctaMaxName {
		return 0, 0, refuse("cpio header: name of %q bytes", b[59:65])
	}
	if b[65] == 'H' {
		size, err = strconv.ParseInt(string(b[66:76]), 16, 64)
	} else {
		size, err = strconv.ParseInt(string(b[65:76]), 8, 64)
	}
	switch {
	case err != nil:
		return 0, 0, refuse("cpio header: size %q", b[65:76])
	case size == 0:
		return 0, 0, refuse("cpio header: size 0 counts as no header: empty files cannot be read")
	case 76+nameSize > int64(len(b)):
		return 0, 0, refuse("cpio header longer than the first block")
	}
	return size, 76 + nameSize, nil
}

// readLarge positions over three filemarks a file, checks the labels, and cuts the data.
func (c *CTA) readLarge(fseq int) ([]byte, error) {
	switch delta := fseq - c.fseq; {
	case delta > 0:
		if err := c.space(3 * delta); err != nil {
			return nil, err
		}
	case delta < 0:
		if err := c.back(3*-delta + 1); err != nil {
			return nil, err
		}
	}
	c.fseq = fseq
	labels, err := c.read(ctaLabelRead)
	if err != nil {
		return nil, err
	}
	if len(labels) < 4*80 {
		return nil, refuse("file %d: leading labels of %d bytes", fseq, len(labels))
	}
	if err := c.mark("behind the leading labels"); err != nil {
		return nil, err
	}
	if err := ctaLabels(labels, "HDR", "UHL"); err != nil {
		return nil, err
	}
	if err := verify("UHL2", labels[240:320], []rule{{0, 4, "label", is("UHL2")}, {64, 14, "file size", filled}}); err != nil {
		return nil, err
	}
	blockSize := atol(labels[160+14 : 160+24])
	left := atol(labels[240+64 : 240+78])
	if blockSize < 1 {
		return nil, refuse("file %d: block size %q", fseq, labels[174:184])
	}
	if left < 1 {
		return nil, refuse("file %d: size %q: empty files cannot be read", fseq, labels[304:318])
	}
	c.BlockSize = int(blockSize)

	var data []byte
	for size := left; ; {
		block, err := c.read(c.BlockSize)
		if err != nil {
			return nil, err
		}
		if len(block) == 0 {
			if int64(len(data)) != size {
				return nil, refuse("file %d: %d bytes of %d", fseq, len(data), size)
			}
			break
		}
		n := int64(len(block))
		if n > left {
			n = left
		} else {
			left -= n
		}
		if n == 0 {
			return nil, refuse("file %d: a block of padding only", fseq)
		}
		data = append(data, block[:n]...)
	}

	labels, err = c.read(ctaLabelRead)
	if err != nil {
		return nil, err
	}
	if len(labels) < 3*80 {
		return nil, refuse("file %d: trailing labels of %d bytes", fseq, len(labels))
	}
	if err := c.mark("behind the trailing labels"); err != nil {
		return nil, err
	}
	c.fseq++
	return data, ctaLabels(labels, "EOF", "UTL")
}

// ctaLabels checks the first three labels of a group.
func ctaLabels(b []byte, system, user string) error {
	blocks := is("000000")
	if system == "EOF" {
		blocks = filled
	}
	if err := verify(system+"1", b[:80], []rule{
		{0, 4, "label", is(system + "1")},
		{4, 17, "file id", filled},
		{21, 6, "set", filled},
		{31, 4, "sequence", filled},
		{35, 4, "generation", is("0001")},
		{39, 2, "version", is("00")},
		{41, 6, "creation date", filled},
		{47, 6, "expiration date", filled},
		{53, 1, "accessibility", blank},
		{54, 6, "block count", blocks},
		{60, 13, "system code", filled},
		{73, 7, "reserved", blank},
	}); err != nil {
		return err
	}
	if err := verify(system+"2", b[80:160], []rule{
		{0, 4, "label", is(system + "2")},
		{4, 1, "record format", is("D")},
		{5, 5, "block length", filled},
		{10, 5, "record length", filled},
		{16, 18, "reserved 1", blank},
		{36, 14, "reserved 2", blank},
		{50, 2, "offset", is("00")},
		{52, 28, "reserved 3", blank},
	}); err != nil {
		return err
	}
	return verify(user+"1", b[160:240], []rule{
		{0, 4, "label", is(user + "1")},
		{4, 10, "sequence", filled},
		{14, 10, "block size", filled},
		{24, 10, "record length", filled},
		{34, 8, "site", filled},
		{42, 10, "host", filled},
		{52, 8, "drive vendor", filled},
		{60, 8, "drive model", filled},
		{68, 12, "drive serial number", filled},
	})
}

// rule is a demand on one field of a label.
type rule struct {
	offset, length int
	field          string
	ok             func(string) bool
}

func verify(label string, b []byte, rules []rule) error {
	for _, r := range rules {
		if s := string(b[r.offset : r.offset+r.length]); !r.ok(s) {
			return refuse("%s: %s: %q", label, r.field, s)
		}
	}
	return nil
}

func blank(s string) bool  { return strings.Trim(s, " ") == "" }
func filled(s string) bool { return !blank(s) }

func is(want string) func(string) bool {
	return func(s string) bool { return s == want }
}

func refuse(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, ErrCTA)...)
}

// atol reads digits as C does: leading blanks, then digits, the rest ignored.
func atol(b []byte) int64 {
	s := strings.TrimLeft(string(b), " ")
	end := 0
	for end < len(s) && s[end] >= '0' && s[end] <= '9' {
		end++
	}
	v, err := strconv.ParseInt(s[:end], 10, 64)
	if err != nil {
		return 0
	}
	return v
}

// read asks the drive for limit bytes: nothing at a filemark; a longer record is an error, and
// so is end of data.
func (c *CTA) read(limit int) ([]byte, error) {
	block, err := c.tape.ReadBlock()
	if err == io.EOF {
		return nil, nil
	}
	if err != nil {
		return nil, refuse("read: %v", err)
	}
	if len(block) > limit {
		return nil, refuse("read: record of %d bytes, asked for %d", len(block), limit)
	}
	return append([]byte{}, block...), nil
}

func (c *CTA) mark(where string) error {
	if _, err := c.tape.ReadBlock(); err != io.EOF {
		return refuse("no filemark %s", where)
	}
	return nil
}

// space goes forward over n filemarks.
func (c *CTA) space(n int) error {
	for n > 0 {
		switch _, err := c.tape.ReadBlock(); err {
		case nil:
		case io.EOF:
			n--
		default:
			return refuse("space over filemarks: %v", err)
		}
	}
	return nil
}

// back goes backwards over n filemarks, then reads the last of them again.
func (c *CTA) back(n int) error {
	for n > 0 {
		if c.tape.at == 0 {
			return refuse("space backwards: beginning of tape")
		}
		c.tape.at--
		if c.tape.objects[c.tape.at] == nil {
			n--
		}
	}
	return c.mark("in front of the file")
}
