package queue

import "encoding/binary"

// Digest sums decisions up: two machines that were told the same events, and decided the same, have the same digest. The zero Digest
// is that of no decisions. It finds differences, and is no protection against somebody who makes them.
type Digest uint64

// FNV-1a, 64 bits.
const (
	fnvBasis = 0xcbf29ce484222325
	fnvPrime = 0x100000001b3
)

func (d *Digest) bytes(p []byte) {
	h := uint64(*d)
	if h == 0 {
		h = fnvBasis
	}
	for _, b := range p {
		h = (h ^ uint64(b)) * fnvPrime
	}
	*d = Digest(h)
}

func (d *Digest) number(n uint64) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], n)
	d.bytes(b[:])
}

func (d *Digest) text(s string) {
	d.number(uint64(len(s)))
	d.bytes([]byte(s))
}

func (d *Digest) ids(all []RequestID) {
	d.number(uint64(len(all)))
	for i := range all {
		d.bytes(all[i][:])
	}
}

// Add adds what an event was answered with.
func (d *Digest) Add(decisions []Decision) {
	for _, one := range decisions {
		switch one := one.(type) {
		case Grant:
			l := one.Lease
			d.number(1)
			d.number(uint64(l.ID))
			d.text(string(l.Drive))
			d.text(string(l.Library))
			d.text(string(l.Volume))
			d.text(l.Family.String())
			d.ids(l.Requests)
			d.number(uint64(l.Why.Rule))
			d.text(l.Why.Share)
		case Extend:
			d.number(2)
			d.number(uint64(one.Lease))
			d.ids(one.Requests)
		case Yield:
			d.number(3)
			d.number(uint64(one.Lease))
		case Dismount:
			d.number(4)
			d.number(uint64(one.Lease))
			d.text(string(one.Drive))
			d.text(string(one.Volume))
		case Preempt:
			d.number(5)
			d.number(uint64(one.Lease))
		case Blame:
			d.number(6)
			d.text(string(one.Drive))
			d.text(string(one.Volume))
		}
	}
}
