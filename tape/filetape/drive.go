package filetape

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/enstore-go/sdk/tape/driver"
)

const (
	// maxWrite is the longest block that a drive writes: four times the longest that the formats of package
	// wrapper use. Longer ones, up to what an image can have, are read if the caller's buffer has room.
	maxWrite = 4 << 20
	// window is what the buffers hold in blocks of 64 KiB. Of shorter blocks they hold more.
	window = chunks * chunkSize / (64 << 10)
)

// drive is a tape drive over images. It is a driver.Drive.
type drive struct {
	bay    *bay // nil for a drive over one image
	caps   driver.Capabilities
	id     driver.Identity
	direct bool // past the page cache, where it works

	mu     sync.Mutex
	closed bool
	tape   *loaded // nil: no cartridge is loaded
	writer atomic.Pointer[writer]
}

// newDrive opens a drive of a library on any file layer.
func newDrive(l library, number int, direct bool) (*drive, error) {
	b, err := openBay(l, number)
	if err != nil {
		return nil, err
	}
	return &drive{
		bay: b, direct: direct, id: identity("FILETAPE", fmt.Sprintf("%s-%d", b.id, number)), caps: capabilities(maxWrite),
	}, nil
}

func identity(product, serial string) driver.Identity {
	return driver.Identity{Vendor: "ENSTORE", Product: product, Revision: "1", Serial: serial}
}

func capabilities(maxBlock int) driver.Capabilities {
	return driver.Capabilities{
		MinBlock: 1, MaxBlock: maxBlock, Window: window,
		ReportsPosition: true, ReportsFile: true, ReportsBuffer: true, LocatesByBlock: true, WORM: true,
		ReportsHealth: true, Exclusive: driver.ExclusiveLock,
	}
}

// enter begins a command. leave ends it.
func (d *drive) enter(ctx context.Context, op string) (leave func(), err error) {
	if ctx.Err() != nil {
		return nil, fail(op, driver.OutcomeAborted, sense{}, "%v", ctx.Err())
	}
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return nil, fail(op, driver.OutcomeNotReady, sense{2, 4, 0}, "the drive is closed")
	}
	return d.mu.Unlock, nil
}

// enterTape begins a command that needs a loaded cartridge.
func (d *drive) enterTape(ctx context.Context, op string) (t *loaded, leave func(), err error) {
	leave, err = d.enter(ctx, op)
	if err != nil {
		return nil, nil, err
	}
	if d.tape == nil {
		leave()
		return nil, nil, fail(op, driver.OutcomeNotReady, sense{2, 4, 2}, "no cartridge is loaded")
	}
	return d.tape, leave, nil
}

// Identify implements driver.Drive.
func (d *drive) Identify(ctx context.Context) (driver.Identity, driver.Capabilities, error) {
	leave, err := d.enter(ctx, "identify")
	if err != nil {
		return driver.Identity{}, driver.Capabilities{}, err
	}
	defer leave()
	return d.id, d.caps, nil
}

// Status implements driver.Drive.
func (d *drive) Status(ctx context.Context) (driver.Status, error) {
	const op = "status"
	s := driver.Status{Capacity: driver.Unknown, Remaining: driver.Unknown}
	leave, err := d.enter(ctx, op)
	if err != nil {
		return s, err
	}
	defer leave()
	if t := d.tape; t != nil {
		s.Loaded, s.Present, s.Barcode, s.WORM = true, true, t.kind.Label, t.kind.WORM
		s.WriteProtect = t.protected != ""
		s.Capacity, s.Remaining = t.room()
		return s, nil
	}
	if d.bay == nil {
		return s, nil
	}
	c, err := d.bay.find(op)
	if err != nil || c == nil {
		return s, err
	}
	s.Present, s.Barcode, s.WriteProtect, s.WORM = true, c.Label, c.WriteProtect, c.WORM
	if c.Capacity > 0 {
		s.Capacity = c.Capacity
	}
	return s, nil
}

// Load implements driver.Drive.
func (d *drive) Load(ctx context.Context) error {
	const op = "load"
	leave, err := d.enter(ctx, op)
	if err != nil {
		return err
	}
	defer leave()
	if t := d.tape; t != nil {
		return t.rewind(ctx, op)
	}
	if d.bay == nil {
		return noMedium(op)
	}
	kind, lock, err := d.bay.take(op)
	if err != nil {
		return err
	}
	t, err := openTape(ctx, d.bay.fs, d.bay.image(kind.Label), kind)
	if err == nil && t.damage != nil && t.end.obj == 0 {
		err = errors.Join(t.damage, t.close())
	}
	if err != nil {
		lock.Close()
		return typed(op, "volume "+kind.Label, err, false)
	}
	t.lock = lock
	t.newWriter = func() *writer {
		w := newWriter(t.wf, d.direct)
		d.writer.Store(w)
		return w
	}
	d.tape = t
	return nil
}

// Unload implements driver.Drive.
func (d *drive) Unload(ctx context.Context) error {
	const op = "unload"
	leave, err := d.enter(ctx, op)
	if err != nil {
		return err
	}
	defer leave()
	t := d.tape
	if t == nil {
		return nil
	}
	if err := t.settle(ctx, op); err != nil {
		return err
	}
	d.tape = nil
	d.writer.Store(nil)
	if err := t.close(); err != nil {
		return typed(op, t.subject(), err, true)
	}
	return nil
}

// Close implements driver.Drive.
func (d *drive) Close() error {
	if w := d.writer.Load(); w != nil {
		w.halt() // whoever waits for the disk holds the mutex
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	d.closed = true
	var err error
	if d.tape != nil {
		err = d.tape.close()
		d.tape = nil
	}
	if d.bay != nil {
		if lerr := d.bay.close(); err == nil {
			err = lerr
		}
	}
	if err != nil {
		return typed("close", d.id.Serial, err, true)
	}
	return nil
}
