package order

import (
	"fmt"
	"strings"
	"time"
)

// Generation is a generation of drives and its cartridges, by published figures.
type Generation struct {
	Name     string
	Capacity int64 // bytes, uncompressed
	Rate     int64 // bytes a second, uncompressed
	Wraps    int
	Bands    int
	// Locate is the published mean time of a locate from the load point.
	Locate time.Duration
}

// The generations. Capacity, rate and mean locate are of the drives' published performance specifications; wraps are the
// tracks of the format divided by those that are written at once (16 up to LTO-6, 32 from LTO-7 on); LTO has four data bands.
var (
	LTO5 = Generation{"LTO-5", 1.5e12, 140e6, 80, 4, 60 * time.Second}
	LTO6 = Generation{"LTO-6", 2.5e12, 160e6, 136, 4, 62 * time.Second}
	LTO7 = Generation{"LTO-7", 6e12, 300e6, 112, 4, 56 * time.Second}
	LTO8 = Generation{"LTO-8", 12e12, 360e6, 208, 4, 59 * time.Second}
	// LTO9 is the half-height drive; the one of full height locates in 45 s on average.
	LTO9 = Generation{"LTO-9", 18e12, 400e6, 280, 4, 65 * time.Second}
)

// Named finds a generation by its name, or by the media type of its cartridges as people write that: "LTO-9", "LTO9",
// "lto9".
func Named(name string) (Generation, bool) {
	plain := func(s string) string { return strings.ToUpper(strings.ReplaceAll(s, "-", "")) }
	for _, g := range []Generation{LTO5, LTO6, LTO7, LTO8, LTO9} {
		if plain(g.Name) == plain(name) {
			return g, true
		}
	}
	return Generation{}, false
}

// Tape is a full cartridge of the generation with room for so many blocks, evenly in all its wraps, with Kinematic
// costs. Where the drive tells the ends of its wraps, [NewTape] is better.
func (g Generation) Tape(blocks int64) (*Tape, error) {
	return g.TapeWith(blocks, g.Kinematic())
}

// TapeWith is Tape with other costs.
func (g Generation) TapeWith(blocks int64, c Costs) (*Tape, error) {
	if g.Wraps <= 0 || blocks < int64(g.Wraps) || g.Rate <= 0 {
		return nil, fmt.Errorf("%w: %s: %d blocks on %d wraps at %d bytes a second", ErrGeometry, g.Name, blocks, g.Wraps, g.Rate)
	}
	ends := make([]int64, g.Wraps)
	for w := range ends {
		ends[w] = share(int64(w+1), int64(g.Wraps), blocks)
	}
	whole := time.Duration(float64(g.Capacity) / float64(g.Rate) * float64(time.Second))
	return NewTape(ends, g.Bands, whole/time.Duration(g.Wraps), c)
}

// Kinematic costs are made of motions: the tape starts, the head goes to another wrap or band, the tape runs along at
// full speed, and turns around where it has to run the other way.
type Kinematic struct {
	Start  time.Duration // of any locate
	Wrap   time.Duration // to another wrap
	Band   time.Duration // to another band, beside Wrap
	Turn   time.Duration // each change of direction
	Length time.Duration // from one end to the other at full speed
}

// Kinematic costs of a generation: start, wrap, band and turn are assumed to be 2, 1.5, 3 and 2.5 s, and the whole length
// takes what makes the mean locate from the load point the published one.
func (g Generation) Kinematic() Kinematic {
	k := Kinematic{Start: 2 * time.Second, Wrap: 1500 * time.Millisecond, Band: 3 * time.Second, Turn: 2500 * time.Millisecond}
	// From the load point: half the length, the start, nearly always another wrap, in three of four cases another band, in
	// half of them a turn.
	k.Length = 2 * (g.Locate - k.Start - k.Wrap - k.Band*3/4 - k.Turn/2)
	return k
}

// Locate implements Costs. What is ahead is read in the direction of its wrap, so the tape may have to turn twice.
func (k Kinematic) Locate(from, to *Place) time.Duration {
	if from.Block == to.Block {
		return 0
	}
	d := k.Start
	if from.Wrap != to.Wrap {
		d += k.Wrap
	}
	if from.Band != to.Band {
		d += k.Band
	}
	run := to.Along - from.Along
	away := run > 0 || run == 0 && to.Forward // the direction of the run
	if away != from.Forward {
		d += k.Turn
	}
	if away != to.Forward {
		d += k.Turn
	}
	return d + time.Duration(max(run, -run)*int64(k.Length)/whole)
}

// Least implements Costs.
func (k Kinematic) Least(along int64) time.Duration {
	if along == 0 {
		return 0
	}
	return k.Start + time.Duration(along*int64(k.Length)/whole)
}

// Regression costs are those that CERN's tape server is shipped with: a linear fit to measured locates of one LTO
// drive. Constants in seconds, and per whole length: 4.29, wrap 6.69, band 3.2, direction 5.22, step back 11.32,
// other half of the tape -6.04, length 104.27 (0.0006192 for each of 168401 longitudinal positions).
type Regression struct{}

// Locate implements Costs.
func (Regression) Locate(from, to *Place) time.Duration {
	if from.Block == to.Block {
		return 0
	}
	const ms = time.Millisecond
	d := 4290 * ms
	switch {
	case from.Wrap != to.Wrap:
		d += 6690 * ms
	case to.Block < from.Block:
		d += 11320 * ms
	}
	if from.Band != to.Band {
		d += 3200 * ms
	}
	if from.Forward != to.Forward {
		d += 5220 * ms
	}
	if (from.Along < whole/2) != (to.Along < whole/2) {
		d -= 6040 * ms
	}
	run := to.Along - from.Along
	d += time.Duration(max(run, -run) * 104274) // nanoseconds for a millionth
	return max(d, ms)
}

// Least implements Costs.
func (Regression) Least(along int64) time.Duration {
	if along == 0 {
		return 0
	}
	return max(4290*time.Millisecond-6040*time.Millisecond+time.Duration(along*104274), time.Millisecond)
}
