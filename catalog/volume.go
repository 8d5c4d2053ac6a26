package catalog

import (
	"fmt"
	"slices"
	"time"
)

// Volume is one cartridge as the catalogue knows it. Times are UTC, whole
// microseconds; the zero time is never.
type Volume struct {
	Label     Label
	Library   LibraryName
	Family    Family // with None in the parts that are still open
	MediaType string // as "LTO8"; the robot's and the site's word
	BlockSize int    // bytes of a full block; 0 until it is known

	Capacity  int64 // bytes of an empty volume, as declared
	Remaining int64 // bytes that can still be written, as far as the drive tells

	EOD    Location // where the next tape file is written; File 0: never labelled
	Epoch  uint64   // raised by every lease and every fencing: who holds an older one is out
	Holder LeaseID  // the lease for which Epoch was raised last
	Intent *Intent  // the last write lease that did not end cleanly, or still runs
	State  Inhibits // why it may not be read or written

	WriteProtected bool // the cartridge's tab, as last seen
	Checked        bool // catalogue and tape were found to agree since the catalogue was made or restored

	Declared, FirstAccess, LastAccess time.Time

	Mounts, WriteErrors, ReadErrors int64
	Files, Bytes                    int64 // of files that are not deleted
	DeletedFiles, DeletedBytes      int64
	DeadBytes                       int64 // on tape, and no file: torn or wrong when they were written
	Comment                         string
}

// Intent is the recorded intent to write behind a volume's end of data. While one is
// there, data beyond the end of data may be what its lease wrote and did not record.
type Intent struct {
	Lease LeaseID
	Epoch uint64
	From  Location // the end of data at the lease's last flush, or at its start
	Since time.Time
	Drive string

	// Unclean tells that data beyond From may come from an even earlier lease.
	Unclean bool
}

// Writing tells whether a write lease holds the volume: its intent is open and nobody
// has fenced it since.
func (v *Volume) Writing() bool { return v.Intent != nil && v.Intent.Epoch == v.Epoch }

// Slot is one of the four places of a volume's inhibits: two of the system, which
// engines set, two of the users, which operators set. The numbers are stored.
type Slot uint8

// The slots, in the order in which they are asked.
const (
	SystemAccess Slot = iota // none, noaccess, notallowed, deleted
	SystemWrite              // none, full, readonly, and the six of a migration
	UserAccess
	UserWrite
)

var slotNames = [...]string{"system access", "system write", "user access", "user write"}

func (s Slot) String() string {
	if int(s) < len(slotNames) {
		return slotNames[s]
	}
	return "unknown slot"
}

// Limit is the value of one slot. The texts are stored.
type Limit string

// The limits. An access slot takes Unlimited, NoAccess, NotAllowed or Deleted; a write
// slot Unlimited and the others, all of which leave the volume readable.
const (
	Unlimited   Limit = "none"
	NoAccess    Limit = "noaccess"   // after errors
	NotAllowed  Limit = "notallowed" // by an operator's will
	Deleted     Limit = "deleted"    // the volume is no more; for good
	Full        Limit = "full"
	ReadOnly    Limit = "readonly"
	Migrating   Limit = "migrating"
	Migrated    Limit = "migrated"
	Duplicating Limit = "duplicating"
	Duplicated  Limit = "duplicated"
	Cloning     Limit = "cloning"
	Cloned      Limit = "cloned"
)

var (
	accessLimits = []Limit{Unlimited, NoAccess, NotAllowed, Deleted}
	writeLimits  = []Limit{Unlimited, Full, ReadOnly, Migrating, Migrated, Duplicating, Duplicated, Cloning, Cloned}
)

// fits tells whether the slot may hold the limit.
func (s Slot) fits(l Limit) bool {
	if s == SystemAccess || s == UserAccess {
		return slices.Contains(accessLimits, l)
	}
	return s <= UserWrite && slices.Contains(writeLimits, l)
}

// Inhibit is a limit with its last change.
type Inhibit struct {
	Limit Limit     `json:"limit,omitempty"` // empty means Unlimited
	When  time.Time `json:"when,omitzero"`   // of the last change; zero: never changed
	Who   string    `json:"who,omitempty"`
	Why   string    `json:"why,omitempty"`
}

// Is tells whether the inhibit holds that limit.
func (i Inhibit) Is(l Limit) bool { return i.limit() == l }

func (i Inhibit) limit() Limit {
	if i.Limit == "" {
		return Unlimited
	}
	return i.Limit
}

func (i Inhibit) String() string { return string(i.limit()) }

// Inhibits are the four slots of a volume, indexed by Slot.
type Inhibits [4]Inhibit

// Readable is nil, or an error wrapping ErrNotAllowed that names the inhibit that
// forbids to read the volume.
func (v *Volume) Readable() error {
	for _, s := range []Slot{SystemAccess, UserAccess} {
		if i := v.State[s]; !i.Is(Unlimited) {
			return v.inhibited(s)
		}
	}
	return nil
}

// Writable is nil, or an error wrapping ErrNotAllowed that names the first inhibit, in
// the order of slots, or the write protection that forbids to write on the volume.
func (v *Volume) Writable() error {
	for s := SystemAccess; s <= UserWrite; s++ {
		if i := v.State[s]; !i.Is(Unlimited) {
			return v.inhibited(s)
		}
	}
	if v.WriteProtected {
		return fmt.Errorf("volume %s: write protected: %w", v.Label, ErrNotAllowed)
	}
	return nil
}

func (v *Volume) inhibited(s Slot) error {
	i := v.State[s]
	why := ""
	if i.Why != "" {
		why = " (" + i.Why + ")"
	}
	return fmt.Errorf("volume %s: %s is %s%s: %w", v.Label, s, i, why, ErrNotAllowed)
}

// inhibit changes one slot.
func (v *Volume) inhibit(s Slot, l Limit, at time.Time, who, why string) {
	v.State[s] = Inhibit{Limit: l, When: at, Who: who, Why: why}
}

// Clone is a copy that shares nothing with v.
func (v Volume) Clone() Volume {
	if v.Intent != nil {
		intent := *v.Intent
		v.Intent = &intent
	}
	return v
}

// Normal is the volume as every store gives it back: open parts of the family and
// unset limits spelled out, times in UTC and whole microseconds.
func (v Volume) Normal() Volume {
	v = v.Clone()
	v.Family = v.Family.normal()
	for i := range v.State {
		v.State[i].Limit = v.State[i].limit()
		v.State[i].When = micro(v.State[i].When)
	}
	if v.Intent != nil {
		v.Intent.Since = micro(v.Intent.Since)
	}
	v.Declared, v.FirstAccess, v.LastAccess = micro(v.Declared), micro(v.FirstAccess), micro(v.LastAccess)
	return v
}

// never is how stores keep the zero time, Enstore's -1.
const never = -1

// Micros is how stores keep a time: microseconds since 1970 UTC, -1 for the zero time.
func Micros(t time.Time) int64 {
	if t.IsZero() {
		return never
	}
	return t.UnixMicro()
}

// FromMicros undoes Micros.
func FromMicros(us int64) time.Time {
	if us == never {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

func micro(t time.Time) time.Time { return FromMicros(Micros(t)) }
