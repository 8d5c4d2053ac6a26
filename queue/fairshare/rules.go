// Package fairshare divides drives among those who share them.
//
// # Nouns
//
// A [Share] is a part of the drives for the requests that a pattern matches: in proportion to its weight, at least so many drives
// if it has work for them, at most so many ever. Shares may have shares within them: an experiment its users, say. A
// [Tree] keeps the accounts of those who share the same drives. A [View] holds the shares that could use a drive just
// now, and knows whose turn it is.
//
//	rules, err := fairshare.Compile([]fairshare.Share{
//		{Name: "cms", Match: match.Pattern{"storage_group": "cms"}, Weight: 3, Least: 2, Each: "user"},
//		{Name: "rest", Weight: 1, Most: 10},
//	})
//	tree := fairshare.NewTree(rules)
//	view := tree.View()
//	leaf := tree.Leaf(&match.Fields{Group: "cms", User: "alice"}) // cms/alice
//	view.Offer(leaf)                                              // it has something that could run
//	first := view.First()
//	tree.Begin(first, 10*time.Minute)                   // it has a drive, and is charged what it will use, about
//	tree.End(first, 10*time.Minute, 12*time.Minute)     // what it has used in fact
//
// # Order
//
// Among the shares within one, those below their guarantee go first; then the one that has used least for its weight, in drive
// time; a drive that works is charged in advance, so what counts is both, the drives in use and the time that they were used.
// A share at its most is passed over. Nothing stays idle while anybody could use it: a share that has no work leaves its part to the
// others, and has no claim for what it did not use, but for an hour ([Credit]).
//
// # What it promises
//
// Of shares that always have work, each gets its part of the drive time, but for two charges: TestProportion. Which request of a
// share goes next is not decided here.
package fairshare

import (
	"fmt"
	"strings"

	"github.com/enstore-go/sdk/queue/match"
)

// Share is one share as it is written. Requests belong to the first share that matches them; those that none matches
// to one of weight 1 named "other".
type Share struct {
	Name   string        `toml:"name" json:"name"`
	Match  match.Pattern `toml:"match" json:"match,omitempty"`
	Weight int           `toml:"weight" json:"weight,omitempty"` // against those beside it; 0 means 1
	Least  int           `toml:"least" json:"least,omitempty"`   // drives that it gets before others if it has work for them
	Most   int           `toml:"most" json:"most,omitempty"`     // drives that it has at a time; 0: no limit
	Each   string        `toml:"each" json:"each,omitempty"`     // a field, each value of which is a share within this one, of weight 1: "user"
	Shares []Share       `toml:"share" json:"shares,omitempty"`  // within this one; what none of them matches is theirs that Each makes, or of "other"
}

const (
	// MostWeight is the largest weight.
	MostWeight = 1_000_000
	// MostDrives is the most drives that a share may be given.
	MostDrives = 100_000
	deepest    = 5
	other      = "other"
)

// Rules tell which share a request belongs to.
type Rules struct{ root *rule }

type rule struct {
	Share
	match match.Compiled
	kids  []*rule
}

// Compile checks shares. Its errors are match.ErrRule and name the share.
func Compile(shares []Share) (*Rules, error) {
	root := &rule{Share: Share{Weight: 1, Shares: shares}}
	if err := root.compile("", 0); err != nil {
		return nil, err
	}
	return &Rules{root}, nil
}

func (r *rule) compile(path string, depth int) error {
	if depth > deepest {
		return fmt.Errorf("%w: share %q: more than %d levels", match.ErrRule, path, deepest)
	}
	names, least := map[string]bool{}, 0
	patterns := make([]match.Pattern, 0, len(r.Shares))
	for i, s := range r.Shares {
		kid := &rule{Share: s}
		if s.Name == "" {
			return fmt.Errorf("%w: share %d of %q has no name", match.ErrRule, i+1, path)
		}
		at := join(path, s.Name)
		if err := kid.check(at, names); err != nil {
			return err
		}
		var err error
		if kid.match, err = match.Compile(s.Match); err != nil {
			return fmt.Errorf("share %q: %w", at, err)
		}
		if err := kid.compile(at, depth+1); err != nil {
			return err
		}
		least += s.Least
		patterns = append(patterns, s.Match)
		r.kids = append(r.kids, kid)
	}
	if before, never, found := match.Unreached(patterns); found {
		return fmt.Errorf("%w: share %q is never reached: %q before it matches all that it does", match.ErrRule, r.Shares[never].Name, r.Shares[before].Name)
	}
	if r.Most > 0 && least > r.Most {
		return fmt.Errorf("%w: share %q: %d drives are guaranteed within it, and it never has more than %d", match.ErrRule, path, least, r.Most)
	}
	return nil
}

func (r *rule) check(at string, names map[string]bool) error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: share %q: %s", match.ErrRule, at, fmt.Sprintf(format, args...))
	}
	_, field := (&match.Fields{}).Get(r.Each)
	_, path := r.Match["path"]
	switch {
	case r.Name == "other" || strings.HasPrefix(r.Name, "=") || strings.Contains(r.Name, "/"):
		return bad("a name may not be \"other\", which is what no share matches, begin with \"=\" or have a \"/\"")
	case path || r.Each == "path":
		return bad("shares do not look at paths: use storage_group, file_family, user, host or dataset")
	case names[r.Name]:
		return bad("there are two of this name")
	case r.Weight < 0 || r.Weight > MostWeight:
		return bad("weight = %d, from 1 to %d", r.Weight, MostWeight)
	case r.Least < 0 || r.Least > MostDrives:
		return bad("least = %d, from 0 to %d", r.Least, MostDrives)
	case r.Most < 0 || r.Most > MostDrives:
		return bad("most = %d, from 0 to %d", r.Most, MostDrives)
	case r.Most > 0 && r.Least > r.Most:
		return bad("least = %d is more than most = %d", r.Least, r.Most)
	case r.Each != "" && !field:
		return bad("each = %q is no field", r.Each)
	}
	names[r.Name] = true
	if r.Weight == 0 {
		r.Weight = 1
	}
	return nil
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "/" + name
}

// Guaranteed is how many drives the shares are guaranteed in sum. A site that has fewer cannot keep its word.
func (r *Rules) Guaranteed() int {
	n := 0
	for _, k := range r.root.kids {
		n += k.Least
	}
	return n
}
