package library

import "github.com/enstore-go/sdk/enstore/wire"

// Pending tells of a file that is safe on the site's disk but not yet on tape, by its key: its record says
// level Cached. What is not safe at all is not told.
func (l *Library) Pending(key string) (wire.Record, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.requests[l.keys[key]]
	if r == nil || r.cached == nil || r.state == ended {
		return wire.Record{}, false
	}
	return *r.cached, true
}
