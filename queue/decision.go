package queue

import "time"

// Decision is what the machine wants done: Grant, Extend, Yield or Dismount.
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

func (Grant) decision()    {}
func (Extend) decision()   {}
func (Yield) decision()    {}
func (Dismount) decision() {}

// Settings are the numbers by which the machine decides. A zero field has the default named at it.
type Settings struct {
	AgeStep     time.Duration // waiting that outweighs one unit of priority; 30 minutes, as in Enstore; at most an hour
	MaxPriority int           // priorities are clipped to +-MaxPriority; 1000, at most 1,000,000
	Affinity    time.Duration // a group whose volume rests in a ready drive counts as so much older; 10 minutes, negative: none, at most 30 days
	Batch       int           // most requests handed to a lease at once; 16
	BatchBytes  int64         // most bytes handed to a lease at once, but always one request; 16 GiB
	LeaseFiles  int           // files after which a lease yields to others; 1000
	LeaseBytes  int64         // bytes after which a lease yields to others; 1 TiB
	LeaseTime   time.Duration // time after which a lease yields to others; 30 minutes
}

func (s Settings) withDefaults() Settings {
	def(&s.AgeStep, 30*time.Minute)
	def(&s.MaxPriority, 1000)
	s.MaxPriority = min(s.MaxPriority, 1_000_000)
	s.AgeStep = min(s.AgeStep, time.Hour)
	if s.Affinity < 0 {
		s.Affinity = 0
	} else if s.Affinity == 0 {
		s.Affinity = 10 * time.Minute
	}
	s.Affinity = min(s.Affinity, 30*24*time.Hour)
	def(&s.Batch, 16)
	def(&s.BatchBytes, 16<<30)
	def(&s.LeaseFiles, 1000)
	def(&s.LeaseBytes, 1<<40)
	def(&s.LeaseTime, 30*time.Minute)
	return s
}

func def[T ~int | ~int64](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}
