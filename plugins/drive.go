//go:build unix

package plugins

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/enstore-go/sdk/plugins/pluginpb"
	"github.com/enstore-go/sdk/tape/driver"
)

// remoteDrive is a driver.Drive in another process.
//
// Blocks and filemarks that nobody waits for are operations of the link; every other command
// first awaits them all, and then goes over gRPC. What a link operation comes to is told
// by a later call, as the contract of WriteBlock allows, with two exceptions that spare callers
// surprises. The first block or mark after any other command is awaited, so that a write-protected or
// missing cartridge is told by the call that met it. And while the drive warns of the end of the medium, each
// one is awaited, so that the block which does not fit any more is, as a rule, known.
type remoteDrive struct {
	p    *process
	rpc  pluginpb.DriveClient
	link link
	id   driver.Identity
	caps driver.Capabilities // as the caller sees them
	max  time.Duration       // Timeouts.Transfer and some time for the way

	busy      sync.Mutex // held by the call in progress
	streaming bool       // the last command was a write that succeeded
	closed    bool
	closeOnce sync.Once
}

var _ driver.Drive = (*remoteDrive)(nil)

// wayLimit is added to the drive's limit for a transfer, because an answer may wait for
// those before it in the same packet.
const wayLimit = time.Second

// openDrive asks a fresh process for its drive, and sets the ring up for its blocks.
func (p *process) openDrive(ctx context.Context, c driver.Config) (*remoteDrive, error) {
	const op = "open"
	d := &remoteDrive{p: p, rpc: pluginpb.NewDriveClient(p.conn)}
	var reply *pluginpb.OpenDriveReply
	err := p.invoke(ctx, op, p.host.o.OpenTimeout, func(ctx context.Context) (err error) {
		reply, err = d.rpc.Open(ctx, &pluginpb.OpenRequest{Config: c})
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := asError(reply.Error); err != nil {
		return nil, err
	}
	d.id = identityFromWire(reply.Identity)
	if d.caps, err = capabilitiesFromWire(reply.Capabilities); err != nil {
		return nil, p.absurd(op, err)
	}
	d.caps.Timeouts = d.caps.Timeouts.WithDefaults()
	d.max = d.caps.Timeouts.Transfer + wayLimit
	d.link = link{conn: p.data, lifeline: p.lifeline, in: bufio.NewReader(p.data)}
	if err := d.link.setup(ctx, p.host.o.Window, slotSize(d.caps.MaxBlock), !p.host.o.NoSharedMemory, p.host.o.StartTimeout); err != nil {
		return nil, d.broken(op, err)
	}
	d.caps.Window += p.host.o.Window
	return d, nil
}

// begin takes the drive for one call.
func (d *remoteDrive) begin(ctx context.Context, op string) error {
	d.busy.Lock()
	switch {
	case d.closed:
		d.busy.Unlock()
		return failure(op, driver.OutcomeIllegalRequest, "the drive is closed")
	case d.p.isDead():
		d.busy.Unlock()
		return d.p.gone(op)
	case ctx.Err() != nil:
		d.busy.Unlock()
		return ctx.Err()
	}
	return nil
}

// broken turns what went wrong with the link into the error of a call that nothing was
// sent for yet.
func (d *remoteDrive) broken(op string, err error) error {
	d.streaming = false
	if _, ok := errors.AsType[*nonsense](err); ok {
		return d.p.absurd(op, err)
	}
	switch {
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, errTimeout):
		return d.p.stuck(op, d.max)
	}
	if de, ok := errors.AsType[*driver.Error](err); ok {
		return de
	}
	return d.p.gone(op)
}

// settle awaits what was sent before, but for the last keep operations, and tells its failure.
func (d *remoteDrive) settle(ctx context.Context, op string, keep uint64) error {
	if err := d.link.settle(ctx, keep, d.max); err != nil {
		return d.broken(op, err)
	}
	if e := d.link.takeFailure(); e != nil {
		d.streaming = false
		return e
	}
	return nil
}

// await takes the answer of the operation just sent, with nothing before it.
func (d *remoteDrive) await(ctx context.Context, op string) (answer, error) {
	a, _, err := d.link.next(ctx, d.max)
	switch {
	case err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()):
		d.link.cancel()
		d.streaming = false
		return answer{}, interrupted(ctx, op)
	case err != nil:
		return answer{}, d.broken(op, err)
	case a.skipped:
		return answer{}, d.p.absurd(op, errors.New("skipped an operation for no reason"))
	case a.err != nil:
		d.streaming = false
		if err := d.link.resume(); err != nil {
			return answer{}, d.broken(op, err)
		}
		return answer{}, a.err
	}
	return a, nil
}

// write sends a block or marks.
func (d *remoteDrive) write(ctx context.Context, op string, kind frameKind, n int, block []byte) (driver.Condition, error) {
	if err := d.begin(ctx, op); err != nil {
		return driver.NoCondition, err
	}
	defer d.busy.Unlock()
	keep := d.link.slots - 1
	if !d.streaming {
		keep = 0
	}
	if err := d.settle(ctx, op, keep); err != nil {
		return driver.NoCondition, err
	}
	if d.link.near { // learned just now, perhaps, with others still on their way
		if err := d.settle(ctx, op, 0); err != nil {
			return driver.NoCondition, err
		}
	}
	if err := d.link.send(kind, n, block, nil, d.max); err != nil {
		return driver.NoCondition, d.broken(op, err)
	}
	if d.streaming && !d.link.near {
		return d.link.takeEarly(), nil
	}
	a, err := d.await(ctx, op)
	if err != nil {
		return driver.NoCondition, err
	}
	d.streaming, d.link.early = true, false
	return a.cond, nil
}

// WriteBlock implements driver.Drive.
func (d *remoteDrive) WriteBlock(ctx context.Context, p []byte) (driver.Condition, error) {
	const op = "write block"
	if len(p) < d.caps.MinBlock || len(p) > d.caps.MaxBlock {
		return driver.NoCondition, failure(op, driver.OutcomeIllegalRequest, "block of %d bytes, not %d to %d", len(p), d.caps.MinBlock, d.caps.MaxBlock)
	}
	return d.write(ctx, op, frameWrite, len(p), p)
}

// WriteFilemarks implements driver.Drive.
func (d *remoteDrive) WriteFilemarks(ctx context.Context, n int, immediate bool) (driver.Condition, error) {
	const op = "write filemarks"
	if n < 0 || n > maxMarks {
		return driver.NoCondition, failure(op, driver.OutcomeIllegalRequest, "%d filemarks, not 0 to %d", n, maxMarks)
	}
	if immediate {
		return d.write(ctx, op, frameMarks, n, nil)
	}
	var reply *pluginpb.FilemarksReply
	var early driver.Condition
	err := d.command(ctx, op, d.caps.Timeouts.Flush, stays, func(ctx context.Context) (_ replier, err error) {
		reply, err = d.rpc.Flush(ctx, &pluginpb.FilemarksRequest{Count: int64(n)})
		if err == nil && reply.Error == nil {
			early = d.link.takeEarly()
		}
		return reply, err
	})
	if err != nil {
		return driver.NoCondition, err
	}
	c, err := conditionFromWire(reply.Condition)
	if err != nil {
		return driver.NoCondition, d.p.absurd(op, err)
	}
	if c == driver.NoCondition {
		c = early
	}
	return c, nil
}

// ReadBlock implements driver.Drive.
func (d *remoteDrive) ReadBlock(ctx context.Context, p []byte) (int, driver.Condition, error) {
	const op = "read block"
	if err := d.begin(ctx, op); err != nil {
		return 0, driver.NoCondition, err
	}
	defer d.busy.Unlock()
	if err := d.settle(ctx, op, 0); err != nil {
		return 0, driver.NoCondition, err
	}
	d.streaming, d.link.early = false, false
	p = p[:min(len(p), d.caps.MaxBlock)]
	if err := d.link.send(frameRead, len(p), nil, p, d.max); err != nil {
		return 0, driver.NoCondition, d.broken(op, err)
	}
	a, err := d.await(ctx, op)
	return a.n, a.cond, err
}

// replier is a reply of any command.
type replier interface{ GetError() *pluginpb.Error }

// effect is what a command, if it succeeds, means for the writes around it.
type effect bool

const (
	stays effect = false // the tape is where it was
	moves effect = true  // a warning about the place it was at is of no use any more
)

// command awaits the link and makes one call over gRPC.
func (d *remoteDrive) command(ctx context.Context, op string, limit time.Duration, e effect, call func(context.Context) (replier, error)) error {
	if err := d.begin(ctx, op); err != nil {
		return err
	}
	defer d.busy.Unlock()
	if err := d.settle(ctx, op, 0); err != nil {
		return err
	}
	streaming := d.streaming
	d.streaming = false
	var reply replier
	err := d.p.invoke(ctx, op, limit, func(ctx context.Context) (err error) {
		reply, err = call(ctx)
		return err
	})
	if err != nil {
		return err
	}
	if err := asError(reply.GetError()); err != nil {
		return err
	}
	if e == moves {
		d.link.early, d.link.near = false, false
	} else {
		d.streaming = streaming
	}
	return nil
}

// Identify implements driver.Drive.
func (d *remoteDrive) Identify(ctx context.Context) (driver.Identity, driver.Capabilities, error) {
	if err := d.begin(ctx, "identify"); err != nil {
		return driver.Identity{}, driver.Capabilities{}, err
	}
	defer d.busy.Unlock()
	return d.id, d.caps, nil
}

// Status implements driver.Drive.
func (d *remoteDrive) Status(ctx context.Context) (driver.Status, error) {
	var r *pluginpb.StatusReply
	err := d.command(ctx, "status", d.caps.Timeouts.Command, stays, func(ctx context.Context) (_ replier, err error) {
		r, err = d.rpc.Status(ctx, &pluginpb.Empty{})
		return r, err
	})
	if err != nil {
		return driver.Status{}, err
	}
	return driver.Status{
		Loaded: r.Loaded, Present: r.Present, WriteProtect: r.WriteProtect, WORM: r.Worm, Barcode: string(clip(r.Barcode, maxWord)),
		Capacity: r.Capacity, Remaining: r.Remaining, NeedsClean: r.NeedsClean, Cleaning: r.Cleaning,
	}, nil
}

// Load implements driver.Drive.
func (d *remoteDrive) Load(ctx context.Context) error {
	return d.command(ctx, "load", d.caps.Timeouts.Load, moves, func(ctx context.Context) (replier, error) {
		return d.rpc.Load(ctx, &pluginpb.Empty{})
	})
}

// Unload implements driver.Drive.
func (d *remoteDrive) Unload(ctx context.Context) error {
	return d.command(ctx, "unload", d.caps.Timeouts.Load, moves, func(ctx context.Context) (replier, error) {
		return d.rpc.Unload(ctx, &pluginpb.Empty{})
	})
}

// Rewind implements driver.Drive.
func (d *remoteDrive) Rewind(ctx context.Context) error {
	return d.command(ctx, "rewind", d.caps.Timeouts.Locate, moves, func(ctx context.Context) (replier, error) {
		return d.rpc.Rewind(ctx, &pluginpb.Empty{})
	})
}

// Locate implements driver.Drive.
func (d *remoteDrive) Locate(ctx context.Context, block int64) error {
	return d.command(ctx, "locate", d.caps.Timeouts.Locate, moves, func(ctx context.Context) (replier, error) {
		return d.rpc.Locate(ctx, &pluginpb.LocateRequest{Block: block})
	})
}

// Space implements driver.Drive.
func (d *remoteDrive) Space(ctx context.Context, kind driver.Space, n int64) (int64, driver.Condition, error) {
	const op = "space"
	var r *pluginpb.SpaceReply
	err := d.command(ctx, op, d.caps.Timeouts.Locate, moves, func(ctx context.Context) (_ replier, err error) {
		r, err = d.rpc.Space(ctx, &pluginpb.SpaceRequest{Kind: uint32(kind), Count: n})
		return r, err
	})
	if err != nil {
		return max(r.GetCount(), 0), driver.NoCondition, err
	}
	c, err := conditionFromWire(r.Condition)
	if err == nil && r.Count < 0 {
		err = fmt.Errorf("passed %d objects", r.Count)
	}
	if err != nil {
		return 0, driver.NoCondition, d.p.absurd(op, err)
	}
	return r.Count, c, nil
}

// Position implements driver.Drive.
func (d *remoteDrive) Position(ctx context.Context) (driver.Position, error) {
	var r *pluginpb.PositionReply
	err := d.command(ctx, "position", d.caps.Timeouts.Command, stays, func(ctx context.Context) (_ replier, err error) {
		r, err = d.rpc.Position(ctx, &pluginpb.Empty{})
		return r, err
	})
	if err != nil {
		return driver.Position{}, err
	}
	return driver.Position{Block: r.Block, File: r.File, Buffered: r.Buffered}, nil
}

// Close implements driver.Drive. A drive that is idle writes what it was given first, if that
// is soon done; one in the middle of a call is interrupted.
func (d *remoteDrive) Close() (err error) {
	d.closeOnce.Do(func() { err = d.close() })
	return err
}

// closeDrain is how long Close waits for the next of the blocks that are on their way.
const closeDrain = time.Second

func (d *remoteDrive) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), d.p.host.o.CloseTimeout)
	defer cancel()
	if d.busy.TryLock() {
		_ = d.link.settle(ctx, 0, closeDrain)
		d.busy.Unlock()
	}
	err := d.p.close(func(ctx context.Context) (replier, error) {
		return d.rpc.Close(ctx, &pluginpb.Empty{})
	})
	d.busy.Lock() // the process is dead: a call in progress ends now
	defer d.busy.Unlock()
	d.closed = true
	freeRing(d.link.ring)
	d.link.ring = nil
	return err
}
