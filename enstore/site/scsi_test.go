package site_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore"
	"github.com/enstore-go/sdk/enstore/site"
	"github.com/enstore-go/sdk/tape/scsi/scsitest"
)

// scsiSite is a site whose drives and robot are those of an iSCSI target.
func scsiSite(t *testing.T, lib *scsitest.TGT) (dir string) {
	t.Helper()
	dir = t.TempDir()
	scsiSiteFile(t, dir, lib, 0, 1)
	return dir
}

// scsiSiteFile writes the site file of a site that uses these drives.
func scsiSiteFile(t *testing.T, dir string, lib *scsitest.TGT, drives ...int) {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "name = \"enstore\"\nbrand = \"ENST\"\n[robot.robot0]\nplugin = \"robot-scsi\"\nconfig = { portal = %q, target = %q, lun = %d }\n", lib.Portal, lib.Target, lib.Robot)
	for _, n := range drives {
		lun := lib.Drives[n]
		fmt.Fprintf(&b, "[drive.drive%d]\nplugin = \"drive-scsi\"\nrobot = \"robot0\"\nnumber = %d\nlibraries = [\"tapes\"]\nconfig = { portal = %q, target = %q, lun = %d }\n", n, n, lib.Portal, lib.Target, lun)
	}
	is.New(t).NoErr(os.WriteFile(filepath.Join(dir, site.FileName), []byte(b.String()), 0o600))
}

// The main job on drives and a robot that others wrote: files go to tape and come back, over several volumes and openings
// of the site, and volumes change drives.
func TestMainJobOnTGT(t *testing.T) {
	is := is.New(t)
	lib := scsitest.Start(t, scsitest.Options{Drives: 2, Slots: 5, Capacity: 64 << 20})
	dir := scsiSite(t, lib)
	files := map[string][]byte{}
	for round, family := range []string{"raw", "user", "raw"} {
		s, err := site.Open(t.Context(), dir, nil)
		is.NoErr(err)
		if round == 0 {
			is.NoErr(s.AddVolumes(t.Context(), []catalog.Label{"VT0001L8", "VT0002L8", "VT0003L8", "VT0004L8"}, site.VolumeOptions{Capacity: 48 << 20}))
		}
		c := s.Client()
		top := fmt.Sprintf("/%s%d", family, round)
		is.NoErr(c.Mkdir(t.Context(), top))
		is.NoErr(c.SetTag(t.Context(), top, enstore.TagFamily, family))
		for n, size := range []int{0, 1, 100_000, 3_000_000, 262_144, 700_001} {
			key := fmt.Sprintf("%s/f%d", top, n)
			files[key] = stuff(key, size)
			rec, err := c.PutFile(t.Context(), key, source(t, files[key]), enstore.PutOptions{})
			is.NoErr(err)
			is.Equal(rec.Level, catalog.OnTape)
		}
		is.NoErr(s.Close())
	}
	for _, drive := range []int{1, 0} { // alone: so every volume is read in both
		scsiSiteFile(t, dir, lib, drive)
		s, err := site.Open(t.Context(), dir, nil)
		is.NoErr(err)
		volumes := map[catalog.Label]bool{}
		for key, want := range files {
			rec, err := s.Client().Stat(t.Context(), key)
			is.NoErr(err)
			volumes[rec.Volume] = true
			to := filepath.Join(t.TempDir(), "copy")
			_, err = s.Client().GetFile(t.Context(), key, to, enstore.GetOptions{})
			is.NoErr(err)
			got, err := os.ReadFile(to)
			is.NoErr(err)
			is.True(bytes.Equal(got, want))
		}
		is.True(len(volumes) >= 2) // families do not mix
		mounts := int64(0)
		for _, d := range s.Stats().Drives {
			mounts += d.Mounts
		}
		is.True(mounts >= int64(len(volumes)))
		is.NoErr(s.Close())
	}
}

func source(t *testing.T, b []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "source")
	is.New(t).NoErr(os.WriteFile(name, b, 0o600))
	return name
}
