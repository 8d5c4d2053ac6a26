package wire

import (
	"context"
	"time"

	"github.com/enstore-go/sdk/catalog"
)

// Dispatcher is what a mover asks of the library manager. Every error is an *Error or the
// context's.
type Dispatcher interface {
	// Next blocks until there is work for the drive, and leases it to it. A drive has one lease at
	// a time; asking again while one is out ends that one.
	Next(ctx context.Context, r DriveReport) (Lease, error)

	// More asks for further requests of a lease. It returns an empty slice if none came
	// within wait. Each call also renews the lease.
	More(ctx context.Context, id catalog.LeaseID, wait time.Duration) ([]Assignment, error)

	// Offer says that the mover now expects the client of a request at t. It may be said again with
	// another turn.
	Offer(ctx context.Context, id catalog.LeaseID, req catalog.RequestID, t Turn) error

	// Begin says that the mover is about to begin a request, whether its client has come or not. An error says that it is not to be begun: it was cancelled,
	// or is wanted back because the drive is needed for something more important; its client then asks for another turn. Of such a
	// request nothing is to be settled.
	Begin(ctx context.Context, id catalog.LeaseID, req catalog.RequestID) error

	// Settle ends requests of a lease. An error of kind Busy says that the request was not begun
	// and its client has sent nothing: it goes back into the queue, whatever it is. One of kind Restart does so
	// if the request comes from the spool, reads, or has Put.Again. Every other error is final.
	Settle(ctx context.Context, id catalog.LeaseID, s []Settlement) error

	// Renew keeps the lease and says until when. Fenced: it is lost.
	Renew(ctx context.Context, id catalog.LeaseID) (time.Time, error)

	// Release ends a lease. Requests of it that are not settled go back into the queue.
	Release(ctx context.Context, id catalog.LeaseID, r Release) error

	// VolumeLeft says that a robot has taken a volume home from a drive that cannot be opened: other drives may have it.
	VolumeLeft(ctx context.Context, l catalog.Label) error
}

// DriveReport is what a mover says of its drive when it asks for work.
type DriveReport struct {
	Drive     string                `json:"drive"`
	Libraries []catalog.LibraryName `json:"libraries"`
	Mounted   catalog.Label         `json:"mounted,omitempty"` // the volume in the drive; "" none
}

// LeaseKind says what a lease is for.
type LeaseKind uint8

// The kinds of lease. Numbers are frozen.
const (
	WriteLease    LeaseKind = 1 // write the assignments to the volume of the grant
	ReadLease     LeaseKind = 2 // read the assignments, in order
	DismountLease LeaseKind = 3 // put the mounted volume away
)

// String is "write", "read" or "dismount".
func (k LeaseKind) String() string {
	switch k {
	case WriteLease:
		return "write"
	case ReadLease:
		return "read"
	case DismountLease:
		return "dismount"
	}
	return "unknown"
}

// Lease gives one volume to one drive for a while.
type Lease struct {
	ID          catalog.LeaseID `json:"id"`
	Kind        LeaseKind       `json:"kind"`
	Drive       string          `json:"drive"`
	Grant       catalog.Grant   `json:"grant"`
	Family      catalog.Family  `json:"family,omitzero"` // of a write lease
	Expires     time.Time       `json:"expires"`         // unless renewed
	Assignments []Assignment    `json:"assignments,omitempty"`
}

// Assignment is one request of a lease.
type Assignment struct {
	Request catalog.RequestID `json:"request"`
	Queued  time.Time         `json:"queued"` // when it was accepted

	// Of a write:
	Put    *Put            `json:"put,omitempty"`
	Parent catalog.EntryID `json:"parent,omitzero"` // the directory that gets the name
	Name   string          `json:"name,omitempty"`
	Spool  string          `json:"spool,omitempty"` // id in the spool; "": the client streams

	// Of a read:
	Get  *Get          `json:"get,omitempty"`
	File *catalog.File `json:"file,omitempty"`
}

// Settlement ends one request: either Record or Err is set.
type Settlement struct {
	Request catalog.RequestID `json:"request"`
	Record  *Record           `json:"record,omitempty"`
	Err     *Error            `json:"err,omitempty"`
}

// Fault says who is to blame for a lease that ended badly.
type Fault uint8

// Whose fault it was. Numbers are frozen.
const (
	FaultUnknown Fault = 0
	FaultRequest Fault = 1
	FaultDrive   Fault = 2
	FaultVolume  Fault = 3
)

// String is "unknown", "request", "drive" or "volume".
func (f Fault) String() string {
	switch f {
	case FaultRequest:
		return "request"
	case FaultDrive:
		return "drive"
	case FaultVolume:
		return "volume"
	}
	return "unknown"
}

// Release tells how a lease ended.
type Release struct {
	Mounted catalog.Label `json:"mounted,omitempty"` // what is in the drive now; "" nothing
	Err     *Error        `json:"err,omitempty"`
	Fault   Fault         `json:"fault,omitempty"` // with Err
}
