package wire

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"time"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/crc"
)

// Bounds of a Listener.
const (
	maxHellos  = 64   // connections that have not proved a token yet
	maxPending = 4096 // tokens waiting for their client
)

// ListenerOptions change what a Listener puts up with.
type ListenerOptions struct {
	// Life is how long a token waits for its connection. Default 1 minute.
	Life time.Duration
	// Stall is how long a client that is alive may send no content, or take none. Default
	// 2 minutes; negative: for ever.
	Stall time.Duration
}

// Listener is a data port: it hands each connection that proves a token to whoever expects it. All its
// methods may be called from several goroutines.
type Listener struct {
	l     net.Listener
	life  time.Duration
	stall time.Duration

	mu      sync.Mutex
	closed  bool
	done    chan struct{}
	pending map[*Pending]struct{}
	hellos  map[net.Conn]struct{}
	slots   chan struct{}
	work    sync.WaitGroup
}

// NewListener serves l until Close, which also closes l.
func NewListener(l net.Listener, o *ListenerOptions) *Listener {
	if o == nil {
		o = &ListenerOptions{}
	}
	s := &Listener{
		l: l, life: o.Life, stall: max(o.Stall, 0),
		done: make(chan struct{}), pending: map[*Pending]struct{}{}, hellos: map[net.Conn]struct{}{},
		slots: make(chan struct{}, maxHellos),
	}
	if s.life <= 0 {
		s.life = time.Minute
	}
	if o.Stall == 0 {
		s.stall = 2 * time.Minute
	}
	s.work.Add(1)
	go s.serve()
	return s
}

// Addr is the address for Turn.Address: host:port.
func (s *Listener) Addr() string { return s.l.Addr().String() }

// Close stops listening, gives up who is expected and waits until the listener's goroutines
// have ended. Connections that were handed out live on.
func (s *Listener) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		s.work.Wait()
		return nil
	}
	s.closed = true
	close(s.done)
	for nc := range s.hellos {
		_ = nc.Close()
	}
	var ps []*Pending
	for p := range s.pending {
		ps = append(ps, p)
	}
	s.mu.Unlock()
	err := s.l.Close()
	for _, p := range ps {
		p.Close()
	}
	s.work.Wait()
	return err
}

func (s *Listener) serve() {
	defer s.work.Done()
	for pause := time.Duration(0); ; {
		select {
		case s.slots <- struct{}{}:
		case <-s.done:
			return
		}
		nc, err := s.l.Accept()
		if err != nil {
			<-s.slots
			// Accept fails for good when the listener is closed, and for a while when
			// the process has no file descriptor left.
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			t := time.NewTimer(pause)
			select {
			case <-s.done:
				t.Stop()
				return
			case <-t.C:
			}
			continue
		}
		pause = 0
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			_ = nc.Close()
			return
		}
		s.hellos[nc] = struct{}{}
		s.work.Add(1)
		s.mu.Unlock()
		go s.admit(nc)
	}
}

// admit reads a hello and hands the connection over, or closes it.
func (s *Listener) admit(nc net.Conn) {
	defer s.work.Done()
	defer func() { <-s.slots }()
	p := s.hello(nc)
	s.mu.Lock()
	delete(s.hellos, nc)
	s.mu.Unlock()
	if p == nil {
		_ = nc.Close()
		return
	}
	c := newConn(nc, p.dir, true, "request "+p.request.String(), s.stall)
	c.startHeartbeat()
	p.deliver(c)
}

// hello reads a hello and finds who waits for it. It answers only to whom it should.
func (s *Listener) hello(nc net.Conn) *Pending {
	var h [helloSize]byte
	if nc.SetDeadline(time.Now().Add(helloTime)) != nil {
		return nil
	}
	if _, err := io.ReadFull(nc, h[:10]); err != nil || string(h[:8]) != magic {
		return nil
	}
	if binary.BigEndian.Uint16(h[8:]) != version {
		_, _ = nc.Write(appendWelcome(nil, 1))
		return nil
	}
	if _, err := io.ReadFull(nc, h[10:]); err != nil {
		return nil
	}
	dir, token, ok := parseHello(h)
	if !ok {
		return nil
	}
	p := s.take(token, dir)
	if p == nil {
		return nil
	}
	if _, err := nc.Write(appendWelcome(nil, 0)); err != nil || nc.SetDeadline(time.Time{}) != nil {
		p.deliver(nil)
		return nil
	}
	return p
}

// parseHello reads a hello of this version.
func parseHello(h [helloSize]byte) (Direction, Token, bool) {
	dir, t := Direction(h[10]), Token(h[12:28])
	ok := string(h[:8]) == magic && binary.BigEndian.Uint16(h[8:]) == version &&
		(dir == WriteData || dir == ReadData) && h[11] == 0 &&
		binary.BigEndian.Uint32(h[28:]) == crc.CRC32C(h[:28])
	return dir, t, ok
}

func appendWelcome(b []byte, status byte) []byte {
	b = append(b, magic...)
	b = binary.BigEndian.AppendUint16(b, version)
	return append(b, status, 0)
}

// take uses up a token. Every token is compared, each in constant time.
func (s *Listener) take(t Token, dir Direction) *Pending {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found *Pending
	for p := range s.pending {
		if p.token.Equal(t) && !p.used && time.Now().Before(p.expires) {
			found = p
		}
	}
	if found == nil || s.closed {
		return nil
	}
	found.used = true
	if found.dir != dir {
		found.deliver(nil)
		return nil
	}
	return found
}

// Pending is a connection that is expected. Close it in the end, whatever became of it.
type Pending struct {
	s       *Listener
	token   Token
	dir     Direction
	request catalog.RequestID
	expires time.Time
	used    bool       // guarded by s.mu
	conn    chan *Conn // one element: the connection, or nil if the client failed at the last step
	gone    chan struct{}
	once    sync.Once
}

// Expect announces the client of a request. From now on, for the listener's Life, one
// connection that proves the token in that direction is taken. It is kept, and its client kept informed, until
// Wait takes it or the Pending is closed.
func (s *Listener) Expect(t Token, dir Direction, id catalog.RequestID) (*Pending, error) {
	subject := "request " + id.String()
	if t.IsZero() || dir != WriteData && dir != ReadData {
		return nil, Errorf(Invalid, subject, "expected with no token or no direction")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, Errorf(Unavailable, subject, "the data port is closed")
	}
	if len(s.pending) >= maxPending {
		return nil, &Error{Kind: Busy, Subject: subject, Text: "too many clients are expected", RetryAfter: s.life}
	}
	p := &Pending{
		s: s, token: t, dir: dir, request: id, expires: time.Now().Add(s.life),
		conn: make(chan *Conn, 1), gone: make(chan struct{}),
	}
	s.pending[p] = struct{}{}
	return p, nil
}

// deliver hands over the connection that proved the token; nil if that came to nothing.
func (p *Pending) deliver(c *Conn) {
	p.conn <- c
	select {
	case <-p.gone: // closed meanwhile: nobody else takes it
		p.turnAway()
	default:
	}
}

// Wait gives the connection, once its client has come. It fails with Timeout when the token's life is over,
// and with Unavailable when the client was lost on its way.
func (p *Pending) Wait(ctx context.Context) (*Conn, error) {
	subject := "request " + p.request.String()
	t := time.NewTimer(time.Until(p.expires))
	defer t.Stop()
	select {
	case c := <-p.conn:
		return p.handOver(c)
	default:
	}
	select {
	case c := <-p.conn:
		return p.handOver(c)
	case <-t.C:
		return nil, Errorf(Timeout, subject, "the client did not connect within %s", p.s.life)
	case <-p.gone:
		return nil, Errorf(Unavailable, subject, "the data port no longer expects the client")
	case <-ctx.Done():
		return nil, Errorf(KindOf(ctx.Err()), subject, "wait for the client: %w", ctx.Err())
	}
}

func (p *Pending) handOver(c *Conn) (*Conn, error) {
	if c == nil {
		return nil, Errorf(Unavailable, "request "+p.request.String(), "the client was lost while it connected")
	}
	return c, nil
}

// Close stops expecting. A client that has connected and was not taken by Wait is told to ask for
// its next turn.
func (p *Pending) Close() {
	p.once.Do(func() {
		p.s.mu.Lock()
		delete(p.s.pending, p)
		p.s.mu.Unlock()
		close(p.gone)
		p.turnAway()
	})
}

func (p *Pending) turnAway() {
	select {
	case c := <-p.conn:
		if c != nil {
			c.Refuse(Errorf(Busy, "request "+p.request.String(), "not served this time, ask for the next turn"))
			_ = c.Close()
		}
	default:
	}
}

// Ready asks the client for the data and returns when they begin to come, so that a client which has
// gone meanwhile is found before anything is written for it.
func (c *Conn) Ready() error {
	if !c.server || !c.receiver() {
		return c.misused("Ready")
	}
	if err := c.sendMessage(frameReady, nil); err != nil {
		return err
	}
	c.state.Store(uint32(Streaming))
	c.in.lastData = time.Now()
	if err := c.nextData(); err != nil {
		c.in.err = err
		if err != io.EOF { // that is an empty file
			return err
		}
	}
	return nil
}

// SetStall replaces the listener's Stall for this connection, before Ready or the first
// Write; 0 is for ever.
func (c *Conn) SetStall(d time.Duration) { c.stall = d }

// Refuse sends the client away before Ready: nothing was consumed. A reading client gets
// the error as it is.
func (c *Conn) Refuse(err error) {
	if !c.receiver() {
		c.Fail(err)
		return
	}
	_ = c.sendMessage(frameRefuse, AsError(err, c.dir.String(), c.subject)) // who is not there needs no answer
}

// Result tells a writing client what has become of its file; one of record and err is set. It may come
// long after the data, and is the last word.
func (c *Conn) Result(record *Record, err error) error {
	if !c.server || !c.receiver() {
		return c.misused("Result")
	}
	if err != nil {
		c.Fail(err)
		return nil
	}
	return c.sendMessage(frameResult, resultMessage{Record: record})
}
