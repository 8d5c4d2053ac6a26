package library

import (
	"errors"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore/wire"
)

func TestRecordOfAWrite(t *testing.T) {
	is := is.New(t)
	sum := uint32(0xfedcba98)
	at := time.Date(2026, 3, 4, 5, 6, 7, 8, time.UTC)
	r := &request{
		id: catalog.NewRequestID(), accepted: at, parent: 1 << 40, name: "\xff\x00.dat", library: "L", family: catalog.Family{Group: "g", Family: "f", Wrapper: "w"},
		width: 3, spooled: true,
		put: &wire.Put{Key: "/a/\xff\x00.dat", Size: wire.UnknownSize, Sum: &sum, Level: catalog.OnTape, Rate: 7, Class: "c", Priority: -5, Mode: 0o644, UID: 1 << 31, GID: 2,
			MTime: at.Add(time.Second), User: "u", Again: true, Dataset: "d", Deadline: at.Add(time.Hour), Host: "h"},
	}
	r.put.ID = r.id
	old := encodeAccept(r)
	before, err := decodeAccept(old[:len(old)-2]) // without the hold, as it was written before there was one
	is.NoErr(err)
	is.Equal([]any{before.spooled, before.onHold, before.holder}, []any{true, false, ""})
	held := *r
	held.onHold, held.holder = true, "anna"
	again, err := decodeAccept(encodeAccept(&held))
	is.NoErr(err)
	is.Equal([]any{again.onHold, again.holder}, []any{true, "anna"})
	line := encodeAccept(r)
	got, err := decodeAccept(append(line, "of a later version"...))
	is.NoErr(err)
	is.True(got.accepted.Equal(r.accepted) && got.put.MTime.Equal(r.put.MTime) && got.put.Deadline.Equal(r.put.Deadline))
	got.accepted, got.put.MTime, got.put.Deadline = r.accepted, r.put.MTime, r.put.Deadline
	is.Equal(*got.put.Sum, *r.put.Sum)
	got.put.Sum = r.put.Sum
	is.Equal(*got.put, *r.put)
	is.Equal([]any{got.id, got.parent, got.name, got.library, got.family, got.width, got.spooled}, []any{r.id, r.parent, r.name, r.library, r.family, r.width, r.spooled})
	for n := range line {
		if n == len(line)-2 { // as it was written before there was a hold
			continue
		}
		_, err := decodeAccept(line[:max(n, 1)])
		is.True(errors.Is(err, ErrCorrupt))
	}
	s, err := decodeSubmit(submitted{r.id, at, 12, 99, 77, "cern"}.encode())
	is.NoErr(err)
	is.True(s.at.Equal(at))
	e := s.event(*r)
	is.Equal([]any{e.Request.Size, e.Request.Family.Wrapper, e.Request.User}, []any{int64(77), "cern", "u"})
	is.Equal([]any{r.put.Size, r.family.Wrapper}, []any{wire.UnknownSize, "w"}) // what was accepted is as it was
}

// Journals of version 1 had every record as JSON.
func TestAJournalOfJSON(t *testing.T) {
	is := is.New(t)
	p := newReplayed()
	is.NoErr(p.take([]byte(`{"t":"accept","id":"0192f7c1-a2b3-7c4d-8e5f-60718293a4b5","at":"2026-03-04T05:06:07Z","put":{"id":"0192f7c1-a2b3-7c4d-8e5f-60718293a4b5","key":"/a","size":5,"level":3},"parent":1,"name":"a","library":"L","width":1}`)))
	is.Equal(len(p.requests), 1)
	is.NoErr(p.take([]byte(`{"t":"done","id":"0192f7c1-a2b3-7c4d-8e5f-60718293a4b5"}`)))
	is.Equal(len(p.requests), 0)
}

func FuzzRecord(f *testing.F) {
	f.Add(encodeAccept(&request{id: catalog.NewRequestID(), put: &wire.Put{Key: "/a"}}))
	f.Add(submitted{id: catalog.NewRequestID(), n: 1}.encode())
	f.Add([]byte(`{"t":"state","state":{"library":"L","state":"open"}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		p := newReplayed()
		if err := p.take(line); err != nil && !errors.Is(err, ErrCorrupt) {
			t.Fatal(err)
		}
		if len(line) > 0 && line[0] == binarySubmit {
			_, _ = decodeSubmit(line)
		}
	})
}
