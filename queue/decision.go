package queue

import "time"

// Decision is what the machine wants done: Grant, Extend, Yield, Dismount, Preempt or Blame.
type Decision interface{ decision() }

// Grant gives a drive that was ready a lease. The drive may have another volume in it, which its mover puts away first.
// A write lease has one request, and no volume until VolumeChosen; more requests follow it as Extend.
type Grant struct{ Lease Lease }

// Extend adds requests to a lease, to be done in this order.
type Extend struct {
	Lease    LeaseID
	Requests []RequestID
}

// Yield answers LeaseMore: nothing more for this lease, which shall end when it has done what it has.
type Yield struct{ Lease LeaseID }

// Dismount asks a ready drive to put its volume away, because it is needed in another drive. It is a lease without
// requests and ends as every lease does, with LeaseEnded or LeaseExpired.
type Dismount struct {
	Lease  LeaseID
	Drive  Drive
	Volume Volume
}

// Preempt asks for the drive of a lease: it is to end at the next file boundary, and to give back what it has not begun.
type Preempt struct{ Lease LeaseID }

// Blame says that failures in several drives have one volume in common, or failures of several volumes one drive. The machine
// does not use it any more until it is forgiven, or the strikes are too old to count.
type Blame struct {
	Drive  Drive // or
	Volume Volume
}

// Why tells for what reason a group was given a drive before all others that could have run.
type Why struct {
	Rule     Rule
	Share    string        `json:",omitempty"` // whose turn it was, from the whole downwards: "cms/alice"
	Admin    int           `json:",omitempty"` // the administrative priority that won
	Due      time.Time     // the due time of its most urgent request
	Mounted  time.Duration `json:",omitempty"` // credit for finding its volume mounted
	Useful   time.Duration `json:",omitempty"` // credit for the part of the drive's time in which data will flow
	TurnedAt time.Time     `json:",omitzero"`  // when its last lease ended, if it counts as no older than that
}

// Rule is what decided between the groups. The numbers are part of the journal's format.
type Rule uint8

const (
	ByDue       Rule = 0 // the most urgent of its share, whose turn it was
	ByAdmin     Rule = 1 // an administrative priority
	ByGuarantee Rule = 2 // its share had fewer drives than it is guaranteed
)

// String gives the rule in words.
func (r Rule) String() string {
	switch r {
	case ByDue:
		return "most urgent of the share whose turn it is"
	case ByAdmin:
		return "administrative priority"
	case ByGuarantee:
		return "share below its guarantee"
	}
	return "unknown"
}

func (Grant) decision()    {}
func (Preempt) decision()  {}
func (Blame) decision()    {}
func (Extend) decision()   {}
func (Yield) decision()    {}
func (Dismount) decision() {}
