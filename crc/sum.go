package crc

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Algorithm says how a [Sum] was computed. The numbers may be stored and do not change.
type Algorithm uint8

const (
	Adler32Seed1   Algorithm = iota // Adler-32 as zlib and dCache have it
	Adler32Seed0                    // Adler-32 as encp has it
	CRC32CSum                       // CRC-32C
	Adler32AnySeed                  // Adler-32 of seed 0 or 1, nobody knows which: out of an Enstore database
)

// prefixes are the names of the algorithms in front of a Sum's text.
var prefixes = [...]string{"adler32", "adler32-0", "crc32c", "enstore"}

func (a Algorithm) String() string {
	if int(a) < len(prefixes) {
		return prefixes[a]
	}
	return "algorithm " + strconv.Itoa(int(a))
}

// Sum is a checksum as it is written down. Two that were computed of the same bytes by different
// algorithms are not equal; use [Sum.Matches].
type Sum struct {
	Algorithm Algorithm
	Value     uint32
}

var (
	// ErrSum means a text is not a checksum of a known form, or one that Adler-32 cannot give.
	ErrSum = errors.New("not a checksum")
	// ErrNoSum means a text says that no checksum was recorded: empty, "None" or "-1", as Enstore has it.
	ErrNoSum = errors.New("no checksum recorded")
	// ErrAlgorithm means a checksum is of an algorithm that this package, or the function called, does not know.
	ErrAlgorithm = errors.New("checksum of another algorithm")
	// ErrAmbiguous means eight decimal digits, which may be a decimal number or a hexadecimal one. The
	// caller who knows the source uses [ParseDecimal] or [ParseHex].
	ErrAmbiguous = errors.New("checksum may be decimal or hexadecimal")
)

// maxText is longer than every form of a checksum.
const maxText = 32

// ParseSum reads a checksum in any of the forms
//
//	adler32:34677ad2     [Adler32Seed1]; String and the marshallers write these four
//	adler32-0:34667ad1   [Adler32Seed0]
//	crc32c:e3069283      [CRC32CSum]
//	enstore:201065216    [Adler32AnySeed]
//	1:34677ad2           [Adler32Seed1], as in dCache's layer 2 (c=1:34677ad2)
//	34677ad2             [Adler32Seed1], eight hexadecimal digits of either case
//	201065216            [Adler32AnySeed], as in Enstore's database and layer 4; see [ParseDecimal]
//	0xbfc0300            [Adler32AnySeed], as Enstore's ecrc -h prints it
//
// The error is, or wraps, [ErrSum], [ErrNoSum], [ErrAlgorithm] or [ErrAmbiguous]. Spaces around the text are not allowed.
func ParseSum(text string) (Sum, error) {
	if name, rest, ok := strings.Cut(text, ":"); ok && len(text) <= maxText {
		return parseNamed(text, name, rest)
	}
	if hex, ok := strings.CutPrefix(text, "0x"); ok {
		return parse(text, hex, 16, Adler32AnySeed)
	}
	if len(text) != 8 || text[0] == '-' {
		return ParseDecimal(text)
	}
	if strings.Trim(text, "0123456789") == "" {
		return Sum{}, fmt.Errorf("checksum %s: %w", text, ErrAmbiguous)
	}
	return ParseHex(text)
}

// parseNamed reads what follows the name of an algorithm.
func parseNamed(text, name, rest string) (Sum, error) {
	if name == "1" { // dCache's number of Adler-32; 2 is MD5
		name = prefixes[Adler32Seed1]
	}
	for a, p := range prefixes {
		if p != name {
			continue
		}
		base := 16
		if Algorithm(a) == Adler32AnySeed {
			base = 10
		} else if len(rest) != 8 {
			return Sum{}, bad(text)
		}
		return parse(text, rest, base, Algorithm(a))
	}
	return Sum{}, fmt.Errorf("checksum %.32q: %w", text, ErrAlgorithm)
}

// ParseHex reads eight hexadecimal digits of either case: the form of dCache, XRootD and most
// tools outside Enstore, with seed 1.
func ParseHex(text string) (Sum, error) {
	if len(text) != 8 {
		return Sum{}, bad(text)
	}
	return parse(text, text, 16, Adler32Seed1)
}

// ParseDecimal reads the decimal form of Enstore's database and layer 4, whose seed is not known.
// It may be negative, as 32-bit machines wrote it around the year 2000: -1867964582 is
// 2427002714. The texts "", "None" and "-1" give [ErrNoSum].
func ParseDecimal(text string) (Sum, error) {
	switch text {
	case "", "None", "-1":
		return Sum{}, ErrNoSum
	}
	if strings.HasPrefix(text, "-") {
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return Sum{}, bad(text)
		}
		text = strconv.FormatUint(uint64(uint32(n)), 10)
	}
	return parse(text, text, 10, Adler32AnySeed)
}

// parse reads digits and refuses what the algorithm cannot give.
func parse(text, digits string, base int, a Algorithm) (Sum, error) {
	n, err := strconv.ParseUint(digits, base, 32)
	if err != nil || len(digits) > 10 || (a != CRC32CSum && !valid(uint32(n))) {
		return Sum{}, bad(text)
	}
	return Sum{Algorithm: a, Value: uint32(n)}, nil
}

func bad(text string) error {
	return fmt.Errorf("checksum %.32q: %w", text, ErrSum)
}

// String is the form with the algorithm's name in front; [ParseSum] reads it back.
func (s Sum) String() string {
	if s.Algorithm == Adler32AnySeed {
		return s.Algorithm.String() + ":" + s.Decimal()
	}
	return s.Algorithm.String() + ":" + s.Hex()
}

// Hex is the value in eight lower-case hexadecimal digits.
func (s Sum) Hex() string { return fmt.Sprintf("%08x", s.Value) }

// Decimal is the value as Enstore's database and layer 4 have it.
func (s Sum) Decimal() string { return strconv.FormatUint(uint64(s.Value), 10) }

// DCache is the form of dCache's layer 2, "1:34677ad2". dCache knows seed 1 only: the
// length of the content in bytes is needed if the sum is [Adler32Seed0], and other sums
// give [ErrAlgorithm].
func (s Sum) DCache(length int64) (string, error) {
	v, err := s.Seed1(length)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("1:%08x", v), nil
}

// Seed1 is the Adler-32 with [Seed1] of the content, which is length bytes long. Sums that
// do not determine it give [ErrAlgorithm].
func (s Sum) Seed1(length int64) (uint32, error) {
	switch s.Algorithm {
	case Adler32Seed1:
		return s.Value, nil
	case Adler32Seed0:
		return Convert(s.Value, length, Seed0, Seed1), nil
	}
	return 0, fmt.Errorf("checksum %s: %w", s, ErrAlgorithm)
}

// Matches says whether s fits content of length bytes whose Adler-32 with [Seed1] was computed. A CRC-32C
// fits none.
func (s Sum) Matches(computedSeed1 uint32, length int64) bool {
	if s.Algorithm == Adler32AnySeed {
		return Matches(s.Value, computedSeed1, length)
	}
	v, err := s.Seed1(length)
	return err == nil && v == computedSeed1
}

// AppendText appends String's form to b, or gives [ErrAlgorithm].
func (s Sum) AppendText(b []byte) ([]byte, error) {
	if int(s.Algorithm) >= len(prefixes) {
		return b, fmt.Errorf("checksum of %s: %w", s.Algorithm, ErrAlgorithm)
	}
	return append(b, s.String()...), nil
}

// MarshalText gives String's form, or [ErrAlgorithm].
func (s Sum) MarshalText() ([]byte, error) { return s.AppendText(nil) }

// UnmarshalText reads what [ParseSum] reads.
func (s *Sum) UnmarshalText(text []byte) error {
	sum, err := ParseSum(string(text[:min(len(text), maxText+1)]))
	if err == nil {
		*s = sum
	}
	return err
}
