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
