package wire

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"testing/iotest"
	"time"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/crc"
	"github.com/matryer/is"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func port(t testing.TB, o *ListenerOptions) *Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := NewListener(l, o)
	t.Cleanup(func() { s.Close() })
	return s
}

// pair gives both ends of a connection over loopback.
func pair(t testing.TB, s *Listener, dir Direction) (client, server *Conn) {
	t.Helper()
	tok := NewToken()
	p, err := s.Expect(tok, dir, catalog.NewRequestID())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	client, err = Dial(t.Context(), Turn{Address: s.Addr(), Token: tok}, dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	server, err = p.Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

func content(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(n)})
	r.Read(b)
	return b
}

func TestWriteArrives(t *testing.T) {
	s := port(t, nil)
	for _, n := range []int{0, 1, frameSize - 1, frameSize, frameSize + 1, 3*frameSize + 7, 5 << 20} {
		for name, send := range map[string]func(*Conn, []byte) error{
			"one write": func(c *Conn, b []byte) error { _, err := c.Write(b); return err },
			"small writes": func(c *Conn, b []byte) error {
				_, err := io.CopyBuffer(onlyWriter{c}, onlyReader{bytes.NewReader(b)}, make([]byte, 7001))
				return err
			},
			"read from": func(c *Conn, b []byte) error { _, err := c.ReadFrom(iotest.HalfReader(bytes.NewReader(b))); return err },
			"write then read from": func(c *Conn, b []byte) error {
				if _, err := c.Write(b[:len(b)/3]); err != nil {
					return err
				}
				_, err := c.ReadFrom(bytes.NewReader(b[len(b)/3:]))
				return err
			},
		} {
			t.Run(name, func(t *testing.T) {
				is := is.New(t)
				want := content(n)
				client, server := pair(t, s, WriteData)
				sent := make(chan error, 1)
				go func() {
					err := client.AwaitReady(t.Context())
					if err == nil {
						err = send(client, want)
					}
					if err == nil {
						err = client.Finish(client.Sum())
					}
					sent <- err
				}()
				is.NoErr(server.Ready())
				got, err := io.ReadAll(server)
				is.NoErr(err)
				is.NoErr(<-sent)
				is.True(bytes.Equal(got, want))
				size, adler := server.End()
				is.Equal(size, int64(n))
				is.Equal(adler, crc.Adler(crc.Seed1, want))
				is.NoErr(server.Result(&Record{Key: "/f", Size: size, Adler: adler, Level: catalog.OnTape}, nil))
				rec, err := client.AwaitResult(t.Context())
				is.NoErr(err)
				is.Equal(rec.Key, "/f")
				is.Equal(rec.Adler, adler)
			})
		}
	}
}

type onlyWriter struct{ io.Writer }
type onlyReader struct{ io.Reader }

func TestReadArrives(t *testing.T) {
	s := port(t, nil)
	for _, n := range []int{0, 1, frameSize, 2*frameSize + 5} {
		is := is.New(t)
		want := content(n)
		client, server := pair(t, s, ReadData)
		sent := make(chan error, 1)
		go func() {
			_, err := server.Write(want)
			if err == nil {
				err = server.Finish(int64(n), crc.Adler(crc.Seed1, want))
			}
			sent <- err
		}()
		got, err := io.ReadAll(iotest.OneByteReader(client))
		is.NoErr(err)
		is.True(bytes.Equal(got, want))
		is.NoErr(<-sent) // the server knows that it arrived
	}
}

func TestServerHearsThatClientIsGone(t *testing.T) {
	is := is.New(t)
	client, server := pair(t, port(t, nil), ReadData)
	client.Close()
	err := error(nil)
	for i := 0; i < 100 && err == nil; i++ {
		_, err = server.Write(content(frameSize))
	}
	is.Equal(KindOf(err), Unavailable)
}

func TestFinishWithForeignSum(t *testing.T) {
	is := is.New(t)
	client, server := pair(t, port(t, nil), ReadData)
	_, err := server.Write([]byte("data off a bad tape"))
	is.NoErr(err)
	is.True(errors.Is(server.Finish(19, 12345), ErrChecksum)) // the tape's bytes are not the catalogue's
	_, err = io.ReadAll(client)
	is.True(errors.Is(err, ErrChecksum)) // and the client hears why
}

func TestRefuseBeforeReady(t *testing.T) {
	is := is.New(t)
	client, server := pair(t, port(t, nil), WriteData)
	server.Refuse(Errorf(Restart, "volume VO1234", "full"))
	err := client.AwaitReady(t.Context())
	is.True(Refused(err))
	is.True(errors.Is(err, ErrRestart))
	is.Equal(err.Error(), "volume VO1234: full")
}

func TestUntakenClientIsTurnedAway(t *testing.T) {
	is := is.New(t)
	s := port(t, nil)
	tok := NewToken()
	p, err := s.Expect(tok, WriteData, catalog.NewRequestID())
	is.NoErr(err)
	c, err := Dial(t.Context(), Turn{Address: s.Addr(), Token: tok}, WriteData, nil)
	is.NoErr(err)
	defer c.Close()
	p.Close()
	is.True(Refused(c.AwaitReady(t.Context())))
}

func TestFailureInMidStreamReachesTheWriter(t *testing.T) {
	is := is.New(t)
	client, server := pair(t, port(t, nil), WriteData)
	done := make(chan error, 1)
	go func() {
		err := client.AwaitReady(t.Context())
		for err == nil { // until the server says no; it will block when the sockets are full
			_, err = client.Write(content(frameSize))
		}
		client.Close()
		done <- err
	}()
	is.NoErr(server.Ready())
	_, err := io.ReadFull(server, make([]byte, 3*frameSize))
	is.NoErr(err)
	server.Fail(Errorf(Media, "volume VO1234", "write error"))
	server.Close()
	err = <-done
	is.True(errors.Is(err, ErrMedia)) // not a broken connection: the reason
	is.Equal(err.Error(), "volume VO1234: write error")
}

func TestAbortReachesTheReceiver(t *testing.T) {
	is := is.New(t)
	client, server := pair(t, port(t, nil), WriteData)
	go func() {
		if client.AwaitReady(t.Context()) == nil {
			client.Write(content(frameSize))
			client.Fail(Errorf(Changed, "/data/f", "shorter than declared"))
		}
	}()
	is.NoErr(server.Ready())
	_, err := io.ReadAll(server)
	is.True(errors.Is(err, ErrChanged))
	size, _ := server.Received()
	is.Equal(size, int64(frameSize))
}

func TestClientThatVanishesBeforeData(t *testing.T) {
	is := is.New(t)
	client, server := pair(t, port(t, nil), WriteData)
	client.Close()
	is.True(server.Ready() != nil) // found before a header is written to tape
}

func TestCloseReleasesABlockedWriter(t *testing.T) {
	is := is.New(t)
	client, server := pair(t, port(t, nil), WriteData)
	done := make(chan error, 1)
	go func() {
		err := client.AwaitReady(t.Context())
		for err == nil {
			_, err = client.Write(content(frameSize))
		}
		done <- err
	}()
	is.NoErr(server.Ready())
	client.Close()
	is.True(<-done != nil)
}

func TestTokens(t *testing.T) {
	s := port(t, nil)
	expect := func(dir Direction) (Token, *Pending) {
		tok := NewToken()
		p, err := s.Expect(tok, dir, catalog.NewRequestID())
		is.New(t).NoErr(err)
		t.Cleanup(p.Close)
		return tok, p
	}
	dial := func(tok Token, dir Direction) error {
		c, err := Dial(t.Context(), Turn{Address: s.Addr(), Token: tok}, dir, nil)
		if err == nil {
			t.Cleanup(func() { c.Close() })
		}
		return err
	}
	t.Run("unknown", func(t *testing.T) {
		is.New(t).Equal(KindOf(dial(NewToken(), WriteData)), Unavailable)
	})
	t.Run("once", func(t *testing.T) {
		is := is.New(t)
		tok, _ := expect(WriteData)
		is.NoErr(dial(tok, WriteData))
		is.Equal(KindOf(dial(tok, WriteData)), Unavailable)
	})
	t.Run("wrong direction uses it up", func(t *testing.T) {
		is := is.New(t)
		tok, p := expect(WriteData)
		is.True(dial(tok, ReadData) != nil)
		is.True(dial(tok, WriteData) != nil)
		_, err := p.Wait(t.Context())
		is.Equal(KindOf(err), Unavailable)
	})
	t.Run("closed", func(t *testing.T) {
		is := is.New(t)
		tok, p := expect(ReadData)
		p.Close()
		is.True(dial(tok, ReadData) != nil)
	})
	t.Run("none", func(t *testing.T) {
		_, err := s.Expect(Token{}, WriteData, catalog.NewRequestID())
		is.New(t).True(errors.Is(err, ErrInvalid))
	})
}

func TestTokenIsNotPrinted(t *testing.T) {
	is := is.New(t)
	tok := NewToken()
	text, err := tok.MarshalText()
	is.NoErr(err)
	is.True(!bytes.Contains([]byte(tok.String()), text[:4]))
	var back Token
	is.NoErr(back.UnmarshalText(text))
	is.True(back.Equal(tok))
	is.True(back.UnmarshalText(text[1:]) != nil)
	is.True(back.UnmarshalText(append([]byte("zz"), text[2:]...)) != nil)
}

func TestHelloOfANewerVersion(t *testing.T) {
	is := is.New(t)
	s := port(t, nil)
	nc, err := net.Dial("tcp", s.Addr())
	is.NoErr(err)
	defer nc.Close()
	_, err = nc.Write([]byte("ENSTDATA\x00\x02"))
	is.NoErr(err)
	answer, err := io.ReadAll(nc)
	is.NoErr(err)
	is.Equal(string(answer), "ENSTDATA\x00\x01\x01\x00") // our version, refused
}

func TestServerOfANewerVersion(t *testing.T) {
	is := is.New(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	is.NoErr(err)
	defer l.Close()
	go func() {
		nc, err := l.Accept()
		if err == nil {
			io.ReadFull(nc, make([]byte, helloSize))
			nc.Write([]byte("ENSTDATA\x00\x07\x01\x00"))
			nc.Close()
		}
	}()
	_, err = Dial(t.Context(), Turn{Address: l.Addr().String(), Token: NewToken()}, WriteData, nil)
	is.True(errors.Is(err, ErrInvalid))
	is.True(bytes.Contains([]byte(err.Error()), []byte("speaks data protocol version 7, this program version 1")))
}

func TestStrangersGetNoWord(t *testing.T) {
	s := port(t, nil)
	for _, hello := range []string{"GET / HTTP/1.1\r\n\r\n", "ENSTDATA\x00\x01\x03\x00aaaaaaaaaaaaaaaabbbb", string(appendHello(nil, WriteData, NewToken()))} {
		is := is.New(t)
		nc, err := net.Dial("tcp", s.Addr())
		is.NoErr(err)
		_, err = nc.Write([]byte(hello))
		is.NoErr(err)
		answer, _ := io.ReadAll(nc) // closed or reset
		is.Equal(len(answer), 0)
		nc.Close()
	}
}

func TestHelloCannotBeAltered(t *testing.T) {
	is := is.New(t)
	good := [helloSize]byte(appendHello(nil, ReadData, NewToken()))
	_, _, ok := parseHello(good)
	is.True(ok)
	for bit := range helloSize * 8 {
		h := good
		h[bit/8] ^= 1 << (bit % 8)
		_, _, ok := parseHello(h)
		is.True(!ok)
	}
}

func TestListenerClose(t *testing.T) {
	is := is.New(t)
	s := port(t, nil)
	p, err := s.Expect(NewToken(), WriteData, catalog.NewRequestID())
	is.NoErr(err)
	nc, err := net.Dial("tcp", s.Addr()) // says nothing
	is.NoErr(err)
	defer nc.Close()
	waited := make(chan error, 1)
	go func() { _, err := p.Wait(context.Background()); waited <- err }()
	is.NoErr(s.Close())
	is.Equal(KindOf(<-waited), Unavailable)
	_, err = s.Expect(NewToken(), WriteData, catalog.NewRequestID())
	is.Equal(KindOf(err), Unavailable)
	is.NoErr(s.Close())
}

// A peer that is not ours is played by bytes.

type script struct {
	io.Reader
	io.Writer
}

func (script) Close() error                     { return nil }
func (script) LocalAddr() net.Addr              { return nil }
func (script) RemoteAddr() net.Addr             { return nil }
func (script) SetDeadline(time.Time) error      { return nil }
func (script) SetReadDeadline(time.Time) error  { return nil }
func (script) SetWriteDeadline(time.Time) error { return nil }

// play gives a server's receiving end that is sent these bytes.
func play(b []byte) *Conn {
	return newConn(script{bytes.NewReader(b), io.Discard}, WriteData, true, "request", time.Minute)
}

func rawFrame(t frame, payload string) []byte {
	b := make([]byte, headerSize, headerSize+len(payload))
	putSmall(b, t, []byte(payload))
	return append(b, payload...)
}

func TestBadFrames(t *testing.T) {
	hello := rawFrame(frameData, "hello")
	end := func(size byte, sum uint32) []byte {
		return rawFrame(frameEnd, string([]byte{0, 0, 0, 0, 0, 0, 0, size, byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)}))
	}
	sum := crc.Adler(crc.Seed1, []byte("hello"))
	flipped := bytes.Clone(hello)
	flipped[headerSize+2] ^= 4
	reserved := bytes.Clone(hello)
	reserved[2] = 1
	for _, c := range []struct {
		name  string
		bytes []byte
		want  error
	}{
		{"good", append(bytes.Clone(hello), end(5, sum)...), nil},
		{"flipped bit", append(flipped, end(5, sum)...), ErrChecksum},
		{"lost frame", end(5, sum), ErrChecksum},
		{"doubled frame", append(append(bytes.Clone(hello), hello...), end(5, sum)...), ErrChecksum},
		{"wrong adler", append(bytes.Clone(hello), end(5, sum+1)...), ErrChecksum},
		{"no end", hello, ErrUnavailable},
		{"cut in a frame", hello[:14], ErrUnavailable},
		{"cut in a header", hello[:7], ErrUnavailable},
		{"reserved bytes", reserved, ErrInvalid},
		{"unknown type", rawFrame(8, ""), ErrInvalid},
		{"type zero", rawFrame(0, ""), ErrInvalid},
		{"empty data", rawFrame(frameData, ""), ErrInvalid},
		{"ready from the sender", rawFrame(frameReady, ""), ErrInvalid},
		{"short end", rawFrame(frameEnd, "abc"), ErrInvalid},
		{"negative size", rawFrame(frameEnd, "\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x01"), ErrInvalid},
		{"bad progress", rawFrame(frameProgress, "\x09\x00\x00\x00\x00\x00\x00\x00\x00"), ErrInvalid},
		{"bad abort", rawFrame(frameAbort, "not json"), ErrInvalid},
		{"long data", []byte{1, 0, 0, 0, 0, 0x10, 0, 1, 0, 0, 0, 0}, ErrInvalid},
		{"long abort", []byte{6, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0}, ErrInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			is := is.New(t)
			conn := play(c.bytes)
			_, err := io.ReadAll(conn)
			if c.want == nil {
				is.NoErr(err)
				return
			}
			is.True(errors.Is(err, c.want))
			_, again := conn.Read(make([]byte, 1))
			is.Equal(again, err) // and it stays so
		})
	}
}

func FuzzReceive(f *testing.F) {
	f.Add(append(rawFrame(frameData, "hello"), rawFrame(frameEnd, "\x00\x00\x00\x00\x00\x00\x00\x05\x06\x2c\x02\x15")...))
	f.Add(rawFrame(frameAbort, `{"kind":"media"}`))
	f.Add(rawFrame(frameProgress, "\x01\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c := play(b)
		got, err := io.ReadAll(c)
		if len(got) > len(b) {
			t.Fatal("more content than bytes")
		}
		size, sum := c.End()
		if err == nil && (size != int64(len(got)) || sum != crc.Adler(crc.Seed1, got)) {
			t.Fatal("accepted what End does not confirm")
		}
	})
}

func FuzzListen(f *testing.F) {
	f.Add(append(rawFrame(frameReady, ""), rawFrame(frameResult, `{"record":{"key":"/a"}}`)...))
	f.Add(rawFrame(frameRefuse, `{"kind":"restart"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c := newConn(script{bytes.NewReader(b), io.Discard}, WriteData, false, "data port", 0)
		c.ready, c.settled = make(chan struct{}), make(chan struct{})
		c.listen()
		if _, err := c.AwaitResult(t.Context()); err == nil && !bytes.Contains(b, []byte("record")) {
			t.Fatal("a result out of nothing")
		}
	})
}
