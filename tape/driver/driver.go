// Package driver is what a vendor of tape drives or robots implements.
//
// A [Drive] moves blocks and filemarks, a [Changer] moves cartridges. Both
// interfaces are small and speak plain data only: no retries, no statistics, no
// judgement of whose fault an error is. All of that lives once, in package tape,
// whose *tape.Drive and *tape.Changer are what the engines hold. A vendor proves an
// implementation with package drivertest and ships it as a subprocess with package
// plugins.
//
// Nouns: an [Outcome] says how a command ended, [Sense] carries the drive's own
// words about it, a [Condition] is something the tape met that is no error (a
// filemark, end of data, early warning), a [Position] is where the tape stands. A drive may be a [HealthReporter]
// too: then its [Health] tells of cleaning, errors and wear.
//
// This package does nothing by itself: it has no goroutines, no logging, no I/O.
package driver

import (
	"context"
	"strconv"
	"time"
)

// Drive is one tape drive.
//
// The caller guarantees: calls are never concurrent, except Close, which may be called
// at any time and once; ctx is never nil; blocks are between Capabilities.MinBlock and
// Capabilities.MaxBlock bytes long; nothing but Identify, Status, Health, Load, Unload
// and Close is called while no cartridge is loaded.
//
// The implementer guarantees: every error is a *Error or the context's; a call whose
// context ends returns soon, with OutcomeUnknown if the drive may have acted on it; no
// block or filemark is written out of order; no command is retried silently if it
// changes the position; slices passed in are not kept after the call returns.
type Drive interface {
	// Identify tells what the drive is and what it can do. The answer does not change
	// while the drive is open.
	Identify(ctx context.Context) (Identity, Capabilities, error)

	// Status tells what is in the drive now. It never moves the tape.
	Status(ctx context.Context) (Status, error)

	// Load makes the cartridge in the drive ready, at the load point. Without a
	// cartridge it fails with OutcomeNoMedium, with a cleaning cartridge with OutcomeNotReady and sense 2/30/03.
	// Loading a loaded cartridge rewinds it.
	Load(ctx context.Context) error

	// Unload writes what is buffered, rewinds and releases the cartridge so that a robot
	// may take it. Unloading an empty drive is no error. With a cleaning cartridge it waits until that has done its work.
	Unload(ctx context.Context) error

	// Rewind goes to the load point.
	Rewind(ctx context.Context) error

	// Locate goes to the logical object (block or filemark) number block, counted from
	// the load point, which is 0. Beyond end of data it fails with OutcomeEndOfData and
	// stands at end of data.
	Locate(ctx context.Context, block int64) error

	// Space moves over n objects of the kind; n may be negative, and is ignored for
	// SpaceEndOfData. It returns how many were passed (never negative) and the condition
	// that stopped it early: Filemark when spacing over blocks met one (and stands
	// beyond it in the direction of motion), EndOfData, or LoadPoint. These are no errors.
	Space(ctx context.Context, kind Space, n int64) (int64, Condition, error)

	// Position reports where the tape stands, and what the drive holds in its buffer.
	Position(ctx context.Context) (Position, error)

	// ReadBlock reads the next block into p. It returns the block's length, or 0 and
	// Filemark (standing after it) or EndOfData (standing at it). A block longer than p is
	// OutcomeBlockTooLong, nothing of it may be used, and the tape stands after it.
	ReadBlock(ctx context.Context, p []byte) (int, Condition, error)

	// WriteBlock writes p as one block at the position, and makes it the last of the tape.
	// Success means that the drive has taken it, not that it is on tape: an error of an
	// earlier block may come with any later call, then with Sense.Deferred set, and no
	// block accepted since is on tape. EarlyWarning tells that the end of the medium is near; the block was taken. It
	// may come up to Capabilities.Window blocks late. A block that does not fit any more
	// is OutcomeEndOfMedium.
	WriteBlock(ctx context.Context, p []byte) (Condition, error)

	// WriteFilemarks writes n filemarks. With immediate false it returns when
	// everything written before, and the marks, are on tape for good; n may be 0 then, which
	// is how a buffer is flushed. With immediate true it returns when the drive has
	// taken them. EarlyWarning as for WriteBlock.
	WriteFilemarks(ctx context.Context, n int, immediate bool) (Condition, error)

	// Close gives the drive back. A loaded cartridge stays loaded. What was not flushed may
	// be lost.
	Close() error
}

// Changer is a robot, or a person with a list, that moves cartridges.
//
// The caller guarantees that calls are never concurrent, except Close. The implementer
// guarantees that a Move either happened, or did not, or fails with OutcomeUnknown; and
// that a cartridge held by a drive (loaded, not unloaded) is not taken from it: that is
// OutcomeHeld.
type Changer interface {
	// Identify tells what the robot is.
	Identify(ctx context.Context) (Identity, ChangerCapabilities, error)

	// Inventory lists every element in the order of their addresses.
	Inventory(ctx context.Context) ([]Element, error)

	// Move takes the cartridge at address from to address to. An empty source is
	// OutcomeNoMedium, a full destination OutcomeFull, an unknown address
	// OutcomeIllegalRequest.
	Move(ctx context.Context, from, to int) error

	// Close gives the robot back.
	Close() error
}

// Unknown is the value of a number in a Position, Status or Identity that the drive
// does not tell. It is never 0, which is a number like others.
const Unknown int64 = -1

// Identity is what a drive or robot says of itself.
type Identity struct {
	Vendor   string // at most 8 characters, as SCSI INQUIRY gives it
	Product  string // at most 16
	Revision string // firmware, at most 4
	Serial   string
}

// Capabilities are a drive's abilities as data, because interfaces do not cross a
// process border.
type Capabilities struct {
	MinBlock, MaxBlock int  // bytes, inclusive
	Window             int  // how many accepted blocks may be not yet written when an error or early warning is reported
	ReportsPosition    bool // Position.Block is known
	ReportsFile        bool // Position.File is known
	ReportsBuffer      bool // Position.Buffered is known
	LocatesByBlock     bool // Locate works; else only Rewind and Space
	WORM               bool // can take write-once cartridges
	ReportsHealth      bool // the drive is a HealthReporter
	Exclusive          Exclusion
	Timeouts           Timeouts
}

// Exclusion says how a drive is kept from being used twice.
type Exclusion string

// The ways of exclusion.
const (
	ExclusiveNone        Exclusion = "none"        // nothing keeps a second user out
	ExclusiveLock        Exclusion = "lock"        // a lock on a file, freed by the kernel when the holder dies
	ExclusiveOpen        Exclusion = "open"        // the device opens once
	ExclusiveReservation Exclusion = "reservation" // SCSI persistent reservation
)

// Timeouts are the longest that a working drive takes. Zero means the default beside
// it, which [Timeouts.WithDefaults] fills in. They are how a stuck plugin is told from a slow one.
type Timeouts struct {
	Command  time.Duration // Identify, Status, Position; 30 s
	Load     time.Duration // Load, Unload; 15 min (the first load of a new LTO-9 cartridge may be given 2 h)
	Locate   time.Duration // Rewind, Locate, Space; 10 min
	Transfer time.Duration // one ReadBlock or WriteBlock, retries of the drive included; 5 min
	Flush    time.Duration // WriteFilemarks; 10 min
}

// WithDefaults returns t with zero fields filled in.
func (t Timeouts) WithDefaults() Timeouts {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&t.Command, 30*time.Second)
	def(&t.Load, 15*time.Minute)
	def(&t.Locate, 10*time.Minute)
	def(&t.Transfer, 5*time.Minute)
	def(&t.Flush, 10*time.Minute)
	return t
}

// Status is what is in a drive.
type Status struct {
	Loaded       bool   // a cartridge is ready
	Present      bool   // a cartridge is in the drive, loaded or not
	WriteProtect bool   // by its tab or by its kind
	WORM         bool   // write-once
	Barcode      string // as the drive knows it; "" = not known
	Capacity     int64  // bytes when empty, or Unknown
	Remaining    int64  // bytes to early warning, or Unknown
	NeedsClean   bool   // the drive wants to be cleaned; Health tells how urgently
	Cleaning     bool   // a cleaning cartridge is in the drive, at work or done: there is nothing to load
}

// Space is a kind of object that Space moves over.
type Space uint8

// The kinds.
const (
	SpaceBlocks Space = iota + 1
	SpaceFilemarks
	SpaceEndOfData
)

var spaceNames = [...]string{SpaceBlocks: "blocks", SpaceFilemarks: "filemarks", SpaceEndOfData: "end of data"}

func (s Space) String() string {
	if s != 0 && int(s) < len(spaceNames) {
		return spaceNames[s]
	}
	return "objects of kind " + strconv.Itoa(int(s))
}

// Condition is what a command met that is no error.
type Condition uint8

// The conditions.
const (
	NoCondition Condition = iota
	Filemark
	EndOfData
	EarlyWarning
	LoadPoint
)

var conditionNames = [...]string{"nothing", "a filemark", "end of data", "early warning", "the load point"}

func (c Condition) String() string {
	if int(c) < len(conditionNames) {
		return conditionNames[c]
	}
	return "condition " + strconv.Itoa(int(c))
}

// Position is where the tape stands.
type Position struct {
	Block    int64 // objects (blocks and filemarks) before it; 0 is the load point; or Unknown
	File     int64 // filemarks before it; or Unknown
	Buffered int64 // objects taken but not yet on tape; or Unknown
}

// ChangerCapabilities are a robot's abilities.
type ChangerCapabilities struct {
	Barcodes bool          // Inventory knows labels without a mount
	Timeout  time.Duration // of one Move or Inventory; 0 means 10 min
}

// ElementKind is what stands at an address of a robot.
type ElementKind uint8

// The kinds.
const (
	Slot      ElementKind = iota + 1
	DriveBay              // holds a drive
	Port                  // import/export
	Transport             // the hand itself
)

// Element is one place of a robot.
type Element struct {
	Kind    ElementKind
	Address int // unique in the robot
	Drive   int // for a DriveBay, its number from 0; else -1
	Full    bool
	Label   string // of the cartridge, if Full and known
	Held    bool   // a drive holds its cartridge: Move would fail with OutcomeHeld; false where not known
}
