package library

import (
	"context"
	"errors"
	"time"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/catalog/namespace"
	"github.com/enstore-go/sdk/crc"
	"github.com/enstore-go/sdk/enstore/wire"
)

// overhead is more than any wrapper writes around a file, in bytes.
const overhead = 16 << 10

// Accept admits a file for writing: see wire.Control. It answers at once; every refusal is an error of one of the
// kinds Invalid, NotFound (no such directory), Exists, Busy, Locked, TooLarge, NoSpace or Unavailable.
func (l *Library) Accept(ctx context.Context, p wire.Put) (wire.Ticket, error) {
	if err := checkPut(&p); err != nil {
		return wire.Ticket{}, wire.AsError(err, "put", p.Key)
	}
	t, err := l.accept(ctx, p)
	if err != nil {
		return wire.Ticket{}, wire.AsError(err, "put", p.Key)
	}
	return t, nil
}

func checkPut(p *wire.Put) error {
	if p.ID.IsZero() {
		return wire.Errorf(wire.Invalid, p.Key, "the request has no id")
	}
	path, err := namespace.ParsePath(p.Key)
	if err != nil {
		return err
	}
	p.Key = path.String()
	switch {
	case path.IsRoot():
		return wire.Errorf(wire.Invalid, p.Key, "is the root directory")
	case p.Size < wire.UnknownSize:
		return wire.Errorf(wire.Invalid, p.Key, "size %d", p.Size)
	case p.Rate < 0:
		return wire.Errorf(wire.Invalid, p.Key, "rate %d", p.Rate)
	case p.Level > catalog.Verified:
		return wire.Errorf(wire.Invalid, p.Key, "level %d", p.Level)
	}
	if err := short(p.Key, p.User, p.Host, p.Class, p.Dataset); err != nil {
		return err
	}
	if p.Level == 0 {
		p.Level = catalog.OnTape
	}
	return nil
}

// maxText is the longest text of a request but its path, in bytes.
const maxText = 1024

// short refuses texts that no record could hold.
func short(subject string, texts ...string) error {
	for _, t := range texts {
		if len(t) > maxText {
			return wire.Errorf(wire.Invalid, subject, "%.20q… has %d bytes, %d is the most", t, len(t), maxText)
		}
	}
	return nil
}

func (l *Library) accept(ctx context.Context, p wire.Put) (wire.Ticket, error) {
	r := &request{id: p.ID, put: &p}
	if t, err := l.reserve(ctx, r); t != nil || err != nil {
		return orZero(t), err
	}
	t, err := l.admit(ctx, r)
	if t != nil || err != nil {
		l.unreserve(r)
		return orZero(t), err
	}
	return wire.Ticket{ID: r.id, Spooled: r.spooled}, nil
}

func orZero(t *wire.Ticket) wire.Ticket {
	if t == nil {
		return wire.Ticket{}
	}
	return *t
}

// reserve notes the request and its name before anything is asked about it, so that of two at the same time only one
// goes on. The ticket is that of the same request, accepted before.
func (l *Library) reserve(ctx context.Context, r *request) (*wire.Ticket, error) {
	l.mu.Lock()
	defer l.unlock()
	for {
		old := l.requests[r.id]
		switch {
		case l.closed:
			return nil, errClosed
		case l.going[r.id] != nil:
			if err := l.pause(ctx, l.going[r.id], nil); err != nil {
				return nil, err
			}
			continue
		case old != nil && !old.same(r):
			return nil, wire.Errorf(wire.Invalid, r.subject(), "request id %s belongs to another request, for %s", r.id, old.subject())
		case old != nil && old.state == accepting:
			if err := l.pause(ctx, old.changed(), nil); err != nil {
				return nil, err
			}
			continue
		case old != nil && old.state != ended:
			return &wire.Ticket{ID: r.id, Spooled: old.spooled, Stored: readRecord(old)}, nil
		case old != nil && old.record != nil:
			return &wire.Ticket{ID: r.id, Stored: old.record}, nil
		case l.draining:
			return nil, wire.Errorf(wire.Locked, r.subject(), "the site is draining")
		case l.live >= hardly*l.o.MaxRequests: // whatever it is: memory has an end
			return nil, l.busy(r, "%d requests are on their way, no more are taken just now", l.live)
		}
		if r.put != nil {
			if other, taken := l.keys[r.put.Key]; taken {
				return nil, l.busy(r, "request %s is storing a file of this name just now", other)
			}
			l.keys[r.put.Key] = r.id
		}
		l.requests[r.id] = r
		l.live++
		l.users[r.user()]++
		return nil, nil
	}
}

// same tells whether two requests of one id ask for the same.
func (r *request) same(o *request) bool {
	if r.put != nil && o.put != nil {
		a, b := r.put, o.put
		size := a.Size == b.Size || a.Size == wire.UnknownSize || b.Size == wire.UnknownSize
		sum := a.Sum == nil || b.Sum == nil || *a.Sum == *b.Sum
		return a.Key == b.Key && size && sum
	}
	return r.get != nil && o.get != nil && r.get.Key == o.get.Key && r.get.BFID == o.get.BFID
}

// readRecord is what a read will give.
func readRecord(r *request) *wire.Record {
	if r.file == nil {
		return nil
	}
	rec := wire.RecordOf(*r.file, wire.Phases{})
	return &rec
}

// unreserve forgets a request that was not accepted.
func (l *Library) unreserve(r *request) {
	l.mu.Lock()
	defer l.unlock()
	if r.state != accepting {
		return // it was accepted and ended since
	}
	if l.requests[r.id] == r {
		delete(l.requests, r.id)
	}
	if r.put != nil && l.keys[r.put.Key] == r.id {
		delete(l.keys, r.put.Key)
	}
	l.leave(r)
	r.notify()
	l.stir()
}

// admit looks at a reserved write and makes it durable. The ticket is that of a file which is stored already.
func (l *Library) admit(ctx context.Context, r *request) (*wire.Ticket, error) {
	rec, err := l.recorded(ctx, r.id)
	if err != nil {
		return nil, err
	}
	if rec != nil {
		return &wire.Ticket{ID: r.id, Stored: rec}, nil
	}
	place, err := l.o.Tree.Resolve(ctx, r.put.Key)
	if errors.Is(err, catalog.ErrExists) && place.Existing != nil {
		return l.existing(ctx, r, *place.Existing)
	}
	if err != nil {
		return nil, err
	}
	if err := l.choose(ctx, r, place); err != nil {
		return nil, err
	}
	if err := l.room(r); err != nil {
		return nil, err
	}
	return nil, l.begin(r)
}

// existing compares the request with the file that has its name.
func (l *Library) existing(ctx context.Context, r *request, e catalog.Entry) (*wire.Ticket, error) {
	p := r.put
	if e.Dir {
		return nil, wire.Errorf(wire.Exists, p.Key, "is a directory")
	}
	f, err := l.o.Catalog.File(ctx, e.BFID)
	if err != nil {
		return nil, err
	}
	if p.Size != wire.UnknownSize && p.Size != f.Size || p.Size != wire.UnknownSize && p.Sum != nil && !crc.Matches(f.Adler, *p.Sum, f.Size) {
		return nil, wire.Errorf(wire.Exists, p.Key, "exists with other content: %d bytes, adler32 %08x, as %s on volume %s", f.Size, f.Adler, f.BFID, f.Volume)
	}
	rec := wire.RecordOf(f, wire.Phases{})
	rec.Key = p.Key // it may have been renamed since it was written
	return &wire.Ticket{ID: r.id, Stored: &rec}, nil
}

// choose decides where a file goes, by the tags of its directory, and whether by way of the spool.
func (l *Library) choose(ctx context.Context, r *request, place namespace.Place) error {
	p := *r.put
	if len(place.Tags.Library) == 0 {
		return wire.Errorf(wire.Invalid, p.Key, "its directory has no tag %q", namespace.Library)
	}
	if names := place.Tags.Library; len(names) > 1 {
		return wire.Errorf(wire.NotAllowed, p.Key, "its directory wants a copy in library %s too, and copies are not made yet: leave one name in its tag %q", names[1], namespace.Library)
	}
	family, err := place.Tags.VolumeFamily()
	if err != nil {
		return err
	}
	library := place.Tags.Library[0]
	l.mu.Lock()
	err = l.takes(library, true)
	l.mu.Unlock()
	if err != nil {
		return err
	}
	spooled := l.o.needsSpool(family.Wrapper, p)
	if spooled && l.o.Spool == nil {
		return wire.Errorf(wire.Invalid, p.Key, "its size must be known: wrapper %s writes it in front of the data, and there is no spool", family.Wrapper)
	}
	if p.Size != wire.UnknownSize {
		if family.Wrapper, err = l.fits(ctx, library, family.Wrapper, p); err != nil {
			return err
		}
	} else if err := l.anyVolume(ctx, library); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	r.parent, r.name, r.library, r.family, r.width = place.Parent, place.Name, library, family, max(place.Tags.Width, 1)
	r.spooled = spooled
	return nil
}

// fits chooses the wrapper of a file of known size, and refuses what no volume could take.
func (l *Library) fits(ctx context.Context, library catalog.LibraryName, wrapper string, p wire.Put) (string, error) {
	most, err := l.o.Catalog.LargestCapacity(ctx, library)
	switch {
	case err != nil:
		return "", err
	case most == 0:
		return "", noVolumes(library)
	case p.Size > most-overhead:
		return "", wire.Errorf(wire.TooLarge, p.Key, "%d bytes; the largest volume of library %s takes %d", p.Size, library, max(most-overhead, 0))
	}
	return l.wrapper(wrapper, p)
}

// wrapper chooses the wrapper of a file of known size.
func (l *Library) wrapper(wrapper string, p wire.Put) (string, error) {
	wrapper, err := l.o.Fits(wrapper, p)
	if err != nil && wire.KindOf(err) == wire.Unknown {
		err = wire.Errorf(wire.Invalid, p.Key, "%w", err)
	}
	return wrapper, err
}

func (l *Library) anyVolume(ctx context.Context, library catalog.LibraryName) error {
	most, err := l.o.Catalog.LargestCapacity(ctx, library)
	if err == nil && most == 0 {
		err = noVolumes(library)
	}
	return err
}

func noVolumes(library catalog.LibraryName) error {
	return wire.Errorf(wire.NoSpace, "library "+string(library), "has no volumes: add some to it first")
}

// begin makes a write durable and starts it.
func (l *Library) begin(r *request) error {
	if r.spooled {
		if err := l.o.Spool.Reserve(*r.put); err != nil {
			return err
		}
	}
	if err := l.journal(r); err != nil {
		if r.spooled {
			_ = l.o.Spool.Remove(r.id) // the reservation; no data has come yet
		}
		return err
	}
	l.mu.Lock()
	defer l.unlock()
	switch {
	case l.closed: // the next start settles it
	case r.spooled:
		r.state = spooling
		l.attend(r)
		r.notify()
	default:
		l.submit(r)
	}
	return nil
}

// journal makes an accepted write durable.
func (l *Library) journal(r *request) error {
	l.mu.Lock()
	r.accepted = time.Now()
	line, err := r.acceptRecord()
	l.mu.Unlock()
	if err == nil {
		l.o.Step("library: before journal")
		err = l.j.commit(line)
	}
	if err != nil {
		l.mu.Lock()
		r.accepted = time.Time{}
		l.mu.Unlock()
		if kind := wire.KindOf(err); kind == wire.NoSpace {
			return wire.Errorf(kind, r.subject(), "not accepted: %w", err)
		}
		return wire.Errorf(wire.Unavailable, r.subject(), "not accepted: %w", err)
	}
	l.o.Step("library: accepted")
	return nil
}

// Recall admits a request to read a file: see wire.Control. The ticket's Stored is what will come.
func (l *Library) Recall(ctx context.Context, g wire.Get) (wire.Ticket, error) {
	subject := g.Key
	if subject == "" {
		subject = string(g.BFID)
	}
	t, err := l.recall(ctx, g, subject)
	if err != nil {
		return wire.Ticket{}, wire.AsError(err, "get", subject)
	}
	return t, nil
}

func (l *Library) recall(ctx context.Context, g wire.Get, subject string) (wire.Ticket, error) {
	switch {
	case g.ID.IsZero():
		return wire.Ticket{}, wire.Errorf(wire.Invalid, subject, "the request has no id")
	case (g.Key == "") == (g.BFID == ""):
		return wire.Ticket{}, wire.Errorf(wire.Invalid, subject, "either a key or a bfid is needed")
	}
	if err := short("request "+g.ID.String(), string(g.BFID), g.User, g.Host, g.Class, g.Dataset); err != nil {
		return wire.Ticket{}, err
	}
	r := &request{id: g.ID, get: &g}
	if t, err := l.reserve(ctx, r); t != nil || err != nil {
		return orZero(t), err
	}
	places, err := l.readable(ctx, g)
	if err == nil {
		r.file, r.places = &places[0].file, places
		r.library, r.family = places[0].volume.Library, places[0].volume.Family
		err = l.room(r)
	}
	if err != nil {
		l.unreserve(r)
		return wire.Ticket{}, err
	}
	l.mu.Lock()
	defer l.unlock()
	if l.closed {
		return wire.Ticket{}, errClosed
	}
	r.accepted = time.Now()
	if line, err := r.acceptRecord(); err == nil {
		l.j.add(line) // a read ends with the process: it need not be durable
	}
	l.submit(r)
	return wire.Ticket{ID: r.id, Stored: readRecord(r)}, nil
}

// place is where a file can be read.
type place struct {
	file   catalog.File
	volume catalog.Volume
}

// readable finds the places where a file can be read: the one asked for first, then those of its copies.
func (l *Library) readable(ctx context.Context, g wire.Get) ([]place, error) {
	id := g.BFID
	if g.Key != "" {
		e, err := l.o.Tree.Lookup(ctx, g.Key)
		if err != nil {
			return nil, err
		}
		if e.Dir {
			return nil, wire.Errorf(wire.Invalid, g.Key, "is a directory")
		}
		id = e.BFID
	}
	f, err := l.o.Catalog.File(ctx, id)
	if err != nil {
		return nil, err
	}
	var places []place
	v, err := l.usable(ctx, f)
	if err == nil {
		places = append(places, place{f, v})
	}
	copies, e := l.o.Catalog.CopiesOf(ctx, id)
	if e != nil {
		if len(places) > 0 {
			return places, nil
		}
		return nil, errors.Join(err, e)
	}
	for _, c := range copies {
		if c.BFID == f.BFID {
			continue
		}
		if v, e := l.usable(ctx, c); e == nil {
			c.Path = f.Path
			places = append(places, place{c, v})
		}
	}
	if len(places) == 0 {
		return nil, err
	}
	return places, nil
}

// usable gives the volume of a file, or why the file cannot be read.
func (l *Library) usable(ctx context.Context, f catalog.File) (catalog.Volume, error) {
	switch {
	case f.Deletion == catalog.Gone:
		return catalog.Volume{}, wire.Errorf(wire.NotFound, "file "+string(f.BFID), "was deleted")
	case f.Bad:
		return catalog.Volume{}, wire.Errorf(wire.Media, "file "+string(f.BFID), "is marked as bad")
	}
	v, err := l.o.Catalog.Volume(ctx, f.Volume)
	if err != nil {
		return catalog.Volume{}, err
	}
	if err := v.Readable(); err != nil {
		return catalog.Volume{}, wire.Errorf(wire.NoAccess, "volume "+string(v.Label), "%w", err)
	}
	return v, nil
}
