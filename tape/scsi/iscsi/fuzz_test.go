package iscsi

import (
	"bytes"
	"net"
	"testing"
	"time"

	"github.com/enstore-go/sdk/tape/scsi"
)

// script is a connection that gives what it was given, and takes everything.
type script struct{ *bytes.Reader }

func (script) Write(b []byte) (int, error)      { return len(b), nil }
func (script) Close() error                     { return nil }
func (script) LocalAddr() net.Addr              { return nil }
func (script) RemoteAddr() net.Addr             { return nil }
func (script) SetDeadline(time.Time) error      { return nil }
func (script) SetReadDeadline(time.Time) error  { return nil }
func (script) SetWriteDeadline(time.Time) error { return nil }

// Whatever a target answers, a login and a command end without a panic, and no more is moved than was asked for.
func FuzzAnswers(f *testing.F) {
	login := make([]byte, 48, 100)
	login[0], login[1], login[7] = opLoginIn, 0x87, 14
	login = append(login, "InitialR2T=No\x00\x00\x00"...)
	f.Add(login)
	answer := make([]byte, 48)
	answer[0], answer[1], answer[19], answer[35] = opResponse, 0x80, 1, 9
	f.Add(append(login, answer...))
	in := make([]byte, 48)
	in[0], in[1], in[7], in[19] = opDataIn, 0x83, 8, 1
	f.Add(append(append(login, in...), "12345678"...))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := newSession(script{bytes.NewReader(b)})
		if err := s.login([]string{"InitiatorName=a"}); err != nil {
			return
		}
		buf := make([]byte, 100)
		if r, err := s.Exec(t.Context(), scsi.Read(100), nil, buf); err == nil && (r.Transferred < 0 || r.Transferred > 100 || len(r.Sense) > scsi.MaxSense) {
			t.Fatalf("%+v", r)
		}
		if r, err := s.Exec(t.Context(), scsi.Write(100), buf, nil); err == nil && (r.Transferred < 0 || r.Transferred > 100) {
			t.Fatalf("%+v", r)
		}
	})
}

func FuzzText(f *testing.F) {
	f.Add([]byte("a=b\x00c=d=e\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got := pairs{}
		if err := parsePairs(b, got.add); err != nil {
			return
		}
		for k := range got {
			if k == "" || len(k) > 63 {
				t.Fatalf("key %q", k)
			}
		}
	})
}
