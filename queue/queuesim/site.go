package queuesim

import (
	"errors"
	"fmt"
	"time"

	"github.com/enstore-go/sdk/queue"
	"github.com/enstore-go/sdk/tape/order"
)

// ErrScenario marks every complaint about a scenario or a workload.
var ErrScenario = errors.New("bad scenario")

// Scenario is a site, what is asked of it, and for how long.
type Scenario struct {
	Name   string        `toml:"name" json:"name"`
	Site   Site          `toml:"site" json:"site"`
	Work   []Stream      `toml:"stream" json:"streams"`
	Length time.Duration `toml:"-" json:"length"` // how long requests come
	Drain  time.Duration `toml:"-" json:"drain"`  // how much longer the site works, at most
	Seed   uint64        `toml:"seed" json:"seed"`
	Faults Faults        `toml:"faults" json:"faults"`

	// Arrivals are the requests, if they come from a file or a journal; else they are made by Work.
	Arrivals []Arrival `toml:"-" json:"-"`
}

// Site is libraries with their drives and robots.
type Site struct {
	Libraries []Library `toml:"library" json:"libraries"`
	Drive     Drive     `toml:"drive" json:"drive"`
	Linger    int       `toml:"linger" json:"linger"` // seconds that a drive waits for more before it gives its lease back; 0 means 1
}

// Library is drives and volumes that belong together, and the robot that serves them.
type Library struct {
	Name     string   `toml:"name" json:"name"`
	Drives   int      `toml:"drives" json:"drives"`
	Also     []string `toml:"also" json:"also,omitempty"` // libraries whose requests its drives serve too
	Arms     int      `toml:"arms" json:"arms"`           // of its robot; 0 means 1
	Exchange int      `toml:"exchange" json:"exchange"`   // seconds that an arm needs to put one volume in the place of another; 0 means 10
	Volumes  int      `toml:"volumes" json:"volumes"`     // written before, which are read
	Blanks   int      `toml:"blanks" json:"blanks"`       // to be written
}

// Drive is what every drive of the site does in what time: anchors are the published figures of package tape/order, which has locates and
// rates, and those of loading and unloading named here.
type Drive struct {
	Generation string `toml:"generation" json:"generation"`  // "LTO-9"
	Load       int    `toml:"load" json:"load"`              // seconds from the robot's letting go until it is ready; 0 means 17
	Unload     int    `toml:"unload" json:"unload"`          // seconds, without the rewind; 0 means 30
	Rewind     int    `toml:"rewind" json:"rewind"`          // seconds, on the average; 0 means 55
	FlushFiles int    `toml:"flush_files" json:"flushFiles"` // files after which a writing drive stops to make them safe; 0 means 200
	Flush      int    `toml:"flush" json:"flush"`            // seconds that this takes; 0 means 3
}

// Faults are what goes wrong.
type Faults struct {
	Reads float64 `toml:"reads" json:"reads,omitempty"` // part of the reads that fail and are tried again
	Down  float64 `toml:"down" json:"down,omitempty"`   // part of the leases after which a drive is away for Away
	Away  int     `toml:"away" json:"away,omitempty"`   // seconds; 0 means an hour
}

func (s *Scenario) check() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s: %s", ErrScenario, s.Name, fmt.Sprintf(format, args...))
	}
	if len(s.Site.Libraries) == 0 {
		return bad("no library")
	}
	names := map[string]bool{}
	for i := range s.Site.Libraries {
		l := &s.Site.Libraries[i]
		switch {
		case l.Name == "" || names[l.Name]:
			return bad("library %d has no name, or that of another one", i+1)
		case l.Drives < 1 || l.Drives > 10_000 || l.Arms < 0 || l.Exchange < 0 || l.Volumes < 0 || l.Blanks < 0:
			return bad("library %s: drives, arms, exchange, volumes or blanks are out of range", l.Name)
		}
		names[l.Name] = true
		def(&l.Arms, 1)
		def(&l.Exchange, 10)
	}
	for _, l := range s.Site.Libraries {
		for _, other := range l.Also {
			if !names[other] {
				return bad("library %s: no library %q", l.Name, other)
			}
		}
	}
	d := &s.Site.Drive
	for key, seconds := range map[string]int{"load": d.Load, "unload": d.Unload, "rewind": d.Rewind, "flush": d.Flush, "flush_files": d.FlushFiles, "away": s.Faults.Away} {
		if seconds < 0 || seconds > 1e7 {
			return bad("%s = %d is out of range", key, seconds)
		}
	}
	if d.Generation == "" {
		d.Generation = order.LTO9.Name
	}
	if _, ok := order.Named(d.Generation); !ok {
		return bad("no generation of drives %q", d.Generation)
	}
	def(&s.Site.Linger, 1)
	def(&d.Load, 17)
	def(&d.Unload, 30)
	def(&d.Rewind, 55)
	def(&d.FlushFiles, 200)
	def(&d.Flush, 3)
	def(&s.Faults.Away, 3600)
	if f := s.Faults; !(f.Reads >= 0 && f.Reads <= 1 && f.Down >= 0 && f.Down <= 1) { // not a number is none of these
		return bad("faults: a part is from 0 to 1")
	}
	for i := range s.Work {
		if err := s.Work[i].check(names); err != nil {
			return bad("stream %d: %v", i+1, err)
		}
	}
	return nil
}

func def(v *int, d int) {
	if *v == 0 {
		*v = d
	}
}

// Decider decides who goes next. *queue.Machine is one.
type Decider interface {
	Apply(queue.Event) ([]queue.Decision, error)
	Wake() time.Time // when it wants a queue.Tick next, zero: never
}
