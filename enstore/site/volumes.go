package site

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore/mover"
	"github.com/enstore-go/sdk/tape/filetape"
)

// VolumeOptions describe volumes that are added. Zero fields are the site file's [volumes].
type VolumeOptions struct {
	Library   catalog.LibraryName // the site's only one by default
	Capacity  int64               // bytes
	BlockSize int
	MediaType string
	Family    catalog.Family // reserves the blank volumes for a storage group, or a family of it
	Comment   string
}

// AddVolumes adds blank volumes to the catalogue. In a library of tape images the cartridges are
// made and put into the robot's slots; elsewhere they must be there, or come. A label that is in the
// catalogue already is refused (catalog.ErrExists), as is one whose first six characters, which
// are what a tape label holds, are another's, or that is a cleaning cartridge's; the other labels are added all the same, so that a set-up that was cut short can be
// done again. Any other error ends it at that label.
func (s *Site) AddVolumes(ctx context.Context, labels []catalog.Label, o VolumeOptions) error {
	def(&o.Capacity, int64(s.cfg.Volumes.Capacity))
	def(&o.BlockSize, int(s.cfg.Volumes.BlockSize))
	def(&o.MediaType, s.cfg.Volumes.MediaType)
	if o.Library == "" {
		libs := s.cfg.Libraries()
		if len(libs) != 1 {
			return fmt.Errorf("add volumes: the site has the libraries %v: say which", libs)
		}
		o.Library = libs[0]
	}
	if o.BlockSize < minBlock || o.BlockSize > maxBlock {
		return fmt.Errorf("add volumes: block size %d: want %d to %d", o.BlockSize, minBlock, maxBlock)
	}
	if libs := s.cfg.Libraries(); !slices.Contains(libs, o.Library) {
		return fmt.Errorf("add volumes: library %q: no drive serves it, the drives serve %q: %w", o.Library, libs, catalog.ErrInvalid)
	}
	images, err := s.imageLibrary(o.Library)
	if err != nil {
		return err
	}
	taken := map[string]bool{}
	for v, err := range s.cat.Volumes(ctx, catalog.Filter{}) {
		if err != nil {
			return fmt.Errorf("add volumes: %w", err)
		}
		taken[v.Label.OnTape()] = true
	}
	var exist []error
	for _, l := range labels {
		if _, err := catalog.ParseLabel(string(l)); err != nil {
			return fmt.Errorf("add volumes: %w", err)
		}
		if s.cfg.cleans(l) {
			return fmt.Errorf("add volumes: volume %s: its label is that of a cleaning cartridge: name it in the site file, robot.NAME.cleaning: %w", l, catalog.ErrInvalid)
		}
		err := s.addVolume(ctx, l, images, taken, o)
		switch {
		case errors.Is(err, catalog.ErrExists):
			exist = append(exist, fmt.Errorf("add volumes: %w", err))
		case err != nil:
			return fmt.Errorf("add volumes: %w", err)
		}
		taken[l.OnTape()] = true
	}
	return errors.Join(exist...)
}

// cleaningPrefix begins the labels of cleaning cartridges, in every robot.
const cleaningPrefix = "CLN"

// cleans tells whether a label is that of a cleaning cartridge.
func (c *Config) cleans(l catalog.Label) bool {
	for _, r := range c.Robots {
		if slices.Contains(r.Cleaning, string(l)) {
			return true
		}
	}
	return strings.HasPrefix(string(l), cleaningPrefix)
}

// addVolume adds one volume. Its cartridge comes first: a volume without one would be chosen and could
// not be mounted, while a cartridge without a volume is nobody's until the volume is added again.
func (s *Site) addVolume(ctx context.Context, l catalog.Label, images string, taken map[string]bool, o VolumeOptions) error {
	v := catalog.Volume{Label: l, Library: o.Library, Family: o.Family, MediaType: o.MediaType, BlockSize: o.BlockSize, Capacity: o.Capacity, Remaining: o.Capacity, Comment: o.Comment}
	if images == "" || taken[l.OnTape()] {
		return s.cat.AddVolume(ctx, v) // which says what is wrong
	}
	// What is on a cartridge that is there already, if anything, is the label check's matter.
	err := filetape.AddVolume(s.fs, images, string(l), filetape.VolumeOptions{Capacity: o.Capacity})
	if err != nil && !errors.Is(err, filetape.ErrExists) {
		return err
	}
	return s.cat.AddVolume(ctx, v)
}

// imageLibrary is the directory of tape images that serves a library, or "" if real robots do.
func (s *Site) imageLibrary(lib catalog.LibraryName) (string, error) {
	for _, name := range s.cfg.driveNames() {
		d := s.cfg.Drives[name]
		for _, l := range d.Libraries {
			r := s.cfg.Robots[d.Robot]
			if l != string(lib) || r.Plugin != "robot-file" {
				continue
			}
			dir, ok := r.Config["dir"].(string)
			if !ok {
				return "", fmt.Errorf("%w: robot.%s.config.dir is missing", ErrConfig, d.Robot)
			}
			if !filepath.IsAbs(dir) {
				dir = filepath.Join(s.cfg.dir, dir)
			}
			return dir, nil
		}
	}
	return "", nil
}

// Stats are what the drives did since the site was opened.
type Stats struct {
	Drives []DriveStats
}

// DriveStats are the counters of one drive.
type DriveStats struct {
	Name string
	mover.Stats
}

// Stats returns the drives' counters.
func (s *Site) Stats() Stats {
	var out Stats
	for _, m := range s.movers {
		out.Drives = append(out.Drives, DriveStats{m.Name(), m.Stats()})
	}
	return out
}

// DriveStatus is how one drive is.
type DriveStatus struct {
	Name string
	mover.Status
}

// Drives tells how the drives are, in the order of their names.
func (s *Site) Drives() []DriveStatus {
	var out []DriveStatus
	for _, m := range s.movers {
		out = append(out, DriveStatus{m.Name(), m.Status()})
	}
	return out
}
