package tape

import (
	"context"
	"errors"
	"fmt"

	"github.com/enstore-go/sdk/tape/driver"
)

// SyncEnd is Sync after ErrEndOfMedium: it makes safe what the drive took before the medium
// ended, and returns where that ends by the drive's own count, because blocks taken
// before a deferred end of medium may not have been written. What lies before the position is
// safe; the load writes nothing more. It comes before any motion of the tape. Filemarks that the drive does not report are
// counted up to there. A position before the last Sync or behind the last write ends the
// load with ErrPosition; a drive that reports no positions gives ErrPosition too.
func (l *Load) SyncEnd(ctx context.Context) (Position, error) {
	const op = "sync at end of medium"
	l.d.mu.Lock()
	err := l.aliveLocked(op, l.ended)
	if err == nil && l.sealed != nil && !errors.Is(l.sealed, ErrEndOfMedium) {
		err = l.aliveLocked(op, l.sealed)
	}
	l.d.mu.Unlock()
	if err != nil {
		return unknown, err
	}
	if !l.d.caps.ReportsPosition {
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
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	p := Position{got.Block, l.fileAt(got.Block)}
	wrong := got.Block < l.safe.Block || got.Block > l.taken.Block || p.File == driver.Unknown ||
		l.d.caps.ReportsFile && got.File != p.File || l.d.caps.ReportsBuffer && got.Buffered != 0
	if wrong {
		e := l.d.wrapLocked(l, op, fmt.Errorf("%w: synced at %v, written to %v, and the drive reports %+v after a flush", ErrPosition, l.safe, l.taken, got))
		l.end(e)
		return unknown, e
	}
	l.seal(l.d.wrapLocked(l, op, ErrEndOfMedium))
	l.pos, l.lost, l.writing = p, false, false
	l.safe = p
	l.count(func(s *Stats) { s.Syncs++ })
	return p, nil
}

// fileAt is the file number of a block that was written since the last Sync, by the filemarks
// that were counted. d.mu is held.
func (l *Load) fileAt(block int64) int64 {
	file := l.safe.File
	if file == driver.Unknown {
		return file
	}
	for {
		b, ok := l.marks[file+1]
		switch {
		case ok && b <= block:
			file++
		case !ok && file < l.taken.File:
			return driver.Unknown // more than a load remembers
		default:
			return file
		}
	}
}
