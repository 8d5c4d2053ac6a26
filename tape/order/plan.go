package order

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// File is what is to be read.
type File struct {
	Start  int64 // the number of its first block, or Unknown
	End    int64 // the number of the first block behind it; at least Start
	Number int64 // of the tape file; the order where positions are unknown
}

// Plan is an order of reading.
type Plan struct {
	Method Method
	Stops  []Stop        // every file once
	Total  time.Duration // of all locates and reads; 0 with ByNumber
}

// Stop is one file of a plan.
type Stop struct {
	File   int           // index in what Recall was given
	At     time.Duration // from the start of the plan until the file begins to be read
	Locate time.Duration
	Read   time.Duration
}

// Method says how a plan was made.
type Method string

// The methods.
const (
	// ByNumber: a position is unknown, or there is no tape to reckon with. The files are in the order of their
	// positions, or of their numbers where a position is unknown, and no times are told.
	ByNumber Method = "by number"
	// Exact: there is no better order under the tape's costs.
	Exact Method = "exact"
	// Searched: the best that construction and a bounded search found.
	Searched Method = "searched"
)

// Errors of Recall.
var (
	ErrBeyond = errors.New("order: beyond the end of the tape")
	ErrExtent = errors.New("order: impossible extent")
)

// exactLimit is up to how many files the best order is found.
const exactLimit = 12

// Recall plans the reading of files from a tape that stands at block start. t may be nil, and start or the position of a file
// Unknown; then the plan is ByNumber. An error names the file by its index: ErrBeyond or ErrExtent.
func Recall(t *Tape, start int64, files []File) (Plan, error) {
	known := t != nil && start != Unknown
	if t != nil && start != Unknown && (start < 0 || start > t.Blocks()) {
		return Plan{}, fmt.Errorf("start: block %d, the tape has %d: %w", start, t.Blocks(), ErrBeyond)
	}
	for i, f := range files {
		switch {
		case f.Start == Unknown:
			known = false
		case f.Start < 0 || f.End < f.Start:
			return Plan{}, fmt.Errorf("file %d: blocks %d to %d: %w", i, f.Start, f.End, ErrExtent)
		case t != nil && f.End > t.Blocks():
			return Plan{}, fmt.Errorf("file %d: blocks %d to %d, the tape has %d: %w", i, f.Start, f.End, t.Blocks(), ErrBeyond)
		}
	}
	if !known {
		p := Plan{Method: ByNumber}
		for _, i := range byNumber(files) {
			p.Stops = append(p.Stops, Stop{File: i})
		}
		return p, nil
	}
	tr := newTrip(t, start, files)
	method, way := Exact, []int(nil)
	if len(files) <= exactLimit {
		way = tr.exact()
	} else {
		method, way = Searched, tr.search()
	}
	return tr.plan(method, way), nil
}

// byNumber is the order of positions if all are known, else of tape files.
func byNumber(files []File) []int {
	way := indices(len(files))
	unknown := slices.ContainsFunc(files, func(f File) bool { return f.Start == Unknown })
	slices.SortStableFunc(way, func(a, b int) int {
		x, y := files[a], files[b]
		if unknown {
			return compare(x.Number, y.Number)
		}
		return compare(x.Start, y.Start)
	})
	return way
}

func compare(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func indices(n int) []int {
	way := make([]int, n)
	for i := range way {
		way[i] = i
	}
	return way
}

// trip is one problem: places to begin and end at, and what lies between.
type trip struct {
	costs Costs
	start Place
	first []Place // of each file
	last  []Place // behind it
	read  []time.Duration
	files []File
}

func newTrip(t *Tape, start int64, files []File) *trip {
	tr := &trip{costs: t.costs, start: t.place(start), files: files}
	for _, f := range files {
		tr.first = append(tr.first, t.place(f.Start))
		end := t.place(f.End)
		if f.End > f.Start { // the head stays in the wrap of the last block
			if p := t.place(f.End - 1); p.Wrap != end.Wrap {
				end.Wrap, end.Band, end.Forward = p.Wrap, p.Band, p.Forward
			}
		}
		tr.last = append(tr.last, end)
		tr.read = append(tr.read, t.read(f.Start, f.End))
	}
	return tr
}

// outset is the place before the first file, as an index.
const outset = -1

// cost is the locate from behind one file, or the outset, to another.
func (tr *trip) cost(from, to int) time.Duration {
	if from == outset {
		return tr.costs.Locate(&tr.start, &tr.first[to])
	}
	return tr.costs.Locate(&tr.last[from], &tr.first[to])
}

// locates is the time of all locates of a way.
func (tr *trip) locates(way []int) (d time.Duration) {
	at := outset
	for _, i := range way {
		d += tr.cost(at, i)
		at = i
	}
	return d
}

func (tr *trip) plan(m Method, way []int) Plan {
	p := Plan{Method: m}
	at := outset
	for _, i := range way {
		l := tr.cost(at, i)
		p.Stops = append(p.Stops, Stop{File: i, At: p.Total + l, Locate: l, Read: tr.read[i]})
		p.Total += l + tr.read[i]
		at = i
	}
	return p
}

// Judge tells the time of a given order on a tape, whoever made it. way has the index of every file once.
func Judge(t *Tape, start int64, files []File, way []int) (Plan, error) {
	if t == nil || start == Unknown {
		return Plan{}, fmt.Errorf("order: to judge needs a tape and a start: %w", ErrExtent)
	}
	if _, err := t.Place(start); err != nil {
		return Plan{}, fmt.Errorf("start: %w", err)
	}
	seen := make([]bool, len(files))
	for _, i := range way {
		if i < 0 || i >= len(files) || seen[i] {
			return Plan{}, fmt.Errorf("file %d is not there, or twice in the order: %w", i, ErrExtent)
		}
		seen[i] = true
		f := files[i]
		if f.Start < 0 || f.End < f.Start || f.End > t.Blocks() {
			return Plan{}, fmt.Errorf("file %d: blocks %d to %d: %w", i, f.Start, f.End, ErrBeyond)
		}
	}
	if len(way) != len(files) {
		return Plan{}, fmt.Errorf("%d of %d files are in the order: %w", len(way), len(files), ErrExtent)
	}
	return newTrip(t, start, files).plan("given", way), nil
}
