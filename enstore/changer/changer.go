// Package changer is the engine that mounts and dismounts: one queue per robot.
//
// Movers ask for cartridges by volume label and drive number; a [Robot] carries the
// orders out one after another, in the order in which they came, over a
// *tape.Changer. It opens the changer when it is first needed and again after its
// plugin died.
//
//	robot := changer.New(open, nil)
//	defer robot.Close()
//	err := robot.Mount(ctx, "VO0001", 0)
//	...
//	err = robot.Dismount(ctx, "VO0001", 0)
//
// An order that returned nil is done and can be relied on: after Dismount the
// cartridge has left the drive. An error may leave the cartridge where it was or where
// it should go, never unnoticed between: the next order looks first.
//
// The package does not decide who gets which cartridge; that is enstore/library.
package changer

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/enstore-go/sdk/tape"
	"github.com/enstore-go/sdk/tape/driver"
	"golang.org/x/sync/semaphore"
)

// ErrClosed is returned by calls on a closed Robot.
var ErrClosed = errors.New("changer: closed")

// Robot is one robot with its queue of orders. It is safe for concurrent use.
type Robot struct {
	open func(context.Context) (*tape.Changer, error)
	turn *semaphore.Weighted // one order at a time, first come first served
	opts Options
	life context.Context // until Close
	end  context.CancelFunc

	mu     sync.Mutex
	c      *tape.Changer // nil: to be opened
	closed bool
}

// Options of a Robot. The zero value is useful.
type Options struct {
	// Step, if set, is called before and after each movement, for tests that kill the
	// process there.
	Step func(name string)
}

// New returns a Robot over the changer that open opens. Nothing is opened before the
// first order; open is called again when a changer's plugin has died.
func New(open func(context.Context) (*tape.Changer, error), o *Options) *Robot {
	r := &Robot{open: open, turn: semaphore.NewWeighted(1)}
	r.life, r.end = context.WithCancel(context.Background())
	if o != nil {
		r.opts = *o
	}
	if r.opts.Step == nil {
		r.opts.Step = func(string) {}
	}
	return r
}

// Mount brings the volume into the drive. A volume that is there already is success.
func (r *Robot) Mount(ctx context.Context, volume string, drive int) error {
	return r.do(ctx, "mount", func(c *tape.Changer) error { return c.Mount(ctx, volume, drive) })
}

// Dismount takes the volume out of the drive and to a slot. A drive that does not hold
// the volume any more is success. The drive must have unloaded it.
func (r *Robot) Dismount(ctx context.Context, volume string, drive int) error {
	return r.do(ctx, "dismount", func(c *tape.Changer) error { return c.Dismount(ctx, volume, drive) })
}

// Clear takes out of the drive whatever cartridge is there, and brings it to a slot. An empty drive is success. The
// drive must have unloaded it.
func (r *Robot) Clear(ctx context.Context, drive int) error {
	return r.do(ctx, "clear", func(c *tape.Changer) error { return c.Empty(ctx, drive) })
}

// Open starts the robot, so that a program can tell at once whether it can be. Orders do it by themselves.
func (r *Robot) Open(ctx context.Context) error {
	return r.do(ctx, "open", func(*tape.Changer) error { return nil })
}

// Inventory lists the robot's elements in the order of their addresses.
func (r *Robot) Inventory(ctx context.Context) ([]driver.Element, error) {
	var es []driver.Element
	err := r.do(ctx, "inventory", func(c *tape.Changer) (err error) {
		es, err = c.Inventory(ctx)
		return err
	})
	return es, err
}

// do carries out one order when its turn has come. Every order looks where things are before it moves anything, so one that
// ended because the way to the robot was lost, before it or in the middle, is carried out once more over a new one. A
// robot that does not answer in time is not asked again, nor is one that told afterwards where the cartridge is: the way to it is there, and
// who asks again is another's decision, as where it is a person who did not come.
func (r *Robot) do(ctx context.Context, name string, order func(*tape.Changer) error) error {
	if err := r.turn.Acquire(ctx, 1); err != nil {
		return fmt.Errorf("changer: %s: %w", name, err)
	}
	defer r.turn.Release(1)
	lost, err := r.try(ctx, name, order)
	if lost && ctx.Err() == nil {
		_, err = r.try(ctx, name, order)
	}
	return err
}

// try carries out an order over the changer that is open, or opened for it; lost tells that this one is of no use any more.
func (r *Robot) try(ctx context.Context, name string, order func(*tape.Changer) error) (lost bool, err error) {
	c, err := r.changer(ctx)
	if err != nil {
		return false, err
	}
	r.opts.Step("changer: before " + name)
	err = order(c)
	r.opts.Step("changer: after " + name)
	if err == nil {
		return false, nil
	}
	var told *driver.Error // and not just the caller's patience
	unknown := errors.As(err, &told) && told.Outcome == driver.OutcomeUnknown && ctx.Err() == nil
	if e, ok := errors.AsType[*tape.Error](err); ok && e.Looked {
		unknown = false
	}
	lost = unknown || errors.Is(err, tape.ErrGone)
	if lost || errors.Is(err, tape.ErrTimeout) {
		r.drop(c)
	}
	return lost, err
}

func (r *Robot) changer(ctx context.Context) (*tape.Changer, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, ErrClosed
	}
	if r.c == nil {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(r.life, cancel)() // Close does not wait for a robot that does not come
		c, err := r.open(ctx)
		if err != nil {
			return nil, fmt.Errorf("changer: open: %w", err)
		}
		r.c = c
	}
	return r.c, nil
}

func (r *Robot) drop(c *tape.Changer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.c == c {
		r.c = nil
		_ = c.Close() // its plugin is dead or hangs; nothing more to learn
	}
}

// Close ends the Robot after the order that is being carried out. Waiting orders fail with
// ErrClosed.
func (r *Robot) Close() error {
	r.end()
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	_ = r.turn.Acquire(context.Background(), 1)
	defer r.turn.Release(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.c == nil {
		return nil
	}
	err := r.c.Close()
	r.c = nil
	if errors.Is(err, tape.ErrGone) {
		return nil // its process has died: there is nothing left to close
	}
	return err
}
