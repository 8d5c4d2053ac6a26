package library

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore/wire"
	"github.com/enstore-go/sdk/queue"
)

// Two kinds of records, of which there are millions, are not JSON: what was accepted for writing, and that it was put into the queue. Their first byte says
// which; a record that is JSON begins with "{". Then come, in this order, numbers as varints (package encoding/binary), times as nanoseconds since 1970 or 0,
// and texts as their length and bytes:
//
//	1  id (16 bytes), accepted, key, size, whether there is a sum, sum, level, rate, class, priority, mode, uid, gid, mtime, user, whether the source can be read again,
//	   dataset, deadline, host, parent, name, library, storage group, file family, wrapper, width, whether it goes by way of the spool,
//	   whether it is on hold, who holds it (both may be missing)
//	2  id (16 bytes), time, the event's number, the digest of all decisions until then (8 bytes, big-endian), size and wrapper, which may be others than when it was accepted
//
// What is behind that is of later versions, and passed over.
const (
	binaryAccept = 1
	binarySubmit = 2
)

type writer struct{ b []byte }

func (w *writer) number(n int64) { w.b = binary.AppendVarint(w.b, n) }
func (w *writer) text(s string)  { w.number(int64(len(s))); w.b = append(w.b, s...) }
func (w *writer) bool(is bool)   { w.b = append(w.b, b2b(is)) }
func (w *writer) time(t time.Time) {
	if t.IsZero() {
		w.number(0)
		return
	}
	w.number(t.UnixNano())
}

func b2b(is bool) byte {
	if is {
		return 1
	}
	return 0
}

// encodeAccept gives the record of a write.
func encodeAccept(r *request) []byte {
	p := r.put
	w := writer{make([]byte, 0, 200+len(p.Key))}
	w.b = append(w.b, binaryAccept)
	w.b = append(w.b, r.id[:]...)
	w.time(r.accepted)
	w.text(p.Key)
	w.number(p.Size)
	w.bool(p.Sum != nil)
	sum := uint32(0)
	if p.Sum != nil {
		sum = *p.Sum
	}
	w.number(int64(sum))
	w.number(int64(p.Level))
	w.number(p.Rate)
	w.text(p.Class)
	w.number(int64(p.Priority))
	w.number(int64(p.Mode))
	w.number(int64(p.UID))
	w.number(int64(p.GID))
	w.time(p.MTime)
	w.text(p.User)
	w.bool(p.Again)
	w.text(p.Dataset)
	w.time(p.Deadline)
	w.text(p.Host)
	w.number(int64(r.parent))
	w.text(r.name)
	w.text(string(r.library))
	w.text(string(r.family.Group))
	w.text(string(r.family.Family))
	w.text(r.family.Wrapper)
	w.number(int64(r.width))
	w.bool(r.spooled)
	w.bool(r.onHold)
	w.text(r.holder)
	return w.b
}

// reader reads what writer wrote. After the first thing that is not there it gives zeros, and short is set.
type reader struct {
	b     []byte
	short bool
}

func (r *reader) number() int64 {
	n, k := binary.Varint(r.b)
	if k <= 0 {
		r.short, r.b = true, nil
		return 0
	}
	r.b = r.b[k:]
	return n
}

func (r *reader) bytes(n int64) []byte {
	if n < 0 || n > int64(len(r.b)) {
		r.short, r.b = true, nil
		return nil
	}
	p := r.b[:n]
	r.b = r.b[n:]
	return p
}

func (r *reader) text() string { return string(r.bytes(r.number())) }

func (r *reader) bool() bool {
	p := r.bytes(1)
	return len(p) == 1 && p[0] == 1
}

func (r *reader) time() time.Time {
	n := r.number()
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n)
}

func (r *reader) id() (id catalog.RequestID) {
	copy(id[:], r.bytes(int64(len(id))))
	return id
}

// decodeAccept reads the record of a write.
func decodeAccept(line []byte) (*request, error) {
	in := &reader{b: line[1:]}
	r := &request{put: &wire.Put{}}
	p := r.put
	r.id = in.id()
	p.ID = r.id
	r.accepted = in.time()
	p.Key = in.text()
	p.Size = in.number()
	has, sum := in.bool(), uint32(in.number())
	if has {
		p.Sum = &sum
	}
	p.Level = catalog.Level(in.number())
	p.Rate = in.number()
	p.Class = in.text()
	p.Priority = int(in.number())
	p.Mode, p.UID, p.GID = uint32(in.number()), uint32(in.number()), uint32(in.number())
	p.MTime = in.time()
	p.User = in.text()
	p.Again = in.bool()
	p.Dataset = in.text()
	p.Deadline = in.time()
	p.Host = in.text()
	r.parent = catalog.EntryID(in.number())
	r.name = in.text()
	r.library = catalog.LibraryName(in.text())
	r.family = catalog.Family{Group: catalog.StorageGroup(in.text()), Family: catalog.FileFamily(in.text()), Wrapper: in.text()}
	r.width = int(in.number())
	r.spooled = in.bool()
	if len(in.b) > 0 && !in.short {
		r.onHold, r.holder = in.bool(), in.text()
	}
	if in.short || r.id.IsZero() {
		return nil, fmt.Errorf("record of %d bytes ends too soon: %w", len(line), ErrCorrupt)
	}
	return r, nil
}

// submitted says that a write was put into the queue.
type submitted struct {
	id      catalog.RequestID
	at      time.Time
	n       uint64 // the event's number
	sum     queue.Digest
	size    int64
	wrapper string
}

func (s submitted) encode() []byte {
	w := writer{make([]byte, 0, 64)}
	w.b = append(w.b, binarySubmit)
	w.b = append(w.b, s.id[:]...)
	w.time(s.at)
	w.number(int64(s.n))
	w.b = binary.BigEndian.AppendUint64(w.b, uint64(s.sum))
	w.number(s.size)
	w.text(s.wrapper)
	return w.b
}

func decodeSubmit(line []byte) (s submitted, err error) {
	in := &reader{b: line[1:]}
	s.id, s.at, s.n = in.id(), in.time(), uint64(in.number())
	if p := in.bytes(8); len(p) == 8 {
		s.sum = queue.Digest(binary.BigEndian.Uint64(p))
	}
	s.size, s.wrapper = in.number(), in.text()
	if in.short {
		err = fmt.Errorf("record of %d bytes ends too soon: %w", len(line), ErrCorrupt)
	}
	return s, err
}

// event is the event of which the record tells, of a request as it was accepted.
func (s submitted) event(r request) queue.Submitted {
	put := *r.put
	put.Size, r.family.Wrapper, r.put = s.size, s.wrapper, &put
	return queue.Submitted{Time: s.at, Request: r.describe()}
}
