package crc

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/adler32"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/matryer/is"
)

// fill gives n random bytes, the same for the same seed.
func fill(seed byte, n int) []byte {
	p := make([]byte, n)
	rand.NewChaCha8([32]byte{seed}).Read(p)
	return p
}

type namedKernel struct {
	name string
	k    kernel
}

// kernels are those that this machine can run.
func kernels() []namedKernel {
	all := []namedKernel{{"words", kernelWords}}
	if best == kernelAVX2 {
		all = append(all, namedKernel{"avx2", kernelAVX2})
	}
	return all
}

func eachKernel(t *testing.T, test func(t *testing.T, k kernel)) {
	for _, k := range kernels() {
		t.Run(k.name, func(t *testing.T) { test(t, k.k) })
	}
}

// plain is the definition, a byte at a time, from any start.
func plain(sum uint32, p []byte) uint32 {
	s1, s2 := sum&0xffff%mod, sum>>16%mod
	for _, b := range p {
		s1 = (s1 + uint32(b)) % mod
		s2 = (s2 + s1) % mod
	}
	return s2<<16 | s1
}

func TestEveryShortLengthEqualsStandard(t *testing.T) {
	eachKernel(t, func(t *testing.T, k kernel) {
		for what, data := range map[string][]byte{
			"random": fill(1, 3064), "ff": bytes.Repeat([]byte{0xff}, 3064), "zero": make([]byte, 3064),
		} {
			for n := 0; n <= 3000; n++ {
				p := data[n%64:][:n] // every alignment has its turn
				if got, want := update(k, 1, p), adler32.Checksum(p); got != want {
					t.Fatalf("%s, %d bytes: %08x, want %08x", what, n, got, want)
				}
				if got, want := update(k, 0, p), plain(0, p); got != want {
					t.Fatalf("%s, %d bytes, seed 0: %08x, want %08x", what, n, got, want)
				}
			}
		}
	})
}

func TestLargeSumsDoNotOverflow(t *testing.T) {
	// 0xff everywhere and the largest start are the worst that the sums must hold.
	const start = (mod-1)<<16 | (mod - 1)
	p := bytes.Repeat([]byte{0xff}, 3*piece+161)
	eachKernel(t, func(t *testing.T, k kernel) {
		is := is.New(t)
		for _, n := range []int{wordsBlock - 1, wordsBlock, wordsBlock + 1, piece - 1, piece, piece + 1, 2*piece + 63, len(p)} {
			is.Equal(update(k, 1, p[:n]), adler32.Checksum(p[:n]))
			is.Equal(update(k, start, p[:n]), plain(start, p[:n]))
		}
	})
}

func TestUnalignedStarts(t *testing.T) {
	p := fill(2, 70000)
	eachKernel(t, func(t *testing.T, k kernel) {
		for from := range 64 {
			for _, n := range []int{63, 64, 65, 255, 256, 257, 4096, 65536} {
				q := p[from:][:n]
				if got, want := update(k, 1, q), adler32.Checksum(q); got != want {
					t.Fatalf("%d bytes from %d: %08x, want %08x", n, from, got, want)
				}
			}
		}
	})
}

func TestSplitsGiveTheSameSum(t *testing.T) {
	p := fill(3, 300000)
	want := adler32.Checksum(p)
	eachKernel(t, func(t *testing.T, k kernel) {
		r := rand.New(rand.NewPCG(1, 1))
		for range 50 {
			sum, rest := uint32(1), p
			for len(rest) > 0 {
				n := min(len(rest), 1<<r.IntN(18)+r.IntN(70)-1)
				sum, rest = update(k, sum, rest[:n]), rest[n:]
			}
			if sum != want {
				t.Fatalf("%08x, want %08x", sum, want)
			}
		}
	})
}

func TestStartsThatAreNoSumsAreReduced(t *testing.T) {
	is := is.New(t)
	is.Equal(UpdateAdler(0xffffffff, []byte{1}), plain(0xffffffff, []byte{1}))
	is.Equal(UpdateAdler(0xffffffff, nil), uint32(14<<16|14))
}

// golden is testdata/adler32.json: sums that Enstore's own code gave.
type golden struct {
	Vectors []struct {
		Name         string
		DataHex      *string `json:"data_hex"`
		Len, Size    int64
		Seed0, Seed1 uint32
		Halves       uint32 `json:"seed0_in_two_halves"`
		Hex8         string `json:"hex8_seed0"`
		Crc0, Crc1   uint32
	}
}

func TestEnstoreGivesTheSame(t *testing.T) {
	is := is.New(t)
	text, err := os.ReadFile("testdata/adler32.json")
	is.NoErr(err)
	var g golden
	is.NoErr(json.Unmarshal(text, &g))
	long := map[string][]byte{
		"zeros_1000": make([]byte, 1000), "ff_5553": bytes.Repeat([]byte{0xff}, 5553), "pattern_131072": pattern(131072),
	}
	sums, conversions := 0, 0
	for _, v := range g.Vectors {
		if v.Name == "convert" {
			conversions++
			is.Equal(Convert(v.Crc0, v.Size, Seed0, Seed1), v.Crc1) // seed 0 to seed 1
			continue
		}
		sums++
		data := long[v.Name]
		if v.DataHex != nil {
			data, err = hex.DecodeString(*v.DataHex)
			is.NoErr(err)
		}
		is.Equal(int64(len(data)), v.Len)
		is.Equal(Adler(Seed0, data), v.Seed0)
		is.Equal(Adler(Seed1, data), v.Seed1)
		half := len(data) / 2
		is.Equal(UpdateAdler(Adler(Seed0, data[:half]), data[half:]), v.Halves)
		is.Equal(Sum{Adler32Seed0, v.Seed0}.Hex(), v.Hex8)
		is.Equal(Convert(v.Seed0, v.Len, Seed0, Seed1), v.Seed1)
		is.Equal(Convert(v.Seed1, v.Len, Seed1, Seed0), v.Seed0)
	}
	is.Equal(sums, 6)
	is.Equal(conversions, 14)
}

// pattern counts 0 … 255, then from 1 on, and so on. The golden file names a pattern without
// describing it; this one has the recorded sums.
func pattern(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i + i>>8)
	}
	return p
}

func TestSumsOfEnstoresManual(t *testing.T) {
	for _, c := range []struct {
		what         string
		data         []byte
		seed0, seed1 uint32
	}{
		{"nothing", nil, 0, 1},
		{"a", []byte("a"), 6357089, 6422626},
		{"enstore", []byte("enstore"), 201065216, 201523969},
		{"65536 times ff", bytes.Repeat([]byte{0xff}, 65536), 2005405425, 2006388466},
		{"1048577 times 55", bytes.Repeat([]byte{0x55}, 1048577), 3565703173, 3581497350},
	} {
		t.Run(c.what, func(t *testing.T) {
			is := is.New(t)
			is.Equal(Adler(Seed0, c.data), c.seed0)
			is.Equal(Adler(Seed1, c.data), c.seed1)
			is.Equal(Convert(c.seed0, int64(len(c.data)), Seed0, Seed1), c.seed1)
			is.Equal(Convert(c.seed1, int64(len(c.data)), Seed1, Seed0), c.seed0)
		})
	}
}

func TestCombineJoinsPieces(t *testing.T) {
	is := is.New(t)
	p := fill(4, 200000)
	r := rand.New(rand.NewPCG(2, 2))
	for range 200 {
		from := r.IntN(len(p) + 1)
		to := from + r.IntN(len(p)-from+1)
		a, b := p[:from], p[from:to]
		for _, seed := range []Seed{Seed0, Seed1, 0x12345678} {
			want := Adler(seed, p[:to])
			is.Equal(Combine(Adler(seed, a), Adler(Seed1, b), int64(len(b))), want)
			is.Equal(CombineSeed(Adler(seed, a), Adler(Seed0, b), int64(len(b)), Seed0), want)
			is.Equal(CombineSeed(Adler(seed, a), Adler(0x00070003, b), int64(len(b)), 0x00070003), want)
		}
	}
}

func TestCombineOfHugePieces(t *testing.T) {
	// 5 TiB of 0x55 by doubling; the same by Convert's arithmetic from seed 0 to 1 and back.
	is := is.New(t)
	sum, n := Adler(Seed1, bytes.Repeat([]byte{0x55}, 5<<20)), int64(5<<20)
	for n < 5<<40 {
		sum, n = Combine(sum, sum, n), 2*n
	}
	s1 := uint64(1+(n%mod)*0x55) % mod
	is.Equal(sum&0xffff, uint32(s1))
	is.Equal(Convert(Convert(sum, n, Seed1, Seed0), n, Seed0, Seed1), sum)
}

func TestMatchesEitherSeed(t *testing.T) {
	is := is.New(t)
	p := fill(5, 123457)
	sum, n := Adler(Seed1, p), int64(len(p))
	is.True(Matches(sum, sum, n))
	is.True(Matches(Adler(Seed0, p), sum, n))
	is.True(!Matches(Adler(Seed0, p), sum, n+1)) // another length converts to another sum
	is.True(!Matches(sum^1, sum, n))
	is.True(!Matches(0, sum, n))
	is.True(Matches(0, 1, 0)) // the empty file, seed 0
	is.True(Matches(1, 1, 0))
	is.True(!Matches(mod, 1, 0)) // a value that no Adler-32 has, though it is 0 modulo 65521
}

func TestCRC32C(t *testing.T) {
	is := is.New(t)
	is.Equal(CRC32C([]byte("123456789")), uint32(0xe3069283)) // RFC 3720, check value of CRC-32C
	is.Equal(CRC32C(make([]byte, 32)), uint32(0x8a9136aa))    // RFC 3720, B.4
	is.Equal(CRC32C(bytes.Repeat([]byte{0xff}, 32)), uint32(0x62a8ab43))
	p := fill(6, 100000)
	want := crc32.Checksum(p, crc32.MakeTable(crc32.Castagnoli))
	is.Equal(UpdateCRC32C(CRC32C(p[:777]), p[777:]), want)
	is.Equal(CRC32C(nil), uint32(0))
}

func FuzzAdler(f *testing.F) {
	f.Add([]byte("enstore"), uint32(1), uint16(3))
	f.Add(bytes.Repeat([]byte{0xff}, 1000), uint32(mod-1)<<16|(mod-1), uint16(161))
	f.Fuzz(func(t *testing.T, p []byte, start uint32, cut uint16) {
		want := plain(start, p)
		at := min(int(cut), len(p))
		for _, k := range kernels() {
			if got := update(k.k, start, p); got != want {
				t.Fatalf("%s: %08x, want %08x", k.name, got, want)
			}
			if got := update(k.k, update(k.k, start, p[:at]), p[at:]); got != want {
				t.Fatalf("%s, cut at %d: %08x, want %08x", k.name, at, got, want)
			}
		}
		if got := adler32.Checksum(p); plain(1, p) != got {
			t.Fatalf("standard: %08x, want %08x", got, plain(1, p))
		}
		joined := CombineSeed(plain(start, p[:at]), plain(uint32(cut), p[at:]), int64(len(p)-at), Seed(cut))
		if joined != want {
			t.Fatalf("combined: %08x, want %08x", joined, want)
		}
	})
}

func ExampleConvert() {
	old := Adler(Seed0, []byte("enstore")) // as an old database has it
	fmt.Println(old, Convert(old, 7, Seed0, Seed1))
	// Output: 201065216 201523969
}

func ExampleCombine() {
	a, b := []byte("Adler, "), []byte("Mark")
	joined := Combine(Adler(Seed1, a), Adler(Seed1, b), int64(len(b)))
	fmt.Println(joined == Adler(Seed1, []byte("Adler, Mark")))
	// Output: true
}

func TestAdlerAllocatesNothing(t *testing.T) {
	is := is.New(t)
	m := NewMeter()
	is.Equal(testing.AllocsPerRun(10, func() {
		var p [1000]byte // on the stack, unless a kernel lets it escape
		p[0] = byte(Adler(Seed1, p[:]))
		m.Write(p[:])
	}), 0.0)
}
