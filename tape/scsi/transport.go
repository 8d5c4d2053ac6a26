package scsi

import (
	"context"
	"errors"
)

// Transport carries commands to one logical unit. Package sg has one over a device of the
// Linux kernel, package iscsi one over TCP.
//
// The caller guarantees that calls are never concurrent, except Close.
type Transport interface {
	// Exec carries out one command. At most one of out (to the unit) and in (from it) is
	// not empty. A status other than good is no error: it is in the Result. An error means
	// that the transport failed; it wraps ErrNotSent if the unit cannot have seen the command,
	// else the command's outcome is unknown. After any error the session may be lost, and with it
	// every belief about the position of a tape.
	//
	// The end of ctx aborts the command if the transport can, and is an error of unknown outcome.
	// out and in are not touched after Exec has returned.
	Exec(ctx context.Context, cdb, out, in []byte) (Result, error)

	// Close ends the session.
	Close() error
}

// Device is a Transport over a device of this machine, which only one can have open at a time.
type Device interface {
	Transport
	// MaxTransfer is the most that one command can move, in bytes: a host adapter has its limits.
	MaxTransfer() int
}

// Result is what a unit answered.
type Result struct {
	Status Status
	Sense  []byte // with CheckCondition, as it came; at most MaxSense bytes
	// Transferred is how many bytes of out or in were moved, as the transport counted them.
	// With CheckCondition it is not to be trusted: some units send stale bytes behind what they
	// have; sense information tells more.
	Transferred int
}

// MaxSense bounds sense data, in bytes: the additional length is one byte, behind eight.
const MaxSense = 252

// Status is the SAM status of a command.
type Status uint8

// The statuses (SAM-5, 5.3.1).
const (
	Good                Status = 0x00
	CheckCondition      Status = 0x02
	ConditionMet        Status = 0x04
	Busy                Status = 0x08
	ReservationConflict Status = 0x18
	TaskSetFull         Status = 0x28
	ACAActive           Status = 0x30
	TaskAborted         Status = 0x40
)

// Errors of transports, to be matched with errors.Is.
var (
	// ErrNotSent: the unit has not seen the command.
	ErrNotSent = errors.New("scsi: command not sent")
	// ErrSessionLost: the way to the unit is gone, and a new one has to be made.
	ErrSessionLost = errors.New("scsi: session lost")
)
