package tape

import (
	"context"
	"errors"
	"fmt"

	"github.com/enstore-go/sdk/tape/driver"
)

// SyncEnd is Sync after ErrEndOfMedium: it makes safe what the drive took before the medium ended,
// and returns where that ends by the drive's own count, because blocks accepted before a
// deferred end of medium may not have been written. What lies before the position is safe;
// the load writes nothing more. ErrPosition if the drive does not report objects and filemarks.
func (l *Load) SyncEnd(ctx context.Context) (Position, error) {
	const op = "sync at end of medium"
	l.d.mu.Lock()
	err := l.aliveLocked(op, nil)
	if err == nil && l.sealed != nil && !errors.Is(l.sealed, ErrEndOfMedium) {
		err = l.aliveLocked(op, l.sealed)
	}
	l.d.mu.Unlock()
	if err != nil {
		return unknown, err
	}
	if !l.d.caps.ReportsPosition || !l.d.caps.ReportsFile {
		return unknown, l.d.wrap(l, op, fmt.Errorf("%w: the drive does not tell where it stands", ErrPosition))
	}
	_, err = command(ctx, l.d, l, kindFlush, op, func(ctx context.Context) (driver.Condition, error) {
		return l.d.dev.WriteFilemarks(ctx, 0, false)
	})
	if err != nil && !errors.Is(err, ErrEndOfMedium) {
		return unknown, err
	}
	got, err := l.ask(ctx, op)
	if err != nil {
		return unknown, err
	}
	if got.Block < 0 || got.File < 0 || l.d.caps.ReportsBuffer && got.Buffered != 0 {
		return unknown, l.d.wrap(l, op, fmt.Errorf("%w: the drive reports %+v after a flush", ErrPosition, got))
	}
	l.d.mu.Lock()
	l.seal(l.d.wrapLocked(l, op, ErrEndOfMedium))
	l.d.mu.Unlock()
	p := Position{got.Block, got.File}
	l.moved(p, false)
	return p, nil
}
