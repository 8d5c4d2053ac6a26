package order

import (
	"math"
	"slices"
	"time"
)

const never = time.Duration(math.MaxInt64)

// exact finds the best way by dynamic programming over sets of files (Held and Karp, 1962): 2^n*n costs are kept.
func (tr *trip) exact() []int {
	n := len(tr.files)
	if n == 0 {
		return nil
	}
	best := make([]time.Duration, n<<n) // of having read a set, ending with a file: best[set*n+file]
	for i := range best {
		best[i] = never
	}
	from := make([]int8, n<<n)
	for i := range n {
		best[1<<i*n+i] = tr.cost(outset, i)
	}
	for set := 1; set < 1<<n; set++ {
		for i := range n {
			b := best[set*n+i]
			if b == never {
				continue
			}
			for j := range n {
				if set&(1<<j) != 0 {
					continue
				}
				at := (set|1<<j)*n + j
				if d := b + tr.cost(i, j); d < best[at] {
					best[at], from[at] = d, int8(i)
				}
			}
		}
	}
	set, last := 1<<n-1, 0
	for i := range n {
		if best[set*n+i] < best[set*n+last] {
			last = i
		}
	}
	way := make([]int, 0, n)
	for set != 0 {
		way = append(way, last)
		set, last = set&^(1<<last), int(from[set*n+last])
	}
	slices.Reverse(way)
	return way
}

// search takes the best of several ways, each improved within a bounded number of steps. The order of positions and that of
// the nearest file are among them: the result is never worse.
func (tr *trip) search() []int {
	along := tr.byPlace()
	cand := tr.candidates(along)
	way := byNumber(tr.files)
	total := tr.locates(way)
	for _, w := range [][]int{tr.nearest(along), tr.greedy(cand)} {
		if d := tr.locates(w); d < total {
			way, total = w, d
		}
	}
	return tr.improve(way, cand)
}

// byPlace is the order in which files begin along the tape.
func (tr *trip) byPlace() []int {
	along := indices(len(tr.files))
	slices.SortFunc(along, func(a, b int) int {
		if c := compare(tr.first[a].Along, tr.first[b].Along); c != 0 {
			return c
		}
		return a - b
	})
	return along
}

// behind is where in an order by place the files begin that lie at least so far along the tape.
func (tr *trip) behind(along []int, at int64) int {
	x, _ := slices.BinarySearchFunc(along, at, func(f int, a int64) int { return compare(tr.first[f].Along, a) })
	return x
}

// nearest goes to the nearest file each time; among equals to the first by index. It looks from where it stands in both
// directions along the tape, until nothing farther away can be nearer in time.
func (tr *trip) nearest(along []int) []int {
	n := len(along)
	left, right := newSkips(n), newSkips(n) // over files that have been read
	way := make([]int, 0, n)
	at, place := outset, tr.start
	for range n {
		x := tr.behind(along, place.Along)
		best, where, cost := -1, 0, never
		look := func(x int) bool {
			i := along[x]
			run := tr.first[i].Along - place.Along
			if tr.costs.Least(max(run, -run)) > cost {
				return false
			}
			if d := tr.cost(at, i); d < cost || d == cost && i < best {
				best, where, cost = i, x, d
			}
			return true
		}
		for r := right.find(x); r < n && look(r); r = right.find(r + 1) {
		}
		for l := left.find(n - x); l < n && look(n-1-l); l = left.find(l + 1) { // counted from the right end
		}
		right.skip(where)
		left.skip(n - 1 - where)
		at, place = best, tr.last[best]
		way = append(way, best)
	}
	return way
}

// skips finds the next number from 0 to n that has not been taken out; n never is.
type skips []int

func newSkips(n int) skips { return indices(n + 1) }

func (s skips) skip(i int) { s[i] = i + 1 }

func (s skips) find(i int) int {
	for s[i] != i {
		s[i] = s[s[i]]
		i = s[i]
	}
	return i
}

// Candidates are looked for among so many files that begin near along the tape, on either side, and so many are kept.
const (
	window = 24
	kept   = 8
)

// edge is a locate from behind one file to another.
type edge struct {
	cost time.Duration
	from int
	to   int
}

func compareEdges(a, b edge) int {
	switch {
	case a.cost != b.cost:
		return compare(int64(a.cost), int64(b.cost))
	case a.from != b.from:
		return a.from - b.from
	}
	return a.to - b.to
}

// candidates are for each file the cheapest that may follow it, cheapest first.
func (tr *trip) candidates(along []int) [][]edge {
	n := len(tr.files)
	all := make([][]edge, n)
	buf := make([]edge, 0, 2*window)
	for i := range n {
		at := tr.behind(along, tr.last[i].Along)
		buf = buf[:0]
		for _, j := range along[max(0, at-window):min(n, at+window)] {
			if j != i {
				buf = append(buf, edge{tr.cost(i, j), i, j})
			}
		}
		slices.SortFunc(buf, compareEdges)
		all[i] = slices.Clone(buf[:min(kept, len(buf))])
	}
	return all
}

// greedy joins files by the cheapest edges that still fit into one way, and what is left by going to the nearest
// beginning of a piece.
func (tr *trip) greedy(cand [][]edge) []int {
	n := len(tr.files)
	var edges []edge
	for _, es := range cand {
		edges = append(edges, es...)
	}
	slices.SortFunc(edges, compareEdges)
	next, prev := slices.Repeat([]int{outset}, n), slices.Repeat([]int{outset}, n)
	end := indices(n) // of a piece, known at its two ends: the other one
	for _, e := range edges {
		if next[e.from] != outset || prev[e.to] != outset || end[e.from] == e.to {
			continue
		}
		next[e.from], prev[e.to] = e.to, e.from
		a, b := end[e.from], end[e.to]
		end[a], end[b] = b, a
	}
	var heads []int
	for i := range n {
		if prev[i] == outset {
			heads = append(heads, i)
		}
	}
	way := make([]int, 0, n)
	at := outset
	for len(heads) > 0 {
		k, min := 0, never
		for x, i := range heads {
			if d := tr.cost(at, i); d < min || d == min && i < heads[k] {
				k, min = x, d
			}
		}
		for i := heads[k]; i != outset; i = next[i] {
			way = append(way, i)
			at = i
		}
		heads[k] = heads[len(heads)-1]
		heads = heads[:len(heads)-1]
	}
	return way
}

// longest is the longest piece that improve moves.
const longest = 30

// rounds bounds how often improve goes through all files.
const rounds = 12

// improve moves pieces of the way, unreversed, behind a file that they are a candidate of, as long as that shortens the way
// (Or, 1976). A piece's direction stays: a locate costs more one way than the other.
func (tr *trip) improve(way []int, cand [][]edge) []int {
	n := len(way)
	price := func(a, b int) time.Duration { // nothing follows the last file
		if b == outset {
			return 0
		}
		return tr.cost(a, b)
	}
	next, prev, to := make([]int, n), make([]int, n), make([]time.Duration, n) // to: the price of coming here
	first := outset
	link := func(a, b int, p time.Duration) { // b follows a, for p
		if a == outset {
			first = b
		} else {
			next[a] = b
		}
		if b != outset {
			prev[b], to[b] = a, p
		}
	}
	at := outset
	for _, i := range way {
		link(at, i, price(at, i))
		at = i
	}
	link(at, outset, 0)
	paid := func(b int) time.Duration {
		if b == outset {
			return 0
		}
		return to[b]
	}
	for range rounds {
		better := false
		for i := range n {
			for _, e := range cand[i] {
				head := e.to // the piece begins here, and would follow i
				if next[i] == head {
					break // the candidates after it are no cheaper
				}
				behind := next[i]
				saved := paid(behind) - e.cost
				if saved <= 0 {
					break
				}
				before := prev[head]
				saved += to[head]
				for tail, k := head, 0; k < longest && tail != i; k++ { // with i in it the piece would move behind itself
					after := next[tail]
					if gain := saved + paid(after); gain > 0 {
						joined := price(before, after)
						if gain -= joined; gain > 0 {
							closed := price(tail, behind)
							if gain > closed {
								link(before, after, joined)
								link(i, head, e.cost)
								link(tail, behind, closed)
								better = true
								break
							}
						}
					}
					if after == outset {
						break
					}
					tail = after
				}
				if next[i] == head {
					break
				}
			}
		}
		if !better {
			break
		}
	}
	out := make([]int, 0, n)
	for i := first; i != outset; i = next[i] {
		out = append(out, i)
	}
	return out
}
