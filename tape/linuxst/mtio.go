//go:build linux && (amd64 || arm64)

package linuxst

import (
	"errors"
	"syscall"
	"unsafe"
)

// Requests of st's ioctl on machines whose long has 8 bytes (include/uapi/linux/mtio.h).
const (
	mtiocTop = 0x40086d01
	mtiocGet = 0x80306d02
	mtiocPos = 0x80086d03
)

// Operations of mtiocTop.
const (
	mtFSF    = 1
	mtBSF    = 2
	mtFSR    = 3
	mtBSR    = 4
	mtWEOF   = 5
	mtREW    = 6
	mtOFFL   = 7
	mtEOM    = 12
	mtSETBLK = 20
	mtSEEK   = 22
	mtDRVBUF = 24
	mtLOCK   = 28
	mtUNLOCK = 29
	mtLOAD   = 30
	mtWEOFI  = 35
)

// setBooleans and scsi2Logical are an argument of mtDRVBUF: positions are logical ones.
const (
	setBooleans  = 0x30000000
	scsi2Logical = 0x800
)

// Bits of mtget.gstat.
const (
	gmtEOF    = 0x80000000
	gmtEOD    = 0x08000000
	gmtWrProt = 0x04000000
	gmtOnline = 0x01000000
	gmtNoTape = 0x00040000
	gmtClean  = 0x00008000
)

type mtop struct {
	op    int16
	count int32
}

type mtget struct {
	kind, resid, dsreg, gstat, erreg int64
	file, block                      int32
}

type tape struct{ fd int }

func (t tape) ioctl(request uintptr, arg unsafe.Pointer) error {
	for {
		_, _, e := syscall.Syscall(syscall.SYS_IOCTL, uintptr(t.fd), request, uintptr(arg))
		switch e {
		case 0:
			return nil
		case syscall.EINTR: // st was waiting for the drive, and had done nothing yet
		default:
			return e
		}
	}
}

// do carries out an operation.
func (t tape) do(op int16, count int32) error {
	m := mtop{op, count}
	return t.ioctl(mtiocTop, unsafe.Pointer(&m))
}

// state is what st remembers of the drive.
func (t tape) state() (mtget, error) {
	var m mtget
	return m, t.ioctl(mtiocGet, unsafe.Pointer(&m))
}

// position asks the drive.
func (t tape) position() (int64, error) {
	var n int64
	return n, t.ioctl(mtiocPos, unsafe.Pointer(&n))
}

func (t tape) read(p []byte) (int, error) {
	for {
		if n, err := syscall.Read(t.fd, p); !errors.Is(err, syscall.EINTR) {
			return n, err
		}
	}
}

func (t tape) write(p []byte) (int, error) {
	for {
		if n, err := syscall.Write(t.fd, p); !errors.Is(err, syscall.EINTR) {
			return n, err
		}
	}
}
