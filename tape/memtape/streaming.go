package memtape

import (
	"time"

	"github.com/enstore-go/sdk/tape/order"
)

// Streaming is the time of a real drive, where it depends on where the tape stands and on what came before: wraps, the
// rate of the tape, and what it costs that the tape stops. It is about time only: what is on the cartridge for good
// is Options.Window's matter.
//
// The host's blocks go into a buffer, from which the tape takes them at the rate, or as much slower as the host is, down to Slowest. A
// host that is slower still lets the buffer run dry: the tape stops, steps back and starts anew, and meanwhile the buffer fills. In
// reading, likewise, the tape stops when the buffer is full. A synchronous flush writes the buffer and stops the tape.
type Streaming struct {
	Generation order.Generation // its rate, and where along the tape a byte lies
	Costs      order.Costs      // of motion; default Generation.Kinematic()
	Slowest    float64          // bytes a second: the least at which the tape runs
	Buffer     int64            // bytes
	Stop       time.Duration    // from a stop until the tape can be at speed again at the same place
	// Scale makes a small cartridge stand for a real one: each byte counts as so many. Default 1.
	Scale float64
}

// figures are what package order does not hold of a generation: published times from load to ready and of an unload at the load
// point (LTO-9 at half height, as there), the size of the buffer, and the density code of the format.
var figures = map[string]struct {
	load, unload time.Duration
	buffer       int64
	density      int64
}{
	order.LTO5.Name: {12 * time.Second, 17 * time.Second, 256 << 20, 0x58},
	order.LTO6.Name: {12 * time.Second, 17 * time.Second, 512 << 20, 0x5a},
	order.LTO7.Name: {15 * time.Second, 20 * time.Second, 1 << 30, 0x5c},
	order.LTO8.Name: {15 * time.Second, 24 * time.Second, 1 << 30, 0x5e},
	order.LTO9.Name: {16 * time.Second, 56 * time.Second, 1 << 30, 0x60},
}

// As is the timing of a drive of a generation. Motion is that of the generation's Kinematic costs, a rewind being a locate of block
// 0. The lowest speed is taken as 0.28 of the rate, which is LTO-9's 112 of 400 MB/s; a stop as 2.5 s: where the published figures end, these are
// what people who ran such drives report. The robot's Move and the time of a cleaning are assumed to be 15 s and 2 min.
func As(g order.Generation) Timing {
	f, ok := figures[g.Name]
	if !ok {
		f = figures[order.LTO9.Name]
	}
	return Timing{
		Command: time.Millisecond, Load: f.load, Unload: f.unload, Move: 15 * time.Second, Clean: 2 * time.Minute,
		Streaming: &Streaming{Generation: g, Slowest: 0.28 * float64(g.Rate), Buffer: f.buffer, Stop: 2500 * time.Millisecond},
	}
}

// reel is the tape of a drive in motion. Its lengths are bytes of the real tape that the cartridge stands for.
type reel struct {
	s     Streaming
	tape  *order.Tape
	costs order.Costs

	in   bool  // a cartridge is loaded
	at   int64 // where the tape stands for the host
	mode mode
	runs bool // the tape moves, or will when ready
	// What the buffer holds if the tape ran as fast as it can since last, and as slowly as it can: the first tells how long somebody
	// has to wait, the second whether the tape had to stop. A drive chooses a speed between.
	fast, slow float64
	last       time.Time // when these were right
	ready      time.Time // from when on the tape is at speed
	stops      int64
}

type mode uint8

const (
	resting mode = iota
	writing
	reading
)

// newReel makes the reel of a drive; nil for a timing without. A generation that makes no tape is a mistake of the program.
func newReel(s *Streaming) *reel {
	if s == nil {
		return nil
	}
	r := &reel{s: *s, costs: s.Costs}
	if r.s.Scale <= 0 {
		r.s.Scale = 1
	}
	if r.costs == nil {
		r.costs = s.Generation.Kinematic()
	}
	t, err := s.Generation.TapeWith(s.Generation.Capacity, r.costs)
	if err != nil {
		panic("memtape: " + err.Error())
	}
	r.tape = t
	return r
}

// real is a length of the cartridge as one of the real tape.
func (r *reel) real(n int64) int64 {
	return min(int64(float64(n)*r.s.Scale), r.s.Generation.Capacity)
}

// out is what happens when the cartridge is taken away.
func (r *reel) out() { r.in, r.at, r.mode, r.runs = false, 0, resting, false }

// takes is how long a command takes that begins now and leaves the tape at the offset off, having passed n bytes of the
// cartridge.
func (r *reel) takes(now time.Time, t Timing, op string, n, off int64) time.Duration {
	off = r.real(off)
	defer func() { r.at = off }()
	size := float64(n) * r.s.Scale
	switch op {
	case "load":
		d := r.move(now, 0)
		if !r.in {
			d = t.Load
			r.in, r.stops, r.last, r.ready = true, 0, now.Add(d), now.Add(d)
		}
		return d
	case "unload":
		if !r.in {
			return 0
		}
		d := r.move(now, 0)
		r.out()
		return d + t.Unload
	case "rewind", "locate", "space":
		return r.move(now, off)
	case "read block":
		return r.read(now, size)
	case "write block", "write filemarks":
		return r.write(now, size)
	case "flush":
		return max(r.write(now, size), r.flush(now))
	}
	return t.Command
}

func seconds(n, rate float64) time.Duration { return time.Duration(n / rate * float64(time.Second)) }

func (r *reel) rate() float64 { return float64(r.s.Generation.Rate) }

// run brings the buffer up to now.
func (r *reel) run(now time.Time) {
	since := r.last
	if r.ready.After(since) {
		since = r.ready
	}
	d := now.Sub(since)
	if now.After(r.last) {
		r.last = now
	}
	if d <= 0 || !r.runs {
		return
	}
	most, least := d.Seconds()*r.rate(), d.Seconds()*r.s.Slowest
	switch {
	case r.mode == writing && least > r.slow: // dry
		r.rest(since.Add(seconds(r.slow, r.s.Slowest)))
		r.fast, r.slow = 0, 0
	case r.mode == writing:
		r.fast, r.slow = max(0, r.fast-most), r.slow-least
	case r.mode == reading && r.slow+least > float64(r.s.Buffer): // full
		r.rest(since.Add(seconds(float64(r.s.Buffer)-r.slow, r.s.Slowest)))
		r.fast, r.slow = float64(r.s.Buffer), float64(r.s.Buffer)
	case r.mode == reading:
		r.fast, r.slow = min(float64(r.s.Buffer), r.fast+most), r.slow+least
	}
}

// rest stops the tape.
func (r *reel) rest(when time.Time) {
	r.runs = false
	r.stops++
	r.ready = when.Add(r.s.Stop)
}

// turn begins to write or to read.
func (r *reel) turn(now time.Time, m mode) (wait time.Duration) {
	if r.mode == m {
		r.run(now)
		return 0
	}
	if r.mode != resting { // the tape has to go back to where the host is
		wait = r.flush(now)
		if r.runs {
			r.rest(now.Add(wait))
		}
	}
	r.mode, r.runs, r.fast, r.slow = m, false, 0, 0
	r.last = now.Add(wait)
	return wait
}

// until is how long the tape needs to be at speed.
func (r *reel) until(now time.Time) time.Duration { return max(0, r.ready.Sub(now)) }

func (r *reel) write(now time.Time, n float64) time.Duration {
	if n == 0 {
		return 0
	}
	wait := r.turn(now, writing)
	r.runs = true
	r.fast += n
	r.slow = min(r.slow+n, float64(r.s.Buffer))
	if over := r.fast - float64(r.s.Buffer); over > 0 {
		wait = max(wait, r.until(now)) + seconds(over, r.rate())
	}
	return wait
}

// flush waits for the buffer to be on tape, and stops the tape.
func (r *reel) flush(now time.Time) time.Duration {
	if r.mode != writing || !r.runs {
		return 0
	}
	r.run(now)
	if !r.runs { // it had run dry
		return 0
	}
	wait := r.until(now) + seconds(r.fast, r.rate())
	r.rest(now.Add(wait))
	r.fast, r.slow, r.last = 0, 0, now.Add(wait)
	return wait
}

func (r *reel) read(now time.Time, n float64) time.Duration {
	wait := r.turn(now, reading)
	if !r.runs && r.fast-n < float64(r.s.Buffer)/2 { // there is room for what is worth a start
		r.runs = true
		if r.last.After(r.ready) {
			r.ready = r.last
		}
	}
	if r.fast >= n {
		r.fast, r.slow = r.fast-n, max(0, r.slow-n)
		return wait
	}
	wait = max(wait, r.until(now)) + seconds(n-r.fast, r.rate())
	r.fast, r.slow = 0, 0
	r.last = now.Add(wait)
	return wait
}

// move goes to another place, after what is in the buffer has been written.
func (r *reel) move(now time.Time, to int64) time.Duration {
	wait := r.flush(now)
	from, dest := r.spot(r.at), r.spot(to)
	wait += r.costs.Locate(&from, &dest)
	r.mode, r.runs, r.fast, r.slow = resting, false, 0, 0
	r.last = now.Add(wait)
	r.ready = r.last
	r.at = to
	return wait
}

// wrapEnds are the numbers of the first objects behind each wrap of a cartridge that holds data. Objects longer than a wrap
// have none.
func (r *reel) wrapEnds(c *cartridge) (ends []int64) {
	off, wrap := int64(0), 0
	for n, o := range c.objects {
		if w := r.place(off).Wrap; w != wrap {
			if w != wrap+1 || n == 0 {
				return nil
			}
			ends, wrap = append(ends, int64(n)), w
		}
		off += o.size()
	}
	if n := int64(len(c.objects)); n > 0 {
		ends = append(ends, n)
	}
	return ends
}

// place is where an offset of the cartridge lies on the real tape.
func (r *reel) place(off int64) order.Place { return r.spot(r.real(off)) }

// spot is where a byte of the real tape lies.
func (r *reel) spot(b int64) order.Place {
	p, err := r.tape.Place(b)
	if err != nil {
		panic("memtape: " + err.Error()) // real keeps it on the tape
	}
	return p
}
