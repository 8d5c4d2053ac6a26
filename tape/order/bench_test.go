package order_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/enstore-go/sdk/tape/order"
)

// BenchmarkRecall plans the largest recall of a mount; the goal is at most 50 ms for 2000 files.
func BenchmarkRecall(b *testing.B) {
	for _, n := range []int{12, 100, 2000} {
		for _, s := range sides {
			b.Run(fmt.Sprintf("%d files, %T", n, s.planner), func(b *testing.B) {
				tp := full(b, s.planner)
				files := spread(tp, n, 1)
				b.ReportAllocs()
				for b.Loop() {
					if _, err := order.Recall(tp, 0, files); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkRatioPosition compares the whole time of reading by position with that of the plan, each judged by a model of costs other than the one that
// planned; the goal is at least 1.5.
func BenchmarkRatioPosition(b *testing.B) {
	for _, s := range sides {
		for _, n := range []int{30, 100, 300, 1000} {
			b.Run(fmt.Sprintf("%s, %d files", s.name, n), func(b *testing.B) {
				planner, judge := full(b, s.planner), full(b, s.judge)
				var ratios []float64
				for b.Loop() {
					files := spread(planner, n, uint64(len(ratios)))
					p, err := order.Recall(planner, 0, files)
					if err != nil {
						b.Fatal(err)
					}
					ratios = append(ratios, float64(judged(b, judge, files, sorted(files)))/float64(judged(b, judge, files, way(p))))
				}
				b.ReportMetric(median(ratios), "ratio")
			})
		}
	}
}

// BenchmarkRatioSearch compares the plan's whole time with the best that local search with restarts finds in two
// seconds under the same costs; the goal is at most 1.10. The metric bound is the plan's locates over a bound that no order can undercut: the
// cheapest way in which each file but one is followed by one, with cycles allowed (an assignment).
func BenchmarkRatioSearch(b *testing.B) {
	for _, s := range sides {
		for _, n := range []int{30, 100, 300, 1000} {
			b.Run(fmt.Sprintf("%T, %d files", s.planner, n), func(b *testing.B) {
				tp := full(b, s.planner)
				var ratios, bounds []float64
				for b.Loop() {
					files := spread(tp, n, uint64(len(ratios)))
					p, err := order.Recall(tp, 0, files)
					if err != nil {
						b.Fatal(err)
					}
					c := newCosts(tp, s.planner, files)
					best := p.Total - c.way(way(p)) + c.restarts(way(p), 2*time.Second)
					ratios = append(ratios, float64(p.Total)/float64(best))
					bounds = append(bounds, float64(c.way(way(p)))/float64(c.assignment()))
				}
				b.ReportMetric(median(ratios), "ratio")
				b.ReportMetric(median(bounds), "bound")
			})
		}
	}
}

// matrix is the cost of every locate: row 0 from the load point, row i+1 from behind file i.
type matrix [][]time.Duration

func newCosts(tp *order.Tape, c order.Costs, files []order.File) matrix {
	place := func(block int64) order.Place {
		p, err := tp.Place(block)
		if err != nil {
			panic(err)
		}
		return p
	}
	m := make(matrix, len(files)+1)
	for i := range m {
		from := place(0)
		if i > 0 {
			from = place(files[i-1].End)
		}
		m[i] = make([]time.Duration, len(files))
		for j, f := range files {
			to := place(f.Start)
			m[i][j] = c.Locate(&from, &to)
		}
	}
	return m
}

func (m matrix) way(w []int) (d time.Duration) {
	at := 0
	for _, i := range w {
		d += m[at][i]
		at = i + 1
	}
	return d
}

// restarts improves the way for as long as it is given: pieces are moved and reversed (2-opt), and when nothing helps any more
// the best way is shaken and improved again.
func (m matrix) restarts(start []int, long time.Duration) time.Duration {
	r := rand.New(rand.NewPCG(1, 2))
	best := append([]int(nil), start...)
	cost := m.way(best)
	w := append([]int(nil), best...)
	for end := time.Now().Add(long); time.Now().Before(end); {
		m.descend(w, end)
		if d := m.way(w); d < cost {
			cost = d
			copy(best, w)
		}
		copy(w, best)
		for range 3 { // move three pieces at random
			a, l := r.IntN(len(w)), 1+r.IntN(10)
			move(w, a, min(l, len(w)-a), r.IntN(len(w)))
		}
	}
	return cost
}

// descend takes the first improvement that it finds until there is none.
func (m matrix) descend(w []int, end time.Time) {
	at := func(x int) int { // row of the place before w[x]
		if x == 0 {
			return 0
		}
		return w[x-1] + 1
	}
	tail := func(row, x int) time.Duration { // from a row to w[x], if there is one
		if x >= len(w) {
			return 0
		}
		return m[row][w[x]]
	}
	for again := true; again; {
		again = false
		for a := range w {
			if a%16 == 0 && time.Now().After(end) {
				return
			}
			back := time.Duration(0) // of w[a..b] read backwards, and forwards
			forth := time.Duration(0)
			for b := a; b < min(len(w), a+100); b++ {
				if b > a {
					back += m[w[b]+1][w[b-1]]
					forth += m[w[b-1]+1][w[b]]
				}
				old := m[at(a)][w[a]] + forth + tail(w[b]+1, b+1)
				if m[at(a)][w[b]]+back+tail(w[a]+1, b+1) < old {
					for x, y := a, b; x < y; x, y = x+1, y-1 {
						w[x], w[y] = w[y], w[x]
					}
					again = true
					break
				}
				if b-a >= 10 {
					continue
				}
				saved := m[at(a)][w[a]] + tail(w[b]+1, b+1) - tail(at(a), b+1)
				for k := 0; k <= len(w); k++ { // before w[k]
					if k >= a && k <= b+1 {
						continue
					}
					if m[at(k)][w[a]]+tail(w[b]+1, k)-tail(at(k), k) < saved {
						to := k
						if k > a {
							to = k - (b - a + 1)
						}
						move(w, a, b-a+1, to)
						again = true
						break
					}
				}
				if again {
					break
				}
			}
		}
	}
}

// move takes the piece of l at a out of w and puts it back so that it begins at position to.
func move(w []int, a, l, to int) {
	piece := append([]int(nil), w[a:a+l]...)
	rest := append(append([]int(nil), w[:a]...), w[a+l:]...)
	to = min(to, len(rest))
	copy(w, rest[:to])
	copy(w[to:], piece)
	copy(w[to+l:], rest[to:])
}

// assignment is the cheapest choice of a successor for each place so that every file has one predecessor, the last file's
// successor being free: the Hungarian method in O(n^3).
func (m matrix) assignment() time.Duration {
	n := len(m) // rows, and columns: the files and the end
	cost := func(i, j int) int64 {
		switch {
		case j == n-1:
			return 0
		case i == j+1:
			return math.MaxInt32 * int64(time.Microsecond) // no file follows itself
		}
		return int64(m[i][j])
	}
	const inf = int64(1) << 62
	u, v, p, from := make([]int64, n+1), make([]int64, n+1), make([]int, n+1), make([]int, n+1)
	for i := 1; i <= n; i++ {
		p[0] = i
		low, used := make([]int64, n+1), make([]bool, n+1)
		for j := range low {
			low[j] = inf
		}
		j0 := 0
		for p[j0] != 0 {
			used[j0] = true
			i0, j1, delta := p[j0], 0, inf
			for j := 1; j <= n; j++ {
				if used[j] {
					continue
				}
				if d := cost(i0-1, j-1) - u[i0] - v[j]; d < low[j] {
					low[j], from[j] = d, j0
				}
				if low[j] < delta {
					delta, j1 = low[j], j
				}
			}
			for j := range p {
				if used[j] {
					u[p[j]] += delta
					v[j] -= delta
				} else {
					low[j] -= delta
				}
			}
			j0 = j1
		}
		for j0 != 0 {
			p[j0] = p[from[j0]]
			j0 = from[j0]
		}
	}
	return time.Duration(-v[0])
}
