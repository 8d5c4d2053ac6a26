package site_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore"
	"github.com/enstore-go/sdk/enstore/site"
	"github.com/matryer/is"
	"golang.org/x/sync/errgroup"
)

// TestFilesShareFlushes stores 1000 files of 1 MB, 256 at a time. One flush for each would be 1000; a site of
// defaults must do with a hundredth of that, though every client waits until its file is on tape.
func TestFilesShareFlushes(t *testing.T) {
	const files, size, together = 1000, 1_000_000, 256
	is := is.New(t)
	dir := t.TempDir()
	is.NoErr(site.Init(t.Context(), dir, site.InitOptions{}))
	s, err := site.Open(t.Context(), dir, nil)
	is.NoErr(err)
	defer s.Close()
	is.NoErr(s.AddVolumes(t.Context(), []catalog.Label{"FL0001", "FL0002"}, site.VolumeOptions{}))
	src := filepath.Join(t.TempDir(), "source")
	is.NoErr(os.WriteFile(src, make([]byte, size), 0o600))

	var g errgroup.Group
	g.SetLimit(together)
	for i := range files {
		g.Go(func() error {
			rec, err := s.Client().PutFile(t.Context(), fmt.Sprint("/", i), src, enstore.PutOptions{})
			if err == nil && (rec.Level < enstore.OnTape || rec.Size != size) {
				err = fmt.Errorf("file %d: %d bytes are %s", i, rec.Size, rec.Level)
			}
			return err
		})
	}
	is.NoErr(g.Wait())

	var stored, flushes int64
	for _, d := range s.Stats().Drives {
		t.Logf("%s: %d files, %d flushes, %d mounts", d.Name, d.Files, d.Flushes, d.Mounts)
		stored += d.Files
		flushes += d.Flushes - d.Mounts // a blank volume's label is flushed before there are files
	}
	is.Equal(stored, int64(files))
	is.True(flushes > 0)
	is.True(flushes <= files/100)
}
