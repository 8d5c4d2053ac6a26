package site_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore"
	"github.com/enstore-go/sdk/enstore/site"
	"github.com/enstore-go/sdk/tape/disk"
	"github.com/enstore-go/sdk/tape/operator"
	"github.com/enstore-go/sdk/tape/scsi/iscsi"
	"github.com/enstore-go/sdk/tape/scsi/scsitest"
	"github.com/enstore-go/sdk/tape/scsi/smc"
)

// carry does what a shelf asks for with the hand of tgt's robot, whose addresses are the shelf's, until the test ends.
func carry(t *testing.T, lib *scsitest.TGT, shelf string) {
	t.Helper()
	s, err := iscsi.Dial(t.Context(), iscsi.Unit{Portal: lib.Portal, Target: lib.Target, LUN: lib.Robot}, iscsi.Options{})
	is.New(t).NoErr(err)
	hand, err := smc.Open(t.Context(), s, smc.Options{})
	is.New(t).NoErr(err)
	stop := make(chan struct{})
	var busy sync.WaitGroup
	busy.Go(func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			rs, err := operator.Requests(disk.OS(), shelf)
			if err != nil && !errors.Is(err, operator.ErrNoShelf) {
				t.Error(err)
				return
			}
			for _, r := range rs {
				answer := operator.Done
				if err := hand.Move(t.Context(), r.From, r.To); err != nil {
					answer = func(fsys disk.FS, dir string, id int) error { return operator.Refuse(fsys, dir, id, err.Error()) }
				}
				if err := answer(disk.OS(), shelf, r.ID); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	t.Cleanup(func() { close(stop); busy.Wait(); hand.Close() })
}

// The main job with a person in the robot's place: volumes go from the shelf to drives and back.
func TestMainJobWithAnOperator(t *testing.T) {
	is := is.New(t)
	lib := scsitest.Start(t, scsitest.Options{Drives: 2, Slots: 5, Capacity: 64 << 20})
	var b strings.Builder
	fmt.Fprintf(&b, "[robot.shelf]\nplugin = \"robot-operator\"\nconfig = { dir = \"shelf\", drives = [\"left\", \"right\"], slots = 5, volumes = [\"VT0001L8\", \"VT0002L8\", \"VT0003L8\", \"VT0004L8\"] }\n")
	for n, lun := range lib.Drives {
		fmt.Fprintf(&b, "[drive.drive%d]\nplugin = \"drive-scsi\"\nrobot = \"shelf\"\nnumber = %d\nlibraries = [\"tapes\"]\nconfig = { portal = %q, target = %q, lun = %d }\n", n, n, lib.Portal, lib.Target, lun)
	}
	dir := t.TempDir()
	is.NoErr(os.WriteFile(filepath.Join(dir, site.FileName), []byte(b.String()), 0o600))
	carry(t, lib, filepath.Join(dir, "shelf"))
	s, err := site.Open(t.Context(), dir, nil)
	is.NoErr(err)
	is.NoErr(s.AddVolumes(t.Context(), []catalog.Label{"VT0001L8", "VT0002L8", "VT0003L8", "VT0004L8"}, site.VolumeOptions{Capacity: 48 << 20}))
	files := map[string][]byte{}
	for _, family := range []string{"raw", "user", "sim"} {
		is.NoErr(s.Client().Mkdir(t.Context(), "/"+family))
		is.NoErr(s.Client().SetTag(t.Context(), "/"+family, enstore.TagFamily, family))
		key := "/" + family + "/f"
		files[key] = stuff(key, 700_001)
		rec, err := s.Client().PutFile(t.Context(), key, source(t, files[key]), enstore.PutOptions{})
		is.NoErr(err)
		is.Equal(rec.Level, catalog.OnTape)
	}
	is.NoErr(s.Close())
	s, err = site.Open(t.Context(), dir, nil)
	is.NoErr(err)
	for key, want := range files {
		to := filepath.Join(t.TempDir(), "copy")
		_, err = s.Client().GetFile(t.Context(), key, to, enstore.GetOptions{})
		is.NoErr(err)
		got, err := os.ReadFile(to)
		is.NoErr(err)
		is.True(bytes.Equal(got, want))
	}
	is.NoErr(s.Close())
	rs, err := operator.Requests(disk.OS(), filepath.Join(dir, "shelf"))
	is.NoErr(err)
	is.Equal(len(rs), 0)
}
