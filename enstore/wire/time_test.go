package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enstore-go/sdk/catalog"
	"github.com/matryer/is"
)

// memory is a net.Listener in memory, for tests in which time is made up.
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

func memPair(t *testing.T, o *ListenerOptions, dir Direction, hear func(Progress)) (client, server *Conn, done func()) {
	is := is.New(t)
	m := newMemory()
	s := NewListener(m, o)
	tok := NewToken()
	p, err := s.Expect(tok, dir, catalog.NewRequestID())
	is.NoErr(err)
	client, err = Dial(context.Background(), Turn{Token: tok}, dir, &DialOptions{Dial: m.dial, Progress: hear})
	is.NoErr(err)
	server, err = p.Wait(context.Background())
	is.NoErr(err)
	return client, server, func() { client.Close(); server.Close(); p.Close(); s.Close() }
}

func TestLongWaitsAreBridged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		var heard []State
		client, server, done := memPair(t, nil, WriteData, func(p Progress) { heard = append(heard, p.State) })
		defer done()
		go func() {
			time.Sleep(time.Hour) // other files come first
			if server.Ready() == nil {
				io.Copy(io.Discard, server)
			}
			time.Sleep(time.Hour) // until the flush
			server.Result(&Record{Key: "/f"}, nil)
		}()
		is.NoErr(client.AwaitReady(t.Context()))
		_, err := client.Write([]byte("x"))
		is.NoErr(err)
		is.NoErr(client.Finish(client.Sum()))
		_, err = client.AwaitResult(t.Context())
		is.NoErr(err)
		is.True(len(heard) > 500)
		is.Equal(heard[0], Waiting)
		is.Equal(heard[len(heard)-1], Securing)
	})
}

func TestSlowProducerIsNotDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		client, server, done := memPair(t, &ListenerOptions{Stall: -1}, WriteData, nil)
		defer done()
		arrived := make(chan time.Duration, 1)
		go func() {
			start := time.Now()
			if server.Ready() != nil {
				return
			}
			io.ReadFull(server, make([]byte, 5))
			arrived <- time.Since(start)
			io.Copy(io.Discard, server)
		}()
		is.NoErr(client.AwaitReady(t.Context()))
		_, err := client.Write([]byte("event"))
		is.NoErr(err)
		is.True(<-arrived <= 2*Heartbeat) // a frame that is not full does not wait for ever
		time.Sleep(time.Hour)
		_, err = client.Write([]byte("event"))
		is.NoErr(err)
		is.NoErr(client.Finish(client.Sum()))
	})
}

func TestStalledProducer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		client, server, done := memPair(t, &ListenerOptions{Stall: 5 * time.Minute}, WriteData, nil)
		defer done()
		go func() {
			if client.AwaitReady(t.Context()) == nil {
				client.Write(make([]byte, frameSize))
			}
		}()
		is.NoErr(server.Ready())
		start := time.Now()
		_, err := io.Copy(io.Discard, server)
		is.True(errors.Is(err, ErrTimeout))
		took := time.Since(start)
		is.True(took >= 5*time.Minute && took <= 6*time.Minute)
	})
}

func TestStalledConsumer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		_, server, done := memPair(t, &ListenerOptions{Stall: 5 * time.Minute}, ReadData, nil)
		defer done()
		_, err := server.Write(make([]byte, 4*frameSize))
		is.True(errors.Is(err, ErrTimeout)) // the drive does not stand for ever
	})
}

// mute is a connection whose other end has died without a word.
func TestSilence(t *testing.T) {
	for _, dir := range []Direction{WriteData, ReadData} {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			a, b := net.Pipe()
			go io.Copy(io.Discard, b)
			c := newConn(a, dir, false, "data port", 0)
			start := time.Now()
			if dir == WriteData {
				c.ready, c.settled = make(chan struct{}), make(chan struct{})
				go c.listen()
				c.startHeartbeat()
				is.True(errors.Is(c.AwaitReady(t.Context()), ErrTimeout))
			} else {
				_, err := c.Read(make([]byte, 1))
				is.True(errors.Is(err, ErrTimeout))
			}
			is.Equal(time.Since(start), Silence)
			c.Close()
			b.Close()
		})
	}
}

func TestTokenDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		m := newMemory()
		s := NewListener(m, &ListenerOptions{Life: time.Minute})
		defer s.Close()
		tok := NewToken()
		p, err := s.Expect(tok, WriteData, catalog.NewRequestID())
		is.NoErr(err)
		defer p.Close()
		_, err = p.Wait(t.Context())
		is.True(errors.Is(err, ErrTimeout))
		_, err = Dial(t.Context(), Turn{Token: tok}, WriteData, &DialOptions{Dial: m.dial})
		is.True(errors.Is(err, ErrUnavailable))
	})
}

func TestHellosAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		m := newMemory()
		s := NewListener(m, nil)
		defer s.Close()
		for range maxHellos {
			a, err := m.dial(t.Context(), "", "")
			is.NoErr(err)
			defer a.Close()
		}
		start := time.Now()
		tok := NewToken()
		p, err := s.Expect(tok, WriteData, catalog.NewRequestID())
		is.NoErr(err)
		defer p.Close()
		c, err := Dial(t.Context(), Turn{Token: tok}, WriteData, &DialOptions{Dial: m.dial})
		is.NoErr(err)
		is.Equal(time.Since(start), helloTime) // it waited for the silent ones to be thrown out
		c.Close()
	})
}

func TestDialIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		a, b := net.Pipe()
		go io.Copy(io.Discard, b)
		_, err := Dial(ctx, Turn{Token: NewToken()}, WriteData, &DialOptions{Dial: func(context.Context, string, string) (net.Conn, error) { return a, nil }})
		is.True(errors.Is(err, ErrTimeout))
		b.Close()
	})
}
