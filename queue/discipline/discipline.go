// Package discipline limits how many drives may work at once for what a pattern matches: a host, a storage group, an operation, or
// any combination.
//
//	limits, err := discipline.Compile([]discipline.Limit{
//		{Name: "farm", Match: match.Pattern{"host": "farm.*"}, Each: "host", Drives: 2}, // each host of the farm by itself
//		{Name: "minos reads", Match: match.Pattern{"storage_group": "minos", "operation": "read"}, Drives: 8, Mounted: 1},
//	})
//	keys := limits.Keys(&match.Fields{Host: "farm7"}) // {Limit: 0, Value: "farm7"}
//
// A request counts under every limit that matches it. What is counted is drives: those that have a request to do that matches. One
// more request for a drive that works for the same host does not count again. Package queue counts; this package says what
// under.
package discipline

import (
	"fmt"

	"github.com/enstore-go/sdk/queue/match"
)

// Limit is one limit as it is written.
type Limit struct {
	Name    string        `toml:"name" json:"name"`
	Match   match.Pattern `toml:"match" json:"match,omitempty"`
	Each    string        `toml:"each" json:"each,omitempty"`       // a field, each value of which is counted by itself: "host"; "": all together
	Robot   string        `toml:"robot" json:"robot,omitempty"`     // instead of match: the drives of this robot
	Drives  int           `toml:"drives" json:"drives"`             // so many may work at once, from 0 on
	Mounted int           `toml:"mounted" json:"mounted,omitempty"` // and so many more, if the volume is in the drive already
	Refuse  bool          `toml:"refuse" json:"refuse,omitempty"`   // requests that match are not accepted while the limit is reached
}

// Limits can be applied. The zero Limits limit nothing.
type Limits struct {
	limits []compiled
	robots map[string]int
}

type compiled struct {
	Limit
	match match.Compiled
}

// Key names one counter: a limit by its index, and the value of its field Each.
type Key struct {
	Limit int
	Value string
}

// MostDrives bounds what a limit may allow.
const MostDrives = 100_000

// Compile checks limits. Its errors are match.ErrRule and name the limit.
func Compile(limits []Limit) (*Limits, error) {
	out := &Limits{robots: map[string]int{}}
	names := map[string]bool{}
	for i, l := range limits {
		bad := func(format string, args ...any) (*Limits, error) {
			return nil, fmt.Errorf("%w: limit %q: %s", match.ErrRule, l.Name, fmt.Sprintf(format, args...))
		}
		_, field := (&match.Fields{}).Get(l.Each)
		switch {
		case l.Name == "":
			return nil, fmt.Errorf("%w: limit %d has no name", match.ErrRule, i+1)
		case names[l.Name]:
			return nil, fmt.Errorf("%w: two limits are named %q", match.ErrRule, l.Name)
		case l.Drives < 0 || l.Drives > MostDrives:
			return bad("drives = %d, from 0 to %d", l.Drives, MostDrives)
		case l.Mounted < 0 || l.Mounted > MostDrives:
			return bad("mounted = %d, from 0 to %d", l.Mounted, MostDrives)
		case l.Each != "" && !field:
			return bad("each = %q is no field", l.Each)
		case l.Robot != "" && (len(l.Match) > 0 || l.Each != "" || l.Mounted != 0 || l.Refuse):
			return bad("a limit of a robot has nothing but its drives")
		case l.Robot != "" && l.Drives == 0:
			return bad("no drive of robot %s could ever work", l.Robot)
		}
		names[l.Name] = true
		if l.Robot != "" {
			if _, twice := out.robots[l.Robot]; twice {
				return bad("robot %s has a limit already", l.Robot)
			}
			out.robots[l.Robot] = l.Drives
			continue
		}
		if _, path := l.Match["path"]; path || l.Each == "path" {
			return bad("limits do not look at paths: use storage_group, file_family, user, host or dataset")
		}
		m, err := match.Compile(l.Match)
		if err != nil {
			return nil, fmt.Errorf("limit %q: %w", l.Name, err)
		}
		out.limits = append(out.limits, compiled{l, m})
	}
	return out, nil
}

// Keys gives the counters under which a request counts, in the order of the limits; nil if there are none.
func (l *Limits) Keys(f *match.Fields) []Key {
	if l == nil {
		return nil
	}
	var keys []Key
	for i := range l.limits {
		c := &l.limits[i]
		if !c.match.Matches(f) {
			continue
		}
		k := Key{Limit: i}
		if c.Each != "" {
			k.Value, _ = f.Get(c.Each)
		}
		keys = append(keys, k)
	}
	return keys
}

// Limit gives a limit by the index in a Key.
func (l *Limits) Limit(i int) Limit { return l.limits[i].Limit }

// Robot tells how many drives of a robot may work at once; false if all may.
func (l *Limits) Robot(name string) (int, bool) {
	if l == nil {
		return 0, false
	}
	n, ok := l.robots[name]
	return n, ok
}
