package peers

import (
	"maps"
	"regexp"
	"slices"
	"strconv"

	"github.com/enstore-go/sdk/queue"
)

// Selector gives requests their priorities by rules, as section "priority" of an Enstore configuration does.
type Selector struct {
	Base  map[int]Pattern // increment of the base priority: for which requests
	Admin map[int]Pattern // increment of the administrative priority, which is -1 without one
}

// Pattern is what the fields of a request must look like, each from its beginning: host, uname, storage_group, file_family,
// wrapper, pnfsFilename, library, work ("read_from_hsm", "write_to_hsm"), external_label, class.
type Pattern map[string]*regexp.Regexp

// matches tells whether all fields fit; a field that is not known is "Unknown".
func (p Pattern) matches(field func(string) string) bool {
	for key, re := range p {
		if !begins(re, field(key)) {
			return false
		}
	}
	return true
}

// begins tells whether a text matches from its beginning, as Python's re.match.
func begins(re *regexp.Regexp, text string) bool {
	at := re.FindStringIndex(text)
	return at != nil && at[0] == 0
}

// increment is that of the largest rule that matches.
func increment(rules map[int]Pattern, field func(string) string) (int, bool) {
	for _, n := range slices.Backward(slices.Sorted(maps.Keys(rules))) {
		if rules[n].matches(field) {
			return n, true
		}
	}
	return 0, false
}

// priorities gives the priorities of a request that came with these; administrative ones as in Enstore, from 0 on, -1 is none.
func (s Selector) priorities(base, adm int, daq bool, field func(string) string) (int, int) {
	if n, ok := increment(s.Base, field); ok && (base+n <= maxPriority || n > maxPriority) {
		base += n
	}
	if n, ok := increment(s.Admin, field); ok && (adm+n <= maxPriority || n > maxPriority) {
		adm += n
	}
	if base >= maxPriority {
		if daq {
			adm += base / maxPriority
		}
		base = maxPriority
	}
	return base, adm
}

// field gives what Enstore's ticket of a request would say under a key.
func field(q *queue.Request) func(string) string {
	return func(key string) string {
		value := ""
		switch key {
		case "host":
			value = q.Host
		case "uname":
			value = q.User
		case "storage_group":
			value = q.Family.Group
		case "file_family":
			value = q.Family.Family
		case "wrapper":
			value = q.Family.Wrapper
		case "pnfsFilename":
			value = q.Path
		case "library":
			value = string(q.Library)
		case "external_label":
			value = string(q.Volume)
		case "class":
			value = q.Class
		case "basepri":
			value = strconv.Itoa(q.Priority)
		case "work":
			value = "read_from_hsm"
			if q.Kind == queue.Write {
				value = "write_to_hsm"
			}
		}
		if value == "" {
			return "Unknown"
		}
		return value
	}
}

// HostLimit bounds how many requests of one client host are at drives at a time. The first one whose Host matches counts.
type HostLimit struct {
	Host                    *regexp.Regexp // of the client, from its beginning
	Count                   *regexp.Regexp // of the hosts that are counted at all; nil: as Host
	Most                    int
	ExtraReads, ExtraWrites int // for the mounted volume, if RestrictBound
}

// discipline finds the limit of a host, nil if it has none.
func discipline(limits []HostLimit, host string) *HostLimit {
	for i := range limits {
		if begins(limits[i].Host, host) {
			return &limits[i]
		}
	}
	return nil
}

// busy tells whether a host with so many requests at drives may not have another one.
func (l *HostLimit) busy(host string, active, extra int) bool {
	if l == nil {
		return false
	}
	if l.Count != nil && !begins(l.Count, host) {
		active = 0
	}
	return active >= l.Most+extra
}
