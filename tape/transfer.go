package tape

import (
	"context"
	"fmt"

	"github.com/enstore-go/sdk/tape/driver"
)

// transferred is the answer of a read or write.
type transferred struct {
	n int
	c driver.Condition
}

// ReadBlock reads the next block into p and returns its length, or 0 and Filemark (which has
// been passed) or EndOfData. A block longer than p is ErrBlockTooLong: it has been
// passed, and nothing of p may be used.
func (l *Load) ReadBlock(ctx context.Context, p []byte) (int, driver.Condition, error) {
	const op = "read block"
	if err := l.placed(op); err != nil {
		return 0, driver.NoCondition, err
	}
	a, err := command(ctx, l.d, l, kindRead, op, func(ctx context.Context) (transferred, error) {
		n, c, err := l.d.dev.ReadBlock(ctx, p)
		return transferred{n, c}, err
	})
	if err != nil {
		l.readFailed(ctx, op, err)
		return 0, driver.NoCondition, err
	}
	blank := a.c == driver.Filemark || a.c == driver.EndOfData
	if a.n < 0 || a.n > len(p) || blank != (a.n == 0) {
		return 0, driver.NoCondition, l.nonsense(op, fmt.Sprintf("a block of %d bytes in a buffer of %d, and %s", a.n, len(p), a.c.String()))
	}
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	l.writing = false
	switch a.c {
	case driver.EndOfData:
	case driver.Filemark:
		l.advance(1, 1)
		l.learn(l.pos)
		l.count(func(s *Stats) { s.FilemarksPassed++ })
	default:
		l.advance(1, 0)
		l.count(func(s *Stats) { s.BlocksRead++; s.BytesRead += int64(a.n) })
	}
	return a.n, a.c, nil
}

func (l *Load) readFailed(ctx context.Context, op string, err error) {
	if OutcomeOf(err) == driver.OutcomeBlockTooLong && !deferred(err) {
		l.d.mu.Lock()
		defer l.d.mu.Unlock()
		l.writing = false
		l.advance(1, 0)
		return
	}
	l.recover(ctx, op, err)
}

// advance counts objects and the filemarks among them. d.mu is held.
func (l *Load) advance(objects, marks int64) {
	if l.pos.Block != driver.Unknown {
		l.pos.Block += objects
	}
	if l.pos.File != driver.Unknown {
		l.pos.File += marks
	}
}

// toWrite proves the position before the first write after anything else, and forgets
// what lay behind it.
func (l *Load) toWrite(ctx context.Context, op string) error {
	if err := l.writable(op); err != nil {
		return err
	}
	l.d.mu.Lock()
	writing := l.writing
	l.d.mu.Unlock()
	if writing {
		return nil
	}
	if err := l.verify(ctx, op); err != nil {
		return err
	}
	at := l.Position()
	if at == unknown {
		return l.d.wrap(l, op, fmt.Errorf("%w: nobody knows where this would be written", ErrPosition))
	}
	l.forget(at.File)
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	l.safe, l.taken = at, at
	return nil
}

// WriteBlock writes p as one block; it becomes the last object of the tape. Success means
// that the drive has taken it: only Sync makes it safe. EarlyWarning tells that the
// end of the medium is near; the block was taken. ErrEndOfMedium means that it was not, and
// those before it stand. Any other failure of the medium or drive ends the load for
// writing, and nothing since the last Sync may be believed.
func (l *Load) WriteBlock(ctx context.Context, p []byte) (driver.Condition, error) {
	const op = "write block"
	if err := l.toWrite(ctx, op); err != nil {
		return driver.NoCondition, err
	}
	if len(p) < l.d.caps.MinBlock || len(p) > l.d.caps.MaxBlock {
		return driver.NoCondition, l.d.wrap(l, op, failed(op, driver.OutcomeIllegalRequest,
			fmt.Sprintf("block of %d bytes, the drive takes %d to %d", len(p), l.d.caps.MinBlock, l.d.caps.MaxBlock)))
	}
	c, err := command(ctx, l.d, l, kindWrite, op, func(ctx context.Context) (driver.Condition, error) {
		return l.d.dev.WriteBlock(ctx, p)
	})
	return l.wrote(ctx, op, c, err, 1, 0, func(s *Stats) { s.BlocksWritten++; s.BytesWritten += int64(len(p)) })
}

// WriteFilemarks writes n filemarks without waiting for them to be on tape. n may be 0.
func (l *Load) WriteFilemarks(ctx context.Context, n int) (driver.Condition, error) {
	const op = "write filemarks"
	if n < 0 {
		return driver.NoCondition, l.d.wrap(l, op, failed(op, driver.OutcomeIllegalRequest, fmt.Sprintf("%d filemarks", n)))
	}
	if err := l.toWrite(ctx, op); err != nil || n == 0 {
		return driver.NoCondition, err
	}
	c, err := command(ctx, l.d, l, kindMark, op, func(ctx context.Context) (driver.Condition, error) {
		return l.d.dev.WriteFilemarks(ctx, n, true)
	})
	return l.wrote(ctx, op, c, err, int64(n), int64(n), func(s *Stats) { s.FilemarksWritten += int64(n) })
}

// wrote draws the consequences of a write.
func (l *Load) wrote(ctx context.Context, op string, c driver.Condition, err error, objects, marks int64, f func(*Stats)) (driver.Condition, error) {
	if err != nil {
		if OutcomeOf(err) != driver.OutcomeEndOfMedium || deferred(err) || marks > 1 {
			l.recover(ctx, op, err)
		}
		return driver.NoCondition, err
	}
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	l.writing = true
	for range marks {
		l.advance(1, 1)
		l.learn(l.pos)
	}
	l.advance(objects-marks, 0)
	l.taken = l.pos
	l.count(f)
	if c == driver.EarlyWarning {
		l.count(func(s *Stats) { s.EarlyWarnings++ })
		return c, nil
	}
	return driver.NoCondition, nil
}

// Sync makes everything written safe, and proves it: a synchronous write of no filemarks
// returned good, the drive reports an empty buffer (if it reports one at all) and the
// counted position, which is returned. Anything else ends the load for writing, and ErrPosition
// ends it altogether: then nothing since the last Sync may be believed.
func (l *Load) Sync(ctx context.Context) (Position, error) {
	const op = "sync"
	if err := l.writable(op); err != nil {
		return unknown, err
	}
	_, err := command(ctx, l.d, l, kindFlush, op, func(ctx context.Context) (driver.Condition, error) {
		return l.d.dev.WriteFilemarks(ctx, 0, false)
	})
	if err != nil {
		l.recover(ctx, op, err)
		return unknown, err
	}
	got, err := l.compare(ctx, op)
	if err != nil {
		l.d.mu.Lock()
		defer l.d.mu.Unlock()
		l.seal(err)
		return unknown, err
	}
	if l.d.caps.ReportsBuffer && got.Buffered != 0 {
		e := l.d.wrap(l, op, fmt.Errorf("%w: the drive still holds %d objects after a flush", ErrPosition, got.Buffered))
		l.d.mu.Lock()
		defer l.d.mu.Unlock()
		l.end(e)
		return unknown, e
	}
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	l.safe = l.pos
	l.count(func(s *Stats) { s.Syncs++ })
	return l.pos, nil
}
