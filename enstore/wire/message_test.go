package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/enstore-go/sdk/catalog"
	"github.com/matryer/is"
)

func TestKindsAreFrozen(t *testing.T) {
	is := is.New(t)
	want := []string{"unknown", "not-found", "exists", "invalid", "not-allowed", "busy", "quota", "no-space", "too-large", "no-access", "offline", "locked",
		"checksum", "changed", "media", "drive", "restart", "fenced", "cancelled", "timeout", "unavailable", "internal"}
	is.Equal(int(kinds), len(want))
	for i, name := range want {
		is.Equal(Kind(i).String(), name)
		is.True(Kind(i).Error() != "")
		var k Kind
		is.NoErr(k.UnmarshalText([]byte(name)))
		is.Equal(k, Kind(i))
	}
	k := Busy
	is.NoErr(k.UnmarshalText([]byte("a kind of the future")))
	is.Equal(k, Unknown)
	is.Equal(Kind(200).String(), "unknown")
	is.Equal(Kind(200).Error(), "unknown error")
}

func TestErrorCrossesTheNetwork(t *testing.T) {
	is := is.New(t)
	cause := errors.New("sense 03/0c/00")
	e := Errorf(Restart, "volume VO1234", "write failed: %w", cause)
	e.SafeBytes, e.RetryAfter, e.Op = 17, time.Minute, "put"
	data, err := Marshal(e)
	is.NoErr(err)
	is.Equal(string(data), `{"version":1,"message":{"kind":"restart","op":"put","subject":"volume VO1234","text":"write failed: sense 03/0c/00","retryAfter":60000000000,"safeBytes":17}}`)
	back := &Error{}
	is.NoErr(Unmarshal(data, back))
	is.True(errors.Is(back, ErrRestart))
	is.True(!errors.Is(back, ErrMedia))
	is.Equal(back.Error(), e.Error())
	is.Equal(back.Error(), "volume VO1234: write failed: sense 03/0c/00")
	is.Equal(back.SafeBytes, int64(17))
	is.Equal(back.RetryAfter, time.Minute)
	is.True(errors.Is(e, cause))
	is.True(!errors.Is(back, cause)) // the cause stays where it happened
}

func TestErrorText(t *testing.T) {
	is := is.New(t)
	is.Equal((&Error{Kind: NotFound, Subject: "/a/b"}).Error(), "/a/b: not found")
	is.Equal((&Error{Kind: NotFound, Subject: "/a/b", Text: "/a/b: no"}).Error(), "/a/b: no") // said once
	is.Equal((&Error{Kind: Busy}).Error(), "busy, try later")
	is.Equal((&Error{Kind: Busy, Err: io.EOF}).Error(), "EOF")
	is.Equal(Restarted(io.ErrUnexpectedEOF, "VO1234").Error(), "volume VO1234: nothing of this file is safe yet, send it again: unexpected EOF")
	is.True(errors.Is(Restarted(nil, ""), ErrRestart))
}

func TestAsError(t *testing.T) {
	is := is.New(t)
	is.True(AsError(nil, "put", "/a") == nil)
	e := AsError(fmt.Errorf("volume VO1234: %w", catalog.ErrNotFound), "mount", "/a")
	is.Equal(e.Kind, NotFound)
	is.Equal(e.Op, "mount")
	is.True(errors.Is(e, catalog.ErrNotFound))
	// An error of ours keeps its kind and details through wrapping, and the wrapper's words.
	inner := &Error{Kind: Busy, Subject: "library LTO8", Text: "draining", RetryAfter: time.Second}
	e = AsError(fmt.Errorf("lease 7: %w", inner), "put", "/a")
	is.Equal(e.Kind, Busy)
	is.Equal(e.RetryAfter, time.Second)
	is.Equal(e.Error(), "/a: lease 7: library LTO8: draining")
	is.Equal(AsError(inner, "put", "/a").Error(), "library LTO8: draining")
	is.Equal(inner.Op, "") // the original is not touched
	long := AsError(errors.New(strings.Repeat("é", 5000)), "", "")
	is.True(len(long.Text) <= maxText)
}

func TestKindOf(t *testing.T) {
	is := is.New(t)
	for _, c := range []struct {
		err  error
		want Kind
	}{
		{nil, Unknown},
		{errors.New("x"), Unknown},
		{ErrMedia, Media},
		{fmt.Errorf("x: %w", ErrQuota), Quota},
		{&Error{Kind: Locked}, Locked},
		{context.Canceled, Cancelled},
		{context.DeadlineExceeded, Timeout},
		{os.ErrDeadlineExceeded, Timeout},
		{catalog.ErrStored, Exists},
		{catalog.ErrFenced, Fenced},
		{catalog.ErrNoVolume, NoSpace},
		{catalog.ErrTooLarge, TooLarge},
		{os.ErrPermission, NotAllowed},
		{io.ErrUnexpectedEOF, Unavailable},
		{&net.OpError{Op: "dial", Err: errors.New("refused")}, Unavailable},
	} {
		if got := KindOf(c.err); got != c.want {
			t.Errorf("%v: %v, want %v", c.err, got, c.want)
		}
	}
	is.Equal(KindOf(Errorf(Timeout, "a", "%w", io.EOF)), Timeout) // its own kind counts, not the cause's
}

func TestMessagesComeBack(t *testing.T) {
	sum := uint32(7)
	when := time.Date(2026, 11, 21, 1, 2, 3, 4000, time.UTC)
	id := catalog.NewRequestID()
	key := "/pnfs/\xff\xfe name; with = all" // paths are bytes
	rec := Record{
		Key: key, BFID: "CDMS136605186900000", Size: 1 << 40, Adler: 1, SanitySize: 65536, SanitySum: 9, Level: catalog.OnTape, Copies: 2, Volume: "VO1234L8",
		Location: catalog.Location{Block: 3, File: 42}, Family: catalog.Family{Group: "cms", Family: "raw", Wrapper: "cpio_odc"}, Library: "LTO8", Request: id,
		Drive: "drive0", Stored: when, Mode: 0o644, UID: 1, GID: 2, MTime: when, Phases: Phases{Queued: 1, Mount: 2, Load: 3, Locate: 4, Stream: 5, Stopped: 6, Flush: 7, Commit: 8},
	}
	put := Put{ID: id, Key: key, Size: UnknownSize, Sum: &sum, Level: catalog.Cached, Rate: 3, Class: "raw", Priority: -4, Mode: 5, UID: 6, GID: 7, MTime: when, User: "ann", Again: true}
	lease := catalog.NewLeaseID()
	for _, m := range []any{
		&put,
		&Get{ID: id, Key: key, Class: "user", Priority: 2},
		&Get{ID: id, BFID: "CDMS136605186900000"},
		&rec,
		&Ticket{ID: id, Stored: &rec, Spooled: true},
		&Turn{Address: "127.0.0.1:7000", Token: NewToken()},
		&Turn{Done: &rec},
		&Entry{Name: "\xff", Record: &rec, MTime: when},
		&Entry{Name: "dir", Dir: true},
		&Tags{Library: []catalog.LibraryName{"a", "b"}, Group: "g", Family: "f", Width: 3, Wrapper: "cern"},
		&Event{Seq: 9, Time: when, Kind: "file.stored", Subject: key, Data: []byte(`{"a":1}`)},
		&DriveReport{Drive: "d", Libraries: []catalog.LibraryName{"l"}, Mounted: "VO1234"},
		&Assignment{Request: id, Queued: when, Put: &put, Parent: 5, Name: "n\xff", Spool: "s"},
		&Assignment{Request: id, Queued: when, Get: &Get{ID: id}, File: &catalog.File{BFID: "CDMS136605186900000", Path: key, Size: 3, MTime: when}},
		&Lease{ID: lease, Kind: WriteLease, Drive: "d", Expires: when, Assignments: []Assignment{{Request: id, Queued: when, Get: &Get{ID: id}}}},
		&Settlement{Request: id, Err: &Error{Kind: Media, Text: "x"}},
		&Release{Mounted: "VO1234", Err: &Error{Kind: Drive}, Fault: FaultDrive},
	} {
		data, err := Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		back := reflect.New(reflect.TypeOf(m).Elem())
		if err := Unmarshal(data, back.Interface()); err != nil {
			t.Errorf("%s: %v", data, err)
		}
		if !reflect.DeepEqual(back.Interface(), m) {
			t.Errorf("%T came back as\n%+v from\n%s", m, back.Elem(), data)
		}
	}
}

func TestUnmarshalRefuses(t *testing.T) {
	is := is.New(t)
	for _, text := range []string{"", "{}", `{"version":2,"message":{}}`, `{"version":1,"message":{"nonsense":1}}`, `{"version":1}`, `{"version":-1,"message":{}}`, strings.Repeat(" ", MaxMessage+1)} {
		for _, m := range []any{&Put{}, &Get{}, &Record{}, &Entry{}, &Event{}, &Turn{}} {
			is.True(errors.Is(Unmarshal([]byte(text), m), ErrInvalid))
		}
	}
	err := Unmarshal([]byte(`{"version":2,"message":{}}`), &Put{})
	is.Equal(err.Error(), "message: version 2, this program reads 1 to 1")
	_, err = Marshal(&Put{Key: strings.Repeat("x", MaxMessage)})
	is.True(errors.Is(err, ErrInvalid))
}

func TestNamesOfNumbers(t *testing.T) {
	is := is.New(t)
	is.Equal(WriteLease.String()+ReadLease.String()+DismountLease.String()+LeaseKind(9).String(), "writereaddismountunknown")
	is.Equal(FaultRequest.String()+FaultDrive.String()+FaultVolume.String()+FaultUnknown.String(), "requestdrivevolumeunknown")
	is.Equal(Waiting.String()+Streaming.String()+Securing.String()+State(0).String(), "waitingstreamingsecuringunknown")
	is.Equal(WriteData.String()+ReadData.String(), "writeread")
}

func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte(`{"version":1,"message":{"id":"01890a5d-ac96-774b-bcce-b302099a8057","key":"/a","size":-1,"level":3}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var p Put
		if Unmarshal(b, &p) != nil {
			return
		}
		data, err := Marshal(&p)
		if err != nil {
			return // years beyond 9999
		}
		var q Put
		if err := Unmarshal(data, &q); err != nil {
			t.Fatalf("%s: %v", data, err)
		}
	})
}
