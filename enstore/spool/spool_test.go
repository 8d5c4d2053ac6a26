package spool

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/crc"
	"github.com/enstore-go/sdk/enstore/wire"
	"github.com/enstore-go/sdk/tape/disk"
	"github.com/matryer/is"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// place is a spool with its port, on a file system of its own.
type place struct {
	*Spool
	is   *is.I
	t    testing.TB
	fs   *disk.Forgetful
	port *wire.Listener
}

const dir = "/site/spool"

func port(t testing.TB) *wire.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := wire.NewListener(l, nil)
	t.Cleanup(func() { p.Close() })
	return p
}

func newPlace(t testing.TB, capacity int64) *place {
	p := &place{is: is.New(t), t: t, fs: disk.NewForgetful(), port: port(t)}
	p.open(capacity)
	t.Cleanup(func() { p.Close() })
	return p
}

func (p *place) open(capacity int64) {
	p.t.Helper()
	var err error
	p.Spool, err = Open(p.t.Context(), Options{Dir: dir, FS: p.fs, Capacity: capacity, Listener: p.port})
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *place) names() []string {
	es, err := p.fs.ReadDir(dir)
	p.is.NoErr(err)
	var ns []string
	for _, e := range es {
		if e.Name() != "lock" {
			ns = append(ns, e.Name())
		}
	}
	return ns
}

type outcome struct {
	info Info
	err  error
}

// client is one stream on its way in.
type client struct {
	conn *wire.Conn
	done chan outcome
}

func (p *place) connect(put wire.Put) *client {
	p.t.Helper()
	c := &client{done: make(chan outcome, 1)}
	turn, err := p.Receive(put, func(i Info, err error) error { c.done <- outcome{i, err}; return nil })
	if err != nil {
		p.t.Fatal(err)
	}
	c.conn, err = wire.Dial(p.t.Context(), turn, wire.WriteData, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { c.conn.Close() })
	return c
}

// send sends a whole file.
func (c *client) send(ctx context.Context, data []byte) (wire.Record, error) {
	if err := c.conn.AwaitReady(ctx); err != nil {
		return wire.Record{}, err
	}
	if _, err := c.conn.Write(data); err != nil {
		return wire.Record{}, err
	}
	if err := c.conn.Finish(c.conn.Sum()); err != nil {
		return wire.Record{}, err
	}
	return c.conn.AwaitResult(ctx)
}

func stream() wire.Put {
	return wire.Put{ID: catalog.NewRequestID(), Key: "/raw/f", Size: wire.UnknownSize, Mode: 0o644}
}

func content(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), byte(n >> 16)}).Read(b)
	return b
}

func (p *place) holds(id catalog.RequestID, data []byte) {
	p.t.Helper()
	r, size, adler, err := p.Open(id)
	p.is.NoErr(err)
	defer r.Close()
	got, err := io.ReadAll(r)
	p.is.NoErr(err)
	p.is.True(bytes.Equal(got, data))
	p.is.Equal(size, int64(len(data)))
	p.is.Equal(adler, crc.Adler(crc.Seed1, data))
}

func TestStreamIsCached(t *testing.T) {
	for _, n := range []int{0, 1, bufferSize - 1, bufferSize, 3*bufferSize + 17} {
		p := newPlace(t, 64<<20)
		is := p.is
		data := content(n)
		put := stream()
		rec, err := p.connect(put).send(t.Context(), data)
		is.NoErr(err)
		is.Equal(rec.Level, catalog.Cached)
		is.Equal(rec.Size, int64(n))
		is.Equal(rec.Request, put.ID)
		is.Equal(rec.Key, "/raw/f")
		p.holds(put.ID, data)
		info, ok := p.Info(put.ID)
		is.True(ok)
		is.Equal(p.List(), []Info{info})
		is.Equal(info.SanitySize, int64(min(n, crc.SanitySpan)))
		used, capacity := p.Usage()
		is.Equal(used, int64(n)) // what was reserved too much is free again
		is.Equal(capacity, int64(64<<20))

		_, err = p.Receive(put, nil)
		is.True(errors.Is(err, wire.ErrExists))

		is.NoErr(p.Remove(put.ID))
		is.NoErr(p.Remove(put.ID))
		is.Equal(len(p.names()), 0)
		used, _ = p.Usage()
		is.Equal(used, int64(0))
		_, _, _, err = p.Open(put.ID)
		is.True(errors.Is(err, wire.ErrNotFound))
	}
}

func TestBrokenPromises(t *testing.T) {
	for name, c := range map[string]struct {
		put  func(*wire.Put)
		want error
	}{
		"longer":         {func(p *wire.Put) { p.Size = 4 }, wire.ErrChanged},
		"shorter":        {func(p *wire.Put) { p.Size = 6 }, wire.ErrChanged},
		"other checksum": {func(p *wire.Put) { p.Sum = new(uint32(1)) }, wire.ErrChecksum},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, 1<<20)
			put := stream()
			c.put(&put)
			cl := p.connect(put)
			_, err := cl.send(t.Context(), []byte("hello"))
			p.is.True(errors.Is(err, c.want))
			p.is.True(errors.Is((<-cl.done).err, c.want))
			p.is.Equal(len(p.names()), 0)
			used, _ := p.Usage()
			p.is.Equal(used, int64(0))
		})
	}
}

func TestClientThatBreaksOff(t *testing.T) {
	p := newPlace(t, 16<<20)
	put := stream()
	cl := p.connect(put)
	p.is.NoErr(cl.conn.AwaitReady(t.Context()))
	_, err := cl.conn.Write(content(3 << 20))
	p.is.NoErr(err)
	cl.conn.Close()
	p.is.Equal(wire.KindOf((<-cl.done).err), wire.Unavailable)
	p.is.Equal(len(p.names()), 0)

	cl = p.connect(put) // and may come again
	_, err = cl.send(t.Context(), []byte("hello"))
	p.is.NoErr(err)
	p.holds(put.ID, []byte("hello"))
}

func TestNewStreamReplacesTheOldOne(t *testing.T) {
	p := newPlace(t, 16<<20)
	put := stream()
	old := p.connect(put)
	p.is.NoErr(old.conn.AwaitReady(t.Context()))
	_, err := old.conn.Write(content(1 << 20))
	p.is.NoErr(err)
	_, err = p.connect(put).send(t.Context(), []byte("hello"))
	p.is.NoErr(err)
	p.is.True(errors.Is((<-old.done).err, wire.ErrRestart))
	p.holds(put.ID, []byte("hello"))
}

func TestRemoveAndCloseCutStreams(t *testing.T) {
	p := newPlace(t, 16<<20)
	put := stream()
	a, b := p.connect(put), p.connect(stream())
	p.is.NoErr(p.Remove(put.ID))
	_, ok := p.Info(put.ID)
	p.is.True(!ok)
	p.is.NoErr(b.conn.AwaitReady(t.Context()))
	_, err := b.conn.Write(content(1 << 20))
	p.is.NoErr(err)
	p.is.NoErr(p.Close())
	p.is.Equal(len(a.done), 0) // who removes need not hear of it
	p.is.True(errors.Is((<-b.done).err, wire.ErrUnavailable))
	p.is.Equal(len(p.names()), 0)
	_, err = p.Receive(stream(), nil)
	p.is.True(errors.Is(err, wire.ErrUnavailable))
	p.is.NoErr(p.Close())
}

func TestClientHearsWhatDoneSays(t *testing.T) {
	p := newPlace(t, 16<<20)
	put := stream()
	turn, err := p.Receive(put, func(Info, error) error { return wire.Errorf(wire.Locked, "library", "closing") })
	p.is.NoErr(err)
	conn, err := wire.Dial(t.Context(), turn, wire.WriteData, nil)
	p.is.NoErr(err)
	defer conn.Close()
	_, err = (&client{conn: conn}).send(t.Context(), []byte("hello"))
	p.is.True(errors.Is(err, wire.ErrLocked))
	p.holds(put.ID, []byte("hello")) // until it is removed
}

func TestAdmission(t *testing.T) {
	p := newPlace(t, 1000)
	is := p.is
	big := stream()
	big.Size = 1001
	is.True(errors.Is(p.Reserve(big), wire.ErrTooLarge))
	a, b := stream(), stream()
	a.Size, b.Size = 600, 401
	is.NoErr(p.Reserve(a))
	is.NoErr(p.Reserve(a)) // takes its room once
	_, err := p.Receive(b, nil)
	is.True(errors.Is(err, wire.ErrBusy))
	e, _ := errors.AsType[*wire.Error](err)
	is.True(e.RetryAfter > 0)
	is.NoErr(p.Remove(a.ID))
	is.NoErr(p.Reserve(b))
	c := stream()
	c.Rate = 1 << 60 // does not overflow, and does not take everything
	is.NoErr(p.Reserve(c))
	used, _ := p.Usage()
	is.Equal(used, int64(651))
}

func TestStreamsAreBounded(t *testing.T) {
	p := newPlace(t, 1<<30)
	p.o.Streams = 2
	p.connect(stream())
	p.connect(stream())
	_, err := p.Receive(stream(), nil)
	p.is.True(errors.Is(err, wire.ErrBusy))
}

func TestStreamWaitsForRoom(t *testing.T) {
	p := newPlace(t, 8<<20)
	full := stream()
	_, err := p.connect(full).send(t.Context(), content(6<<20))
	p.is.NoErr(err)
	put := stream()
	cl := p.connect(put)
	sent := make(chan error, 1)
	go func() { _, err := cl.send(t.Context(), content(5<<20)); sent <- err }()
	// It fills what is free and stops there.
	for {
		p.mu.Lock()
		waiting, changed := p.waiting, p.changed
		p.mu.Unlock()
		if waiting == 1 {
			break
		}
		select {
		case <-changed:
		case <-time.After(time.Millisecond):
		}
	}
	used, _ := p.Usage()
	p.is.True(used <= 8<<20)
	p.is.NoErr(p.Remove(full.ID)) // it is on tape
	p.is.NoErr(<-sent)
	p.holds(put.ID, content(5<<20))
}

func TestFullForGood(t *testing.T) {
	p := newPlace(t, 4<<20)
	cl := p.connect(stream())
	_, err := cl.send(t.Context(), content(5<<20))
	p.is.True(errors.Is(err, wire.ErrNoSpace))
	p.is.True(errors.Is((<-cl.done).err, wire.ErrNoSpace))
	used, _ := p.Usage()
	p.is.Equal(used, int64(0))
}

func TestTwoStreamsThatWaitForEachOther(t *testing.T) {
	p := newPlace(t, 8<<20)
	a, b := p.connect(stream()), p.connect(stream())
	results := make(chan error, 2)
	for _, c := range []*client{a, b} {
		go func() { _, err := c.send(t.Context(), content(7<<20)); results <- err }()
	}
	one, other := <-results, <-results
	if one == nil { // the one that gave way may be heard of later
		one, other = other, one
	}
	// One gives way, and its room lets the other end.
	p.is.True(errors.Is(one, wire.ErrNoSpace))
	p.is.NoErr(other)
}

func TestDiskThatIsFull(t *testing.T) {
	p := newPlace(t, 64<<20)
	p.fs.Limit(2 << 20)
	_, err := p.connect(stream()).send(t.Context(), content(5<<20))
	p.is.True(errors.Is(err, wire.ErrNoSpace))
	p.is.Equal(len(p.names()), 0)
}

func TestOneProcess(t *testing.T) {
	p := newPlace(t, 1<<20)
	_, err := Open(t.Context(), Options{Dir: dir, FS: p.fs, Capacity: 1, Listener: p.port})
	p.is.True(errors.Is(err, wire.ErrLocked))
	p.is.NoErr(p.Close())
	p.open(1 << 20)
}

func TestOptions(t *testing.T) {
	is := is.New(t)
	_, err := Open(t.Context(), Options{Dir: dir, Capacity: 1})
	is.True(errors.Is(err, wire.ErrInvalid))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f := disk.NewForgetful()
	is.NoErr(f.MkdirAll(dir, 0o777))
	is.NoErr(disk.WriteFileAtomic(f, dir+"/x", nil, 0o666))
	_, err = Open(ctx, Options{Dir: dir, FS: f, Capacity: 1, Listener: port(t)})
	is.True(errors.Is(err, wire.ErrCancelled))
}

func TestOnTheMachinesOwnDisk(t *testing.T) {
	is := is.New(t)
	d := filepath.Join(t.TempDir(), "a", "spool")
	l := port(t)
	s, err := Open(t.Context(), Options{Dir: d, Capacity: 1 << 20, Listener: l})
	is.NoErr(err)
	p := &place{Spool: s, is: is, t: t, port: l}
	put := stream()
	_, err = p.connect(put).send(t.Context(), []byte("hello"))
	is.NoErr(err)
	is.NoErr(s.Close())
	p.Spool, err = Open(t.Context(), Options{Dir: d, Capacity: 1 << 20, Listener: l})
	is.NoErr(err)
	defer p.Close()
	p.holds(put.ID, []byte("hello"))
	info, err := os.Stat(filepath.Join(d, put.ID.String()+dataSuffix))
	is.NoErr(err)
	is.Equal(info.Mode().Perm(), fs.FileMode(0o600))
}

func TestRecovery(t *testing.T) {
	p := newPlace(t, 1<<20)
	is := p.is
	put := stream()
	_, err := p.connect(put).send(t.Context(), []byte("hello"))
	is.NoErr(err)
	good, err := disk.ReadFile(p.fs, p.infoPath(put.ID), maxInfo)
	is.NoErr(err)
	is.NoErr(p.Close())
	write := func(name, text string) {
		is.NoErr(disk.WriteFileAtomic(p.fs, filepath.Join(dir, name), []byte(text), 0o600))
	}
	id := func() string { return catalog.NewRequestID().String() }
	alone, torn, short, renamed := id(), id(), id(), id()
	write(alone+".data", "no info")
	write(id()+".json", string(good)) // no data, and another's name
	write(torn+".data", "hello")
	write(torn+".json", string(good[:20]))
	write(short+".data", "hell")
	write(short+".json", strings.ReplaceAll(string(good), put.ID.String(), short))
	write(renamed+".data", "hello")
	write(renamed+".json", string(good))
	write(id()+".json.tmp.", "x")
	tmp, err := p.fs.OpenFile(filepath.Join(dir, alone+".json.tmp"), os.O_CREATE|os.O_WRONLY, 0o600)
	is.NoErr(err)
	is.NoErr(tmp.Close())
	write("README", "an administrator's")
	p.open(1 << 20)
	is.Equal(len(p.List()), 1)
	p.holds(put.ID, []byte("hello"))
	is.Equal(len(p.names()), 4) // the file's two, and two that are nobody's business

	is.NoErr(p.Close())
	write(id()+".json", `{"version":2,"crc":"00000000","info":{}}`)
	_, err = Open(t.Context(), Options{Dir: dir, FS: p.fs, Capacity: 1, Listener: p.port})
	is.True(err != nil)
	is.True(strings.Contains(err.Error(), "version 2, this program reads up to 1"))
}

func TestSlowProducerMayThink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		m := newMemory()
		l := wire.NewListener(m, nil)
		defer l.Close()
		s, err := Open(t.Context(), Options{Dir: dir, FS: disk.NewForgetful(), Capacity: 1 << 30, Listener: l})
		is.NoErr(err)
		defer s.Close()
		for pause, want := range map[time.Duration]error{50 * time.Minute: nil, 2 * time.Hour: wire.ErrTimeout} {
			turn, err := s.Receive(stream(), func(Info, error) error { return nil })
			is.NoErr(err)
			c, err := wire.Dial(t.Context(), turn, wire.WriteData, &wire.DialOptions{Dial: m.dial})
			is.NoErr(err)
			is.NoErr(c.AwaitReady(t.Context()))
			_, err = c.Write([]byte("event"))
			is.NoErr(err)
			time.Sleep(pause)
			_, err = c.Write([]byte("event"))
			if err == nil {
				err = c.Finish(c.Sum())
			}
			if err == nil {
				_, err = c.AwaitResult(t.Context())
			}
			is.True(errors.Is(err, want))
			c.Close()
		}
	})
}

// memory is a net.Listener in memory.
type memory struct {
	conns chan net.Conn
	done  chan struct{}
}

func newMemory() *memory { return &memory{make(chan net.Conn), make(chan struct{})} }

func (m *memory) Accept() (net.Conn, error) {
	select {
	case c := <-m.conns:
		return c, nil
	case <-m.done:
		return nil, net.ErrClosed
	}
}
func (m *memory) Close() error   { close(m.done); return nil }
func (m *memory) Addr() net.Addr { return &net.TCPAddr{} }

func (m *memory) dial(context.Context, string, string) (net.Conn, error) {
	a, b := net.Pipe()
	m.conns <- b
	return a, nil
}

func FuzzInfo(f *testing.F) {
	good, err := appendInfo(nil, Info{ID: catalog.NewRequestID(), Size: 5, Adler: 7, Cached: time.Unix(1, 0)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"version":2}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		i, err := parseInfo(b)
		if err != nil {
			return
		}
		again, err := appendInfo(nil, i)
		if err != nil {
			return // years beyond 9999
		}
		if _, err := parseInfo(again); err != nil {
			t.Fatalf("%s: %v", again, err)
		}
	})
}
