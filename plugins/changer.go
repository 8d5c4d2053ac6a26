//go:build unix

package plugins

import (
	"context"
	"sync"
	"time"

	"github.com/enstore-go/sdk/plugins/pluginpb"
	"github.com/enstore-go/sdk/tape/driver"
)

// remoteChanger is a driver.Changer in another process.
type remoteChanger struct {
	p         *process
	rpc       pluginpb.ChangerClient
	id        driver.Identity
	caps      driver.ChangerCapabilities
	closeOnce sync.Once
}

var _ driver.Changer = (*remoteChanger)(nil)

// defaultMove is the limit of a Move that driver.ChangerCapabilities gives for 0.
const defaultMove = 10 * time.Minute

func (p *process) openChanger(ctx context.Context, conf driver.Config) (*remoteChanger, error) {
	const op = "open"
	c := &remoteChanger{p: p, rpc: pluginpb.NewChangerClient(p.conn)}
	var r *pluginpb.OpenChangerReply
	err := p.invoke(ctx, op, p.host.o.OpenTimeout, func(ctx context.Context) (err error) {
		r, err = c.rpc.Open(ctx, &pluginpb.OpenRequest{Config: conf})
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := asError(r.Error); err != nil {
		return nil, err
	}
	c.id = identityFromWire(r.Identity)
	c.caps = driver.ChangerCapabilities{Barcodes: r.Barcodes, Timeout: timeoutFromWire(r.Timeout)}
	if c.caps.Timeout == 0 {
		c.caps.Timeout = defaultMove
	}
	return c, nil
}

func (c *remoteChanger) command(ctx context.Context, op string, call func(context.Context) (replier, error)) error {
	var r replier
	err := c.p.invoke(ctx, op, c.caps.Timeout, func(ctx context.Context) (err error) {
		r, err = call(ctx)
		return err
	})
	if err != nil {
		return err
	}
	return asError(r.GetError())
}

// Identify implements driver.Changer.
func (c *remoteChanger) Identify(ctx context.Context) (driver.Identity, driver.ChangerCapabilities, error) {
	switch {
	case c.p.isDead():
		return driver.Identity{}, driver.ChangerCapabilities{}, c.p.gone("identify")
	case ctx.Err() != nil:
		return driver.Identity{}, driver.ChangerCapabilities{}, ctx.Err()
	}
	return c.id, c.caps, nil
}

// Inventory implements driver.Changer.
func (c *remoteChanger) Inventory(ctx context.Context) ([]driver.Element, error) {
	var r *pluginpb.InventoryReply
	err := c.command(ctx, "inventory", func(ctx context.Context) (_ replier, err error) {
		r, err = c.rpc.Inventory(ctx, &pluginpb.Empty{})
		return r, err
	})
	if err != nil {
		return nil, err
	}
	all := make([]driver.Element, 0, len(r.Elements)) // bounded by the size of a message
	for _, e := range r.Elements {
		all = append(all, driver.Element{
			Kind: driver.ElementKind(e.GetKind()), Address: int(e.GetAddress()), Drive: int(e.GetDrive()),
			Full: e.GetFull(), Label: string(clip(e.GetLabel(), maxWord)), Held: e.GetHeld(),
		})
	}
	return all, nil
}

// Move implements driver.Changer.
func (c *remoteChanger) Move(ctx context.Context, from, to int) error {
	return c.command(ctx, "move", func(ctx context.Context) (replier, error) {
		return c.rpc.Move(ctx, &pluginpb.MoveRequest{From: int64(from), To: int64(to)})
	})
}

// Close implements driver.Changer.
func (c *remoteChanger) Close() (err error) {
	c.closeOnce.Do(func() {
		err = c.p.close(func(ctx context.Context) (replier, error) {
			return c.rpc.Close(ctx, &pluginpb.Empty{})
		})
	})
	return err
}
