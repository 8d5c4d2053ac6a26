package desk_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/catalog/memstore"
	"github.com/enstore-go/sdk/catalog/namespace"
	"github.com/enstore-go/sdk/enstore/desk"
	"github.com/enstore-go/sdk/enstore/library"
	"github.com/enstore-go/sdk/enstore/spool"
	"github.com/enstore-go/sdk/enstore/wire"
	"github.com/enstore-go/sdk/queue"
	"github.com/enstore-go/sdk/tape/disk"
)

var errReload = errors.New("bad rules")

// served gives a desk in this process, and the same one over a socket, with one request in the queue.
func served(t *testing.T) (own, remote desk.Desk, id catalog.RequestID, socket string) {
	is := is.New(t)
	ctx := t.Context()
	cat, err := catalog.Open(ctx, memstore.New(), nil)
	is.NoErr(err)
	tree := namespace.New(cat)
	for tag, value := range map[namespace.Tag]string{namespace.Library: "L1", namespace.StorageGroup: "sg", namespace.FileFamily: "ff", namespace.Wrapper: "cpio_odc"} {
		is.NoErr(tree.SetTag(ctx, "/", tag, value))
	}
	is.NoErr(cat.AddVolume(ctx, catalog.Volume{Label: "V00001L8", Library: "L1", MediaType: "LTO8", Capacity: 12e12}))
	lib, err := library.Open(ctx, library.Options{Dir: "/journal", FS: disk.NewForgetful(), Catalog: cat, Tree: tree})
	is.NoErr(err)
	t.Cleanup(func() { _ = lib.Close() })
	id = catalog.NewRequestID()
	_, err = lib.Accept(ctx, wire.Put{ID: id, Key: "/a", Size: 1 << 30, User: "anna"})
	is.NoErr(err)
	own = desk.Of(lib, []catalog.LibraryName{"L1"}, func() error { return errReload })
	dir, err := os.MkdirTemp("", "desk") // a socket's name must be short
	is.NoErr(err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket = filepath.Join(dir, "desk.sock")
	l, err := net.Listen("unix", socket)
	is.NoErr(err)
	s := desk.Serve(l, own)
	t.Cleanup(func() { _ = s.Close() })
	c, err := desk.Dial(socket)
	is.NoErr(err)
	t.Cleanup(c.Close)
	return own, c, id, socket
}

func TestBothDesksSayTheSame(t *testing.T) {
	is := is.New(t)
	own, remote, id, _ := served(t)
	for _, d := range []desk.Desk{own, remote} {
		ctx := t.Context()
		all, err := d.Requests(ctx)
		is.NoErr(err)
		is.Equal(len(all), 1)
		is.Equal([]any{all[0].ID, all[0].Subject, all[0].User}, []any{id, "/a", "anna"})
		is.NoErr(d.Change(ctx, id, desk.Change{Do: desk.Hold, Who: "otto"}))
		e, err := d.Explain(ctx, id)
		is.NoErr(err)
		is.Equal(e.Obstacles[0].Reason, queue.OnHold)
		is.Equal(e.Estimate, nil)
		is.NoErr(d.Change(ctx, id, desk.Change{Do: desk.Release}))
		is.NoErr(d.Change(ctx, id, desk.Change{Do: desk.Priority, Priority: 9}))
		e, err = d.Explain(ctx, id)
		is.NoErr(err)
		is.Equal(e.Request.Priority, 9)
		is.Equal(e.Obstacles[0].Reason, queue.NoDrive)
		is.NoErr(d.SetState(ctx, library.LibraryState{Library: "L1", State: library.StateLocked, Reason: "why", Who: "otto"}))
		libraries, err := d.Libraries(ctx)
		is.NoErr(err)
		is.Equal([]any{libraries[0].State, libraries[0].Reason, libraries[0].Waiting, libraries[0].Bytes}, []any{library.StateLocked, "why", 1, int64(1 << 30)})
		shares, err := d.Shares(ctx)
		is.NoErr(err)
		is.Equal(len(shares), 1)
		strikes, err := d.Strikes(ctx)
		is.NoErr(err)
		is.Equal(len(strikes), 0)
		is.NoErr(d.Forgive(ctx, "d0", ""))
		is.True(d.Reload(ctx) != nil)
		is.True(strings.Contains(d.Reload(ctx).Error(), "bad rules"))
		for _, err := range []error{d.SetState(ctx, library.LibraryState{Library: "L9", State: library.StateOpen}), d.Change(ctx, catalog.NewRequestID(), desk.Change{Do: desk.Cancel})} {
			is.True(errors.Is(err, wire.NotFound))
		}
		is.True(errors.Is(d.Change(ctx, id, desk.Change{Do: "eat"}), wire.Invalid))
	}
	is.NoErr(remote.Change(t.Context(), id, desk.Change{Do: desk.Cancel}))
	all, err := own.Requests(t.Context())
	is.NoErr(err)
	is.Equal(len(all), 0)
}

// found is a spool with a file of which nobody knows.
type found struct{ id catalog.RequestID }

func (f *found) Reserve(wire.Put) error { return nil }
func (f *found) Receive(wire.Put, func(spool.Info, error) error) (wire.Turn, error) {
	return wire.Turn{}, wire.Errorf(wire.Unavailable, "spool", "is not for this")
}
func (f *found) Info(id catalog.RequestID) (spool.Info, bool) { return spool.Info{ID: id}, id == f.id }
func (f *found) List() []spool.Info {
	if f.id.IsZero() {
		return nil
	}
	return []spool.Info{{ID: f.id, Key: "/lost", Size: 5}}
}
func (f *found) Remove(catalog.RequestID) error { f.id = catalog.RequestID{}; return nil }

func TestAHeldFileIsGivenUpAtTheDesk(t *testing.T) {
	is := is.New(t)
	ctx := t.Context()
	cat, err := catalog.Open(ctx, memstore.New(), nil)
	is.NoErr(err)
	f := &found{catalog.NewRequestID()}
	id := f.id
	lib, err := library.Open(ctx, library.Options{Dir: "/journal", FS: disk.NewForgetful(), Catalog: cat, Tree: namespace.New(cat), Spool: f})
	is.NoErr(err)
	defer lib.Close()
	d := desk.Of(lib, []catalog.LibraryName{"L1"}, nil)
	all, err := d.Requests(ctx)
	is.NoErr(err)
	is.Equal(all[0].Subject, "/lost")
	is.NoErr(d.Change(ctx, id, desk.Change{Do: desk.Cancel}))
	is.True(f.id.IsZero())
	is.True(errors.Is(d.Change(ctx, id, desk.Change{Do: desk.Cancel}), wire.ErrNotFound))
}

// Garbage is answered or cut off, and harms nobody.
func TestGarbageAtTheDesk(t *testing.T) {
	is := is.New(t)
	_, remote, _, socket := served(t)
	for _, text := range []string{
		"GARBAGE\r\n\r\n", "POST /libraries HTTP/1.1\r\nHost: desk\r\nContent-Length: 3\r\n\r\n{]}", "GET /requests/xyz HTTP/1.1\r\nHost: desk\r\n\r\n",
		"POST /forgive HTTP/1.1\r\nHost: desk\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat(" ", 100_000),
		"GET /nowhere HTTP/1.1\r\nHost: desk\r\n\r\n", strings.Repeat("x", 100_000),
	} {
		c, err := net.Dial("unix", socket)
		is.NoErr(err)
		_, _ = c.Write([]byte(text))
		_, _ = c.Read(make([]byte, 1000))
		_ = c.Close()
	}
	all, err := remote.Requests(t.Context())
	is.NoErr(err)
	is.Equal(len(all), 1)
}

func TestNobodyAtTheDesk(t *testing.T) {
	is := is.New(t)
	_, err := desk.Dial(filepath.Join(t.TempDir(), "desk.sock"))
	is.True(errors.Is(err, desk.ErrNobody))
	_, remote, _, _ := served(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = remote.Requests(ctx)
	is.True(errors.Is(err, context.Canceled))
}
