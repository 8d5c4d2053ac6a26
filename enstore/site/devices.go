package site

import (
	"context"
	"fmt"
	"time"

	"github.com/enstore-go/sdk/tape/driver"
)

// Devices are the drives and robots of a site that is not at work: somebody wants to look at them, or move a cartridge by hand. Nothing but
// their plugins is started, and the site cannot be opened meanwhile.
type Devices struct{ s *Site }

// lookTimeout is how long a device may take to be opened: a large robot that looks at every place anew takes many minutes.
const lookTimeout = 2 * time.Hour

// OpenDevices gets at the devices of the site whose file, or the directory of whose file, is named. ErrInUse if a process has the site open, which has
// the devices then.
func OpenDevices(ctx context.Context, name string, o *Options) (*Devices, error) {
	patient := func(s *Site, _ context.Context) error { s.openTimeout = lookTimeout; return nil }
	s, err := start(ctx, name, o, patient, (*Site).takeLock, (*Site).openHost)
	if err != nil {
		return nil, err
	}
	return &Devices{s}, nil
}

// Config is the site's configuration, which must not be changed.
func (d *Devices) Config() *Config { return d.s.cfg }

// Drive opens a drive by its name in the site file. An unknown name is ErrConfig. The drive is closed by the caller, or by Close.
func (d *Devices) Drive(ctx context.Context, name string) (driver.Drive, error) {
	if _, ok := d.s.cfg.Drives[name]; !ok {
		return nil, bad("drive %q: the site has no such drive, it has %q", name, d.s.cfg.driveNames())
	}
	return d.s.openDrive(ctx, name)
}

// Robot opens a robot by its name in the site file, with settings beside those of the file. An unknown name is ErrConfig. The robot is closed by the
// caller, or by Close.
func (d *Devices) Robot(ctx context.Context, name string, more map[string]any) (driver.Changer, error) {
	plugin, t, err := d.s.cfg.robot(name, more)
	if err != nil {
		return nil, err
	}
	r, err := d.s.host.OpenChanger(ctx, plugin, t)
	if err != nil {
		return nil, fmt.Errorf("robot.%s: %w", name, err)
	}
	return r, nil
}

// Close ends what is open.
func (d *Devices) Close() error { return d.s.close() }
