// Package priority gives requests their priorities by rules.
//
// Rules stand in order. The first that matches a request and has an Add is added to the priority that the client asked for; the
// first that matches and has an Admin makes the request administrative. Enstore's selector tries its rules from
// the largest number down, with the same meaning.
//
//	rules, err := priority.Compile([]priority.Rule{
//		{Name: "daq", Match: match.Pattern{"host": "daq.*", "operation": "write"}, Admin: 1},
//		{Name: "production", Match: match.Pattern{"user": "prod"}, Add: 50},
//	})
//	p := rules.Apply(&match.Fields{User: "prod", Host: "w1"}, 1) // p.Base == 51, p.BaseRule == "production"
//
// It does not age anything: that is package queue's.
package priority

import (
	"fmt"

	"github.com/enstore-go/sdk/queue/match"
)

// Rule is one rule as it is written.
type Rule struct {
	Name  string        `toml:"name" json:"name"`
	Match match.Pattern `toml:"match" json:"match,omitempty"`
	Add   int           `toml:"add" json:"add,omitempty"`     // to the priority asked for; 0: the rule says nothing of it
	Admin int           `toml:"admin" json:"admin,omitempty"` // administrative priority, from 1 on; 0: the rule says nothing of it
}

// The most that a rule may add, and the largest administrative priority.
const (
	MostAdd   = 1_000_000
	MostAdmin = 1000
)

// Rules can be applied. The zero Rules change nothing.
type Rules struct{ base, admin []rule }

type rule struct {
	name  string
	match match.Compiled
	value int
}

// Priority is what the rules made of a request, and which of them did.
type Priority struct {
	Base      int
	BaseRule  string // "": none
	Admin     int
	AdminRule string
}

// Compile checks rules. Its errors are match.ErrRule and name the rule.
func Compile(rules []Rule) (*Rules, error) {
	var out Rules
	names := map[string]bool{}
	var base, admin []match.Pattern
	var baseNames, adminNames []string
	for i, r := range rules {
		switch {
		case r.Name == "":
			return nil, fmt.Errorf("%w: priority rule %d has no name", match.ErrRule, i+1)
		case names[r.Name]:
			return nil, fmt.Errorf("%w: two priority rules are named %q", match.ErrRule, r.Name)
		case r.Add == 0 && r.Admin == 0:
			return nil, fmt.Errorf("%w: priority rule %q changes nothing: give add or admin", match.ErrRule, r.Name)
		case r.Add < -MostAdd || r.Add > MostAdd:
			return nil, fmt.Errorf("%w: priority rule %q: add = %d, at most %d either way", match.ErrRule, r.Name, r.Add, MostAdd)
		case r.Admin < 0 || r.Admin > MostAdmin:
			return nil, fmt.Errorf("%w: priority rule %q: admin = %d, from 1 to %d", match.ErrRule, r.Name, r.Admin, MostAdmin)
		}
		names[r.Name] = true
		m, err := match.Compile(r.Match)
		if err != nil {
			return nil, fmt.Errorf("priority rule %q: %w", r.Name, err)
		}
		if r.Add != 0 {
			out.base, base, baseNames = append(out.base, rule{r.Name, m, r.Add}), append(base, r.Match), append(baseNames, r.Name)
		}
		if r.Admin != 0 {
			out.admin, admin, adminNames = append(out.admin, rule{r.Name, m, r.Admin}), append(admin, r.Match), append(adminNames, r.Name)
		}
	}
	if err := unreached(base, baseNames); err != nil {
		return nil, err
	}
	return &out, unreached(admin, adminNames)
}

func unreached(patterns []match.Pattern, names []string) error {
	if before, never, found := match.Unreached(patterns); found {
		return fmt.Errorf("%w: priority rule %q is never reached: %q before it matches all that it does", match.ErrRule, names[never], names[before])
	}
	return nil
}

// Apply gives the priorities of a request whose client asked for one.
func (r *Rules) Apply(f *match.Fields, asked int) Priority {
	asked = min(max(asked, -far), far)
	p := Priority{Base: asked}
	if r == nil {
		return p
	}
	if i := first(r.base, f); i >= 0 {
		p.Base, p.BaseRule = asked+r.base[i].value, r.base[i].name
	}
	if i := first(r.admin, f); i >= 0 {
		p.Admin, p.AdminRule = r.admin[i].value, r.admin[i].name
	}
	return p
}

// far is beyond every priority that a queue tells from others, and leaves room to add to it.
const far = 1 << 30

func first(rules []rule, f *match.Fields) int {
	for i := range rules {
		if rules[i].match.Matches(f) {
			return i
		}
	}
	return -1
}
