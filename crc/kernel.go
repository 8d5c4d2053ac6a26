package crc

import "encoding/binary"

// kernel is a way to compute Adler-32; all give the same.
type kernel uint8

const (
	kernelWords kernel = iota // plain Go, eight bytes at a time
	kernelAVX2                // amd64 with AVX2 only
)

// piece is the number of bytes after which sums are reduced. The AVX2 kernel needs it
// below 2.9 MB, else its 32-bit sums of weighted bytes overflow.
const piece = 1 << 20

// update continues an Adler-32. A kernel gives, for a stretch of n bytes, their sum
// and their sum with the weights n, n-1, … 1; that is what the two halves grow by, and n
// times the low half for the high one.
func update(k kernel, sum uint32, p []byte) uint32 {
	s1, s2 := halves(sum)
	for len(p) > 0 {
		q := p[:min(len(p), piece)]
		p = p[len(q):]
		if k == kernelAVX2 {
			if n := len(q) &^ (avx2Block - 1); n > 0 {
				total, weighted := sumsAVX2(&q[0], n/avx2Block)
				s1, s2 = (s1+total)%mod, (s2+uint64(n)*s1+weighted)%mod
				q = q[n:]
			}
		}
		if n := len(q) - len(q)%wordsBlock; n > 0 {
			total, weighted := sumsWords(q[:n])
			s1, s2 = (s1+total)%mod, (s2+uint64(n)*s1+weighted)%mod
			q = q[n:]
		}
		for _, b := range q {
			s1 += uint64(b)
			s2 += s1
		}
		s1, s2 = s1%mod, s2%mod
	}
	return join(s1, s2)
}

// wordsBlock is how many bytes sumsWords takes before it empties its 16-bit sums: 20 words
// make a sum of sums of at most 255·(19·20/2) = 48450; 24 would overflow.
const wordsBlock = 160

// sumsWords gives the sum of the bytes of p, whose length is a multiple of wordsBlock, and their
// weighted sum. It adds four bytes at once, in the four 16-bit lanes of a word.
func sumsWords(p []byte) (total, weighted uint64) {
	const lanes = 0x00ff00ff00ff00ff
	for len(p) >= wordsBlock {
		var even, odd uint64   // sums of the bytes 0, 2, 4, 6 and 1, 3, 5, 7 of all words
		var evens, odds uint64 // sums of those sums, before each word
		for q := p[:wordsBlock]; len(q) >= 32; q = q[32:] {
			w := binary.LittleEndian.Uint64(q)
			evens, odds = evens+even, odds+odd
			even, odd = even+w&lanes, odd+w>>8&lanes
			w = binary.LittleEndian.Uint64(q[8:])
			evens, odds = evens+even, odds+odd
			even, odd = even+w&lanes, odd+w>>8&lanes
			w = binary.LittleEndian.Uint64(q[16:])
			evens, odds = evens+even, odds+odd
			even, odd = even+w&lanes, odd+w>>8&lanes
			w = binary.LittleEndian.Uint64(q[24:])
			evens, odds = evens+even, odds+odd
			even, odd = even+w&lanes, odd+w>>8&lanes
		}
		p = p[wordsBlock:]

		sum := spread(even) + spread(odd)
		// A byte's weight in the block is 8 for every word behind its own, and 8 … 1 within the word.
		within := weigh(even, 8, 6, 4, 2) + weigh(odd, 7, 5, 3, 1)
		weighted += wordsBlock*total + 8*(spread(evens)+spread(odds)) + within
		total += sum
	}
	return total, weighted
}

// spread is the sum of the four 16-bit lanes of x.
func spread(x uint64) uint64 {
	const pairs = 0x0000ffff0000ffff
	x = x&pairs + x>>16&pairs
	return x>>32 + x&0xffffffff
}

// weigh is the weighted sum of the four 16-bit lanes of x, lowest first.
func weigh(x, w0, w1, w2, w3 uint64) uint64 {
	return x&0xffff*w0 + x>>16&0xffff*w1 + x>>32&0xffff*w2 + x>>48*w3
}
