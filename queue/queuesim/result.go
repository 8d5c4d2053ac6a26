package queuesim

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/enstore-go/sdk/queue"
)

// Result is what came of a simulation.
type Result struct {
	Scenario string        `json:"scenario"`
	Drives   int           `json:"drives"`
	Span     time.Duration `json:"span"` // that was simulated
	Came     int           `json:"came"`
	Done     int           `json:"done"`
	Bytes    int64         `json:"bytes"` // that were moved
	Mounts   int           `json:"mounts"`
	Failed   int           `json:"failed"` // reads that were tried again
	Downs    int           `json:"downs"`

	// Drive time, in sum of all drives.
	Streaming time.Duration `json:"streaming"`
	Locating  time.Duration `json:"locating"` // flushes included
	Mounting  time.Duration `json:"mounting"` // waiting for the robot included
	RobotTime time.Duration `json:"robotTime"`

	Waits    Waits            `json:"waits"`  // from arrival to the last byte
	ByGroup  map[string]Waits `json:"groups"` // storage groups
	ByKind   map[string]Waits `json:"kinds"`
	DAQ      Waits            `json:"daq"`      // those with an administrative priority
	Datasets Waits            `json:"datasets"` // from the first arrival of one to its last byte
	Spread   float64          `json:"spread"`   // volumes on which a dataset was written, on the average
	Fairness float64          `json:"fairness"` // Jain's index over the drive time of the storage groups

	open     int
	all      []time.Duration
	groups   map[string][]time.Duration
	kinds    map[string][]time.Duration
	daq      []time.Duration
	sets     map[string]*set
	spent    map[string]time.Duration
	busyNow  int
	timeline []float64 // of drives at work, by slice of time
	waitline []int     // of requests that wait
	slice    int64
	last     int64
}

type set struct {
	came    int64
	left    int
	volumes map[queue.Volume]bool
	took    time.Duration
}

// Waits are percentiles.
type Waits struct {
	N    int           `json:"n"`
	P50  time.Duration `json:"p50"`
	P95  time.Duration `json:"p95"`
	P99  time.Duration `json:"p99"`
	Most time.Duration `json:"most"`
}

func waits(all []time.Duration) Waits {
	if len(all) == 0 {
		return Waits{}
	}
	slices.Sort(all)
	at := func(part int) time.Duration { return all[min(len(all)*part/100, len(all)-1)] }
	return Waits{N: len(all), P50: at(50), P95: at(95), P99: at(99), Most: all[len(all)-1]}
}

// slices of time of the picture.
const slicesOfTime = 200

func newResult(s *Scenario) *Result {
	n := 0
	for _, l := range s.Site.Libraries {
		n += l.Drives
	}
	return &Result{Scenario: s.Name, Drives: n, groups: map[string][]time.Duration{}, kinds: map[string][]time.Duration{}, sets: map[string]*set{}, spent: map[string]time.Duration{},
		timeline: make([]float64, slicesOfTime), waitline: make([]int, slicesOfTime), slice: max(int64(s.Length+s.Drain)/slicesOfTime, 1)}
}

// pass notes that time passes until next, with the drives as they are.
func (r *Result) pass(x *sim, next int64) {
	for r.last < next {
		i := r.last / r.slice
		if i >= slicesOfTime {
			break
		}
		until := min(next, (i+1)*r.slice)
		r.timeline[i] += float64(until-r.last) / float64(r.slice) * float64(r.busyNow)
		r.waitline[i] = max(r.waitline[i], r.open)
		r.last = until
	}
	r.last = next
}

func (r *Result) came(q queue.Request) {
	r.Came++
	r.open++
	if q.Dataset != "" {
		s := r.sets[q.Dataset]
		if s == nil {
			s = &set{came: int64(q.Accepted.Sub(Epoch)), volumes: map[queue.Volume]bool{}}
			r.sets[q.Dataset] = s
		}
		s.left++
	}
}

func (r *Result) idle(int64)          { r.busyNow++ }
func (r *Result) mounting(ns int64)   { r.Mounting += time.Duration(ns) }
func (r *Result) mount(*lease)        { r.Mounts++ }
func (r *Result) robot(busy, _ int64) { r.RobotTime += time.Duration(busy) }
func (r *Result) started(*job, int64) {}
func (r *Result) failed()             { r.Failed++ }
func (r *Result) down()               { r.Downs++ }
func (r *Result) work(locate, stream int64) {
	r.Locating += time.Duration(locate)
	r.Streaming += time.Duration(stream)
}

func (r *Result) done(j *job, now int64, l *lease) {
	q := j.request
	took := time.Duration(now - j.came)
	r.Done++
	r.open--
	r.Bytes += max(q.Size, 0)
	r.all = append(r.all, took)
	r.groups[q.Family.Group] = append(r.groups[q.Family.Group], took)
	r.kinds[q.Kind.String()] = append(r.kinds[q.Kind.String()], took)
	if q.Admin > 0 {
		r.daq = append(r.daq, took)
	}
	if s := r.sets[q.Dataset]; s != nil {
		s.volumes[l.volume] = true
		if s.left--; s.left == 0 {
			s.took = time.Duration(now - s.came)
		}
	}
}

func (r *Result) leased(l *lease, now int64) {
	r.busyNow--
	if l.kind != 0 {
		r.spent[l.pool.family.Group] += time.Duration(now - l.begun)
	}
}

func (r *Result) finish(x *sim) {
	r.Span = time.Duration(x.now)
	r.Waits, r.DAQ = waits(r.all), waits(r.daq)
	r.ByGroup, r.ByKind = map[string]Waits{}, map[string]Waits{}
	for g, all := range r.groups {
		r.ByGroup[g] = waits(all)
	}
	for k, all := range r.kinds {
		r.ByKind[k] = waits(all)
	}
	var took []time.Duration
	volumes, sets := 0, 0
	for _, s := range r.sets {
		if s.left > 0 {
			continue
		}
		took = append(took, s.took)
		volumes += len(s.volumes)
		sets++
	}
	r.Datasets = waits(took)
	if sets > 0 {
		r.Spread = float64(volumes) / float64(sets)
	}
	var sum, squares float64
	for _, name := range slices.Sorted(maps.Keys(r.spent)) {
		s := r.spent[name].Hours()
		sum += s
		squares += s * s
	}
	if squares > 0 {
		r.Fairness = sum * sum / (squares * float64(len(r.spent)))
	}
}

// DriveTime is the time that drives worked, mounts included.
func (r *Result) DriveTime() time.Duration { return r.Streaming + r.Locating + r.Mounting }

// PerTB is the drive time for each 10^12 bytes.
func (r *Result) PerTB() time.Duration {
	if r.Bytes == 0 {
		return 0
	}
	return time.Duration(float64(r.DriveTime()) / (float64(r.Bytes) / 1e12))
}

// Use is the part of the drives' time that they worked.
func (r *Result) Use() float64 {
	if r.Span == 0 {
		return 0
	}
	return float64(r.DriveTime()) / (float64(r.Span) * float64(r.Drives))
}

// PerMount is how many bytes were moved for each mount.
func (r *Result) PerMount() int64 {
	if r.Mounts == 0 {
		return r.Bytes
	}
	return r.Bytes / int64(r.Mounts)
}

// Named is a result with the name of its decider.
type Named struct {
	Name   string
	Result *Result
}

// Table writes results side by side.
func Table(w io.Writer, all []Named) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(name string, cell func(*Result) string) {
		cells := []string{name}
		for _, n := range all {
			cells = append(cells, cell(n.Result))
		}
		fmt.Fprintln(t, strings.Join(cells, "\t")+"\t")
	}
	head := []string{""}
	for _, n := range all {
		head = append(head, n.Name)
	}
	fmt.Fprintln(t, strings.Join(head, "\t")+"\t")
	row("requests done", func(r *Result) string { return fmt.Sprintf("%d of %d", r.Done, r.Came) })
	row("TB moved", func(r *Result) string { return fmt.Sprintf("%.1f", float64(r.Bytes)/1e12) })
	row("mounts", func(r *Result) string { return fmt.Sprint(r.Mounts) })
	row("GB a mount", func(r *Result) string { return fmt.Sprintf("%.1f", float64(r.PerMount())/1e9) })
	row("drive seconds a TB", func(r *Result) string { return fmt.Sprintf("%.0f", r.PerTB().Seconds()) })
	row("drives' time used", func(r *Result) string { return fmt.Sprintf("%.1f %%", 100*r.Use()) })
	row("of that streaming", func(r *Result) string {
		return fmt.Sprintf("%.1f %%", 100*float64(r.Streaming)/float64(max(r.DriveTime(), 1)))
	})
	for _, p := range []struct {
		name string
		of   func(Waits) time.Duration
	}{{"waiting, half", func(w Waits) time.Duration { return w.P50 }}, {"waiting, 95 %", func(w Waits) time.Duration { return w.P95 }},
		{"waiting, 99 %", func(w Waits) time.Duration { return w.P99 }}, {"waiting, most", func(w Waits) time.Duration { return w.Most }}} {
		row(p.name, func(r *Result) string { return short(p.of(r.Waits)) })
	}
	if slices.ContainsFunc(all, func(n Named) bool { return n.Result.DAQ.N > 0 }) {
		row("data acquisition, 95 %", func(r *Result) string { return short(r.DAQ.P95) })
	}
	if slices.ContainsFunc(all, func(n Named) bool { return n.Result.Datasets.N > 0 }) {
		row("datasets, half", func(r *Result) string { return short(r.Datasets.P50) })
		row("datasets, 95 %", func(r *Result) string { return short(r.Datasets.P95) })
		row("volumes a dataset", func(r *Result) string { return fmt.Sprintf("%.2f", r.Spread) })
	}
	groups := map[string]bool{}
	for _, n := range all {
		for g := range n.Result.ByGroup {
			groups[g] = true
		}
	}
	for _, g := range slices.Sorted(maps.Keys(groups)) {
		row("95 % of "+g, func(r *Result) string { return short(r.ByGroup[g].P95) })
	}
	row("fairness (Jain)", func(r *Result) string { return fmt.Sprintf("%.3f", r.Fairness) })
	return t.Flush()
}

func short(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%.1f d", d.Hours()/24)
	case d >= 2*time.Hour:
		return fmt.Sprintf("%.1f h", d.Hours())
	case d >= 2*time.Minute:
		return fmt.Sprintf("%.1f min", d.Minutes())
	}
	return fmt.Sprintf("%.0f s", d.Seconds())
}

// Picture writes an SVG of the results over time: drives at work, and requests that wait.
func Picture(w io.Writer, all []Named) error {
	const width, height, edge = 900, 260, 60
	colours := []string{"#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#8c564b"}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">`+"\n", width, 2*height+20)
	panel := func(top int, title string, of func(*Result, int) float64) {
		most := 1.0
		for _, n := range all {
			for i := range slicesOfTime {
				most = max(most, of(n.Result, i))
			}
		}
		fmt.Fprintf(&b, `<text x="%d" y="%d">%s (most: %.0f)</text>`+"\n", edge, top+15, title, most)
		fmt.Fprintf(&b, `<path d="M%d %d V%d H%d" fill="none" stroke="black"/>`+"\n", edge, top+25, top+height-20, width-10)
		for k, n := range all {
			var p []string
			for i := range slicesOfTime {
				xx := edge + float64(i)*float64(width-edge-10)/slicesOfTime
				yy := float64(top+height-20) - of(n.Result, i)/most*float64(height-50)
				p = append(p, fmt.Sprintf("%.1f,%.1f", xx, yy))
			}
			c := colours[k%len(colours)]
			fmt.Fprintf(&b, `<polyline points="%s" fill="none" stroke="%s"/>`+"\n", strings.Join(p, " "), c)
			fmt.Fprintf(&b, `<text x="%d" y="%d" fill="%s">%s</text>`+"\n", width-150, top+15+15*k, c, escape(n.Name))
		}
	}
	panel(0, "drives at work", func(r *Result, i int) float64 { return r.timeline[i] })
	panel(height, "requests that wait", func(r *Result, i int) float64 { return float64(r.waitline[i]) })
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(s)
}
