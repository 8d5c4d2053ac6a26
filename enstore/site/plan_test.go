package site_test

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/matryer/is"
	"golang.org/x/sync/errgroup"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore"
	"github.com/enstore-go/sdk/enstore/site"
)

// journal keeps what a site logs.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

func (j *journal) has(words string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Contains(j.text.String(), words)
}

// Files that this system wrote are read in an order that was planned: where each lies is in the catalogue. The drive is on the way to them by their blocks.
func TestReadsOfWrittenFilesArePlanned(t *testing.T) {
	is := is.New(t)
	dir := t.TempDir()
	is.NoErr(site.Init(t.Context(), dir, site.InitOptions{Drives: 1}))
	log := &journal{}
	s, err := site.Open(t.Context(), dir, &site.Options{Logger: hclog.New(&hclog.LoggerOptions{Output: log, Level: hclog.Debug})})
	is.NoErr(err)
	defer s.Close()
	const files = 60 // more than a drive is given at once
	is.NoErr(s.AddVolumes(t.Context(), []catalog.Label{"PL0001"}, site.VolumeOptions{MediaType: "LTO-9", Capacity: 2_000_000_000, BlockSize: 64 << 10}))
	content := func(i int) string { return strings.Repeat(fmt.Sprint("file ", i, "\n"), 100*(i+1)) }
	for i := range files {
		w, err := s.Client().Put(t.Context(), fmt.Sprint("/", i), enstore.PutOptions{})
		is.NoErr(err)
		_, err = io.WriteString(w, content(i))
		is.NoErr(err)
		_, err = w.Commit(t.Context())
		is.NoErr(err)
	}
	v, err := s.Catalog().Volume(t.Context(), "PL0001")
	is.NoErr(err)
	is.True(v.EOD.HasBlock())
	is.True(v.EOD.Block > 2*files)

	var g errgroup.Group
	for i := range files {
		g.Go(func() error {
			r, err := s.Client().Get(t.Context(), fmt.Sprint("/", i), enstore.GetOptions{})
			if err != nil {
				return err
			}
			defer r.Close()
			b, err := io.ReadAll(r)
			if err == nil && string(b) != content(i) {
				err = fmt.Errorf("file %d: %d bytes that are not its own", i, len(b))
			}
			return err
		})
	}
	is.NoErr(g.Wait())
	t.Log(log.text.String())
	is.True(log.has("reads planned"))
	is.True(!log.has("reads not planned"))
	is.True(!log.has("by number"))
}
