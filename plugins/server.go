//go:build unix

package plugins

import (
	"context"
	"sync"

	"github.com/enstore-go/sdk/plugins/pluginpb"
	"github.com/enstore-go/sdk/tape/driver"
)

// device is the one device of a plugin process. Its turn is held by the call in progress: a
// host that stopped waiting for one may send the next before the driver has returned.
type device struct {
	p    Plugin
	turn chan struct{}

	mu      sync.Mutex
	drive   driver.Drive
	changer driver.Changer
	closed  bool
}

func newDevice(p Plugin) *device { return &device{p: p, turn: make(chan struct{}, 1)} }

// lock waits for the device's turn.
func (d *device) lock(ctx context.Context, op string) error {
	select {
	case d.turn <- struct{}{}:
		return nil
	default:
	}
	select {
	case d.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return failure(op, driver.OutcomeAborted, "interrupted before it began")
	}
}

func (d *device) unlock() { <-d.turn }

func (d *device) opened() (driver.Drive, driver.Changer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.drive, d.changer
}

// none is the error of a command without a device: too early, which no host does, or
// overtaken by Close, which is allowed.
func (d *device) none(op string) *driver.Error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return failure(op, driver.OutcomeAborted, "the device was closed meanwhile")
	}
	return failure(op, driver.OutcomeIllegalRequest, "no such device is open")
}

// take gives the drive for one operation.
func (d *device) take(ctx context.Context, op string) (driver.Drive, func(), error) {
	drive, _ := d.opened()
	if drive == nil {
		return nil, nil, d.none(op)
	}
	if err := d.lock(ctx, op); err != nil {
		return nil, nil, err
	}
	return drive, d.unlock, nil
}

// withDrive makes one command of the drive.
func (d *device) withDrive(ctx context.Context, op string, f func(driver.Drive) error) *pluginpb.Error {
	drive, _ := d.opened()
	if drive == nil {
		return errorToWire(op, d.none(op))
	}
	if err := d.lock(ctx, op); err != nil {
		return errorToWire(op, err)
	}
	defer d.unlock()
	return errorToWire(op, f(drive))
}

func (d *device) withChanger(ctx context.Context, op string, f func(driver.Changer) error) *pluginpb.Error {
	_, changer := d.opened()
	if changer == nil {
		return errorToWire(op, d.none(op))
	}
	if err := d.lock(ctx, op); err != nil {
		return errorToWire(op, err)
	}
	defer d.unlock()
	return errorToWire(op, f(changer))
}

// canOpen refuses a second device, a kind that this plugin does not have, and too large a table.
func (d *device) canOpen(kind string, has bool, config []byte) error {
	const op = "open"
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.drive != nil || d.changer != nil || d.closed:
		return failure(op, driver.OutcomeIllegalRequest, "this process has, or had, its device already")
	case !has:
		return failure(op, driver.OutcomeConfig, "plugin %s: serves no %s", d.p.Name, kind)
	case len(config) > maxConfig:
		return failure(op, driver.OutcomeConfig, "a configuration of %d bytes", len(config))
	}
	return nil
}

type driveServer struct {
	pluginpb.UnimplementedDriveServer
	d *device
}

func (s driveServer) Open(ctx context.Context, r *pluginpb.OpenRequest) (*pluginpb.OpenDriveReply, error) {
	const op = "open"
	fail := func(err error) (*pluginpb.OpenDriveReply, error) {
		return &pluginpb.OpenDriveReply{Error: errorToWire(op, err)}, nil
	}
	if err := s.d.lock(ctx, op); err != nil {
		return fail(err)
	}
	defer s.d.unlock()
	if err := s.d.canOpen("drive", s.d.p.Drive != nil, r.GetConfig()); err != nil {
		return fail(err)
	}
	drive, err := s.d.p.Drive(ctx, driver.Config(r.GetConfig()))
	if err != nil {
		return fail(err)
	}
	id, caps, err := drive.Identify(ctx)
	if err != nil {
		_ = drive.Close()
		return fail(err)
	}
	s.d.mu.Lock()
	s.d.drive = drive
	s.d.mu.Unlock()
	return &pluginpb.OpenDriveReply{Identity: identityToWire(id), Capabilities: capabilitiesToWire(caps)}, nil
}

func (s driveServer) Status(ctx context.Context, _ *pluginpb.Empty) (*pluginpb.StatusReply, error) {
	r := &pluginpb.StatusReply{}
	r.Error = s.d.withDrive(ctx, "status", func(d driver.Drive) error {
		st, err := d.Status(ctx)
		r.Loaded, r.Present, r.WriteProtect, r.Worm, r.NeedsClean, r.Cleaning = st.Loaded, st.Present, st.WriteProtect, st.WORM, st.NeedsClean, st.Cleaning
		r.Barcode, r.Capacity, r.Remaining = []byte(clip(st.Barcode, maxWord)), st.Capacity, st.Remaining
		return err
	})
	return r, nil
}

func (s driveServer) simple(ctx context.Context, op string, f func(driver.Drive) error) (*pluginpb.Reply, error) {
	return &pluginpb.Reply{Error: s.d.withDrive(ctx, op, f)}, nil
}

func (s driveServer) Load(ctx context.Context, _ *pluginpb.Empty) (*pluginpb.Reply, error) {
	return s.simple(ctx, "load", func(d driver.Drive) error { return d.Load(ctx) })
}

func (s driveServer) Unload(ctx context.Context, _ *pluginpb.Empty) (*pluginpb.Reply, error) {
	return s.simple(ctx, "unload", func(d driver.Drive) error { return d.Unload(ctx) })
}

func (s driveServer) Rewind(ctx context.Context, _ *pluginpb.Empty) (*pluginpb.Reply, error) {
	return s.simple(ctx, "rewind", func(d driver.Drive) error { return d.Rewind(ctx) })
}

func (s driveServer) Locate(ctx context.Context, r *pluginpb.LocateRequest) (*pluginpb.Reply, error) {
	return s.simple(ctx, "locate", func(d driver.Drive) error { return d.Locate(ctx, r.GetBlock()) })
}

func (s driveServer) Space(ctx context.Context, q *pluginpb.SpaceRequest) (*pluginpb.SpaceReply, error) {
	r := &pluginpb.SpaceReply{}
	r.Error = s.d.withDrive(ctx, "space", func(d driver.Drive) error {
		n, c, err := d.Space(ctx, driver.Space(q.GetKind()), q.GetCount())
		r.Count, r.Condition = n, uint32(c)
		return err
	})
	return r, nil
}

func (s driveServer) Position(ctx context.Context, _ *pluginpb.Empty) (*pluginpb.PositionReply, error) {
	r := &pluginpb.PositionReply{}
	r.Error = s.d.withDrive(ctx, "position", func(d driver.Drive) error {
		p, err := d.Position(ctx)
		r.Block, r.File, r.Buffered = p.Block, p.File, p.Buffered
		return err
	})
	return r, nil
}

func (s driveServer) Flush(ctx context.Context, q *pluginpb.FilemarksRequest) (*pluginpb.FilemarksReply, error) {
	r := &pluginpb.FilemarksReply{}
	n := q.GetCount()
	r.Error = s.d.withDrive(ctx, "write filemarks", func(d driver.Drive) error {
		if n < 0 || n > maxMarks {
			return failure("write filemarks", driver.OutcomeIllegalRequest, "%d filemarks", n)
		}
		c, err := d.WriteFilemarks(ctx, int(n), false)
		r.Condition = uint32(c)
		return err
	})
	return r, nil
}

// Close waits for nobody, as the contract of the driver's own Close allows.
func (s driveServer) Close(context.Context, *pluginpb.Empty) (*pluginpb.Reply, error) {
	s.d.mu.Lock()
	drive := s.d.drive
	s.d.drive, s.d.closed = nil, true
	s.d.mu.Unlock()
	if drive == nil {
		return &pluginpb.Reply{}, nil
	}
	return &pluginpb.Reply{Error: errorToWire("close", drive.Close())}, nil
}

type changerServer struct {
	pluginpb.UnimplementedChangerServer
	d *device
}

func (s changerServer) Open(ctx context.Context, r *pluginpb.OpenRequest) (*pluginpb.OpenChangerReply, error) {
	const op = "open"
	fail := func(err error) (*pluginpb.OpenChangerReply, error) {
		return &pluginpb.OpenChangerReply{Error: errorToWire(op, err)}, nil
	}
	if err := s.d.lock(ctx, op); err != nil {
		return fail(err)
	}
	defer s.d.unlock()
	if err := s.d.canOpen("changer", s.d.p.Changer != nil, r.GetConfig()); err != nil {
		return fail(err)
	}
	changer, err := s.d.p.Changer(ctx, driver.Config(r.GetConfig()))
	if err != nil {
		return fail(err)
	}
	id, caps, err := changer.Identify(ctx)
	if err != nil {
		_ = changer.Close()
		return fail(err)
	}
	s.d.mu.Lock()
	s.d.changer = changer
	s.d.mu.Unlock()
	return &pluginpb.OpenChangerReply{Identity: identityToWire(id), Barcodes: caps.Barcodes, Timeout: int64(caps.Timeout)}, nil
}

func (s changerServer) Inventory(ctx context.Context, _ *pluginpb.Empty) (*pluginpb.InventoryReply, error) {
	r := &pluginpb.InventoryReply{}
	r.Error = s.d.withChanger(ctx, "inventory", func(c driver.Changer) error {
		all, err := c.Inventory(ctx)
		for _, e := range all {
			r.Elements = append(r.Elements, &pluginpb.Element{
				Kind: uint32(e.Kind), Address: int64(e.Address), Drive: int64(e.Drive),
				Full: e.Full, Label: []byte(clip(e.Label, maxWord)), Held: e.Held,
			})
		}
		return err
	})
	return r, nil
}

func (s changerServer) Move(ctx context.Context, r *pluginpb.MoveRequest) (*pluginpb.Reply, error) {
	return &pluginpb.Reply{Error: s.d.withChanger(ctx, "move", func(c driver.Changer) error {
		return c.Move(ctx, int(r.GetFrom()), int(r.GetTo()))
	})}, nil
}

func (s changerServer) Close(context.Context, *pluginpb.Empty) (*pluginpb.Reply, error) {
	s.d.mu.Lock()
	changer := s.d.changer
	s.d.changer, s.d.closed = nil, true
	s.d.mu.Unlock()
	if changer == nil {
		return &pluginpb.Reply{}, nil
	}
	return &pluginpb.Reply{Error: errorToWire("close", changer.Close())}, nil
}
