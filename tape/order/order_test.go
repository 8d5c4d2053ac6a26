package order_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/matryer/is"
	"pgregory.net/rapid"

	"github.com/enstore-go/sdk/tape/order"
)

const block = 256 << 10

// full is a full LTO-9 cartridge.
func full(t testing.TB, c order.Costs) *order.Tape {
	t.Helper()
	tp, err := order.LTO9.TapeWith(order.LTO9.Capacity/block, c)
	if err != nil {
		t.Fatal(err)
	}
	return tp
}

// spread are files of 2 GB at random places of a tape, no two of them overlapping.
func spread(t *order.Tape, n int, seed uint64) []order.File {
	const size = 2_000_000_000 / block
	r := rand.New(rand.NewPCG(seed, 1))
	slots := r.Perm(int(t.Blocks() / (size + 1)))[:n]
	files := make([]order.File, n)
	for i, s := range slots {
		start := int64(s) * (size + 1)
		files[i] = order.File{Start: start, End: start + size, Number: start}
	}
	return files
}

func way(p order.Plan) []int {
	var w []int
	for _, s := range p.Stops {
		w = append(w, s.File)
	}
	return w
}

func judged(t testing.TB, tp *order.Tape, files []order.File, w []int) time.Duration {
	t.Helper()
	p, err := order.Judge(tp, 0, files, w)
	if err != nil {
		t.Fatal(err)
	}
	return p.Total
}

func sorted(files []order.File) []int {
	w := make([]int, len(files))
	for i := range w {
		w[i] = i
	}
	slices.SortFunc(w, func(a, b int) int { return int(files[a].Start - files[b].Start) })
	return w
}

func median(v []float64) float64 { slices.Sort(v); return v[len(v)/2] }

var sides = []struct {
	name           string
	planner, judge order.Costs
}{
	{"planned by Kinematic, Regression judges", order.LTO9.Kinematic(), order.Regression{}},
	{"planned by Regression, Kinematic judges", order.Regression{}, order.LTO9.Kinematic()},
}

// The goal: whatever the true costs, reading in the planned order takes at most two thirds of the time of position order.
func TestGainOverPositionOrder(t *testing.T) {
	for _, s := range sides {
		for _, n := range []int{30, 100, 300, 1000} {
			t.Run(fmt.Sprintf("%s, %d files", s.name, n), func(t *testing.T) {
				planner, judge := full(t, s.planner), full(t, s.judge)
				var gains []float64
				for seed := range uint64(5) {
					files := spread(planner, n, seed)
					p, err := order.Recall(planner, 0, files)
					is.New(t).NoErr(err)
					gains = append(gains, float64(judged(t, judge, files, sorted(files)))/float64(judged(t, judge, files, way(p))))
				}
				g := median(gains)
				t.Logf("%.2f", g)
				if g < 1.5 {
					t.Errorf("position order takes only %.2f times as long", g)
				}
			})
		}
	}
}

// nearest is the order of the nearest file each time, made here again.
func nearest(tp *order.Tape, c order.Costs, start int64, files []order.File) []int {
	at, _ := tp.Place(start)
	done := make([]bool, len(files))
	var w []int
	for range files {
		best, cost := -1, time.Duration(0)
		for i, f := range files {
			p, _ := tp.Place(f.Start)
			if d := c.Locate(&at, &p); !done[i] && (best < 0 || d < cost) {
				best, cost = i, d
			}
		}
		done[best] = true
		w = append(w, best)
		at, _ = tp.Place(files[best].End)
	}
	return w
}

// Properties that hold of every plan.
func TestPlans(t *testing.T) {
	costs := []order.Costs{order.LTO9.Kinematic(), order.Regression{}, order.LTO7.Kinematic()}
	rapid.Check(t, func(t *rapid.T) {
		c := rapid.SampledFrom(costs).Draw(t, "costs")
		tp, err := order.LTO9.TapeWith(rapid.Int64Range(280, 1_000_000).Draw(t, "blocks"), c)
		if err != nil {
			t.Fatal(err)
		}
		files := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) order.File {
			start := rapid.Int64Range(0, tp.Blocks()).Draw(t, "start")
			return order.File{Start: start, End: rapid.Int64Range(start, min(start+5000, tp.Blocks())).Draw(t, "end"), Number: start}
		}), 0, 60).Draw(t, "files")
		start := rapid.Int64Range(0, tp.Blocks()).Draw(t, "from")
		p, err := order.Recall(tp, start, files)
		if err != nil {
			t.Fatal(err)
		}
		again, err := order.Recall(tp, start, slices.Clone(files))
		if err != nil || p.Total != again.Total || !slices.Equal(p.Stops, again.Stops) {
			t.Fatal("the same files have another plan")
		}
		same, err := order.Judge(tp, start, files, way(p)) // fails unless every file is there once
		if err != nil || same.Total != p.Total || !slices.Equal(same.Stops, p.Stops) {
			t.Fatalf("judged %v, planned %v: %v", same.Total, p.Total, err)
		}
		at := time.Duration(0)
		for _, s := range p.Stops {
			if s.At != at+s.Locate || s.Locate < 0 || s.Read < 0 {
				t.Fatalf("%+v after %v", s, at)
			}
			at = s.At + s.Read
		}
		if at != p.Total {
			t.Fatalf("the last file ends at %v of %v", at, p.Total)
		}
		other := func(name string, w []int) {
			if q, err := order.Judge(tp, start, files, w); err != nil || q.Total < p.Total {
				t.Fatalf("%s takes %v, the plan %v: %v", name, q.Total, p.Total, err)
			}
		}
		other("position order", sorted(files))
		if want := order.Exact; len(files) <= 12 && p.Method != want {
			t.Fatalf("%d files were planned %s", len(files), p.Method)
		}
	})
}

func TestNeverWorseThanNearestFirst(t *testing.T) {
	for _, c := range []order.Costs{order.LTO9.Kinematic(), order.Regression{}} {
		for _, n := range []int{13, 30, 100, 400} {
			for seed := range uint64(5) {
				tp := full(t, c)
				files := spread(tp, n, seed)
				p, err := order.Recall(tp, 0, files)
				is.New(t).NoErr(err)
				if d := judged(t, tp, files, nearest(tp, c, 0, files)); d < p.Total {
					t.Errorf("%d files, seed %d: nearest first takes %v, the plan %v", n, seed, d, p.Total)
				}
			}
		}
	}
}

// Up to 8 files every order is tried.
func TestExact(t *testing.T) {
	for _, c := range []order.Costs{order.LTO9.Kinematic(), order.Regression{}} {
		tp := full(t, c)
		for n := range 8 {
			files := spread(tp, n, uint64(n))
			p, err := order.Recall(tp, 0, files)
			is.New(t).NoErr(err)
			best := p.Total
			permutations(sorted(files), 0, func(w []int) { best = min(best, judged(t, tp, files, w)) })
			if best != p.Total {
				t.Errorf("%d files: %v, best is %v", n, p.Total, best)
			}
		}
	}
}

func permutations(w []int, k int, f func([]int)) {
	if k == len(w) {
		f(w)
		return
	}
	for i := k; i < len(w); i++ {
		w[k], w[i] = w[i], w[k]
		permutations(w, k+1, f)
		w[k], w[i] = w[i], w[k]
	}
}

func TestUnknownPositions(t *testing.T) {
	is := is.New(t)
	tp := full(t, order.Regression{})
	files := []order.File{{Start: 900, End: 910, Number: 3}, {Start: order.Unknown, Number: 2}, {Start: 10, End: 20, Number: 4}}
	p, err := order.Recall(tp, 0, files)
	is.NoErr(err)
	is.Equal(p.Method, order.ByNumber)
	is.Equal(way(p), []int{1, 0, 2}) // by tape file: 0 is a block like others, and Unknown is not
	is.Equal(p.Total, time.Duration(0))
	p, err = order.Recall(nil, 0, files[:1])
	is.NoErr(err)
	is.Equal(p.Method, order.ByNumber)
	p, err = order.Recall(tp, order.Unknown, []order.File{files[0], files[2]})
	is.NoErr(err)
	is.Equal(way(p), []int{1, 0}) // by block
	p, err = order.Recall(tp, 0, nil)
	is.NoErr(err)
	is.Equal(len(p.Stops), 0)
}

func TestErrors(t *testing.T) {
	is := is.New(t)
	tp, err := order.LTO8.Tape(1000)
	is.NoErr(err)
	_, err = order.Recall(tp, 0, []order.File{{Start: 0, End: 1}, {Start: 990, End: 1001}})
	is.True(errors.Is(err, order.ErrBeyond))
	is.Equal(err.Error(), "file 1: blocks 990 to 1001, the tape has 1000: order: beyond the end of the tape")
	_, err = order.Recall(tp, 1001, nil)
	is.True(errors.Is(err, order.ErrBeyond))
	_, err = order.Recall(tp, 0, []order.File{{Start: 5, End: 4}})
	is.True(errors.Is(err, order.ErrExtent))
	_, err = order.Recall(tp, 0, []order.File{{Start: -2, End: 4}})
	is.True(errors.Is(err, order.ErrExtent))
	_, err = order.Judge(tp, 0, []order.File{{Start: 0, End: 1}, {Start: 2, End: 3}}, []int{0, 0})
	is.True(errors.Is(err, order.ErrExtent))
	_, err = order.LTO8.Tape(100)
	is.True(errors.Is(err, order.ErrGeometry))
	_, err = order.NewTape([]int64{5, 5}, 1, time.Second, order.Regression{})
	is.True(errors.Is(err, order.ErrGeometry))
	_, err = order.NewTape([]int64{5}, 2, time.Second, order.Regression{})
	is.True(errors.Is(err, order.ErrGeometry))
}

// Wraps run to and fro, and their ends may be uneven.
func TestPlaces(t *testing.T) {
	is := is.New(t)
	tp, err := order.NewTape([]int64{100, 300, 400, 1000}, 2, time.Minute, order.Regression{})
	is.NoErr(err)
	for _, want := range []order.Place{
		{Block: 0, Wrap: 0, Band: 0, Forward: true, Along: 0},
		{Block: 50, Wrap: 0, Band: 0, Forward: true, Along: 500_000},
		{Block: 100, Wrap: 1, Band: 0, Forward: false, Along: 1_000_000},
		{Block: 150, Wrap: 1, Band: 0, Forward: false, Along: 750_000},
		{Block: 300, Wrap: 2, Band: 1, Forward: true, Along: 0},
		{Block: 999, Wrap: 3, Band: 1, Forward: false, Along: 1_667},
		{Block: 1000, Wrap: 3, Band: 1, Forward: false, Along: 0},
	} {
		got, err := tp.Place(want.Block)
		is.NoErr(err)
		is.Equal(got, want)
	}
	p, err := order.Recall(tp, 0, []order.File{{Start: 50, End: 350}})
	is.NoErr(err)
	is.Equal(p.Stops[0].Read, 2*time.Minute) // half a wrap, a whole one, half a wrap
}

// The published mean time of a locate from the load point comes out of the costs made of it.
func TestMeanLocate(t *testing.T) {
	for _, g := range []order.Generation{order.LTO5, order.LTO6, order.LTO7, order.LTO8, order.LTO9} {
		tp, err := g.Tape(g.Capacity / block)
		is.New(t).NoErr(err)
		load, err := tp.Place(0)
		is.New(t).NoErr(err)
		sum, k := time.Duration(0), g.Kinematic()
		const n = 10_000
		for i := range int64(n) {
			p, err := tp.Place(tp.Blocks() * i / n)
			is.New(t).NoErr(err)
			sum += k.Locate(&load, &p)
		}
		if mean := sum / n; (mean - g.Locate).Abs() > time.Second {
			t.Errorf("%s: %v, published is %v", g.Name, mean, g.Locate)
		}
	}
}

// What the planner leaves out is no nearer than what it has.
func TestLeast(t *testing.T) {
	for _, c := range []order.Costs{order.LTO9.Kinematic(), order.Regression{}} {
		tp := full(t, c)
		rapid.Check(t, func(t *rapid.T) {
			from, err := tp.Place(rapid.Int64Range(0, tp.Blocks()).Draw(t, "from"))
			if err != nil {
				t.Fatal(err)
			}
			to, err := tp.Place(rapid.Int64Range(0, tp.Blocks()).Draw(t, "to"))
			if err != nil {
				t.Fatal(err)
			}
			run := max(from.Along-to.Along, to.Along-from.Along)
			if d := c.Locate(&from, &to); d < c.Least(run) {
				t.Fatalf("%+v to %+v takes %v, at least %v", from, to, d, c.Least(run))
			}
			if less := c.Least(max(run-1, 0)); less > c.Least(run) {
				t.Fatalf("over %d at least %v, over one less %v", run, c.Least(run), less)
			}
		})
	}
}

func ExampleRecall() {
	tape, err := order.LTO9.Tape(order.LTO9.Capacity / (256 << 10))
	if err != nil {
		panic(err)
	}
	plan, err := order.Recall(tape, 0, []order.File{
		{Start: 61_000_000, End: 61_007_630, Number: 7001},
		{Start: 490_000, End: 497_630, Number: 2},
		{Start: 3_000, End: 10_630, Number: 1},
	})
	if err != nil {
		panic(err)
	}
	for _, s := range plan.Stops {
		fmt.Println(s.File, s.At.Round(time.Second), s.Read.Round(time.Second))
	}
	fmt.Println(plan.Method, plan.Total.Round(time.Second))
	// Output:
	// 2 3s 5s
	// 1 19s 5s
	// 0 1m54s 5s
	// exact 1m59s
}
