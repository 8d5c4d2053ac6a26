package order

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"time"
)

// Unknown is a position that nobody knows. It is never 0, which is the load point.
const Unknown int64 = -1

// whole is the length of a tape in the units of Place.Along.
const whole = 1_000_000

// Place is where on the cartridge a block lies.
type Place struct {
	Block   int64
	Wrap    int   // from 0
	Band    int   // of the wraps; which one it is physically does not matter here
	Forward bool  // the tape runs away from the load point while this wrap is read
	Along   int64 // how far from the load point, in millionths of the length that is written on
}

// Costs tell how long a locate takes.
type Costs interface {
	// Locate is the time from having read up to one place until reading at another can begin: 0 if they are the
	// same block, else positive. It changes neither.
	Locate(from, to *Place) time.Duration

	// Least is a time that no locate over such a distance along the tape undercuts. It does not fall as the distance grows,
	// and is what lets the planner leave most pairs of files unlooked at.
	Least(along int64) time.Duration
}

// Tape is one cartridge in its drive.
type Tape struct {
	ends  []int64 // of each wrap: the first block behind it
	bands int
	wrap  time.Duration // to read one wrap
	costs Costs
}

// ErrGeometry is an impossible geometry.
var ErrGeometry = errors.New("order: impossible geometry")

// NewTape makes a Tape. ends has for each wrap the number of the first block behind it, as a drive tells with the
// end of wrap positions in its log or READ END OF WRAP POSITION (SSC-5), or as [Generation.Tape] estimates them; they increase.
// bands is how many data bands the wraps are divided into evenly; wrap is the time in which one whole wrap is read.
func NewTape(ends []int64, bands int, wrap time.Duration, costs Costs) (*Tape, error) {
	switch {
	case len(ends) == 0 || bands <= 0 || bands > len(ends):
		return nil, fmt.Errorf("%w: %d wraps in %d bands", ErrGeometry, len(ends), bands)
	case wrap <= 0 || costs == nil:
		return nil, fmt.Errorf("%w: a wrap takes %v, or there are no costs", ErrGeometry, wrap)
	}
	last := int64(0)
	for i, e := range ends {
		if e <= last {
			return nil, fmt.Errorf("%w: wrap %d ends at block %d, the one before at %d", ErrGeometry, i, e, last)
		}
		last = e
	}
	return &Tape{slices.Clone(ends), bands, wrap, costs}, nil
}

// Blocks is how many blocks the tape has room for: every position is below it, or equal to it at the very end.
func (t *Tape) Blocks() int64 { return t.ends[len(t.ends)-1] }

// Place finds a block, from 0 to Blocks.
func (t *Tape) Place(block int64) (Place, error) {
	if block < 0 || block > t.Blocks() {
		return Place{}, fmt.Errorf("block %d: the tape has %d: %w", block, t.Blocks(), ErrBeyond)
	}
	return t.place(block), nil
}

func (t *Tape) place(block int64) Place {
	w, _ := slices.BinarySearchFunc(t.ends, block, func(end, b int64) int {
		if end <= b {
			return -1
		}
		return 1
	})
	w = min(w, len(t.ends)-1)
	first := int64(0)
	if w > 0 {
		first = t.ends[w-1]
	}
	p := Place{Block: block, Wrap: w, Band: w * t.bands / len(t.ends), Forward: w%2 == 0, Along: share(block-first, t.ends[w]-first, whole)}
	if !p.Forward {
		p.Along = whole - p.Along
	}
	return p
}

// share is of*part/all without overflow; part is at most all.
func share(part, all, of int64) int64 {
	hi, lo := bits.Mul64(uint64(part), uint64(of))
	q, _ := bits.Div64(hi, lo, uint64(all))
	return int64(q)
}

// read is the time to read from one block to another.
func (t *Tape) read(from, to int64) (d time.Duration) {
	for w := t.place(from).Wrap; from < to && w < len(t.ends); w++ {
		first := int64(0)
		if w > 0 {
			first = t.ends[w-1]
		}
		n := min(to, t.ends[w]) - from
		d += time.Duration(share(n, t.ends[w]-first, int64(t.wrap)))
		from += n
	}
	return d
}
