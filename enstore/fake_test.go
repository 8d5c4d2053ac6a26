package enstore_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/crc"
	"github.com/enstore-go/sdk/enstore"
	"github.com/enstore-go/sdk/enstore/wire"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is a wire.Control that keeps files in memory. Its data port is a real one, and what happens
// there is scripted: one act for each turn that is given, the last one for ever.
type site struct {
	port *wire.Listener

	mu       sync.Mutex
	files    map[string]stored
	requests map[enstore.RequestID]*request
	acts     []act
	events   []enstore.Event
	dirs     []string
	tags     map[string]string
	refuse   error // of Accept and Recall
	flaky    int   // so many calls of Accept, Recall, Await, Outcome fail first
	given    []act // acts that have begun
	spool    bool
	work     sync.WaitGroup
	ctx      context.Context
}

type stored struct {
	data []byte
	rec  enstore.Record
}

type request struct {
	put  *wire.Put
	get  *wire.Get
	rec  *enstore.Record
	err  error
	done chan struct{}
}

// act is what a turn comes to.
type act int

const (
	serve         act = iota // all goes well
	refuse                   // sent away before Ready
	noShow                   // the token is unknown
	cutAtOnce                // the connection breaks before any data
	cutInside                // it breaks after some data; requeued if it can be read again
	cutInsideLost            // it breaks, and the request is settled with Restart
	media                    // a write or read error is told in mid-stream
	cutAfterEnd              // everything is stored, but the connection breaks before the result
	cached                   // answered at level Cached, on tape a little later
	stuckCached              // answered at level Cached, and that is that
	bitRot                   // read: the content is not the recorded one
)

func newSite(t testing.TB, acts ...act) *site {
	s, stop, err := openSite(acts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return s
}

func openSite(acts ...act) (*site, func(), error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &site{port: wire.NewListener(l, nil), files: map[string]stored{}, requests: map[enstore.RequestID]*request{}, acts: acts, tags: map[string]string{}, ctx: ctx}
	return s, func() { cancel(); s.port.Close(); s.work.Wait() }, nil
}

func (s *site) add(key string, data []byte) enstore.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	rec := enstore.Record{
		Key: key, BFID: catalog.BFID(fmt.Sprintf("CDMS%015d", len(s.files)+1)), Size: int64(len(data)), Adler: crc.Adler(crc.Seed1, data),
		Level: enstore.OnTape, Copies: 1, Volume: "VO1234", Request: catalog.NewRequestID(), Mode: 0o640, MTime: time.Unix(1e9, 0),
	}
	s.files[key] = stored{data, rec}
	return rec
}

func (s *site) content(key string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.files[key].data
}

func (s *site) begun() []act {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.given)
}

// unsettled counts requests that nobody has ended.
func (s *site) unsettled() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.requests {
		if r.rec == nil && r.err == nil {
			n++
		}
	}
	return n
}

func (s *site) failing() error {
	if s.flaky > 0 {
		s.flaky--
		return wire.Errorf(wire.Unavailable, "site", "no answer")
	}
	return nil
}

func (s *site) Accept(ctx context.Context, p wire.Put) (wire.Ticket, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.failing(); err != nil {
		return wire.Ticket{}, err
	}
	if s.refuse != nil {
		return wire.Ticket{}, s.refuse
	}
	t := wire.Ticket{ID: p.ID, Spooled: s.spool}
	if _, ok := s.requests[p.ID]; ok {
		return t, nil
	}
	if f, ok := s.files[p.Key]; ok {
		if p.Size >= 0 && p.Size != f.rec.Size || p.Sum != nil && *p.Sum != f.rec.Adler {
			return t, wire.Errorf(wire.Exists, p.Key, "is stored with other content")
		}
		t.Stored = &f.rec
		return t, nil
	}
	s.requests[p.ID] = &request{put: &p, done: make(chan struct{})}
	return t, nil
}

func (s *site) Recall(ctx context.Context, g wire.Get) (wire.Ticket, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.failing(); err != nil {
		return wire.Ticket{}, err
	}
	if s.refuse != nil {
		return wire.Ticket{}, s.refuse
	}
	for key, f := range s.files {
		if key == g.Key || f.rec.BFID == g.BFID {
			g.Key = key
			s.requests[g.ID] = &request{get: &g, done: make(chan struct{})}
			return wire.Ticket{ID: g.ID, Stored: &f.rec}, nil
		}
	}
	return wire.Ticket{}, wire.Errorf(wire.NotFound, g.Key+string(g.BFID), "no such file")
}

func (s *site) find(id enstore.RequestID) (*request, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.failing(); err != nil {
		return nil, err
	}
	r := s.requests[id]
	if r == nil {
		return nil, wire.Errorf(wire.NotFound, "request "+id.String(), "unknown")
	}
	return r, nil
}

func (s *site) end(r *request, rec *enstore.Record, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.rec == nil && r.err == nil {
		r.rec, r.err = rec, err
		close(r.done)
	}
}

func (r *request) result() (enstore.Record, error) {
	if r.err != nil {
		return enstore.Record{}, r.err
	}
	return *r.rec, nil
}

func (s *site) Await(ctx context.Context, id enstore.RequestID) (wire.Turn, error) {
	r, err := s.find(id)
	if err != nil {
		return wire.Turn{}, err
	}
	s.mu.Lock()
	if r.rec != nil || r.err != nil {
		defer s.mu.Unlock()
		return wire.Turn{Done: r.rec}, r.err
	}
	a := s.acts[0]
	if len(s.acts) > 1 {
		s.acts = s.acts[1:]
	}
	s.given = append(s.given, a)
	s.mu.Unlock()
	turn := wire.Turn{Address: s.port.Addr(), Token: wire.NewToken()}
	if a == noShow {
		return turn, nil
	}
	dir := wire.WriteData
	if r.get != nil {
		dir = wire.ReadData
	}
	p, err := s.port.Expect(turn.Token, dir, id)
	if err != nil {
		return turn, err
	}
	s.work.Add(1)
	go func() {
		defer s.work.Done()
		defer p.Close()
		c, err := p.Wait(s.ctx)
		if err != nil {
			return
		}
		defer c.Close()
		defer context.AfterFunc(s.ctx, func() { c.Close() })()
		if r.put != nil {
			s.take(a, r, c)
		} else {
			s.give(a, r, c)
		}
	}()
	return turn, nil
}

// take is the mover's side of a write.
func (s *site) take(a act, r *request, c *wire.Conn) {
	switch a {
	case refuse:
		c.Refuse(wire.Errorf(wire.Busy, "volume VO1234", "full"))
		return
	case cutAtOnce:
		return
	}
	if c.Ready() != nil {
		return
	}
	var buf bytes.Buffer
	switch a {
	case cutInside, cutInsideLost, media:
		if _, err := io.CopyN(&buf, c, 100); err != nil && err != io.EOF {
			return
		}
		var err error
		if a == media {
			err = wire.Errorf(wire.Media, "volume VO1234", "write error")
			c.Fail(err)
		} else if a == cutInsideLost || !r.put.Again {
			err = wire.Restarted(io.ErrUnexpectedEOF, "VO1234")
		}
		if err != nil {
			s.end(r, nil, err)
		}
		return
	}
	if _, err := buf.ReadFrom(c); err != nil {
		if wire.KindOf(err) != wire.Unavailable {
			s.end(r, nil, err)
		}
		return
	}
	rec := s.add(r.put.Key, buf.Bytes())
	rec.Request = r.put.ID
	switch a {
	case cutAfterEnd:
		s.end(r, &rec, nil)
	case cached, stuckCached:
		low := rec
		low.Level, low.BFID, low.Copies = enstore.Cached, "", 0
		c.Result(&low, nil)
		if a == stuckCached {
			rec = low
		}
		s.end(r, &rec, nil)
	default:
		s.end(r, &rec, nil)
		c.Result(&rec, nil)
	}
}

// give is the mover's side of a read.
func (s *site) give(a act, r *request, c *wire.Conn) {
	s.mu.Lock()
	f := s.files[r.get.Key]
	s.mu.Unlock()
	switch a {
	case refuse:
		c.Refuse(wire.Errorf(wire.Busy, "drive0", "went on to other work"))
		return
	case cutAtOnce:
		return
	case cutInside, cutInsideLost, media:
		c.Write(f.data[:len(f.data)/2])
		var err error
		if a == media {
			err = wire.Errorf(wire.Media, "volume VO1234", "read error")
			c.Fail(err)
		} else {
			c.Fail(wire.Restarted(io.ErrUnexpectedEOF, "VO1234"))
		}
		if a == cutInsideLost {
			err = wire.Restarted(io.ErrUnexpectedEOF, "VO1234")
		}
		if err != nil {
			s.end(r, nil, err)
		}
		return
	case bitRot:
		f.data = bytes.Clone(f.data)
		f.data[len(f.data)/3] ^= 1
	}
	c.Write(f.data)
	if c.Finish(c.Sum()) == nil {
		s.end(r, &f.rec, nil)
	}
}

func (s *site) Cancel(ctx context.Context, id enstore.RequestID) error {
	s.mu.Lock()
	r := s.requests[id]
	s.mu.Unlock()
	if r != nil {
		s.end(r, nil, wire.Errorf(wire.Cancelled, "request "+id.String(), "given up"))
	}
	return nil
}

func (s *site) Outcome(ctx context.Context, id enstore.RequestID, _ enstore.Level) (enstore.Record, error) {
	r, err := s.find(id)
	if err != nil {
		return enstore.Record{}, err
	}
	select {
	case <-r.done:
		return r.result()
	case <-ctx.Done():
		return enstore.Record{}, ctx.Err()
	}
}

func (s *site) Stat(ctx context.Context, key string) (enstore.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, f := range s.files {
		if k == key || string(f.rec.BFID) == key {
			return f.rec, nil
		}
	}
	return enstore.Record{}, wire.Errorf(wire.NotFound, key, "no such file")
}

func (s *site) List(ctx context.Context, dir, after string, max int) ([]enstore.Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var es []enstore.Entry
	for k, f := range s.files {
		if path.Dir(k) == dir && path.Base(k) > after {
			es = append(es, enstore.Entry{Name: path.Base(k), Record: &f.rec})
		}
	}
	slices.SortFunc(es, func(a, b enstore.Entry) int { return strings.Compare(a.Name, b.Name) })
	return es[:min(max, len(es))], nil
}

func (s *site) Mkdir(ctx context.Context, dir string, parents bool) error {
	s.dirs = append(s.dirs, fmt.Sprint(dir, parents))
	return nil
}

func (s *site) Remove(ctx context.Context, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.files[key]; !ok {
		return wire.Errorf(wire.NotFound, key, "no such file")
	}
	delete(s.files, key)
	return nil
}

func (s *site) SetTag(ctx context.Context, dir string, tag enstore.Tag, value string) error {
	s.tags[dir+" "+string(tag)] = value
	return nil
}

func (s *site) Tags(ctx context.Context, dir string) (enstore.Tags, error) {
	return enstore.Tags{Wrapper: s.tags[dir+" file_family_wrapper"]}, nil
}

func (s *site) Events(ctx context.Context, since uint64, max int, wait bool) ([]enstore.Event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var es []enstore.Event
	for _, e := range s.events {
		if e.Seq > since && len(es) < max {
			es = append(es, e)
		}
	}
	if len(es) == 0 && wait {
		s.mu.Unlock()
		<-ctx.Done()
		s.mu.Lock()
		return nil, ctx.Err()
	}
	return es, nil
}
