//go:build unix

package plugins

import (
	"context"

	"github.com/enstore-go/sdk/plugins/pluginpb"
	"github.com/enstore-go/sdk/tape/driver"
)

var _ driver.HealthReporter = (*remoteDrive)(nil)

// Health implements driver.HealthReporter. A plugin that does not know of it says so in its capabilities and is not asked. Health
// that cannot be is an error of this call, and no reason to end a process that has a tape at work.
func (d *remoteDrive) Health(ctx context.Context) (driver.Health, error) {
	const op = "health"
	if !d.caps.ReportsHealth {
		return driver.UnknownHealth(), failure(op, driver.OutcomeIllegalRequest, "the drive does not tell how it is")
	}
	var r *pluginpb.HealthReply
	err := d.command(ctx, op, d.caps.Timeouts.Command, stays, func(ctx context.Context) (_ replier, err error) {
		r, err = d.rpc.Health(ctx, &pluginpb.Empty{})
		return r, err
	})
	if err != nil {
		return driver.UnknownHealth(), err
	}
	h := healthFromWire(r)
	if err := h.Check(); err != nil {
		return driver.UnknownHealth(), failure(op, driver.OutcomeHardware, "plugin %s tells what cannot be: %v", d.p.name, err)
	}
	return h, nil
}

func (s driveServer) Health(ctx context.Context, _ *pluginpb.Empty) (*pluginpb.HealthReply, error) {
	const op = "health"
	h := driver.UnknownHealth()
	err := s.d.withDrive(ctx, op, func(d driver.Drive) (err error) {
		r, ok := d.(driver.HealthReporter)
		if !ok {
			return failure(op, driver.OutcomeIllegalRequest, "the drive does not tell how it is")
		}
		h, err = r.Health(ctx)
		return err
	})
	reply := healthToWire(h)
	reply.Error = err
	return reply, nil
}

// count is a number that is absent if it is not known.
func count(n int64) *int64 {
	if n == driver.Unknown {
		return nil
	}
	return &n
}

func counted(n *int64) int64 {
	if n == nil {
		return driver.Unknown
	}
	return *n
}

func healthToWire(h driver.Health) *pluginpb.HealthReply {
	traffic := func(t driver.Traffic) *pluginpb.Traffic {
		return &pluginpb.Traffic{Bytes: count(t.Bytes), Corrected: count(t.Corrected), Uncorrected: count(t.Uncorrected)}
	}
	c := h.Cartridge
	return &pluginpb.HealthReply{
		Alerts: uint64(h.Alerts), Cleaning: uint32(h.Cleaning),
		Loads: count(h.Loads), Cleanings: count(h.Cleanings), PowerHours: count(h.PowerHours), MotionHours: count(h.MotionHours),
		Written: traffic(h.Written), Read: traffic(h.Read), Stops: count(h.Stops),
		Cartridge: &pluginpb.Cartridge{
			Maker: []byte(clip(c.Maker, driver.MaxHealthText)), Serial: []byte(clip(c.Serial, driver.MaxHealthText)),
			Barcode: []byte(clip(c.Barcode, driver.MaxHealthText)), Kind: uint32(c.Kind), Density: count(c.Density), Loads: count(c.Loads),
			Capacity: count(c.Capacity), Remaining: count(c.Remaining), WrapEnds: c.WrapEnds[:min(len(c.WrapEnds), driver.MaxWraps)],
		},
	}
}

// healthFromWire takes no more of a text or list than a Health may have; what else it says is for Check.
func healthFromWire(m *pluginpb.HealthReply) driver.Health {
	traffic := func(t *pluginpb.Traffic) driver.Traffic {
		if t == nil {
			t = &pluginpb.Traffic{}
		}
		return driver.Traffic{Bytes: counted(t.Bytes), Corrected: counted(t.Corrected), Uncorrected: counted(t.Uncorrected)}
	}
	c := m.GetCartridge()
	if c == nil {
		c = &pluginpb.Cartridge{}
	}
	h := driver.Health{
		Alerts: driver.Alerts(m.GetAlerts()), Cleaning: driver.Cleaning(min(m.GetCleaning(), 255)),
		Loads: counted(m.Loads), Cleanings: counted(m.Cleanings), PowerHours: counted(m.PowerHours), MotionHours: counted(m.MotionHours),
		Written: traffic(m.GetWritten()), Read: traffic(m.GetRead()), Stops: counted(m.Stops),
		Cartridge: driver.Cartridge{
			Maker: string(clip(c.Maker, driver.MaxHealthText)), Serial: string(clip(c.Serial, driver.MaxHealthText)),
			Barcode: string(clip(c.Barcode, driver.MaxHealthText)), Kind: driver.CartridgeKind(min(c.Kind, 255)),
			Density: counted(c.Density), Loads: counted(c.Loads), Capacity: counted(c.Capacity), Remaining: counted(c.Remaining),
		},
	}
	h.Cartridge.WrapEnds = append(h.Cartridge.WrapEnds, c.WrapEnds[:min(len(c.WrapEnds), driver.MaxWraps)]...)
	return h
}
