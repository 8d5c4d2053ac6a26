package filetape

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sort"
	"sync/atomic"

	"github.com/enstore-go/sdk/tape/disk"
	"github.com/enstore-go/sdk/tape/driver"
)

// loaded is a cartridge in a drive.
type loaded struct {
	kind      cartridge
	protected string // why nothing may be written; "" if it may
	lock      io.Closer
	rf, wf    disk.File // the image, to be read and to be written; wf nil if it may not
	image     image
	index     *indexStore
	damage    *damageError // at the end of an image without index
	torn      *damageError // an object there that was cut off

	pos     extent // where the tape stands
	end     extent // end of data, what is not durable included
	durable extent // end of what is
	marks   []mark // all filemarks before end

	closed    func() // called by close, if not nil
	newWriter func() *writer
	w         *writer // nil before the first write
	appending bool    // the last command wrote, and what follows goes behind it
	stored    atomic.Pointer[extent]
	failed    *driver.Error // why nothing is written until the tape is moved; then durable is the end
}

// openTape opens an image and finds out what is on it.
func openTape(ctx context.Context, fsys disk.FS, name string, kind cartridge) (*loaded, error) {
	t := &loaded{kind: kind, index: newIndexStore(fsys, name)}
	var err error
	if t.rf, err = fsys.OpenFile(name, os.O_RDONLY, 0); err != nil {
		return nil, err
	}
	if kind.WriteProtect {
		t.protected = "the cartridge is write protected"
	} else if t.wf, err = fsys.OpenFile(name, os.O_RDWR, 0); err != nil {
		t.wf, t.protected = nil, err.Error()
	}
	if err := t.survey(ctx); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// survey reads the index, or the image if there is none.
func (t *loaded) survey(ctx context.Context) error {
	info, err := t.rf.Stat()
	if err != nil {
		return err
	}
	t.image = image{r: t.rf}
	t.end, t.marks, err = t.index.load()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		t.end, t.marks, t.damage, err = scan(ctx, t.rf, info.Size())
		if err != nil {
			return err
		}
		if t.damage != nil && t.damage.torn && t.end.obj > 0 {
			t.torn, t.damage = t.damage, nil // what was cut off while it was written was never on tape
		}
		if t.damage != nil {
			t.protected = t.damage.Error()
		}
	case err != nil:
		return err
	case info.Size() < t.end.off:
		return fmt.Errorf("%w: the image has %d bytes, its index knows of %d; without the index it is scanned for what is there",
			ErrDamaged, info.Size(), t.end.off)
	}
	t.durable = t.end
	end := t.end
	t.stored.Store(&end)
	return nil
}

func (t *loaded) subject() string { return "volume " + t.kind.Label }

// room gives capacity and what remains of it to early warning.
func (t *loaded) room() (capacity, remaining int64) {
	if t.kind.Capacity == 0 {
		return driver.Unknown, driver.Unknown
	}
	return t.kind.Capacity, max(0, t.kind.Capacity-t.kind.EarlyWarning-t.end.off)
}

// close gives the cartridge back. What has not been flushed is lost.
func (t *loaded) close() error {
	var first error
	keep := func(err error) {
		if first == nil {
			first = err
		}
	}
	if t.w != nil {
		t.w.stop()
		t.trim()
	}
	if t.wf != nil {
		keep(t.wf.Close())
	}
	if t.rf != nil {
		keep(t.rf.Close())
	}
	if t.lock != nil {
		keep(t.lock.Close())
	}
	if t.closed != nil {
		t.closed()
	}
	return first
}

// trim cuts off what is behind the end: the padding behind the end mark, or what was not flushed. It changes
// only what an image looks like to others, so errors do not matter.
func (t *loaded) trim() {
	if !t.index.certain {
		return
	}
	size := t.stored.Load().off
	t.image.forget()
	if w, err := t.image.word(size); err == nil && w == wordEnd {
		size += wordSize
	}
	if info, err := t.wf.Stat(); err == nil && info.Size() > size {
		t.wf.Truncate(size)
	}
}

// settle makes the tape ready to be moved: what was written is flushed, or after a failure forgotten.
func (t *loaded) settle(ctx context.Context, op string) error {
	if t.failed != nil {
		return t.recover(ctx, op)
	}
	if !t.appending {
		return nil
	}
	if err := t.flush(ctx, op); err != nil {
		return err
	}
	t.appending = false
	return nil
}

// recover goes on after a failure, with what is durable.
func (t *loaded) recover(ctx context.Context, op string) error {
	if t.w != nil {
		if err := t.w.reset(ctx); err != nil {
			return typed(op, t.subject(), err, true)
		}
	}
	t.durable = *t.stored.Load() // a flush that was given up may have succeeded
	t.end, t.pos = t.durable, t.durable
	t.marks = t.marks[:t.end.file]
	t.image.forget()
	t.appending, t.failed = false, nil
	if t.w != nil && !t.index.certain {
		// The index on disk may be the one that was not reported. Without room this fails again, and
		// the tape can be read all the same.
		t.w.do(ctx, func() error { return t.index.store(t.durable, t.marks) })
	}
	return nil
}

// fail remembers a failure to write and reports it. deferred says that blocks may be lost that
// had been reported good.
func (t *loaded) fail(op string, err error, deferred bool) *driver.Error {
	e := typed(op, t.subject(), err, true)
	e.Sense.Deferred = deferred && t.end != t.durable
	t.failed = e
	t.end, t.pos = t.durable, t.durable
	return e
}

// refused is the answer to a command after a failure.
func (t *loaded) refused(op string) *driver.Error {
	e := *t.failed
	e.Op = op
	e.Sense.Deferred = true
	return &e
}

func (t *loaded) rewind(ctx context.Context, op string) error {
	if err := t.settle(ctx, op); err != nil {
		return err
	}
	t.pos = extent{}
	return nil
}

// markBefore gives the number of filemarks before object obj.
func (t *loaded) markBefore(obj int64) int64 {
	marks := t.marks[:t.end.file]
	return int64(sort.Search(len(marks), func(i int) bool { return marks[i].obj >= obj }))
}

// afterMarks is the place behind the first n filemarks.
func (t *loaded) afterMarks(n int64) extent {
	if n == 0 {
		return extent{}
	}
	m := t.marks[n-1]
	return extent{m.off + wordSize, m.obj + 1, n}
}

// segmentEnd is the offset that the blocks from pos on cannot pass: the next filemark or the end.
func (t *loaded) segmentEnd() int64 {
	if t.pos.file < t.end.file {
		return t.marks[t.pos.file].off
	}
	return t.end.off
}

// object gives the object ahead. The caller has checked that it is before the end.
func (t *loaded) object() (object, error) {
	limit := t.segmentEnd()
	if t.pos.file < t.end.file && t.pos.obj == t.marks[t.pos.file].obj {
		o, err := t.image.at(t.pos.off, limit+wordSize)
		if err == nil && (!o.mark() || o.off != limit) {
			err = &damageError{off: o.off, text: fmt.Sprintf("by the index the next object is the filemark at offset %d", limit)}
		}
		return o, err
	}
	o, err := t.image.at(t.pos.off, limit)
	if err == nil && o.length == 0 {
		err = &damageError{off: o.off, text: "a filemark or end mark that the index does not have"}
	}
	return o, err
}

// pass moves over an object that was found ahead.
func (t *loaded) pass(o object) {
	t.pos.off = o.after
	t.pos.obj++
	if o.mark() {
		t.pos.file++
	}
}
