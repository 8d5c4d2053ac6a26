package catalog

import (
	"strconv"
	"strings"
	"time"
)

// BFID is a bit file id, the name of one file on tape: a brand and the decimal of
// seconds*100000+counter, as "CDMS170000000000007". Databases also hold older forms
// (no brand, 11 to 16 digits, a trailing "L"); they are kept verbatim, because the
// text is what name spaces refer to. The empty BFID is no file.
type BFID string

// maxBFID bounds what is read from outside. Enstore's columns hold 32 characters.
const maxBFID = 32

const (
	perSecond = 100_000 // ids a second of a BFID's number stands for
	// futureOffset is what some Enstore servers added to the seconds of an id.
	futureOffset = 619_318_800
)

// ParseBFID accepts letters and digits that end in at least eleven digits, and one
// trailing "L". The error wraps ErrInvalid.
func ParseBFID(s string) (BFID, error) {
	digits := 0
	body := strings.TrimSuffix(s, "L")
	for i := len(body) - 1; i >= 0 && isDigit(body[i]); i-- {
		digits++
	}
	if len(s) > maxBFID || digits < 11 || !allOf(body, isAlnum) {
		return "", invalid("bfid %.40q", s)
	}
	return BFID(s), nil
}

// Brand is what stands in front of the number: everything up to the last letter, a
// trailing "L" aside. It may be empty.
func (b BFID) Brand() string { brand, _ := b.split(); return brand }

// Number is seconds*100000+counter; false if the digits exceed 64 bits.
func (b BFID) Number() (uint64, bool) {
	_, digits := b.split()
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil
}

func (b BFID) split() (brand, digits string) {
	s := strings.TrimSuffix(string(b), "L")
	i := len(s)
	for i > 0 && isDigit(s[i-1]) {
		i--
	}
	return s[:i], s[i:]
}

// Time is the second in which the id was made, as its number says. Some historic ids
// carry a time about 19.6 years too late; Corrected undoes that. The zero time is
// returned when there is no number.
func (b BFID) Time() time.Time {
	n, ok := b.Number()
	if !ok {
		return time.Time{}
	}
	return time.Unix(int64(n/perSecond), 0).UTC()
}

// Corrected is Time, less the historic offset of 619318800 s if Time lies more than a
// day after now.
func (b BFID) Corrected(now time.Time) time.Time {
	t := b.Time()
	if t.After(now.Add(24 * time.Hour)) {
		t = t.Add(-futureOffset * time.Second)
	}
	return t
}

func (b BFID) String() string { return string(b) }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isUpper(c byte) bool { return c >= 'A' && c <= 'Z' }
func isAlnum(c byte) bool { return isDigit(c) || isUpper(c) || c >= 'a' && c <= 'z' }

func allOf(s string, ok func(byte) bool) bool {
	for i := 0; i < len(s); i++ {
		if !ok(s[i]) {
			return false
		}
	}
	return true
}
