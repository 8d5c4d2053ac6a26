package site

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/tape"
	"github.com/enstore-go/sdk/tape/label"
)

// LabelVolume writes the label of a volume that has nothing recorded on it, in the first drive of its
// library. The site must not be open. A blank volume needs no such call: it is labelled when it is first
// written. A cartridge that is not blank is refused with tape.ErrNotBlank, unless present names
// the label that is on it; what is on it is lost then.
func LabelVolume(ctx context.Context, name string, volume catalog.Label, present string, o *Options) (err error) {
	s, err := start(ctx, name, o, (*Site).takeLock, (*Site).openCatalog, (*Site).openHost, (*Site).openRobots)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	v, err := s.cat.Volume(ctx, volume)
	if err != nil {
		return err
	}
	if v.EOD.File > 1 || v.Files > 0 || v.Intent != nil {
		return fmt.Errorf("volume %s: there is data on it that the catalogue knows: %w", volume, tape.ErrNotBlank)
	}
	if err := v.Writable(); err != nil {
		return err
	}
	for _, drive := range s.cfg.driveNames() {
		if slices.Contains(s.cfg.Drives[drive].Libraries, string(v.Library)) {
			return s.labelIn(ctx, drive, volume, present)
		}
	}
	return fmt.Errorf("volume %s: no drive serves its library %s", volume, v.Library)
}

// labelIn mounts the volume in the drive, labels it, and puts it away again.
func (s *Site) labelIn(ctx context.Context, drive string, volume catalog.Label, present string) (err error) {
	dc := s.cfg.Drives[drive]
	robot := s.robots[dc.Robot]
	raw, err := s.openDrive(ctx, drive)
	if err != nil {
		return err
	}
	d, err := tape.NewDrive(ctx, raw, nil)
	if err != nil {
		return errors.Join(err, raw.Close())
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	if err := robot.Mount(ctx, string(volume), dc.Number); err != nil {
		return err
	}
	l, err := d.Load(ctx)
	if err != nil {
		return err
	}
	err = l.WriteLabel(ctx, label.Plain(string(volume)), present)
	away := context.WithoutCancel(ctx)
	if e := l.Unload(away); e != nil {
		return errors.Join(err, e)
	}
	return errors.Join(err, robot.Dismount(away, string(volume), dc.Number))
}
