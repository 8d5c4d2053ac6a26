package crc

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"hash/adler32"
	"io"
	"strings"
	"testing"

	"github.com/matryer/is"
)

func TestParseSum(t *testing.T) {
	for _, c := range []struct {
		text string
		want Sum
		err  error
	}{
		{"adler32:34677ad2", Sum{Adler32Seed1, 0x34677ad2}, nil},
		{"adler32:34677AD2", Sum{Adler32Seed1, 0x34677ad2}, nil},
		{"adler32-0:34667ad1", Sum{Adler32Seed0, 0x34667ad1}, nil},
		{"crc32c:e3069283", Sum{CRC32CSum, 0xe3069283}, nil},
		{"crc32c:ffffffff", Sum{CRC32CSum, 0xffffffff}, nil},
		{"enstore:20106521", Sum{Adler32AnySeed, 20106521}, nil},
		{"1:34677ad2", Sum{Adler32Seed1, 0x34677ad2}, nil},
		{"34677ad2", Sum{Adler32Seed1, 0x34677ad2}, nil},
		{"0000000a", Sum{Adler32Seed1, 10}, nil},
		{"201065216", Sum{Adler32AnySeed, 201065216}, nil},
		{"0", Sum{Adler32AnySeed, 0}, nil},
		{"1", Sum{Adler32AnySeed, 1}, nil},
		{"0xbfc0300", Sum{Adler32AnySeed, 201065216}, nil},
		{"-1867964582", Sum{Adler32AnySeed, 2427002714}, nil},
		{"-9999999", Sum{Adler32AnySeed, 0xff676981}, nil}, // eight characters, but not eight digits
		{"", Sum{}, ErrNoSum},
		{"None", Sum{}, ErrNoSum},
		{"-1", Sum{}, ErrNoSum},
		{"20106521", Sum{}, ErrAmbiguous},
		{"2:d41d8cd98f00b204e9800998ecf8427", Sum{}, ErrSum}, // longer than any form
		{"2:34677ad2", Sum{}, ErrAlgorithm},
		{"md5:34677ad2", Sum{}, ErrAlgorithm},
		{"ADLER32:34677ad2", Sum{}, ErrAlgorithm},
		{"adler32:4677ad2", Sum{}, ErrSum},
		{"adler32:034677ad2", Sum{}, ErrSum},
		{"adler32:", Sum{}, ErrSum},
		{"adler32:+4677ad2", Sum{}, ErrSum},
		{"adler32:0x677ad2", Sum{}, ErrSum},
		{"adler32:3467_ad2", Sum{}, ErrSum},
		{"adler32:fff10000", Sum{}, ErrSum}, // a half of 65521
		{"0000fff1", Sum{}, ErrSum},
		{"4294967295", Sum{}, ErrSum}, // -1 as a positive number
		{"4294967296", Sum{}, ErrSum},
		{"-2147483649", Sum{}, ErrSum},
		{"00000000201065216", Sum{}, ErrSum},
		{" 201065216", Sum{}, ErrSum},
		{"0x", Sum{}, ErrSum},
		{"0x10bfc0300", Sum{}, ErrSum},
		{"3467zad2", Sum{}, ErrSum},
		{"enstore:-1867964582", Sum{}, ErrSum},
		{strings.Repeat("9", 1000), Sum{}, ErrSum},
	} {
		t.Run(c.text[:min(len(c.text), 40)], func(t *testing.T) {
			is := is.New(t)
			got, err := ParseSum(c.text)
			is.True(errors.Is(err, c.err))
			is.Equal(got, c.want)
			if err != nil {
				is.True(len(err.Error()) < 120) // a long text is not repeated whole
			}
		})
	}
}

func TestParseWhereTheSourceIsKnown(t *testing.T) {
	is := is.New(t)
	s, err := ParseDecimal("20106521")
	is.NoErr(err)
	is.Equal(s, Sum{Adler32AnySeed, 20106521})
	s, err = ParseHex("20106521")
	is.NoErr(err)
	is.Equal(s, Sum{Adler32Seed1, 0x20106521})
	_, err = ParseHex("20106521a")
	is.True(errors.Is(err, ErrSum))
}

func TestSumsMatchContent(t *testing.T) {
	is := is.New(t)
	p := fill(7, 54321)
	n, seed1, seed0 := int64(len(p)), Adler(Seed1, p), Adler(Seed0, p)
	is.True(Sum{Adler32Seed1, seed1}.Matches(seed1, n))
	is.True(Sum{Adler32Seed0, seed0}.Matches(seed1, n))
	is.True(Sum{Adler32AnySeed, seed0}.Matches(seed1, n))
	is.True(Sum{Adler32AnySeed, seed1}.Matches(seed1, n))
	is.True(!Sum{Adler32Seed1, seed0}.Matches(seed1, n)) // the seed is known and another
	is.True(!Sum{Adler32Seed0, seed1}.Matches(seed1, n))
	is.True(!Sum{CRC32CSum, seed1}.Matches(seed1, n))
	is.True(!Sum{Algorithm(9), seed1}.Matches(seed1, n))
}

func TestSumForms(t *testing.T) {
	is := is.New(t)
	s := Sum{Adler32Seed0, 201065216}
	is.Equal(s.Hex(), "0bfc0300")
	is.Equal(s.Decimal(), "201065216")
	d, err := s.DCache(7)
	is.NoErr(err)
	is.Equal(d, "1:0c030301") // seed 1, as dCache knows no other
	for _, a := range []Algorithm{CRC32CSum, Adler32AnySeed} {
		_, err = Sum{a, 1}.DCache(7)
		is.True(errors.Is(err, ErrAlgorithm))
	}
}

func TestSumAsJSON(t *testing.T) {
	is := is.New(t)
	for _, s := range []Sum{{Adler32Seed1, 1}, {Adler32Seed0, 0}, {CRC32CSum, 0xffffffff}, {Adler32AnySeed, 20106521}} {
		text, err := json.Marshal(s)
		is.NoErr(err)
		var back Sum
		is.NoErr(json.Unmarshal(text, &back))
		is.Equal(back, s)
	}
	_, err := Sum{Algorithm: 9}.MarshalText()
	is.True(errors.Is(err, ErrAlgorithm))
	s := Sum{CRC32CSum, 7}
	is.True(s.UnmarshalText([]byte("nonsense")) != nil)
	is.Equal(s, Sum{CRC32CSum, 7}) // unchanged
	is.True(errors.Is(s.UnmarshalText([]byte(strings.Repeat("0", 1<<20))), ErrSum))
}

func FuzzParseSum(f *testing.F) {
	for _, s := range []string{"1:34677ad2", "adler32:34677ad2", "201065216", "34677ad2", "-1867964582", "0xbfc0300", "None", "crc32c:e3069283"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSum(text)
		if err != nil {
			if s != (Sum{}) {
				t.Fatalf("%v with an error", s)
			}
			return
		}
		back, err := ParseSum(s.String())
		if err != nil || back != s {
			t.Fatalf("%q gives %s, and that gives %v, %v", text, s, back, err)
		}
		if s.Algorithm != CRC32CSum && !valid(s.Value) {
			t.Fatalf("%q gives %08x, which is no Adler-32", text, s.Value)
		}
	})
}

func TestAdler32IsAHash(t *testing.T) {
	is := is.New(t)
	p := fill(8, 5000)
	ours, theirs := NewAdler32(Seed1), adler32.New()
	w := io.MultiWriter(ours, theirs)
	for len(p) > 0 {
		n := min(len(p), 701)
		_, err := w.Write(p[:n])
		is.NoErr(err)
		p = p[n:]
		is.Equal(ours.Sum32(), theirs.Sum32())
		is.Equal(ours.Sum([]byte("x")), theirs.Sum([]byte("x")))
	}
	is.Equal(ours.Size(), theirs.Size())
	is.Equal(ours.BlockSize(), theirs.BlockSize())
	ours.Reset()
	is.Equal(ours.Sum32(), uint32(1))
	zero := NewAdler32(Seed0)
	zero.Write([]byte("a"))
	is.Equal(zero.Sum32(), uint32(6357089))
	zero.Reset()
	is.Equal(zero.Sum32(), uint32(0))
}

func TestAdler32GoesOnFromStoredState(t *testing.T) {
	is := is.New(t)
	var _ encoding.BinaryAppender = (*Adler32)(nil)
	p := fill(9, 5000)
	for _, seed := range []Seed{Seed0, Seed1, 0xffffffff} {
		a := NewAdler32(seed)
		empty, err := a.MarshalBinary()
		is.NoErr(err)
		a.Write(p[:1234])
		state, err := a.MarshalBinary()
		is.NoErr(err)
		var b Adler32
		is.NoErr(b.UnmarshalBinary(empty))
		is.Equal(b.Sum32(), uint32(seed))
		is.NoErr(b.UnmarshalBinary(state))
		b.Write(p[1234:])
		is.Equal(b.Sum32(), Adler(seed, p))
		b.Reset()
		is.Equal(b.Sum32(), uint32(seed)) // the seed is part of the state
	}
}

func TestAdler32RefusesOtherStates(t *testing.T) {
	is := is.New(t)
	good, err := NewAdler32(Seed1).MarshalBinary()
	is.NoErr(err)
	standard, err := adler32.New().(encoding.BinaryMarshaler).MarshalBinary()
	is.NoErr(err)
	wrong := append(good[:8:8], 0xff, 0xff, 0, 0) // a half beyond 65520
	a := NewAdler32(Seed0)
	a.Write([]byte("a"))
	for _, state := range [][]byte{nil, good[:11], append(good[:12:12], 0), standard, wrong} {
		is.Equal(a.UnmarshalBinary(state), ErrState)
		is.Equal(a.Sum32(), uint32(6357089)) // unchanged
	}
}

func TestMeterInOnePass(t *testing.T) {
	is := is.New(t)
	p := fill(10, 3*SanitySpan+17)
	for _, step := range []int{1000, 4096, SanitySpan - 1, SanitySpan, SanitySpan + 1, len(p)} {
		m := NewMeter()
		for off := 0; off < len(p); off += step {
			n, err := m.Write(p[off:min(off+step, len(p))])
			is.NoErr(err)
			is.Equal(n, min(step, len(p)-off))
			is.Equal(m.Sanity(), SanityOf(p[:m.Size()])) // right at every moment
		}
		is.Equal(m.Size(), int64(len(p)))
		is.Equal(m.Sum(), Adler(Seed1, p))
		is.Equal(m.Sanity(), Sanity{SanitySpan, Adler(Seed1, p[:SanitySpan])})
	}
}

func TestMeterOfShortFiles(t *testing.T) {
	is := is.New(t)
	m := NewMeter()
	is.Equal(m.Sanity(), Sanity{0, 1})
	is.Equal(m.Sum(), uint32(1))
	m.Write(nil)
	is.Equal(m.Sanity(), Sanity{0, 1})
	m.Write([]byte("enstore"))
	is.Equal(m.Sanity(), Sanity{7, 201523969})
	is.True(Sanity{7, 201065216}.Matches(m.Sanity())) // stored with seed 0
	is.True(!Sanity{6, 201065216}.Matches(m.Sanity()))
	is.True(!Sanity{7, 5}.Matches(m.Sanity()))
	m.Reset()
	is.Equal(m.Size(), int64(0))
	is.Equal(m.Sum(), uint32(1))
}

func ExampleMeter() {
	m := NewMeter()
	size, _ := io.Copy(io.Discard, io.TeeReader(strings.NewReader("enstore"), m))
	stored := uint32(201065216) // from a database, of unknown seed
	fmt.Println(size, m.Sum(), Matches(stored, m.Sum(), m.Size()))
	// Output: 7 201523969 true
}

func ExampleParseSum() {
	for _, text := range []string{"1:34677ad2", "201065216", "crc32c:e3069283"} {
		s, err := ParseSum(text)
		fmt.Println(s, err)
	}
	// Output:
	// adler32:34677ad2 <nil>
	// enstore:201065216 <nil>
	// crc32c:e3069283 <nil>
}
