package site_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore"
	"github.com/enstore-go/sdk/enstore/site"
	"github.com/enstore-go/sdk/tape/scsi/scsitest"
)

// cutter stands between a site and its drives, and cuts every connection when as many bytes as every have passed in all.
type cutter struct {
	every int64
	cuts  atomic.Int64
	past  atomic.Int64
	mu    sync.Mutex
	open  map[net.Conn]bool
}

// listen takes connections and passes them on to addr.
func (c *cutter) listen(t *testing.T, addr string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	is.New(t).NoErr(err)
	var wg sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); c.cut(); wg.Wait() })
	c.open = map[net.Conn]bool{}
	wg.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", addr)
			if err != nil {
				_ = in.Close()
				continue
			}
			c.mu.Lock()
			c.open[in], c.open[out] = true, true
			c.mu.Unlock()
			for _, p := range [][2]net.Conn{{in, out}, {out, in}} {
				wg.Go(func() {
					_, _ = io.Copy(counted{p[0], c}, p[1])
					_, _ = p[0].Close(), p[1].Close()
				})
			}
		}
	})
	return l.Addr().String()
}

func (c *cutter) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.open {
		_ = conn.Close()
	}
	c.open = map[net.Conn]bool{}
}

type counted struct {
	io.Writer
	c *cutter
}

func (w counted) Write(p []byte) (int, error) {
	if n := w.c.past.Add(int64(len(p))); w.c.every > 0 && n/w.c.every > w.c.cuts.Load() {
		w.c.cuts.Add(1)
		w.c.cut()
	}
	return w.Writer.Write(p)
}

// Sessions that are lost in the middle of whatever goes on cost time and no data: everything acknowledged reads back equal.
func TestLostSessionsOnTGT(t *testing.T) {
	is := is.New(t)
	lib := scsitest.Start(t, scsitest.Options{Drives: 2, Slots: 5, Capacity: 64 << 20})
	c := &cutter{every: 9_000_001}
	lib.Portal = c.listen(t, lib.Portal)
	s, err := site.Open(t.Context(), scsiSite(t, lib), nil)
	is.NoErr(err)
	is.NoErr(s.AddVolumes(t.Context(), []catalog.Label{"VT0001L8", "VT0002L8", "VT0003L8", "VT0004L8"}, site.VolumeOptions{Capacity: 60 << 20}))
	files := map[string][]byte{}
	for n := range 12 {
		key := fmt.Sprintf("/f%02d", n)
		b := stuff(key, 3_000_000)
		rec, err := s.Client().PutFile(t.Context(), key, source(t, b), enstore.PutOptions{})
		is.NoErr(err)
		is.Equal(rec.Level, catalog.OnTape)
		files[key] = b
	}
	is.True(c.cuts.Load() >= 3)
	for key, want := range files {
		to := filepath.Join(t.TempDir(), "copy")
		_, err := s.Client().GetFile(t.Context(), key, to, enstore.GetOptions{})
		is.NoErr(err)
		got, err := os.ReadFile(to)
		is.NoErr(err)
		is.True(bytes.Equal(got, want))
	}
	is.True(c.cuts.Load() >= 6)
	is.NoErr(s.Close())
}
