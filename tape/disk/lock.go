package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// Locker is an FS that has locks on files. [OS] and [Forgetful] do.
type Locker interface {
	// TryLock takes the lock on a file, which it creates if need be, or fails
	// with a [*LockedError] at once. Closing unlock gives it back; so does the end of the process.
	TryLock(name string) (unlock io.Closer, err error)
}

// ErrLocked means somebody else holds a lock. [errors.Is] finds it in a [*LockedError].
var ErrLocked = errors.New("locked")

// errHeld is how a system's lockFile says that the lock is taken.
var errHeld = errors.New("held")

// LockedError says that a lock is held, and by whom if that is known.
type LockedError struct {
	Name   string // of the lock file
	Holder Holder // zero if the holder has not written it yet
}

func (e *LockedError) Error() string {
	if e.Holder.PID == 0 {
		return fmt.Sprintf("%s: locked by another process", e.Name)
	}
	return fmt.Sprintf("%s: locked by process %d", e.Name, e.Holder.PID)
}

// Is makes a LockedError an [ErrLocked].
func (e *LockedError) Is(target error) bool { return target == ErrLocked }

// Holder is the process that took a lock, as it wrote itself into the lock file.
type Holder struct {
	PID int
	// Start tells this process from a later one with the same number. It means something only to
	// equality, and is empty on systems where it is not known (all but Linux).
	Start string
}

// Self is this process as a holder of locks.
func Self() Holder {
	pid := os.Getpid()
	start, err := processStart(pid)
	if err != nil {
		start = ""
	}
	return Holder{PID: pid, Start: start}
}

// TryLock takes the exclusive lock on a file, which is created if need be, and writes this process
// into it. If the lock is held the error is a [*LockedError], which is an [ErrLocked]
// and names the holder. The lock lasts until unlock is closed or the process
// ends, by whatever death. An FS without locks gives [errors.ErrUnsupported].
//
// The file is never removed: a lock on a removed file excludes nobody.
func TryLock(fsys FS, name string) (unlock io.Closer, err error) {
	l, ok := fsys.(Locker)
	if !ok {
		return nil, &fs.PathError{Op: "lock", Path: name, Err: errors.ErrUnsupported}
	}
	return l.TryLock(name)
}

func (o osFS) TryLock(name string) (io.Closer, error) {
	f, err := lockFile(name)
	if errors.Is(err, errHeld) {
		h, _ := ReadHolder(o, name) // none, if it is being written just now
		return nil, &LockedError{Name: name, Holder: h}
	}
	if err != nil {
		return nil, err
	}
	if err := writeHolder(f, Self()); err != nil {
		f.Close()
		return nil, err
	}
	return &heldLock{f}, nil
}

// heldLock empties the file when the lock is given back, so that nobody takes
// a former holder for the present one.
type heldLock struct{ f File }

func (l *heldLock) Close() error {
	err := l.f.Truncate(0)
	if cerr := l.f.Close(); err == nil || errors.Is(cerr, fs.ErrClosed) {
		err = cerr
	}
	return err
}

// maxHolder bounds a lock file: a number, a boot id and a time are less than 80 bytes.
const maxHolder = 256

// writeHolder replaces the content of a lock file: "pid start\n".
func writeHolder(f File, h Holder) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte(strings.TrimSpace(strconv.Itoa(h.PID)+" "+h.Start)+"\n"), 0)
	return err
}

// ReadHolder tells which process last took the lock on a file and has not given it back. It may be dead
// by now; only [TryLock] tells whether the lock is held. A lock file without a
// holder gives the zero Holder.
func ReadHolder(fsys FS, name string) (Holder, error) {
	data, err := ReadFile(fsys, name, maxHolder)
	if err != nil {
		return Holder{}, err
	}
	h, err := parseHolder(string(data))
	if err != nil {
		return Holder{}, fmt.Errorf("%s: %w", name, err)
	}
	return h, nil
}

func parseHolder(s string) (Holder, error) {
	line, _, whole := strings.Cut(s, "\n")
	if !whole {
		return Holder{}, nil // empty, or caught while it was written
	}
	pid, start, _ := strings.Cut(line, " ")
	n, err := strconv.Atoi(pid)
	if err != nil || n <= 0 {
		return Holder{}, fmt.Errorf("not a lock's holder: %q", line)
	}
	return Holder{PID: n, Start: start}, nil
}

// Running says whether the process that wrote the lock file lives: this very one, not a
// later one with its number. It gives [errors.ErrUnsupported] where the system does not tell.
func (h Holder) Running() (bool, error) {
	if h.PID == 0 {
		return false, nil
	}
	start, err := processStart(h.PID)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return start == h.Start, nil
}

// Kill ends the process, if it is the very one that wrote the lock file. A process that is gone
// already, or whose number belongs to another one now, is success: the lock is free.
// It does not wait for the end. It gives [errors.ErrUnsupported] where the system
// does not tell processes of one number apart, since killing a stranger is worse than a lock.
func (h Holder) Kill() error {
	if h.PID == 0 {
		return nil
	}
	// The handle comes first: on Linux it stays with the process it was made for, so the
	// check below speaks of the process that the signal reaches.
	p, err := os.FindProcess(h.PID)
	if err != nil {
		return nil
	}
	defer p.Release()
	same, err := h.Running()
	if err != nil || !same {
		return err
	}
	if err := p.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("process %d: %w", h.PID, err)
	}
	return nil
}
