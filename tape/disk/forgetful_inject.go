package disk

import "math"

// Op is a kind of call on a [Forgetful] or a file of it.
type Op uint8

const (
	OpOpen     Op = iota // OpenFile of what exists
	OpCreate             // OpenFile with O_CREATE or O_TRUNC
	OpRead               // Read, ReadAt
	OpWrite              // Write, WriteAt
	OpTruncate           // of an open file
	OpSync               // of an open file
	OpSyncDir
	OpRename
	OpRemove
	OpMkdir
	OpReadDir
	OpStat // of a name or an open file
)

var opNames = [...]string{
	"open", "create", "read", "write", "truncate", "sync", "syncdir", "rename", "remove", "mkdir", "readdir", "stat",
}

func (o Op) String() string {
	if int(o) < len(opNames) {
		return opNames[o]
	}
	return "unknown"
}

// Changes says whether such a call changes what is on the disk or in front of it.
func (o Op) Changes() bool {
	switch o {
	case OpOpen, OpRead, OpReadDir, OpStat:
		return false
	}
	return true
}

// Call is one call that is about to be done.
type Call struct {
	Op   Op
	Name string // as the caller wrote it; of a rename the new one
	N    int64  // its number among all calls on this file system, from 1
	// Change is its number among those that change something (see [Op.Changes]), from 1, or 0 if it does not.
	Change int64
}

// Inject has fn asked before every call; an error that it returns is the call's result, and the
// call does nothing else. The exception is Sync: as on Linux, what an unsuccessful Sync should have written is
// not made durable by a later one either, though it can still be read.
// fn must not use the file system. A nil fn ends it.
func (f *Forgetful) Inject(fn func(Call) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.inject = fn
}

// FailChange makes the k-th change from now, counted from 1, fail with err; the ones after it
// work again. It replaces what [Forgetful.Inject] set.
func (f *Forgetful) FailChange(k int64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := f.changes + k
	f.inject = func(c Call) error {
		if c.Change == at {
			return err
		}
		return nil
	}
}

// StopAfter lets k more changes happen, and then none: from the next one on every call gives
// [ErrCrashed], as if the power had gone at that moment. [Forgetful.Crash] then tells what is left.
// It replaces what [Forgetful.Inject] set.
func (f *Forgetful) StopAfter(k int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	last := f.changes + k
	f.inject = func(c Call) error {
		if c.Change > last {
			f.dead = ErrCrashed
		}
		return f.dead
	}
}

// Changes is the number of calls so far that changed something or tried to: the moments that a test
// of crashes goes through.
func (f *Forgetful) Changes() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changes
}

// Limit sets the space in bytes, all files together; a write beyond it stores what there
// is space for and gives the system's "no space left on device" (syscall.ENOSPC). Holes count like data.
// Negative is no limit.
func (f *Forgetful) Limit(bytes int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if bytes < 0 {
		bytes = math.MaxInt64
	}
	f.limit = bytes
}

// Used is the sum of the sizes of all files in bytes, those that are removed and still open included.
func (f *Forgetful) Used() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.used
}

// call counts a call and says whether it may happen.
func (f *Forgetful) call(op Op, name string) error {
	if f.dead != nil {
		return f.dead
	}
	f.calls++
	c := Call{Op: op, Name: name, N: f.calls}
	if op.Changes() {
		f.changes++
		c.Change = f.changes
	}
	if f.inject != nil {
		return f.inject(c)
	}
	return nil
}
