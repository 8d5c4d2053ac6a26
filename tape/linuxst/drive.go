//go:build linux && (amd64 || arm64)

package linuxst

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/scsi"
)

// drive is a driver.Drive. Fields above held belong to the call that is at work.
type drive struct {
	settings
	class    string // its directory in sysfs
	id       driver.Identity
	caps     driver.Capabilities
	t        tape
	loaded   bool
	readOnly bool
	writing  bool   // the last command wrote a block: st would put a filemark behind it
	at       int64  // objects before the position; or driver.Unknown
	eod      bool   // a read met end of data, and nothing has moved since
	buf      []byte // a command that was given up goes on with it

	held    sync.Mutex
	working bool
	lost    bool // a command was given up
	closed  bool
}

const window = 1 << 15 // as of package ssc

// st's major device number, and the bit of the minor one that says that a close does not rewind (Documentation/admin-guide/devices.txt).
const (
	major    = 9
	noRewind = 0x80
)

func open(ctx context.Context, s settings) (driver.Drive, error) {
	var st syscall.Stat_t
	if err := syscall.Stat(s.Device, &st); err != nil {
		return nil, fail("open", driver.OutcomeConfig, "device: %s: %v", s.Device, err)
	}
	maj, minor := st.Rdev>>8&0xfff, st.Rdev&0xff|st.Rdev>>12&0xfff00
	switch {
	case st.Mode&syscall.S_IFMT != syscall.S_IFCHR || maj != major:
		return nil, fail("open", driver.OutcomeConfig, "device: %s is no tape device of the driver st", s.Device)
	case minor&noRewind == 0:
		return nil, fail("open", driver.OutcomeConfig, "device: %s rewinds the tape whenever it is closed: use its twin with n before the name, like /dev/nst0", s.Device)
	}
	d := &drive{settings: s, class: fmt.Sprintf("/sys/dev/char/%d:%d", maj, minor), t: tape{-1}, at: driver.Unknown, buf: make([]byte, s.MaxBlock)}
	d.identify()
	if err := d.reopen("open"); err != nil {
		return nil, err
	}
	if !d.logical() {
		if err := d.t.do(mtDRVBUF, setBooleans|scsi2Logical); err != nil {
			d.close()
			return nil, fail("open", driver.OutcomeConfig, "device: %s: its positions are the drive's own, and st cannot be told to use logical ones (%v): "+
				"have an administrator set its option scsi2logical", s.Device, err)
		}
	}
	if s, err := d.t.state(); err == nil && s.gstat&gmtOnline != 0 {
		if err := d.knows("open"); err != nil {
			d.close()
			return nil, err
		}
	}
	return d, nil
}

// identify finds out what the kernel knows of the drive.
func (d *drive) identify() {
	d.id = driver.Identity{Vendor: d.attribute("device/vendor"), Product: d.attribute("device/model"), Revision: d.attribute("device/rev")}
	if b, err := os.ReadFile(filepath.Join(d.class, "device/vpd_pg80")); err == nil { // older kernels keep it from all but root
		d.id.Serial, _ = scsi.ParseSerial(b)
	}
	d.caps = driver.Capabilities{
		MinBlock: d.MinBlock, MaxBlock: d.MaxBlock, Window: window, Exclusive: driver.ExclusiveOpen,
		ReportsPosition: true, LocatesByBlock: true,
		Timeouts: scsi.Timeouts(scsi.Generation(d.id.Product)).WithDefaults(),
	}
}

func (d *drive) attribute(name string) string {
	b, err := os.ReadFile(filepath.Join(d.class, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(strings.ToValidUTF8(string(b), "?"))
}

// logical tells whether st's positions are logical objects already.
func (d *drive) logical() bool {
	options, err := strconv.ParseUint(d.attribute("options"), 0, 32)
	return err == nil && options&scsi2Logical != 0
}

// reopen opens the device, again if need be: only then st looks whether there is a cartridge, and whether it may be written.
func (d *drive) reopen(op string) error {
	d.close()
	d.loaded, d.readOnly, d.writing, d.at, d.eod = false, false, false, driver.Unknown, false
	const flags = syscall.O_NONBLOCK | syscall.O_CLOEXEC // not to block is to open without a cartridge too
	fd, err := syscall.Open(d.Device, syscall.O_RDWR|flags, 0)
	if errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.EACCES) {
		d.readOnly = true
		fd, err = syscall.Open(d.Device, syscall.O_RDONLY|flags, 0)
	}
	switch {
	case err == nil:
		d.t.fd = fd
		return nil
	case errors.Is(err, syscall.EBUSY):
		return fail(op, driver.OutcomeHeld, "%s: another program has the drive", d.Device)
	case errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM):
		return fail(op, driver.OutcomeConfig, "device: %s: %v: this user may not open it; on most systems group tape may", d.Device, err)
	case errors.Is(err, syscall.ENXIO) || errors.Is(err, syscall.ENODEV) || errors.Is(err, syscall.ENOENT):
		return fail(op, driver.OutcomeGone, "%s: %v: the kernel has no such drive any more", d.Device, err)
	}
	return fail(op, driver.OutcomeNotReady, "%s: %v", d.Device, err)
}

func (d *drive) close() {
	if d.t.fd >= 0 {
		_ = d.t.idle(d.writing)
		_ = syscall.Close(d.t.fd)
		d.t.fd = -1
	}
}

// idle has st forget that the last command was a write: else it would put a filemark behind it with the next motion, or when it is closed. What
// is buffered is written.
func (t tape) idle(writing bool) error {
	if !writing {
		return nil
	}
	return t.do(mtWEOF, 0)
}

// answer is what a call came to.
type answer[T any] struct {
	value T
	err   error
}

// call carries out f, which is one command or a few. Only a call may touch the device. f shares nothing with its caller, because a call that was given up
// goes on.
func call[T any](ctx context.Context, d *drive, op string, f func() (T, error)) (none T, err error) {
	if ctx.Err() != nil {
		return none, fail(op, driver.OutcomeAborted, "%v", ctx.Err())
	}
	d.held.Lock()
	switch {
	case d.closed:
		d.held.Unlock()
		return none, fail(op, driver.OutcomeGone, "the drive is closed")
	case d.lost:
		d.held.Unlock()
		return none, fail(op, driver.OutcomeGone, "a command was given up, and the kernel may still be at it")
	}
	d.working = true
	d.held.Unlock()
	done := make(chan answer[T], 1)
	go func() {
		v, err := f()
		d.held.Lock()
		defer d.held.Unlock()
		d.working = false
		if d.closed {
			d.close()
		}
		done <- answer[T]{v, err}
	}()
	select {
	case a := <-done:
		return a.value, a.err
	case <-ctx.Done():
		d.held.Lock()
		defer d.held.Unlock()
		d.lost = true
		return none, fail(op, driver.OutcomeUnknown, "given up: %v", ctx.Err())
	}
}

// nothing is the value of calls that have none.
type nothing struct{}

// do is a call without a value.
func (d *drive) do(ctx context.Context, op string, f func() error) error {
	_, err := call(ctx, d, op, func() (nothing, error) { return nothing{}, f() })
	return err
}

// still makes ready for a motion: st would do something by itself.
func (d *drive) still(op string) error {
	if err := d.ready(op); err != nil {
		return err
	}
	if err := d.t.idle(d.writing); err != nil {
		return d.told(op, err)
	}
	d.writing, d.eod = false, false
	return nil
}

func (d *drive) ready(op string) error {
	if !d.loaded {
		return fail(op, driver.OutcomeNotReady, "no cartridge is loaded")
	}
	return nil
}

// told makes an error of what st said. st keeps the drive's words to itself, so EIO may be anything.
func (d *drive) told(op string, err error) error {
	o := driver.OutcomeMedium
	text := err.Error()
	d.at = driver.Unknown
	switch {
	case errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EBADF):
		o = driver.OutcomeWriteProtected
	case errors.Is(err, syscall.ENOMEDIUM):
		o, d.loaded = driver.OutcomeNoMedium, false
	case errors.Is(err, syscall.ENXIO) || errors.Is(err, syscall.ENODEV):
		o, d.loaded = driver.OutcomeGone, false
	case errors.Is(err, syscall.EINVAL):
		o = driver.OutcomeIllegalRequest
	case errors.Is(err, syscall.EBUSY):
		o = driver.OutcomeNotReady
	case d.attribute("position_lost_in_reset") == "1":
		o, d.loaded, text = driver.OutcomeUnitAttention, false, "the drive was reset, or its cartridge changed"
	case !d.found():
		o, d.loaded, text = driver.OutcomeUnknown, false, text+", and the drive does not tell any more where the tape stands"
	default:
		text += ": the kernel's log may say more"
	}
	return fail(op, o, "%s", text)
}

// found asks the drive for its position, and tells whether it knows it.
func (d *drive) found() bool {
	n, err := d.t.position()
	if err != nil {
		n = driver.Unknown
	}
	d.at = n
	return err == nil
}

// knows is found for a drive that has a cartridge; one that does not know is of no use here.
func (d *drive) knows(op string) error {
	if !d.found() {
		return fail(op, driver.OutcomeConfig, "device: %s: the drive does not tell positions; use it through its generic device", d.Device)
	}
	return nil
}

// Identify implements driver.Drive.
func (d *drive) Identify(context.Context) (driver.Identity, driver.Capabilities, error) {
	return d.id, d.caps, nil
}

// Status implements driver.Drive.
func (d *drive) Status(ctx context.Context) (driver.Status, error) {
	const op = "status"
	return call(ctx, d, op, func() (driver.Status, error) {
		s := driver.Status{Capacity: driver.Unknown, Remaining: driver.Unknown}
		if d.loaded { // st believes what it remembers; this asks the drive
			if _, err := d.t.position(); err != nil {
				return s, d.told(op, err)
			}
		}
		if !d.loaded {
			if err := d.reopen(op); err != nil {
				return s, err
			}
		}
		st, err := d.t.state()
		if err != nil {
			return s, d.told(op, err)
		}
		s.Loaded, s.Present = d.loaded, st.gstat&gmtNoTape == 0
		s.WriteProtect = st.gstat&gmtWrProt != 0 || d.readOnly && s.Present
		s.NeedsClean = st.gstat&gmtClean != 0
		return s, nil
	})
}

// How long Load waits between two looks at a drive that is becoming ready, at first and at most.
const (
	settleFirst = 10 * time.Millisecond
	settleMost  = time.Second
)

// Load implements driver.Drive. The end of ctx ends the wait for a drive that is becoming ready.
func (d *drive) Load(ctx context.Context) error {
	const op = "load"
	for wait := settleFirst; ; wait = min(2*wait, settleMost) {
		online, err := call(ctx, d, op, func() (bool, error) { return d.online(op) })
		if err != nil || online {
			return err
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return fail(op, driver.OutcomeUnknown, "the drive is still becoming ready: %v", ctx.Err())
		}
	}
}

// online has the drive load its cartridge, and tells whether it has.
func (d *drive) online(op string) (bool, error) {
	if err := d.reopen(op); err != nil {
		return false, err
	}
	s, err := d.t.state()
	switch {
	case err != nil:
		return false, d.told(op, err)
	case s.gstat&gmtNoTape != 0:
		return false, fail(op, driver.OutcomeNoMedium, "the drive is empty")
	case s.gstat&gmtOnline == 0:
		_ = d.t.do(mtLOAD, 1) // if it does not help, the next look tells
		return false, nil
	}
	for _, c := range []mtop{{mtREW, 1}, {mtSETBLK, 0}} {
		if err := d.t.do(c.op, c.count); err != nil {
			return false, d.told(op, err)
		}
	}
	_ = d.t.do(mtLOCK, 1) // a drive without a robot need not know it
	if err := d.knows(op); err != nil {
		return false, err
	}
	d.loaded = true
	return true, nil
}

// Unload implements driver.Drive. What st does not see as ready is unloaded already.
func (d *drive) Unload(ctx context.Context) error {
	const op = "unload"
	return d.do(ctx, op, func() error {
		if !d.loaded {
			if err := d.reopen(op); err != nil {
				return err
			}
			if s, err := d.t.state(); err != nil || s.gstat&gmtOnline == 0 {
				return err
			}
		}
		if d.loaded && !d.readOnly {
			d.loaded = false // a buffer that cannot be written is told once; the next Unload releases the cartridge
			if err := d.t.idle(d.writing); err != nil {
				return d.told(op, err)
			}
		}
		d.loaded, d.writing = false, false
		_ = d.t.do(mtUNLOCK, 1)
		if err := d.t.do(mtOFFL, 1); err != nil {
			return d.told(op, err)
		}
		return nil
	})
}

// Rewind implements driver.Drive.
func (d *drive) Rewind(ctx context.Context) error {
	const op = "rewind"
	return d.do(ctx, op, func() error {
		if err := d.still(op); err != nil {
			return err
		}
		if err := d.t.do(mtREW, 1); err != nil {
			return d.told(op, err)
		}
		d.at = 0
		return nil
	})
}

// most is the highest number in a request.
const most = 1<<31 - 1

// Locate implements driver.Drive.
func (d *drive) Locate(ctx context.Context, block int64) error {
	const op = "locate"
	if block < 0 || block > most {
		return fail(op, driver.OutcomeIllegalRequest, "block %d", block)
	}
	return d.do(ctx, op, func() error {
		if err := d.still(op); err != nil {
			return err
		}
		err := d.t.do(mtSEEK, int32(block))
		if err == nil {
			d.at = block
			return nil
		}
		e := d.told(op, err)
		if !d.loaded || !errors.Is(err, syscall.EIO) {
			return e
		}
		// st does not say whether that is beyond end of data; where that is does.
		if err := d.t.do(mtEOM, 1); err != nil || !d.found() || block <= d.at {
			return e
		}
		return fail(op, driver.OutcomeEndOfData, "block %d; the data end before block %d", block, d.at)
	})
}

var spaces = map[driver.Space][2]int16{driver.SpaceBlocks: {mtFSR, mtBSR}, driver.SpaceFilemarks: {mtFSF, mtBSF}}

// mostSpace is the most objects of one SPACE(6), which st makes of a request: a number of 24 bits with sign.
const mostSpace = 1<<23 - 1

// passage is how far a motion came.
type passage struct {
	passed int64
	cond   driver.Condition
}

// Space implements driver.Drive. More than one command can say goes in several.
func (d *drive) Space(ctx context.Context, kind driver.Space, n int64) (int64, driver.Condition, error) {
	const op = "space"
	ops, ok := spaces[kind]
	if !ok && kind != driver.SpaceEndOfData {
		return 0, 0, fail(op, driver.OutcomeIllegalRequest, "objects of kind %d", kind)
	}
	p, err := call(ctx, d, op, func() (p passage, err error) {
		if err := d.still(op); err != nil {
			return p, err
		}
		if kind == driver.SpaceEndOfData {
			d.at = driver.Unknown
			if err := d.t.do(mtEOM, 1); err != nil {
				return p, d.told(op, err)
			}
			return p, nil
		}
		way, left := ops[0], n
		if n < 0 {
			way, left = ops[1], -n
		}
		for left > 0 && p.cond == driver.NoCondition {
			part := min(left, mostSpace)
			got, c, err := d.space(op, way, part)
			if p.passed, p.cond = p.passed+got, c; err != nil {
				return p, err
			}
			left -= part
		}
		return p, nil
	})
	return p.passed, p.cond, err
}

// space is one request. What st counts (filemarks exactly, blocks since the last filemark) and the positions before and after tell how far a motion came
// that was stopped.
func (d *drive) space(op string, way int16, n int64) (passed int64, cond driver.Condition, err error) {
	if !d.found() {
		return 0, 0, d.told(op, syscall.EIO)
	}
	before := d.at
	was, err := d.t.state()
	if err != nil {
		return 0, 0, d.told(op, err)
	}
	d.at = driver.Unknown
	e := d.t.do(way, int32(n))
	if e == nil {
		return n, driver.NoCondition, nil
	}
	told := d.told(op, e)
	if !errors.Is(e, syscall.EIO) || !d.loaded {
		return 0, 0, told
	}
	is, err := d.t.state()
	if err != nil {
		return 0, 0, d.told(op, err)
	}
	moved := max(d.at-before, before-d.at)
	if way == mtFSF || way == mtBSF {
		moved = n // of filemarks, those that st counted
		if was.file >= 0 && is.file >= 0 {
			moved = int64(max(is.file-was.file, was.file-is.file))
		}
	}
	switch {
	case d.at == 0 && (way == mtBSR || way == mtBSF):
		return moved, driver.LoadPoint, nil
	case is.gstat&gmtEOD != 0 && (way == mtFSR || way == mtFSF):
		return moved, driver.EndOfData, nil
	case (way == mtFSR || way == mtBSR) && moved > 0 && moved <= n:
		return moved - 1, driver.Filemark, nil // of the objects passed, the last was a filemark
	}
	return 0, 0, told
}

// Position implements driver.Drive.
func (d *drive) Position(ctx context.Context) (driver.Position, error) {
	const op = "position"
	unknown := driver.Position{Block: driver.Unknown, File: driver.Unknown, Buffered: driver.Unknown}
	n, err := call(ctx, d, op, func() (int64, error) {
		if err := d.ready(op); err != nil {
			return driver.Unknown, err
		}
		if !d.found() {
			return driver.Unknown, d.told(op, syscall.EIO)
		}
		return d.at, nil
	})
	if err != nil {
		return unknown, err
	}
	p := unknown
	p.Block = n
	return p, nil
}

// block is what was read.
type block struct {
	n    int
	cond driver.Condition
}

// ReadBlock implements driver.Drive.
func (d *drive) ReadBlock(ctx context.Context, p []byte) (int, driver.Condition, error) {
	const op = "read block"
	asked := min(len(p), len(d.buf))
	b, err := call(ctx, d, op, func() (block, error) { return d.read(op, asked) })
	if err != nil {
		return 0, 0, err
	}
	return copy(p, d.buf[:b.n]), b.cond, nil
}

func (d *drive) read(op string, asked int) (block, error) {
	if err := d.ready(op); err != nil {
		return block{}, err
	}
	if d.eod { // st would tell it once, and then an error
		return block{cond: driver.EndOfData}, nil
	}
	d.writing = false // st lets the drive write what is buffered, and puts no filemark
	n, err := d.t.read(d.buf[:asked])
	switch {
	case errors.Is(err, syscall.ENOMEM):
		d.step(1)
		return block{}, fail(op, driver.OutcomeBlockTooLong, "a block of more than %d bytes", asked)
	case err != nil && !errors.Is(err, syscall.EIO):
		return block{}, d.told(op, err)
	case n > 0:
		d.step(1)
		return block{n: n}, nil
	}
	s, e := d.t.state()
	switch {
	case e != nil:
		return block{}, d.told(op, e)
	case s.gstat&gmtEOD != 0:
		d.eod = true
		return block{cond: driver.EndOfData}, nil
	case err != nil: // so st tells the end of data too, but behind a filemark
		return d.ended(op, err)
	case s.gstat&gmtEOF != 0:
		d.step(1)
		return block{cond: driver.Filemark}, nil
	}
	return block{}, fail(op, driver.OutcomeHardware, "nothing was read, and st does not say why")
}

// ended finds out whether a read failed at end of data: then that is where the tape stands. Else it goes back to where the read had left it.
func (d *drive) ended(op string, err error) (block, error) {
	told := d.told(op, err)
	at := d.at
	if !d.loaded {
		return block{}, told
	}
	if d.t.do(mtEOM, 1) == nil && d.found() && d.at == at {
		d.eod = true
		return block{cond: driver.EndOfData}, nil
	}
	if at > most || d.t.do(mtSEEK, int32(at)) != nil || !d.found() || d.at != at {
		d.loaded = false
	}
	return block{}, told
}

func (d *drive) step(n int64) {
	if d.at != driver.Unknown {
		d.at += n
	}
}

// WriteBlock implements driver.Drive.
func (d *drive) WriteBlock(ctx context.Context, p []byte) (driver.Condition, error) {
	const op = "write block"
	if len(p) < d.MinBlock || len(p) > len(d.buf) {
		return 0, fail(op, driver.OutcomeIllegalRequest, "a block of %d bytes; from %d to %d are allowed", len(p), d.MinBlock, len(d.buf))
	}
	n := copy(d.buf, p)
	return call(ctx, d, op, func() (driver.Condition, error) {
		if err := d.ready(op); err != nil {
			return 0, err
		}
		d.eod = false
		return d.put(op, 1, func() error {
			d.writing = true
			done, err := d.t.write(d.buf[:n])
			if err == nil && done != n {
				return syscall.EIO
			}
			return err
		})
	})
}

// WriteFilemarks implements driver.Drive.
func (d *drive) WriteFilemarks(ctx context.Context, n int, immediate bool) (driver.Condition, error) {
	const op = "write filemarks"
	if n < 0 || n > maxBlock {
		return 0, fail(op, driver.OutcomeIllegalRequest, "%d filemarks", n)
	}
	return call(ctx, d, op, func() (driver.Condition, error) {
		if err := d.ready(op); err != nil {
			return 0, err
		}
		what := int16(mtWEOF)
		if n > 0 {
			d.eod = false
			if immediate {
				what = mtWEOFI
			}
		}
		return d.put(op, int64(n), func() error {
			d.writing = false
			return d.t.do(what, int32(n))
		})
	})
}

// put writes so many objects. Behind early warning st lets the drive take what is written, says that there is no room, and refuses the next write by itself:
// where the tape stands then tells what became of it.
func (d *drive) put(op string, objects int64, write func() error) (driver.Condition, error) {
	if d.at == driver.Unknown && !d.found() {
		return 0, d.told(op, syscall.EIO)
	}
	before := d.at
	for again := false; ; again = true {
		err := write()
		if err == nil {
			d.step(objects)
			return driver.NoCondition, nil
		}
		if !errors.Is(err, syscall.ENOSPC) {
			return 0, d.told(op, err)
		}
		switch {
		case !d.found():
			return 0, d.told(op, syscall.EIO)
		case d.at == before+objects:
			return driver.EarlyWarning, nil
		case d.at != before || again:
			return 0, fail(op, driver.OutcomeEndOfMedium, "%v", err)
		}
	}
}

// Close implements driver.Drive. A command that was given up has the device until it ends.
func (d *drive) Close() error {
	d.held.Lock()
	defer d.held.Unlock()
	if d.closed {
		return nil
	}
	d.closed = true
	if !d.working {
		d.close()
	}
	return nil
}
