package tape

import (
	"context"
	"fmt"

	"github.com/enstore-go/sdk/tape/driver"
)

// Rewind goes to the load point.
func (l *Load) Rewind(ctx context.Context) error {
	const op = "rewind"
	if err := l.alive(op); err != nil {
		return err
	}
	_, err := command(ctx, l.d, l, kindLocate, op, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, l.d.dev.Rewind(ctx)
	})
	if err != nil {
		l.recover(ctx, op, err)
		return err
	}
	l.moved(Position{0, 0}, false)
	l.tally(func(s *Stats) { s.Rewinds++ })
	return l.verify(ctx, op)
}

func (l *Load) tally(f func(*Stats)) {
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	l.count(f)
}

// locate is the drive's own locate, verified. file is the file number that the place is
// known to have, or unknown.
func (l *Load) locate(ctx context.Context, op string, p Position) error {
	_, err := command(ctx, l.d, l, kindLocate, op, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, l.d.dev.Locate(ctx, p.Block)
	})
	if err != nil {
		l.recover(ctx, op, err)
		return err
	}
	if p.Block == 0 {
		p.File = 0
	}
	l.moved(p, false)
	l.tally(func(s *Stats) { s.Locates++ })
	return l.verify(ctx, op)
}

// LocateBlock goes to a place whose block number is known. A File that is known too is
// checked as far as the drive can tell; without a block number LocateBlock is LocateFile. On a
// drive that cannot locate by block the file number is needed. ErrEndOfData if
// the tape ends before; ErrPosition, which ends the load, if the tape stands elsewhere.
func (l *Load) LocateBlock(ctx context.Context, p Position) error {
	const op = "locate"
	switch {
	case p.Block < 0:
		return l.LocateFile(ctx, p.File)
	case l.at(p):
		return l.verify(ctx, op)
	case p.Block == 0:
		return l.Rewind(ctx)
	}
	if err := l.alive(op); err != nil {
		return err
	}
	if l.d.caps.LocatesByBlock {
		return l.locate(ctx, op, Position{p.Block, max(p.File, driver.Unknown)})
	}
	if err := l.LocateFile(ctx, p.File); err != nil {
		return err
	}
	if at := l.Position(); at.Block == driver.Unknown || at.Block > p.Block {
		return l.d.wrap(l, op, fmt.Errorf("%w: the drive can neither go to block %d nor count to it", ErrPosition, p.Block))
	} else if at.Block < p.Block {
		n, c, err := l.SpaceBlocks(ctx, p.Block-at.Block)
		if err != nil {
			return err
		}
		if n < p.Block-at.Block {
			return l.missing(op, fmt.Sprintf("file %d ends (%s) %d blocks before block %d", p.File, c.String(), p.Block-at.Block-n, p.Block))
		}
	}
	return l.verify(ctx, op)
}

// at tells whether the tape stands at p already.
func (l *Load) at(p Position) bool {
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	return l.ended == nil && !l.lost && !l.writing && l.pos == p
}

// missing is the error of a place that is not on the tape.
func (l *Load) missing(op, text string) error {
	return l.d.wrap(l, op, failed(op, driver.OutcomeEndOfData, text))
}

// LocateFile goes to the first object behind `file` filemarks: by block number if the place
// is remembered and the drive can, else over filemarks from where the tape
// stands, or from the load point if that is nearer. A drive that reports no position goes back by way of the load point
// only: what it does backwards nobody can check. Afterwards the position is verified
// as far as the drive can tell. ErrEndOfData if there are not so many filemarks.
func (l *Load) LocateFile(ctx context.Context, file int64) error {
	const op = "locate file"
	if err := l.alive(op); err != nil {
		return err
	}
	if file < 0 {
		return l.d.wrap(l, op, failed(op, driver.OutcomeIllegalRequest, fmt.Sprintf("file %d", file)))
	}
	if b, ok := l.start(file); ok {
		switch p := (Position{b, file}); {
		case l.at(p):
			return l.verify(ctx, op)
		case file == 0:
			return l.Rewind(ctx)
		case l.d.caps.LocatesByBlock:
			return l.locate(ctx, op, p)
		}
	}
	back := int64(0)
	switch at := l.Position(); {
	case at.File == driver.Unknown, at.File >= file && (at.File-file+2 > file || l.d.blind()):
		if err := l.Rewind(ctx); err != nil {
			return err
		}
	case at.File >= file:
		// Behind the mark before the file, then over it again: that ends at the file's
		// first object wherever in a file the tape stood.
		back = at.File - file + 1
	}
	if back > 0 {
		n, _, err := l.SpaceFilemarks(ctx, -back)
		if err != nil {
			return err
		}
		if n != back {
			return l.wrongCount(op, back, n)
		}
	}
	ahead := file - l.Position().File
	n, _, err := l.SpaceFilemarks(ctx, ahead)
	if err != nil {
		return err
	}
	if n != ahead {
		return l.missing(op, fmt.Sprintf("the tape ends %d filemarks before file %d", ahead-n, file))
	}
	return l.verify(ctx, op)
}

// wrongCount ends the load: fewer filemarks lie behind than were counted.
func (l *Load) wrongCount(op string, want, got int64) error {
	e := l.d.wrap(l, op, fmt.Errorf("%w: %d filemarks to the load point where at least %d were counted", ErrPosition, got, want))
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	l.end(e)
	return e
}

// LocateEnd goes to end of data and returns the position there. The file number is known
// if the drive reports it, or if it was known here: then filemarks are counted.
func (l *Load) LocateEnd(ctx context.Context) (Position, error) {
	const op = "locate end"
	if err := l.alive(op); err != nil {
		return unknown, err
	}
	at := l.Position()
	if !l.d.caps.ReportsFile && at.File != driver.Unknown {
		_, c, err := l.SpaceFilemarks(ctx, 1<<31-1)
		if err != nil {
			return unknown, err
		}
		if c == driver.EndOfData {
			return l.Position(), nil
		}
	}
	_, _, err := l.space(ctx, op, driver.SpaceEndOfData, 0)
	if err != nil {
		return unknown, err
	}
	l.moved(unknown, false)
	if err := l.verify(ctx, op); err != nil {
		return unknown, err
	}
	return l.Position(), nil
}

// SpaceFilemarks passes n filemarks, backwards if n is negative, and stands on their far
// side. It returns how many were passed (never negative) and what stopped it early:
// EndOfData, LoadPoint.
func (l *Load) SpaceFilemarks(ctx context.Context, n int64) (int64, driver.Condition, error) {
	return l.spaceCounted(ctx, "space filemarks", driver.SpaceFilemarks, n)
}

// SpaceBlocks passes n blocks, backwards if n is negative. A filemark stops it: it has
// been passed then, and is not among those returned.
func (l *Load) SpaceBlocks(ctx context.Context, n int64) (int64, driver.Condition, error) {
	return l.spaceCounted(ctx, "space blocks", driver.SpaceBlocks, n)
}

func (l *Load) spaceCounted(ctx context.Context, op string, k driver.Space, n int64) (int64, driver.Condition, error) {
	if err := l.placed(op); err != nil || n == 0 {
		return 0, driver.NoCondition, err
	}
	passed, c, err := l.space(ctx, op, k, n)
	if err != nil {
		return 0, driver.NoCondition, err
	}
	most := max(n, -n)
	early := c == driver.Filemark && k == driver.SpaceBlocks || c == driver.EndOfData || c == driver.LoadPoint
	if passed < 0 || passed > most || passed < most && !early {
		return 0, driver.NoCondition, l.nonsense(op, fmt.Sprintf("%d of %d objects passed, stopped by %s", passed, n, c.String()))
	}
	l.moved(l.after(k, n, passed, c), false)
	return passed, c, l.verifyAndLearn(ctx, op, k, n, passed, c)
}

// after is the position as counted after a space.
func (l *Load) after(k driver.Space, n, passed int64, c driver.Condition) Position {
	p := l.Position()
	sign := int64(1)
	if n < 0 {
		sign = -1
	}
	marks, blocks := int64(0), passed
	if k == driver.SpaceFilemarks {
		marks, blocks = passed, driver.Unknown
	} else if c == driver.Filemark {
		marks = 1
		blocks++
	}
	if c == driver.LoadPoint {
		return Position{0, 0}
	}
	if p.File != driver.Unknown {
		p.File += sign * marks
	}
	switch {
	case blocks != driver.Unknown && p.Block != driver.Unknown:
		p.Block += sign * blocks
	default:
		p.Block = driver.Unknown
		// Known again if the place of the mark just passed is remembered.
		if file := p.File + (1-sign)/2; p.File != driver.Unknown && marks > 0 && c != driver.EndOfData {
			if b, ok := l.start(file); ok {
				p.Block = b - (1-sign)/2
			}
		}
	}
	return p
}

func (l *Load) verifyAndLearn(ctx context.Context, op string, k driver.Space, n, passed int64, c driver.Condition) error {
	if err := l.verify(ctx, op); err != nil {
		return err
	}
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	marks := passed
	if k == driver.SpaceBlocks {
		marks = 0
		if c == driver.Filemark {
			marks = 1
		}
	}
	l.count(func(s *Stats) { s.FilemarksPassed += marks })
	if marks > 0 && c != driver.EndOfData && c != driver.LoadPoint && l.pos.Block != driver.Unknown && l.pos.File != driver.Unknown {
		if n > 0 {
			l.learn(l.pos)
		} else {
			l.learn(Position{l.pos.Block + 1, l.pos.File + 1})
		}
	}
	return nil
}

func (l *Load) space(ctx context.Context, op string, k driver.Space, n int64) (int64, driver.Condition, error) {
	type spaced struct {
		n int64
		c driver.Condition
	}
	a, err := command(ctx, l.d, l, kindLocate, op, func(ctx context.Context) (spaced, error) {
		n, c, err := l.d.dev.Space(ctx, k, n)
		return spaced{n, c}, err
	})
	if err != nil {
		l.recover(ctx, op, err)
		return 0, driver.NoCondition, err
	}
	l.tally(func(s *Stats) { s.Spaces++ })
	return a.n, a.c, nil
}

// nonsense ends the load over an answer that no driver may give.
func (l *Load) nonsense(op, text string) error {
	e := l.d.wrap(l, op, failed(op, driver.OutcomeHardware, "the driver's answer makes no sense: "+text))
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	l.end(e)
	return e
}
