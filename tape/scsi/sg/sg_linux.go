package sg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/enstore-go/sdk/tape/scsi"
)

// Device is an open device, a scsi.Transport.
type Device struct {
	name    string
	f       *os.File
	conn    syscall.RawConn
	longest int // bytes of one transfer
	lost    atomic.Bool
}

// Requests of the driver's ioctl, and bits of its header (include/scsi/sg.h).
const (
	sgGetVersion  = 0x2282
	sgSetReserved = 0x2275
	blkSectGet    = 0x1267 // here in bytes: the longest transfer of the host adapter

	none       = -1
	toDevice   = -2
	fromDevice = -3

	interfaceID = 'S'
)

// header is struct sg_io_hdr.
type header struct {
	interfaceID    int32
	direction      int32
	cdbLen         uint8
	maxSense       uint8
	iovecs         uint16
	dataLen        uint32
	data           unsafe.Pointer
	cdb            unsafe.Pointer
	sense          unsafe.Pointer
	timeout        uint32 // milliseconds
	flags          uint32
	packID         int32
	user           unsafe.Pointer
	status         uint8
	maskedStatus   uint8
	message        uint8
	senseLen       uint8
	hostStatus     uint16
	driverStatus   uint16
	residual       int32
	duration, info uint32
}

// Open opens a device like /dev/sg3, for itself alone. It fails with ErrHeld, ErrNoDevice, or an error of package fs that names it.
func Open(name string) (*Device, error) {
	// With O_EXCL the open waits for others to close, unless it is not to block.
	fd, err := syscall.Open(name, syscall.O_RDWR|syscall.O_EXCL|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, syscall.EBUSY) || errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EPERM):
		return nil, fmt.Errorf("%s: %w", name, ErrHeld) // EPERM: the driver's word for a device that another has for itself
	case errors.Is(err, syscall.ENXIO) || errors.Is(err, syscall.ENODEV) || errors.Is(err, syscall.ENOENT):
		return nil, fmt.Errorf("%s: %w", name, ErrNoDevice)
	case err != nil:
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	var version int32
	if err := ioctl(fd, sgGetVersion, unsafe.Pointer(&version)); err != nil || version < 30000 {
		_ = syscall.Close(fd)
		return nil, fmt.Errorf("%s: %w", name, ErrNoDevice)
	}
	d := &Device{name: name, f: os.NewFile(uintptr(fd), name), longest: scsi.MaxTransfer}
	var n int32
	if ioctl(fd, blkSectGet, unsafe.Pointer(&n)) == nil && n > 0 {
		d.longest = min(d.longest, int(n))
	}
	reserve := int32(min(d.longest, 1<<20)) // so that memory in pieces does not fail a transfer; one that is refused is no harm
	_ = ioctl(fd, sgSetReserved, unsafe.Pointer(&reserve))
	if d.conn, err = d.f.SyscallConn(); err != nil {
		_ = d.f.Close()
		return nil, err
	}
	return d, nil
}

func ioctl(fd int, request uintptr, arg unsafe.Pointer) error {
	if _, _, e := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), request, uintptr(arg)); e != 0 {
		return e
	}
	return nil
}

func (d *Device) String() string { return d.name }

// MaxTransfer is the most that one command can move, in bytes: what the host adapter can.
func (d *Device) MaxTransfer() int { return d.longest }

// Exec implements scsi.Transport. After the end of a context the device is lost, because the kernel still has the command.
func (d *Device) Exec(ctx context.Context, cdb, out, in []byte) (scsi.Result, error) {
	notSent := func(err error) (scsi.Result, error) {
		return scsi.Result{}, fmt.Errorf("%s: %w: %w", d.name, scsi.ErrNotSent, err)
	}
	switch {
	case d.lost.Load():
		return notSent(fmt.Errorf("%w: it is closed, or a command was given up", scsi.ErrSessionLost))
	case len(cdb) == 0 || len(cdb) > maxCDB:
		return notSent(fmt.Errorf("a command of %d bytes", len(cdb)))
	case len(out) > 0 && len(in) > 0:
		return notSent(errors.New("data in both directions"))
	case max(len(out), len(in)) > d.longest:
		return notSent(fmt.Errorf("%d bytes: the host adapter moves at most %d at once", max(len(out), len(in)), d.longest))
	case ctx.Err() != nil:
		return notSent(ctx.Err())
	}
	limit := NoDeadline
	if t, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(t))
	}
	sense := make([]byte, scsi.MaxSense)
	h := &header{interfaceID: interfaceID, direction: none, cdbLen: uint8(len(cdb)), maxSense: uint8(len(sense)), timeout: uint32(max(limit.Milliseconds(), 1))}
	var pin runtime.Pinner // the kernel has these addresses until the command has ended
	defer pin.Unpin()
	place := func(to *unsafe.Pointer, b []byte) {
		p := unsafe.SliceData(b)
		pin.Pin(p)
		*to = unsafe.Pointer(p)
	}
	place(&h.cdb, cdb)
	place(&h.sense, sense)
	data, direction := out, int32(toDevice)
	if len(in) > 0 {
		data, direction = in, fromDevice
	}
	if len(data) > 0 {
		place(&h.data, data)
		h.direction, h.dataLen = direction, uint32(len(data))
	}
	if err := d.submit(h); err != nil {
		return notSent(err)
	}
	if err := d.await(ctx, h); err != nil {
		// The kernel copies what comes in when the end of the command is read, which nobody does any more.
		d.lost.Store(true)
		_ = d.f.Close()
		return scsi.Result{}, fmt.Errorf("%s: %w: %w", d.name, scsi.ErrSessionLost, err)
	}
	return d.result(h, data, sense)
}

// submit gives a command to the kernel.
func (d *Device) submit(h *header) error {
	b := unsafe.Slice((*byte)(unsafe.Pointer(h)), unsafe.Sizeof(*h))
	var n int
	var err error
	if e := d.conn.Control(func(fd uintptr) {
		for {
			if n, err = syscall.Write(int(fd), b); !errors.Is(err, syscall.EINTR) {
				return
			}
		}
	}); e != nil {
		return e
	}
	if err == nil && n != len(b) {
		err = fmt.Errorf("the kernel took %d of %d bytes", n, len(b))
	}
	return err
}

// await waits for the end of the command, which the kernel writes into h.
func (d *Device) await(ctx context.Context, h *header) error {
	_ = d.f.SetReadDeadline(time.Time{})
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		_ = d.f.SetReadDeadline(time.Now())
	})
	defer func() {
		if !stop() {
			<-ended // or it would end the wait for the next command
		}
	}()
	b := unsafe.Slice((*byte)(unsafe.Pointer(h)), unsafe.Sizeof(*h))
	var err error
	if e := d.conn.Read(func(fd uintptr) (done bool) {
		for {
			if _, err = syscall.Read(int(fd), b); !errors.Is(err, syscall.EINTR) {
				return !errors.Is(err, syscall.EAGAIN)
			}
		}
	}); e != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return e
	}
	return err
}

// Statuses of host adapter and driver that have a name here (include/scsi/scsi_status.h).
var hostStatuses = map[uint16]string{
	1: "the unit does not answer", 2: "the bus is busy", 3: "timed out", 4: "no such target", 5: "aborted", 6: "parity error", 7: "internal error of the host adapter",
	8: "reset", 0x0b: "error that may pass", 0x0e: "the way to the unit is disturbed", 0x0f: "the way to the unit is lost",
}

// gone tells that after this status no command will reach the unit.
func gone(host uint16) bool { return host == 1 || host == 4 || host == 0x0f }

// result is what the kernel wrote into the header.
func (d *Device) result(h *header, data, sense []byte) (scsi.Result, error) {
	const driverTimeout = 6
	if h.hostStatus != 0 || h.driverStatus&0x0f == driverTimeout {
		text, ok := hostStatuses[h.hostStatus]
		if !ok {
			text = "failed"
		}
		err := fmt.Errorf("%s: %s (host status %#02x, driver status %#02x)", d.name, text, h.hostStatus, h.driverStatus)
		if gone(h.hostStatus) {
			err = fmt.Errorf("%w: %w", scsi.ErrSessionLost, err)
		}
		return scsi.Result{}, err
	}
	r := scsi.Result{Status: scsi.Status(h.status & 0x7e), Transferred: min(max(len(data)-int(h.residual), 0), len(data))}
	if n := min(int(h.senseLen), len(sense)); r.Status == scsi.CheckCondition {
		r.Sense = sense[:n]
	}
	return r, nil
}

// Close implements scsi.Transport. A command that another goroutine waits for is given up.
func (d *Device) Close() error {
	if d.lost.Swap(true) {
		return nil
	}
	return d.f.Close()
}
