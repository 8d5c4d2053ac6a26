package queue

import "time"

// Event is something that happened outside. Times of events should not run backwards; one that does is taken as the
// latest time seen so far.
type Event interface{ when() time.Time }

// Submitted adds a request.
type Submitted struct {
	Time    time.Time
	Request Request
}

// Cancelled removes a request, waiting or leased.
type Cancelled struct {
	Time time.Time
	ID   RequestID
}

// Finished removes a request that was settled, well or badly. What went well speaks for its drive and its volume: failures that
// counted against the drive were the fault of other volumes then, those against the volume of other drives.
type Finished struct {
	Time time.Time
	ID   RequestID
	Well bool `json:",omitempty"`
}

// Requeued puts a leased request back among the waiting, with its old age. It is not given to the same lease again.
type Requeued struct {
	Time  time.Time
	ID    RequestID
	Avoid Drive // the drive at fault, if any: another one is used if it is ready then
}

// Reprioritised gives a request, waiting or leased, another priority.
type Reprioritised struct {
	Time     time.Time
	ID       RequestID
	Priority int
}

// DriveReady says that a drive offers itself for work, and what is in it. It confirms that everything else has left it.
type DriveReady struct {
	Time          time.Time
	Drive         Drive
	Libraries     []Library // whose requests it can serve, at least one
	Mounted       Volume    // empty: the drive is empty
	MountedFamily Family    // if known
	Robot         string    `json:",omitempty"` // that serves it, if it is to be limited
}

// DriveGone says that a drive no longer offers itself. A lease that it has goes on. The volume in it stays there until
// VolumeLeft or the drive's next DriveReady says otherwise.
type DriveGone struct {
	Time  time.Time
	Drive Drive
}

// LeaseMore says that the holder of a lease could do more. Extend or Yield answers at once, or Extend later, unless
// LeaseEnough comes first.
type LeaseMore struct {
	Time  time.Time
	Lease LeaseID
}

// LeaseEnough takes an unanswered LeaseMore back.
type LeaseEnough struct {
	Time  time.Time
	Lease LeaseID
}

// LeaseEnded says that the holder gave a lease back, and what is in its drive now. Requests still in the lease go back
// among the waiting. The drive is not ready before it says so.
type LeaseEnded struct {
	Time    time.Time
	Lease   LeaseID
	Mounted Volume // empty: the drive is empty
}

// LeaseExpired says that nothing was heard from the holder of a lease for too long. Requests still in the lease go back
// among the waiting; its volume counts as in its drive until VolumeLeft or the drive's next DriveReady.
type LeaseExpired struct {
	Time  time.Time
	Lease LeaseID
}

// VolumeChosen tells the volume of a write lease.
type VolumeChosen struct {
	Time   time.Time
	Lease  LeaseID
	Volume Volume
	Room   int64 // bytes that still go on it, -1 if unknown: requests that would not fit are not added to the lease
}

// Refusal is why there is no volume for a write lease. The numbers are part of the journal's format.
type Refusal uint8

const (
	NoVolume   Refusal = 1 // no volume has room: the group waits until VolumesChanged, or a volume of its family is free again
	WidthInUse Refusal = 2 // as many volumes are open as the width allows, by leases that the queue does not know: as NoVolume
	Conflict   Refusal = 3 // the volume chosen was taken meanwhile: the group is tried again
)

// VolumeRefused ends a write lease that got no volume. Its drive is ready again, its requests wait again.
type VolumeRefused struct {
	Time   time.Time
	Lease  LeaseID
	Reason Refusal
}

// VolumesChanged says that a library has volumes with room that it had not before: added, emptied, or made writable.
type VolumesChanged struct {
	Time    time.Time
	Library Library
}

// VolumeBlocked says that a volume must not be used for reads until VolumeFreed.
type VolumeBlocked struct {
	Time   time.Time
	Volume Volume
	Reason string
}

// VolumeFreed takes VolumeBlocked back.
type VolumeFreed struct {
	Time   time.Time
	Volume Volume
}

// VolumeLeft says that a robot confirmed that a volume is in no drive any more.
type VolumeLeft struct {
	Time   time.Time
	Volume Volume
}

// LibraryHeld says which requests of a library are not to be started until a later LibraryHeld. Leases go on.
type LibraryHeld struct {
	Time    time.Time
	Library Library
	Reads   bool // and what else is of a volume
	Writes  bool
	Reason  string `json:",omitempty"`
	Who     string `json:",omitempty"`
}

// RequestHeld keeps a waiting request from being started until RequestReleased. One that is leased already is held when
// it comes back.
type RequestHeld struct {
	Time time.Time
	ID   RequestID
	Who  string
}

// RequestReleased takes RequestHeld back.
type RequestReleased struct {
	Time time.Time
	ID   RequestID
}

// Struck says that work with this volume in this drive failed by the fault of one of the two, and it is not known of which.
type Struck struct {
	Time   time.Time
	Drive  Drive
	Volume Volume
}

// Forgiven forgets the strikes against a drive, a volume, or, if both are named, against that pair. A volume or drive that the
// machine had blamed is used again.
type Forgiven struct {
	Time   time.Time
	Drive  Drive
	Volume Volume
}

// Tick says that it is later. The machine asks for it by [Machine.Wake].
type Tick struct{ Time time.Time }

// Configured changes the numbers and rules by which the machine decides. Leases go on under the new ones; requests keep the
// priorities that the rules gave them when they came.
type Configured struct {
	Time     time.Time
	Settings Settings
}

// Ordered tells in which order a planner wants the waiting reads of a volume. Reads that it does not name follow by
// position; names that are not waiting there are ignored.
type Ordered struct {
	Time   time.Time
	Volume Volume
	Order  []RequestID
}

func (e Submitted) when() time.Time       { return e.Time }
func (e Cancelled) when() time.Time       { return e.Time }
func (e Finished) when() time.Time        { return e.Time }
func (e Requeued) when() time.Time        { return e.Time }
func (e Reprioritised) when() time.Time   { return e.Time }
func (e DriveReady) when() time.Time      { return e.Time }
func (e DriveGone) when() time.Time       { return e.Time }
func (e LeaseMore) when() time.Time       { return e.Time }
func (e LeaseEnough) when() time.Time     { return e.Time }
func (e LeaseEnded) when() time.Time      { return e.Time }
func (e LeaseExpired) when() time.Time    { return e.Time }
func (e VolumeChosen) when() time.Time    { return e.Time }
func (e VolumeRefused) when() time.Time   { return e.Time }
func (e VolumesChanged) when() time.Time  { return e.Time }
func (e VolumeBlocked) when() time.Time   { return e.Time }
func (e VolumeFreed) when() time.Time     { return e.Time }
func (e VolumeLeft) when() time.Time      { return e.Time }
func (e LibraryHeld) when() time.Time     { return e.Time }
func (e Ordered) when() time.Time         { return e.Time }
func (e RequestHeld) when() time.Time     { return e.Time }
func (e RequestReleased) when() time.Time { return e.Time }
func (e Struck) when() time.Time          { return e.Time }
func (e Forgiven) when() time.Time        { return e.Time }
func (e Tick) when() time.Time            { return e.Time }
func (e Configured) when() time.Time      { return e.Time }
