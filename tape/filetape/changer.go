package filetape

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/enstore-go/sdk/tape/disk"
	"github.com/enstore-go/sdk/tape/driver"
)

// changer is the robot of a library. It is a driver.Changer.
type changer struct {
	library
	id   string
	lock io.Closer

	mu     sync.Mutex
	closed bool
}

func newChanger(l library) (*changer, error) {
	const op = "open"
	r, err := l.read()
	if err != nil {
		return nil, wrong(op, driver.OutcomeConfig, "dir: %v", err)
	}
	lock, err := disk.TryLock(l.fs, l.lockName("changer"))
	if err != nil {
		return nil, typed(op, "robot of "+l.dir, err, true)
	}
	return &changer{library: l, id: r.ID, lock: lock}, nil
}

func (c *changer) enter(ctx context.Context, op string) (leave func(), err error) {
	if ctx.Err() != nil {
		return nil, fail(op, driver.OutcomeAborted, sense{}, "%v", ctx.Err())
	}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil, fail(op, driver.OutcomeNotReady, sense{2, 4, 0}, "the robot is closed")
	}
	return c.mu.Unlock, nil
}

// Identify implements driver.Changer.
func (c *changer) Identify(ctx context.Context) (driver.Identity, driver.ChangerCapabilities, error) {
	leave, err := c.enter(ctx, "identify")
	if err != nil {
		return driver.Identity{}, driver.ChangerCapabilities{}, err
	}
	defer leave()
	return identity("FILEROBOT", c.id), driver.ChangerCapabilities{Barcodes: true}, nil
}

// Inventory implements driver.Changer.
func (c *changer) Inventory(ctx context.Context) ([]driver.Element, error) {
	const op = "inventory"
	leave, err := c.enter(ctx, op)
	if err != nil {
		return nil, err
	}
	defer leave()
	r, err := c.read()
	if err != nil {
		return nil, fail(op, driver.OutcomeHardware, sense{4, 0x44, 0}, "%v", err)
	}
	at := make(map[int]string, len(r.Cartridges))
	for _, k := range r.Cartridges {
		at[k.Address] = k.Label
	}
	all := make([]driver.Element, 0, r.Drives+r.Slots)
	for i := range r.Drives {
		e := driver.Element{Kind: driver.DriveBay, Address: DriveAddress(i), Drive: i}
		if e.Label, e.Full = at[e.Address]; e.Full {
			e.Held = c.held(e.Label)
		}
		all = append(all, e)
	}
	for i := range r.Slots {
		e := driver.Element{Kind: driver.Slot, Address: SlotAddress(i), Drive: -1}
		e.Label, e.Full = at[e.Address]
		all = append(all, e)
	}
	return all, nil
}

// held tells whether a drive has a cartridge loaded, as far as the system tells. It does not take the lock to find
// out: a drive that loads just then would be refused.
func (c *changer) held(label string) bool {
	h, err := disk.ReadHolder(c.fs, c.volumeLock(label))
	if err != nil {
		return false
	}
	runs, err := h.Running()
	return err == nil && runs
}

// Move implements driver.Changer.
func (c *changer) Move(ctx context.Context, from, to int) error {
	const op = "move"
	leave, err := c.enter(ctx, op)
	if err != nil {
		return err
	}
	defer leave()
	var lock io.Closer
	err = c.change(ctx, func(r *robot) error {
		lock, err = c.move(r, op, from, to)
		return err
	})
	if lock != nil {
		lock.Close()
	}
	var half *changeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &half):
		return c.unclear(op, from, to, half)
	case errors.Is(err, disk.ErrLocked), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fail(op, driver.OutcomeAborted, sense{}, "inventory: %v", err)
	}
	return typed(op, fmt.Sprintf("move from %d to %d", from, to), err, true)
}

// move changes the state. The lock, if there is one, keeps drives from loading the cartridge until the
// state is durable.
func (c *changer) move(r *robot, op string, from, to int) (io.Closer, error) {
	for _, a := range []int{from, to} {
		if !r.known(a) {
			return nil, fail(op, driver.OutcomeIllegalRequest, sense{5, 0x21, 1}, "no such address: %d", a)
		}
	}
	k := r.at(from)
	if k == nil {
		return nil, fail(op, driver.OutcomeNoMedium, sense{5, 0x3b, 0x0e}, "address %d is empty", from)
	}
	if from == to {
		return nil, nil
	}
	if other := r.at(to); other != nil {
		return nil, fail(op, driver.OutcomeFull, sense{5, 0x3b, 0x0d}, "address %d: volume %s is there", to, other.Label)
	}
	lock, err := disk.TryLock(c.fs, c.volumeLock(k.Label))
	if errors.Is(err, disk.ErrLocked) {
		return nil, fail(op, driver.OutcomeHeld, sense{5, 0x53, 2}, "volume %s: %v", k.Label, err)
	}
	if err != nil {
		return nil, err
	}
	k.Address = to
	return lock, nil
}

// unclear finds out what became of a move whose state could not be written durably.
func (c *changer) unclear(op string, from, to int, cause error) error {
	if r, err := c.read(); err == nil && r.at(to) == nil && r.at(from) != nil {
		return typed(op, fmt.Sprintf("move from %d to %d", from, to), cause, true)
	}
	return fail(op, driver.OutcomeUnknown, sense{}, "move from %d to %d: %v", from, to, cause)
}

// Close implements driver.Changer.
func (c *changer) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	if err := c.lock.Close(); err != nil {
		return typed("close", "robot of "+c.dir, err, true)
	}
	return nil
}
