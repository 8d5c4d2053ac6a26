package queuesim

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/enstore-go/sdk/queue"
)

// Stream is requests of one kind that come from somewhere.
type Stream struct {
	Name     string  `toml:"name" json:"name"`
	Kind     string  `toml:"kind" json:"kind"`       // "read", "write", "verify" or "migrate"
	Library  string  `toml:"library" json:"library"` // "": each burst another one
	Group    string  `toml:"group" json:"group"`     // storage group; "" means the stream's name
	Family   string  `toml:"family" json:"family"`   // file family; "" means "data"
	Width    int     `toml:"width" json:"width"`     // of writes; 0 means 1
	Users    int     `toml:"users" json:"users"`     // among whom the bursts are; 0 means 1
	Bursts   float64 `toml:"bursts" json:"bursts"`   // a day, at random
	Files    int     `toml:"files" json:"files"`     // in a burst, on the average; 0 means 1. A burst is a dataset
	Within   int     `toml:"within" json:"within"`   // seconds over which the files of a burst come; 0: all at once
	Size     int64   `toml:"size" json:"size"`       // bytes of a file, the median
	Sigma    float64 `toml:"sigma" json:"sigma"`     // of the logarithm of the size; 0: all are of one size
	Floor    int64   `toml:"floor" json:"floor"`     // no file is smaller
	Ceiling  int64   `toml:"ceiling" json:"ceiling"` // no file is larger; 0 means a hundredth of a volume
	Zipf     float64 `toml:"zipf" json:"zipf"`       // reads: the exponent by which some volumes are asked for more often than others, above 1; 0: all alike
	Spread   int     `toml:"spread" json:"spread"`   // reads: volumes on which a burst lies, side by side; 0 means 1
	Priority int     `toml:"priority" json:"priority"`
	Admin    int     `toml:"admin" json:"admin"`
}

func (s *Stream) check(libraries map[string]bool) error {
	switch {
	case s.Name == "":
		return errors.New("no name")
	case s.kind() == 0:
		return fmt.Errorf("kind %q", s.Kind)
	case s.Library != "" && !libraries[s.Library]:
		return fmt.Errorf("no library %q", s.Library)
	case !(s.Bursts > 0 && s.Bursts <= 1e8) || s.Files < 0 || s.Files > 1e7 || s.Bursts*float64(max(s.Files, 1)) > 1e8: // not a number is none of these
		return errors.New("bursts or files are out of range, or make more than 100,000,000 requests")
	case s.Size <= 0 || !(s.Sigma >= 0 && s.Sigma <= 5) || s.Floor < 0 || s.Ceiling < 0:
		return errors.New("size, sigma, floor or ceiling are out of range")
	case s.Zipf != 0 && !(s.Zipf > 1 && s.Zipf <= 100), s.Spread < 0, s.Users < 0, s.Width < 0, s.Within < 0, s.Admin < 0:
		return errors.New("zipf, spread, users, width, within or admin are out of range")
	}
	if s.Group == "" {
		s.Group = s.Name
	}
	if s.Family == "" {
		s.Family = "data"
	}
	def(&s.Width, 1)
	def(&s.Users, 1)
	def(&s.Files, 1)
	def(&s.Spread, 1)
	return nil
}

func (s *Stream) kind() queue.Kind {
	for _, k := range []queue.Kind{queue.Read, queue.Write, queue.Verify, queue.Migrate} {
		if k.String() == s.Kind {
			return k
		}
	}
	return 0
}

// Arrival is a request, and how long after the beginning it comes.
type Arrival struct {
	At      time.Duration `json:"at"`
	Request queue.Request `json:"request"`
}

// Arrivals makes the requests of a scenario, in the order in which they come. The same scenario has the same requests.
func Arrivals(s Scenario) ([]Arrival, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	if s.Arrivals != nil {
		return s.Arrivals, nil
	}
	var all []Arrival
	for i := range s.Work {
		g := &maker{s: &s, w: &s.Work[i], rnd: rand.New(rand.NewPCG(s.Seed, uint64(i+1)))}
		all = append(all, g.arrivals()...)
	}
	slices.SortStableFunc(all, func(a, b Arrival) int { return int(a.At - b.At) })
	for i := range all {
		binary.BigEndian.PutUint64(all[i].Request.ID[8:], uint64(i+1))
	}
	return all, nil
}

// maker makes the requests of one stream.
type maker struct {
	s    *Scenario
	w    *Stream
	rnd  *rand.Rand
	zipf map[string]*rand.Zipf
}

func (g *maker) arrivals() (all []Arrival) {
	gap := float64(24*time.Hour) / g.w.Bursts
	at := time.Duration(0)
	for n := 0; ; n++ {
		at += time.Duration(min(g.rnd.ExpFloat64()*gap, 1e17))
		if at >= g.s.Length {
			return all
		}
		all = append(all, g.burst(at, n)...)
	}
}

func (g *maker) burst(at time.Duration, n int) (all []Arrival) {
	w := g.w
	files := 1
	if w.Files > 1 { // geometric
		files = 1 + int(min(g.rnd.ExpFloat64()*float64(w.Files-1), 1e7))
	}
	libs := g.s.Site.Libraries
	lib := libs[g.rnd.IntN(len(libs))]
	if i := slices.IndexFunc(libs, func(l Library) bool { return l.Name == w.Library }); i >= 0 {
		lib = libs[i]
	}
	user := fmt.Sprintf("%s%d", w.Group, g.rnd.IntN(w.Users))
	first := g.volume(lib)
	place := int64(g.rnd.IntN(5000))
	for i := range files {
		r := queue.Request{Kind: w.kind(), Library: queue.Library(lib.Name), Family: queue.Family{Group: w.Group, Family: w.Family, Wrapper: "cpio_odc"},
			Size: g.size(), Priority: w.Priority, Admin: w.Admin, User: user, Host: user, Class: w.Name}
		if files > 1 {
			r.Dataset = fmt.Sprintf("%s-%d", w.Name, n)
		}
		if r.Kind == queue.Write {
			r.Width = w.Width
		} else {
			v := (first + i*w.Spread/files) % max(lib.Volumes, 1)
			r.Volume = queue.Volume(fmt.Sprintf("%s-%05d", lib.Name, v))
			place++
			r.Position = queue.Position{File: place % 8000, Block: place % 8000 * 8000} // 2 GB files fill a volume, about
		}
		when := at
		if w.Within > 0 {
			when += time.Duration(i) * time.Duration(w.Within) * time.Second / time.Duration(files)
		}
		all = append(all, Arrival{At: when, Request: r})
	}
	return all
}

func (g *maker) volume(lib Library) int {
	if lib.Volumes == 0 {
		return 0
	}
	if g.w.Zipf == 0 {
		return g.rnd.IntN(lib.Volumes)
	}
	if g.zipf == nil {
		g.zipf = map[string]*rand.Zipf{}
	}
	z := g.zipf[lib.Name]
	if z == nil {
		z = rand.NewZipf(g.rnd, g.w.Zipf, 1, uint64(lib.Volumes-1))
		g.zipf[lib.Name] = z
	}
	return int(z.Uint64()) * 7919 % lib.Volumes // so that the favourites of two streams are not neighbours
}

func (g *maker) size() int64 {
	most := g.w.Ceiling
	if most == 0 {
		most = 180e9
	}
	n := float64(g.w.Size)
	if g.w.Sigma > 0 {
		n *= math.Exp(g.rnd.NormFloat64() * g.w.Sigma)
	}
	return max(min(int64(n), most), g.w.Floor, 1)
}

// longestLine bounds a line of a workload file.
const longestLine = 64 << 10

// WriteArrivals writes requests as a workload file: a line of JSON for each.
func WriteArrivals(w io.Writer, all []Arrival) error {
	b := bufio.NewWriter(w)
	e := json.NewEncoder(b)
	for _, a := range all {
		if err := e.Encode(a); err != nil {
			return fmt.Errorf("workload: %w", err)
		}
	}
	return b.Flush()
}

// ReadArrivals reads a workload file. Its requests must come in the order of time; one without an id gets one.
func ReadArrivals(r io.Reader) ([]Arrival, error) {
	var all []Arrival
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, longestLine)
	for n := 1; lines.Scan(); n++ {
		if len(lines.Bytes()) == 0 {
			continue
		}
		var a Arrival
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			return nil, fmt.Errorf("%w: workload, line %d: %w", ErrScenario, n, err)
		}
		switch {
		case a.At < 0 || len(all) > 0 && a.At < all[len(all)-1].At:
			return nil, fmt.Errorf("%w: workload, line %d: comes at %v, before the one before it", ErrScenario, n, a.At)
		case a.Request.ID == queue.RequestID{}:
			binary.BigEndian.PutUint64(a.Request.ID[8:], uint64(n))
		}
		all = append(all, a)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%w: workload: %w", ErrScenario, err)
	}
	return all, nil
}
