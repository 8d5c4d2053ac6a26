package memtape_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/memtape"
	"github.com/enstore-go/sdk/tape/order"
)

// lto9 is a loaded LTO-9 drive with a blank cartridge whose bytes count as so many.
func lto9(t *testing.T, scale float64) driver.Drive {
	t.Helper()
	is := is.New(t)
	timing := memtape.As(order.LTO9)
	timing.Streaming.Scale = scale
	lib := memtape.New(memtape.Options{Timing: timing})
	_, err := lib.AddVolume("VO0001", memtape.VolumeOptions{Capacity: int64(float64(order.LTO9.Capacity) / scale)})
	is.NoErr(err)
	is.NoErr(lib.Insert("VO0001", 0))
	d := lib.Drive(0)
	is.NoErr(d.Load(t.Context()))
	return d
}

func health(t *testing.T, d driver.Drive) driver.Health {
	t.Helper()
	h, err := d.(driver.HealthReporter).Health(t.Context())
	is.New(t).NoErr(err)
	is.New(t).NoErr(h.Check())
	return h
}

// took is the time of f.
func took(f func()) time.Duration {
	began := time.Now()
	f()
	return time.Since(began)
}

// near tells whether a time is within a part of another.
func near(got, want time.Duration, part float64) bool {
	return float64(max(got-want, want-got)) <= part*float64(want)
}

const (
	bigScale = 16384 // with which a block of 16 KiB counts as 256 MiB
	smallBlk = 16 << 10
)

// files writes files of a GiB each, and waits so long before each of their four blocks.
func files(t *testing.T, d driver.Drive, n int, pause time.Duration, sync bool) {
	t.Helper()
	is := is.New(t)
	p := make([]byte, smallBlk)
	for range n {
		for range 4 {
			time.Sleep(pause)
			_, err := d.WriteBlock(t.Context(), p)
			is.NoErr(err)
		}
		_, err := d.WriteFilemarks(t.Context(), 1, !sync)
		is.NoErr(err)
	}
	_, err := d.WriteFilemarks(t.Context(), 0, false)
	is.NoErr(err)
}

const gib = float64(1 << 30)

// A thousand files one after another go to tape at its rate, and the tape stops once, at the end.
func TestStreaming(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		d := lto9(t, bigScale)
		got := took(func() { files(t, d, 1000, 0, false) })
		want := time.Duration(1000 * gib / 400e6 * float64(time.Second))
		t.Logf("%v, at the rate it would be %v", got, want)
		is.True(near(got, want, 0.001))
		is.Equal(health(t, d).Stops, int64(1))
	})
}

// A writer that the tape can match does not make it stop, one that it cannot does all the time, and neither of them waits
// for the tape.
func TestSlowWriters(t *testing.T) {
	for _, c := range []struct {
		name         string
		rate         float64
		least, most  int64
		matchedSpeed bool
	}{
		{"half the rate", 200e6, 1, 1, true},
		{"just above the lowest speed", 115e6, 1, 1, true},
		{"below the lowest speed", 60e6, 20, 1000, false},
		{"far below it", 10e6, 400, 1000, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				d := lto9(t, bigScale)
				const n = 100
				pause := time.Duration(gib / 4 / c.rate * float64(time.Second))
				got := took(func() { files(t, d, n, pause, false) })
				t.Logf("%d stops in %v", health(t, d).Stops, got)
				stops := health(t, d).Stops
				is.True(stops >= c.least && stops <= c.most)
				is.True(near(got, 4*n*pause, 0.02))
			})
		})
	}
}

// A synchronous flush after each file costs a stop each time.
func TestFlushes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		d := lto9(t, bigScale)
		got := took(func() { files(t, d, 100, 0, true) })
		want := time.Duration(100 * gib / 400e6 * float64(time.Second))
		t.Logf("%v; without a flush at the rate %v", got, want)
		is.True(near(got, want+99*2500*time.Millisecond, 0.01))
		is.Equal(health(t, d).Stops, int64(100))
	})
}

// A reader that does not keep up makes the tape stop too, when the buffer is full; one that does, does not.
func TestSlowReaders(t *testing.T) {
	for rate, stops := range map[float64]bool{400e6: false, 150e6: false, 40e6: true} {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			d := lto9(t, bigScale)
			files(t, d, 100, 0, false)
			is.NoErr(d.Rewind(t.Context()))
			before := health(t, d).Stops
			pause := time.Duration(gib / 4 / rate * float64(time.Second))
			p := make([]byte, smallBlk)
			got := took(func() {
				for range 500 {
					if rate < 400e6 {
						time.Sleep(pause)
					}
					_, _, err := d.ReadBlock(t.Context(), p)
					is.NoErr(err)
				}
			})
			n := health(t, d).Stops - before
			t.Logf("%v MB/s: %v, %d stops", rate/1e6, got, n)
			is.Equal(n > 0, stops)
			want := 500 * pause
			if rate == 400e6 {
				want = 400 * pause // a fifth of the objects are filemarks
			}
			is.True(near(got, want, 0.02))
		})
	}
}

// The tape takes the published times to load, to rewind and to unload, and gives up when its caller does.
func TestMotionTakesTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		d := lto9(t, 1e6)
		p := make([]byte, 200_000) // 200 GB: three wraps of 64.3 GB
		for range 2 {
			_, err := d.WriteBlock(t.Context(), p)
			is.NoErr(err)
		}
		_, err := d.WriteFilemarks(t.Context(), 0, false)
		is.NoErr(err)
		k := order.LTO9.Kinematic()
		tape, err := order.LTO9.Tape(order.LTO9.Capacity)
		is.NoErr(err)
		from, err := tape.Place(400e9)
		is.NoErr(err)
		to, err := tape.Place(0)
		is.NoErr(err)
		want := k.Locate(&from, &to)
		is.Equal(took(func() { is.NoErr(d.Rewind(t.Context())) }), want)
		is.Equal(took(func() { is.NoErr(d.Rewind(t.Context())) }), time.Duration(0))
		is.Equal(took(func() { is.NoErr(d.Locate(t.Context(), 2)) }), k.Locate(&to, &from))
		is.Equal(health(t, d).Cartridge.WrapEnds, []int64(nil)) // no block is shorter than a wrap
		is.Equal(health(t, d).Cartridge.Density, int64(0x60))
		is.Equal(took(func() { is.NoErr(d.Unload(t.Context())) }), want+56*time.Second)
		is.Equal(took(func() { is.NoErr(d.Unload(t.Context())) }), time.Duration(0)) // it is done
		short, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		is.Equal(outcome(d.Load(short)), driver.OutcomeUnknown)
	})
}

// Reads in the planned order take the time of the plan, and those in the order of positions that which the cost model
// tells for them, which is longer by far.
func TestRecall(t *testing.T) {
	const (
		scale  = 1e6
		block  = 200 // bytes: 200 MB
		blocks = 90_000
	)
	rnd := rand.New(rand.NewPCG(7, 9))
	var fs []order.File
	for range 200 {
		b := rnd.Int64N(blocks - 10)
		fs = append(fs, order.File{Start: b, End: b + 10})
	}
	reel, err := order.LTO9.Tape(blocks)
	is.New(t).NoErr(err)
	plan, err := order.Recall(reel, 0, fs)
	is.New(t).NoErr(err)
	var planned, straight []int
	for i, s := range plan.Stops {
		planned, straight = append(planned, s.File), append(straight, i)
	}
	slices.SortFunc(straight, func(a, b int) int { return int(fs[a].Start - fs[b].Start) })
	judged, err := order.Judge(reel, 0, fs, straight)
	is.New(t).NoErr(err)

	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		d := lto9(t, scale)
		p := make([]byte, block)
		for range blocks {
			_, err := d.WriteBlock(t.Context(), p)
			is.NoErr(err)
		}
		is.NoErr(d.Rewind(t.Context()))
		read := func(way []int) time.Duration {
			is.NoErr(d.Rewind(t.Context()))
			return took(func() {
				for _, i := range way {
					is.NoErr(d.Locate(t.Context(), fs[i].Start))
					for range 10 {
						_, _, err := d.ReadBlock(t.Context(), p)
						is.NoErr(err)
					}
				}
			})
		}
		a, b := read(straight), read(planned)
		t.Logf("by position %v, the model says %v; planned %v, the plan says %v", a, judged.Total, b, plan.Total)
		is.True(near(a, judged.Total, 0.02))
		is.True(near(b, plan.Total, 0.02))
		is.True(near(a-b, judged.Total-plan.Total, 0.05))
		is.True(a > b*3/2)

		ends := health(t, d).Cartridge.WrapEnds
		is.Equal(len(ends), order.LTO9.Wraps)
		own, err := order.NewTape(ends, order.LTO9.Bands, time.Minute, order.LTO9.Kinematic()) // as a planner makes it of them
		is.NoErr(err)
		is.Equal(own.Blocks(), int64(blocks))
		x, err := own.Place(blocks / 3)
		is.NoErr(err)
		y, err := reel.Place(blocks / 3)
		is.NoErr(err)
		is.Equal(x.Wrap, y.Wrap)
	})
}

// What a reading drive had ahead is of no use to a writer, and the other way round.
func TestTurning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		d := lto9(t, bigScale)
		files(t, d, 2, 0, false)
		is.NoErr(d.Rewind(t.Context()))
		p := make([]byte, smallBlk)
		_, _, err := d.ReadBlock(t.Context(), p)
		is.NoErr(err)
		before := health(t, d).Stops
		_, err = d.WriteBlock(t.Context(), p)
		is.NoErr(err)
		is.Equal(health(t, d).Stops, before+1)
		flush := took(func() { _, err = d.WriteFilemarks(t.Context(), 0, false) })
		is.NoErr(err)
		is.True(near(flush, 2500*time.Millisecond+time.Duration(gib/4/400e6*float64(time.Second)), 0.01))
		is.Equal(took(func() { _, err = d.WriteFilemarks(t.Context(), 0, false) }), time.Duration(0)) // there is nothing to write
		is.NoErr(err)
	})
}
