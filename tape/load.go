package tape

import (
	"context"
	"errors"
	"fmt"

	"github.com/enstore-go/sdk/tape/driver"
)

// Position is where a tape stands, counted from the load point.
type Position struct {
	Block int64 // objects (blocks and filemarks) before it, or driver.Unknown
	File  int64 // filemarks before it, or driver.Unknown
}

var unknown = Position{driver.Unknown, driver.Unknown}

func (p Position) String() string {
	word := func(n int64) string {
		if n == driver.Unknown {
			return "unknown"
		}
		return fmt.Sprint(n)
	}
	return "file " + word(p.File) + ", block " + word(p.Block)
}

// maxMarks bounds the memory of one load for the places of filemarks: 1 MiB or so.
const maxMarks = 1 << 16

// Load is one stay of a cartridge in a drive: the unit of trust in a position. See the
// package's documentation for how it ends. One goroutine uses it at a time; Err, Position,
// Stats and Status may be called from any.
type Load struct {
	d *Drive

	// All under d.mu.
	status  driver.Status
	volume  string
	pos     Position        // as counted
	lost    bool            // pos is not to be built upon until a rewind or locate
	writing bool            // the last command wrote: the position was proved before
	safe    Position        // of the last Sync, or where the first write since went
	taken   Position        // behind the last object that was written, by count
	marks   map[int64]int64 // file number -> block number of its first object
	ended   error
	sealed  error // why it is over with writing
	stats   Stats
}

// Status is the drive's status as it was when the load began.
func (l *Load) Status() driver.Status { return l.status }

// Drive is the drive of this load.
func (l *Load) Drive() *Drive { return l.d }

// Stats are the counters of this load.
func (l *Load) Stats() Stats {
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	return l.stats.clone()
}

func (l *Load) counters() *Stats {
	if l == nil {
		return nil
	}
	return &l.stats
}

// count changes the counters of the drive and of the load. d.mu is held.
func (l *Load) count(f func(*Stats)) {
	f(&l.d.stats)
	f(&l.stats)
}

// Position is where the tape stands by the load's count, which agreed with the drive
// whenever it was compared. Both numbers are driver.Unknown after an error that left the
// place in doubt.
func (l *Load) Position() Position {
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	if l.lost {
		return unknown
	}
	return l.pos
}

// Err tells why the load ended; nil while it has not. It says nothing of the end of
// writing only.
func (l *Load) Err() error {
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	return l.ended
}

// WriteErr tells why the load, or the load for writing, ended; nil while it has not.
func (l *Load) WriteErr() error {
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	if l.ended != nil {
		return l.ended
	}
	return l.sealed
}

// end ends the load. d.mu is held.
func (l *Load) end(why error) {
	if l.ended == nil {
		l.ended = why
	}
	if l.d.load == l {
		l.d.load = nil
	}
}

// seal ends the load for writing. d.mu is held.
func (l *Load) seal(why error) {
	if l.sealed == nil {
		l.sealed = why
	}
}

// alive returns the error of an operation on a load that has ended.
func (l *Load) alive(op string) error {
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	return l.aliveLocked(op, l.ended)
}

func (l *Load) aliveLocked(op string, why error) error {
	if why == nil {
		return nil
	}
	e := l.d.wrapLocked(l, op, fmt.Errorf("%w: %w", ErrLoadEnded, why))
	e.Verdict = VerdictOf(why)
	return e
}

// placed is alive, for operations that start from where the tape stands.
func (l *Load) placed(op string) error {
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	if err := l.aliveLocked(op, l.ended); err != nil {
		return err
	}
	if l.lost {
		return l.d.wrapLocked(l, op, fmt.Errorf("%w: unknown after an error; rewind or locate first", ErrPosition))
	}
	return nil
}

// writable is placed, for operations that write.
func (l *Load) writable(op string) error {
	l.d.mu.Lock()
	sealed := l.aliveLocked(op, l.sealed)
	l.d.mu.Unlock()
	if sealed != nil {
		return sealed
	}
	return l.placed(op)
}

// moved sets the position after a command.
func (l *Load) moved(p Position, writing bool) {
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	l.pos, l.lost, l.writing = p, false, writing
}

// learn remembers where a file begins. d.mu is held.
func (l *Load) learn(p Position) {
	if p.File == driver.Unknown || p.Block == driver.Unknown {
		return
	}
	if _, ok := l.marks[p.File]; !ok && len(l.marks) >= maxMarks {
		// Those since the last Sync are needed: they tell what of it is on the tape when that ends.
		for n := range l.marks {
			if n > 0 && n < l.safe.File {
				delete(l.marks, n)
			}
		}
		if len(l.marks) >= maxMarks {
			return
		}
	}
	l.marks[p.File] = p.Block
}

// start returns the remembered first block of a file.
func (l *Load) start(file int64) (int64, bool) {
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	b, ok := l.marks[file]
	return b, ok
}

// forget drops what was remembered of the tape behind file, which is being overwritten.
func (l *Load) forget(file int64) {
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	for n := range l.marks {
		if file == driver.Unknown && n > 0 || file != driver.Unknown && n > file {
			delete(l.marks, n)
		}
	}
}

// ask has the drive report its position.
func (l *Load) ask(ctx context.Context, op string) (driver.Position, error) {
	return command(ctx, l.d, l, kindCommand, op, l.d.dev.Position)
}

// verify compares the count with what the drive reports, and fills in what was not
// counted. A difference ends the load with ErrPosition.
func (l *Load) verify(ctx context.Context, op string) error {
	_, err := l.compare(ctx, op)
	return err
}

func (l *Load) compare(ctx context.Context, op string) (driver.Position, error) {
	none := driver.Position{Block: driver.Unknown, File: driver.Unknown, Buffered: driver.Unknown}
	caps := l.d.caps
	if !caps.ReportsPosition && !caps.ReportsFile && !caps.ReportsBuffer {
		return none, nil
	}
	got, err := l.ask(ctx, op)
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	if err != nil {
		l.lost, l.writing = true, false
		return none, err
	}
	differs := func(reports bool, got, counted int64) bool {
		return reports && got != counted && (counted != driver.Unknown || got < 0)
	}
	if differs(caps.ReportsPosition, got.Block, l.pos.Block) || differs(caps.ReportsFile, got.File, l.pos.File) {
		e := l.d.wrapLocked(l, op, fmt.Errorf("%w: counted %v, the drive reports %v", ErrPosition, l.pos, Position{got.Block, got.File}))
		l.end(e)
		return none, e
	}
	if caps.ReportsPosition {
		l.pos.Block = got.Block
	}
	if caps.ReportsFile {
		l.pos.File = got.File
	}
	return got, nil
}

// recover finds the place again after a failed command that may have moved the tape. If the
// drive cannot tell, the place is lost until a rewind or locate.
func (l *Load) recover(ctx context.Context, op string, cause error) {
	if _, told := errors.AsType[*driver.Error](cause); !told {
		return // the command never reached the drive
	}
	switch OutcomeOf(cause) {
	case driver.OutcomeIllegalRequest, driver.OutcomeAborted, driver.OutcomeWriteProtected:
		if !deferred(cause) {
			return // refused, nothing moved
		}
	}
	l.d.mu.Lock()
	was, over := l.pos, l.ended != nil
	l.lost, l.writing = true, false
	l.d.mu.Unlock()
	if over || !l.d.caps.ReportsPosition {
		return
	}
	got, err := l.ask(context.WithoutCancel(ctx), op)
	if err != nil || got.Block < 0 {
		return
	}
	p := Position{got.Block, driver.Unknown}
	switch {
	case l.d.caps.ReportsFile:
		p.File = got.File
	case got.Block == was.Block:
		p.File = was.File
	case got.Block == 0:
		p.File = 0
	}
	l.moved(p, false)
}

func deferred(err error) bool {
	var d *driver.Error
	return errors.As(err, &d) && d.Sense.Deferred
}

// Unload ends the load: the drive writes what it holds, rewinds and releases the
// cartridge. A load that has ended gives ErrLoadEnded; Drive.Unload empties the drive then.
func (l *Load) Unload(ctx context.Context) error {
	if err := l.alive("unload"); err != nil {
		return err
	}
	return l.d.Unload(ctx)
}
