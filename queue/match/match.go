// Package match holds what the rules of a queue have in common: patterns over the fields of a request.
//
// A pattern is a set of conditions, each the name of a field and a regular expression (RE2, package regexp) that the whole value
// must match. All of them must hold; a pattern without conditions matches every request.
//
//	p, err := match.Compile(match.Pattern{"storage_group": "cms|atlas", "operation": "write"})
//	p.Matches(&match.Fields{Group: "cms", Operation: "write"}) // true
//
// It knows nothing of what a rule is good for: that is for packages priority, fairshare and discipline.
package match

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// ErrRule marks every complaint about a rule.
var ErrRule = errors.New("bad rule")

// Fields are what rules can speak of. Those that a request has not are empty.
type Fields struct {
	Operation string // "read", "write", "verify" or "migrate"
	Library   string
	Group     string // storage_group
	Family    string // file_family
	Wrapper   string
	Class     string
	Host      string
	User      string
	Path      string
	Dataset   string
}

// Names are the names of the fields, in order.
func Names() []string {
	return []string{"class", "dataset", "file_family", "host", "library", "operation", "path", "storage_group", "user", "wrapper"}
}

// Get gives a field by its name. It is false for a name that there is not.
func (f *Fields) Get(name string) (string, bool) {
	switch name {
	case "operation":
		return f.Operation, true
	case "library":
		return f.Library, true
	case "storage_group":
		return f.Group, true
	case "file_family":
		return f.Family, true
	case "wrapper":
		return f.Wrapper, true
	case "class":
		return f.Class, true
	case "host":
		return f.Host, true
	case "user":
		return f.User, true
	case "path":
		return f.Path, true
	case "dataset":
		return f.Dataset, true
	}
	return "", false
}

// Pattern is a pattern as it is written: a regular expression for each of some fields.
type Pattern map[string]string

// Compiled is a Pattern that can be matched. The zero Compiled matches every request.
type Compiled struct{ conditions []condition }

type condition struct {
	field string
	is    *regexp.Regexp
}

// longest bounds a regular expression, and most what one pattern may ask.
const (
	longest = 1000
	most    = 10
)

// Compile checks a pattern. Its errors are ErrRule and name the field.
func Compile(p Pattern) (Compiled, error) {
	var c Compiled
	if len(p) > most {
		return c, fmt.Errorf("%w: %d conditions, there are %d fields", ErrRule, len(p), most)
	}
	for _, field := range slices.Sorted(maps.Keys(p)) {
		if _, ok := (&Fields{}).Get(field); !ok {
			return c, fmt.Errorf("%w: no field %q: there are %s", ErrRule, field, strings.Join(Names(), ", "))
		}
		text := p[field]
		if len(text) > longest {
			return c, fmt.Errorf("%w: field %s: an expression of %d characters, %d are the most", ErrRule, field, len(text), longest)
		}
		if _, err := regexp.Compile(text); err != nil { // by itself: brackets must not close what is put around it
			return c, fmt.Errorf("%w: field %s: %w", ErrRule, field, err)
		}
		re, err := regexp.Compile(`^(?:` + text + `)$`)
		if err != nil {
			return c, fmt.Errorf("%w: field %s: %w", ErrRule, field, err)
		}
		if field == "operation" && !slices.ContainsFunc(operations, re.MatchString) {
			return c, fmt.Errorf("%w: field operation: %q matches none of %s", ErrRule, text, strings.Join(operations, ", "))
		}
		c.conditions = append(c.conditions, condition{field, re})
	}
	return c, nil
}

var operations = []string{"read", "write", "verify", "migrate"}

// Matches tells whether all conditions hold.
func (c Compiled) Matches(f *Fields) bool {
	for _, k := range c.conditions {
		if v, _ := f.Get(k.field); !k.is.MatchString(v) {
			return false
		}
	}
	return true
}

// Unreached finds a rule that can never be the first to match, because one before it has a subset of its conditions: it
// gives both their indexes, or false.
func Unreached(rules []Pattern) (before, never int, found bool) {
	for never := range rules {
		for before := range never {
			if covers(rules[before], rules[never]) {
				return before, never, true
			}
		}
	}
	return 0, 0, false
}

// covers tells whether whatever b matches is surely matched by a.
func covers(a, b Pattern) bool {
	for field, text := range a {
		if other, ok := b[field]; text != ".*" && (!ok || other != text) {
			return false
		}
	}
	return true
}
