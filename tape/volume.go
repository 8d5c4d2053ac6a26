package tape

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/label"
)

// ReadLabel rewinds and reads the volume label. It returns the record too, as it is on
// tape. ErrBlank if nothing is on the tape; label.ErrNoLabel or label.ErrBadLabel if
// something else is. The tape stands behind the record.
func (l *Load) ReadLabel(ctx context.Context) (label.Volume, []byte, error) {
	const op = "read label"
	if err := l.Rewind(ctx); err != nil {
		return label.Volume{}, nil, err
	}
	buf := make([]byte, label.MaxRecord)
	n, c, err := l.ReadBlock(ctx, buf)
	switch {
	case errors.Is(err, ErrBlockTooLong):
		return label.Volume{}, nil, l.d.wrap(l, op, fmt.Errorf("%w: the first record is longer than %d bytes", label.ErrNoLabel, len(buf)))
	case OutcomeOf(err) == driver.OutcomeBlankCheck, err == nil && c == driver.EndOfData:
		return label.Volume{}, nil, l.d.wrap(l, op, ErrBlank)
	case err != nil:
		return label.Volume{}, nil, err
	case c == driver.Filemark:
		return label.Volume{}, nil, l.d.wrap(l, op, fmt.Errorf("%w: the tape begins with a filemark", label.ErrNoLabel))
	}
	v, err := label.Parse(buf[:n])
	if err != nil {
		return label.Volume{}, buf[:n], l.d.wrap(l, op, err)
	}
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	l.volume = v.ID
	return v, buf[:n], nil
}

// MayOverwrite is the one check that keeps a cartridge from being overwritten by
// accident: it returns nil if the tape is blank, or if given names the label
// that is on it (the volume's name, or its first six characters). Otherwise ErrNotBlank;
// what bears no label cannot be named, and is never overwritten.
func (l *Load) MayOverwrite(ctx context.Context, given string) error {
	const op = "check label"
	v, _, err := l.ReadLabel(ctx)
	switch {
	case errors.Is(err, ErrBlank):
		return nil
	case errors.Is(err, label.ErrNoLabel), errors.Is(err, label.ErrBadLabel):
		return l.d.wrap(l, op, fmt.Errorf("%w and has no label that could be named: %w", ErrNotBlank, err))
	case err != nil:
		return err
	case given == "":
		return l.d.wrap(l, op, fmt.Errorf("%w: its label is %q", ErrNotBlank, v.ID))
	case v.ID != given && v.ID != label.ID(given):
		return l.d.wrap(l, op, fmt.Errorf("%w: its label is %q, not %q", ErrNotBlank, v.ID, given))
	}
	return nil
}

// WriteLabel writes a volume label and one filemark at the load point, makes them safe
// and reads them back. Everything else on the tape is gone then. It refuses with ErrNotBlank as
// MayOverwrite does, and with ErrWriteProtected. The tape stands at file 1.
func (l *Load) WriteLabel(ctx context.Context, v label.Volume, given string) error {
	const op = "write label"
	record, err := v.Encode()
	if err != nil {
		return l.d.wrap(l, op, err)
	}
	if err := l.alive(op); err != nil {
		return err
	}
	if l.status.WriteProtect {
		return l.d.wrap(l, op, failed(op, driver.OutcomeWriteProtected, "the drive reports it"))
	}
	if err := l.MayOverwrite(ctx, given); err != nil {
		return err
	}
	if err := l.Rewind(ctx); err != nil {
		return err
	}
	if _, err := l.WriteBlock(ctx, record); err != nil {
		return err
	}
	if _, err := l.WriteFilemarks(ctx, 1); err != nil {
		return err
	}
	if _, err := l.Sync(ctx); err != nil {
		return err
	}
	_, back, err := l.ReadLabel(ctx)
	if err != nil && back == nil {
		return err
	}
	if !bytes.Equal(back, record) {
		return l.d.wrap(l, op, fmt.Errorf("%w: %q", ErrLabelDiffers, back))
	}
	_, c, err := l.ReadBlock(ctx, make([]byte, label.MaxRecord))
	if err == nil && c != driver.Filemark {
		err = l.d.wrap(l, op, fmt.Errorf("%w: no filemark behind it", ErrLabelDiffers))
	}
	return err
}

// End is what lies where a catalogue believes the end of a volume's data.
type End uint8

// The ends.
const (
	// AtEnd: end of data, as the catalogue says.
	AtEnd End = iota + 1
	// DoubleMark: one more filemark and then end of data, as Enstore closes a volume. It
	// may be overwritten.
	DoubleMark
	// DataBeyond: something is there, readable or not: a torn write that an open write
	// intent explains, or somebody else's data.
	DataBeyond
)

func (e End) String() string {
	switch e {
	case AtEnd:
		return "at end of data"
	case DoubleMark:
		return "a filemark, then end of data"
	case DataBeyond:
		return "data beyond"
	}
	return fmt.Sprintf("end %d", uint8(e))
}

// CheckEnd proves that tape and catalogue agree on where the volume's next file begins,
// before the first write of a mount: it goes to file, checks the position, that a
// filemark precedes it, and tries to read what is there. The tape stands at file
// again, ready to write. ErrEndOfData if the tape has not so many files: the
// catalogue knows data that the tape has lost.
func (l *Load) CheckEnd(ctx context.Context, file int64) (End, error) {
	const op = "check end"
	if err := l.LocateFile(ctx, file); err != nil {
		return 0, err
	}
	if err := l.precededByMark(ctx, op, file); err != nil {
		return 0, err
	}
	at := l.Position()
	end, err := l.look(ctx)
	if err != nil {
		return 0, err
	}
	if end == AtEnd {
		return end, l.verify(ctx, op)
	}
	if at.Block != driver.Unknown && l.d.caps.LocatesByBlock {
		return end, l.LocateBlock(ctx, at)
	}
	return end, l.LocateFile(ctx, file)
}

// precededByMark steps back over one object, which must be a filemark, and forth again. On a drive that reports no
// position it counts anew from the load point instead: the mark that ends the count is the one.
func (l *Load) precededByMark(ctx context.Context, op string, file int64) error {
	if file == 0 {
		return nil
	}
	if l.d.blind() {
		if err := l.Rewind(ctx); err != nil {
			return err
		}
		return l.LocateFile(ctx, file)
	}
	n, c, err := l.SpaceBlocks(ctx, -1)
	if err != nil {
		return err
	}
	if n != 0 || c != driver.Filemark {
		e := l.d.wrap(l, op, fmt.Errorf("%w: no filemark precedes file %d", ErrPosition, file))
		l.d.mu.Lock()
		defer l.d.mu.Unlock()
		l.end(e)
		return e
	}
	n, _, err = l.SpaceFilemarks(ctx, 1)
	if err == nil && n != 1 {
		err = l.nonsense(op, "the filemark before this place is gone")
	}
	return err
}

// look reads what lies ahead.
func (l *Load) look(ctx context.Context) (End, error) {
	buf := make([]byte, 4096) // a longer block is as good as read
	for n := range 2 {
		_, c, err := l.ReadBlock(ctx, buf)
		switch {
		case err == nil && c == driver.EndOfData:
			return End(n) + AtEnd, nil
		case err == nil && c == driver.Filemark:
			continue
		case err == nil:
			return DataBeyond, nil
		case deferred(err):
			return 0, err
		}
		switch OutcomeOf(err) {
		case driver.OutcomeBlockTooLong, driver.OutcomeMedium, driver.OutcomeBlankCheck:
			return DataBeyond, nil // something is there, or was
		}
		return 0, err
	}
	return DataBeyond, nil
}
