package scsi

import "encoding/binary"

// Persistent reservations keep other hosts out of a unit (SPC-5, 5.13). A host registers a key and reserves with it; the
// reservation outlives resets and, with Keep, losses of power.

// Hold is a type of persistent reservation (SPC-5, table 67).
type Hold uint8

// The types. Registrants are all hosts that have registered a key.
const (
	HoldWrites              Hold = 1 // only the holder writes
	HoldAccess              Hold = 3 // only the holder reads and writes
	HoldWritesOfRegistrants Hold = 5 // only registrants write
	HoldAccessOfRegistrants Hold = 6 // only registrants read and write
	HoldWritesByAll         Hold = 7 // as 5, and every registrant is a holder
	HoldAccessByAll         Hold = 8 // as 6, likewise
)

// What ReserveIn asks for (SPC-5, table 64).
const (
	ReservationKeys = 0
	Reservation     = 1
)

// ReserveIn asks for keys or the reservation, for an answer of n bytes (SPC-5, 6.16, PERSISTENT RESERVE IN).
func ReserveIn(what uint8, n int) []byte {
	return []byte{0x5e, what & 0x1f, 0, 0, 0, 0, 0, byte(n >> 8), byte(n), 0}
}

// Deeds of ReserveOut (SPC-5, table 75).
const (
	ReserveRegister         = 0 // Own is the key that is registered now, 0 for none; Key the one to be
	ReserveHold             = 1
	ReserveRelease          = 2
	ReserveClear            = 3 // all keys, and the reservation
	ReservePreempt          = 4 // take the reservation from whoever has the key Key, and that key away
	ReservePreemptAbort     = 5 // and abort its commands
	ReserveRegisterAnything = 6 // register, whatever is registered now
)

// ReserveOut does a deed (SPC-5, 6.17, PERSISTENT RESERVE OUT). own and key are as the deed says; keep has registrations outlive a loss of power. It
// returns the command and the parameters to be sent.
func ReserveOut(deed uint8, t Hold, own, key uint64, keep bool) (cdb, out []byte) {
	out = make([]byte, 24)
	binary.BigEndian.PutUint64(out, own)
	binary.BigEndian.PutUint64(out[8:], key)
	out[20] = flag(keep)
	return []byte{0x5f, deed & 0x1f, byte(t) & 0xf, 0, 0, 0, 0, 0, byte(len(out)), 0}, out
}

// ParseReservationKeys decodes the registered keys. generation counts their changes. A list that is cut short gives what is there.
func ParseReservationKeys(b []byte) (generation uint32, keys []uint64, err error) {
	generation, b, err = reservation(b)
	for ; len(b) >= 8; b = b[8:] {
		keys = append(keys, binary.BigEndian.Uint64(b))
	}
	return generation, keys, err
}

// ParseReservation decodes the reservation; held is false if there is none. With HoldWritesByAll and HoldAccessByAll the key is 0.
func ParseReservation(b []byte) (key uint64, t Hold, held bool, err error) {
	_, b, err = reservation(b)
	switch {
	case err != nil || len(b) == 0:
		return 0, 0, false, err
	case len(b) < 16:
		return 0, 0, false, malformed("reservation", 8, "%d bytes, 16 are wanted", len(b))
	}
	return binary.BigEndian.Uint64(b), Hold(b[13] & 0xf), true, nil
}

// reservation checks the header and gives what stands behind it.
func reservation(b []byte) (uint32, []byte, error) {
	if len(b) < 8 {
		return 0, nil, malformed("reservation", len(b), "no header")
	}
	n := min(int64(binary.BigEndian.Uint32(b[4:])), int64(len(b)-8))
	return binary.BigEndian.Uint32(b), b[8 : 8+n], nil
}
