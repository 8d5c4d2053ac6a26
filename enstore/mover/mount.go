package mover

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore/wire"
	"github.com/enstore-go/sdk/tape"
	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/label"
	"github.com/enstore-go/sdk/wrapper"
)

// mount brings the volume into the drive and loads it, unless it is there already in a load that
// can still do what is wanted.
func (m *Mover) mount(ctx context.Context, v catalog.Label, toWrite bool, ph *wire.Phases) error {
	if err := m.wake(ctx); err != nil {
		return err
	}
	if m.vol != nil && m.vol.label == v && m.vol.load.Err() == nil && (!toWrite || m.vol.load.WriteErr() == nil) {
		return nil
	}
	t := time.Now()
	if old := m.vol; old != nil {
		if err := m.dismount(ctx); err != nil {
			return m.former(ctx, old.label, err)
		}
	}
	m.opts.Step("mover: before mount")
	m.left = v
	if err := m.opts.Robot.Mount(ctx, string(v), m.opts.Number); err != nil {
		m.clean = false // the cartridge may have come none the less
		return fmt.Errorf("volume %s: mount in %s: %w", v, m.opts.Drive, err)
	}
	ph.Mount = time.Since(t)
	m.opts.Step("mover: mounted")
	t = time.Now()
	l, err := m.drive.Load(ctx)
	switch {
	case errors.Is(err, tape.ErrCleaning):
		return m.reject(ctx, v, m.disable(ctx, v, catalog.SystemAccess, catalog.NoAccess, fmt.Errorf("volume %s: its cartridge is one for cleaning: %w", v, err)))
	case tape.VerdictOf(err).Fault == tape.FaultVolume:
		return m.reject(ctx, v, err)
	case err != nil:
		m.abandon() // whatever is in the drive now, it is looked at anew
		return fmt.Errorf("volume %s: load in %s: %w", v, m.opts.Drive, err)
	}
	m.vol, m.left = &mounted{label: v, load: l}, ""
	m.now()
	ph.Load = time.Since(t)
	if err := m.opts.Catalog.RecordMount(ctx, v, m.opts.Drive); err != nil {
		return err
	}
	return nil
}

// wake asks a drive that has had nothing to do whether it is still there, before a client is told to send: what a dead one takes
// would be lost. A drive that has gone is opened again.
func (m *Mover) wake(ctx context.Context) error {
	_, err := m.drive.Status(ctx)
	lost := err != nil && ctx.Err() == nil && tape.OutcomeOf(err) == driver.OutcomeUnknown // a session that ended while it was idle shows so
	if !lost && !errors.Is(err, tape.ErrGone) {
		return err
	}
	m.abandon()
	return m.ready(ctx)
}

// dismount unloads what is in the drive and has it taken home.
func (m *Mover) dismount(ctx context.Context) error {
	if m.vol == nil {
		return nil
	}
	v := m.vol
	m.examine(ctx)
	if err := v.load.Unload(ctx); err != nil {
		m.abandon()
		return fmt.Errorf("volume %s: unload from %s: %w", v.label, m.opts.Drive, err)
	}
	m.opts.Step("mover: unloaded")
	if err := m.opts.Robot.Dismount(ctx, string(v.label), m.opts.Number); err != nil {
		m.abandon()
		return fmt.Errorf("volume %s: dismount from %s: %w", v.label, m.opts.Drive, err)
	}
	m.vol = nil
	m.now()
	m.opts.Step("mover: dismounted")
	return nil
}

// checkLabel reads the label of a volume that should have one.
func (m *Mover) checkLabel(ctx context.Context) error {
	v := m.vol
	if v.named {
		return nil
	}
	got, _, err := v.load.ReadLabel(ctx)
	switch {
	case errors.Is(err, tape.ErrBlank), errors.Is(err, label.ErrNoLabel), errors.Is(err, label.ErrBadLabel):
		return m.disable(ctx, v.label, catalog.SystemAccess, catalog.NoAccess, fmt.Errorf("volume %s: its label cannot be read from the cartridge: %w", v.label, err))
	case err != nil:
		return fmt.Errorf("volume %s: label: %w", v.label, err)
	case got.ID != label.ID(string(v.label)):
		return m.disable(ctx, m.vol.label, catalog.SystemAccess, catalog.NoAccess, fmt.Errorf("volume %s: the cartridge is labelled %q: %w", v.label, got.ID, errWrongLabel))
	}
	v.named = true
	return nil
}

// prepare makes the mounted volume ready to be written at the grant's end of data: a blank
// one gets its label, any other has its label checked and is proved to end where the
// catalogue says.
func (m *Mover) prepare(ctx context.Context, g catalog.Grant, f wrapper.Format) (catalog.Grant, error) {
	if m.vol.load.Status().WriteProtect {
		return g, m.disable(ctx, m.vol.label, catalog.SystemWrite, catalog.ReadOnly, fmt.Errorf("volume %s: %w", m.vol.label, tape.ErrWriteProtected))
	}
	if g.Volume.EOD.File == 0 {
		return m.label(ctx, g, f)
	}
	if err := m.checkLabel(ctx); err != nil {
		return g, err
	}
	return g, m.prove(ctx, g)
}

// prove shows, once a load, that data ends on tape where the catalogue says. Data behind it is
// allowed only if an open write intent explains it: a writer that died before its flush.
func (m *Mover) prove(ctx context.Context, g catalog.Grant) error {
	v := m.vol
	eod := g.Volume.EOD
	if v.proven.File == eod.File && v.load.Position().File == eod.File {
		return nil
	}
	end, err := v.load.CheckEnd(ctx, eod.File)
	switch {
	case errors.Is(err, tape.ErrEndOfData):
		return m.disable(ctx, m.vol.label, catalog.SystemWrite, catalog.ReadOnly, fmt.Errorf("volume %s: the catalogue has data up to tape file %d, the tape ends before: %w: %w", v.label, eod.File, errDisagree, err))
	case err != nil:
		return fmt.Errorf("volume %s: end of data: %w", v.label, err)
	case end == tape.DataBeyond && g.Explains == nil:
		return m.disable(ctx, m.vol.label, catalog.SystemWrite, catalog.ReadOnly, fmt.Errorf("volume %s: there is data behind tape file %d that the catalogue does not know: %w", v.label, eod.File, errDisagree))
	case end == tape.DataBeyond:
		m.log.Info("overwriting the torn tail of an earlier lease", "volume", v.label, "file", eod.File, "lease", g.Explains.Lease)
	}
	v.proven = eod
	return nil
}

// label writes the label of a blank volume and records it. A label that is already there
// is accepted only if it is the volume's own with nothing behind it: somebody labelled it in
// advance, or a mover died between label and record.
func (m *Mover) label(ctx context.Context, g catalog.Grant, f wrapper.Format) (catalog.Grant, error) {
	v := m.vol
	got, _, err := v.load.ReadLabel(ctx)
	switch {
	case errors.Is(err, tape.ErrBlank):
		m.opts.Step("mover: before label")
		m.wrote = true
		vl := label.Plain(string(v.label))
		if f.VolumeLabel().UserLabels {
			vl = label.User(string(v.label), g.Volume.Family.String(), time.Now().UTC())
		}
		if err := v.load.WriteLabel(ctx, vl, ""); err != nil {
			return g, fmt.Errorf("volume %s: write label: %w", v.label, err)
		}
		m.opts.Step("mover: label written")
	case errors.Is(err, label.ErrNoLabel), errors.Is(err, label.ErrBadLabel):
		return g, m.disable(ctx, v.label, catalog.SystemAccess, catalog.NoAccess, fmt.Errorf("volume %s: it is new to the catalogue but its cartridge is not blank: %w", v.label, err))
	case err != nil:
		return g, fmt.Errorf("volume %s: label: %w", v.label, err)
	case got.ID != label.ID(string(v.label)):
		return g, m.disable(ctx, m.vol.label, catalog.SystemAccess, catalog.NoAccess, fmt.Errorf("volume %s: it is new to the catalogue but its cartridge is labelled %q: %w", v.label, got.ID, errWrongLabel))
	default:
		end, err := v.load.CheckEnd(ctx, 1)
		if err != nil {
			return g, fmt.Errorf("volume %s: end of data: %w", v.label, err)
		}
		if end == tape.DataBeyond {
			return g, m.disable(ctx, m.vol.label, catalog.SystemAccess, catalog.NoAccess, fmt.Errorf("volume %s: it is new to the catalogue but its cartridge has data behind its label: %w", v.label, errDisagree))
		}
	}
	v.named = true
	g, err = m.opts.Catalog.Labelled(ctx, g.Lease, v.label, g.Epoch, g.Volume.BlockSize)
	if err != nil {
		return g, err
	}
	m.opts.Step("mover: label recorded")
	return g, m.prove(ctx, g)
}
