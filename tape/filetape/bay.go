package filetape

import (
	"fmt"
	"io"

	"github.com/enstore-go/sdk/tape/disk"
	"github.com/enstore-go/sdk/tape/driver"
)

// bay is the place of one drive in a library, held while the drive is open.
type bay struct {
	library
	drive int
	id    string // of the library
	lock  io.Closer
}

// openBay takes a drive's place for this process.
func openBay(l library, drive int) (*bay, error) {
	const op = "open"
	r, err := l.read()
	if err != nil {
		return nil, wrong(op, driver.OutcomeConfig, "dir: %v", err)
	}
	if drive < 0 || drive >= r.Drives {
		return nil, wrong(op, driver.OutcomeConfig, "drive: %d: library %s has the drives 0 to %d", drive, l.dir, r.Drives-1)
	}
	lock, err := disk.TryLock(l.fs, l.lockName(fmt.Sprintf("drive%d", drive)))
	if err != nil {
		return nil, typed(op, fmt.Sprintf("drive %d of %s", drive, l.dir), err, true)
	}
	return &bay{library: l, drive: drive, id: r.ID, lock: lock}, nil
}

func (b *bay) close() error { return b.lock.Close() }

// find gives the cartridge in the drive, or nil.
func (b *bay) find(op string) (*cartridge, error) {
	r, err := b.read()
	if err != nil {
		return nil, fail(op, driver.OutcomeHardware, sense{4, 0x44, 0}, "%v", err)
	}
	return r.at(DriveAddress(b.drive)), nil
}

// take locks the cartridge in the drive, so that the robot leaves it there.
func (b *bay) take(op string) (cartridge, io.Closer, error) {
	c, err := b.find(op)
	if err != nil {
		return cartridge{}, nil, err
	}
	if c == nil {
		return cartridge{}, nil, noMedium(op)
	}
	lock, err := disk.TryLock(b.fs, b.volumeLock(c.Label))
	if err != nil {
		return cartridge{}, nil, typed(op, "volume "+c.Label, err, true)
	}
	// The robot may have taken it between.
	again, err := b.find(op)
	if err == nil && (again == nil || again.Label != c.Label) {
		err = noMedium(op)
	}
	if err != nil {
		lock.Close()
		return cartridge{}, nil, err
	}
	return *again, lock, nil
}

func noMedium(op string) *driver.Error {
	return fail(op, driver.OutcomeNoMedium, sense{2, 0x3a, 0}, "the drive is empty")
}
