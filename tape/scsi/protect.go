package scsi

import (
	"encoding/binary"
	"fmt"

	"github.com/enstore-go/sdk/crc"
)

// Logical block protection: each block carries a checksum behind its data, made by the host and checked by the drive when it
// writes, and the other way when it reads (SSC-5, 4.2.27).

// PageControl is the control mode page; with SubpageProtection it has the settings of logical block protection.
const (
	PageControl       = 0x0a
	SubpageProtection = 0xf0
)

// Methods of protection (SSC-5, table 141).
const (
	ProtectNothing     = 0
	ProtectReedSolomon = 1 // not made here
	ProtectCRC32C      = 2
)

// ProtectionLength is how many bytes the methods put behind a block.
const ProtectionLength = 4

// Protection are the settings.
type Protection struct {
	Method uint8
	Length int  // bytes behind each block
	Write  bool // blocks that are written have them
	Read   bool // blocks that are read have them
}

// ProtectionSense asks for the settings, for an answer of n bytes (SPC-5, 6.14; SSC-5, 8.5.9).
func ProtectionSense(n int) []byte {
	return []byte{0x5a, 0x08, PageControl, SubpageProtection, 0, 0, 0, byte(n >> 8), byte(n), 0}
}

// ProtectionSelect changes them. It returns the command and the parameters to be sent.
func ProtectionSelect(p Protection) (cdb, out []byte) {
	out = make([]byte, 8+32)
	page := out[8:]
	page[0], page[1], page[3] = 0x40|PageControl, SubpageProtection, 28
	page[4], page[5] = p.Method, byte(p.Length)&0x3f
	page[6] = flag(p.Write)<<7 | flag(p.Read)<<6
	return []byte{0x55, 0x10, 0, 0, 0, 0, 0, 0, byte(len(out)), 0}, out
}

// ParseProtection decodes the page out of a Mode.
func ParseProtection(p ModePage) (Protection, error) {
	if p.Page != PageControl || p.Sub != SubpageProtection || len(p.Data) < 3 {
		return Protection{}, malformed("protection", len(p.Data), "page %#02x/%#02x of %d bytes", p.Page, p.Sub, len(p.Data))
	}
	return Protection{Method: p.Data[0], Length: int(p.Data[1] & 0x3f), Write: p.Data[2]&0x80 != 0, Read: p.Data[2]&0x40 != 0}, nil
}

// AppendProtection puts the CRC-32C of a block behind it, least byte first, as drives do.
func AppendProtection(block []byte) []byte {
	return binary.LittleEndian.AppendUint32(block, crc.CRC32C(block))
}

// CheckProtection takes the checksum off a block and compares it. An error wraps ErrMalformed.
func CheckProtection(b []byte) ([]byte, error) {
	n := len(b) - ProtectionLength
	if n < 0 {
		return nil, malformed("protected block", len(b), "it is shorter than its checksum")
	}
	if got, want := crc.CRC32C(b[:n]), binary.LittleEndian.Uint32(b[n:]); got != want {
		return nil, malformed("protected block", n, "crc32c is %08x, %08x is behind it", got, want)
	}
	return b[:n], nil
}

// Encryption in the drive (SSC-5, 4.2.22, 8.6): the host sets a key, and the drive encrypts what it writes with it.

// securityProtocol is that of tape data encryption.
const securityProtocol = 0x20

// Pages of SecurityIn.
const (
	EncryptionCapabilities = 0x0010
	EncryptionStatus       = 0x0020
	EncryptionOfNextBlock  = 0x0021
)

// SecurityIn asks for a page of data encryption, for an answer of n bytes (SPC-5, 6.40, SECURITY PROTOCOL IN).
func SecurityIn(page uint16, n int) []byte {
	c := make([]byte, 12)
	c[0], c[1] = 0xa2, securityProtocol
	binary.BigEndian.PutUint16(c[2:], page)
	binary.BigEndian.PutUint32(c[6:], uint32(n))
	return c
}

// Key256 is a key of data encryption: 32 bytes of AES-256. It shows itself nowhere.
type Key256 [32]byte

// String hides the key.
func (Key256) String() string { return "(a key)" }

// GoString hides the key.
func (Key256) GoString() string { return "(a key)" }

// Format hides the key, whatever the verb.
func (Key256) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("(a key)")) }

// SetEncryption has the drive encrypt and decrypt with a key, for all hosts until it is changed or the cartridge taken out (set data
// encryption page, SSC-5, 8.6.3.2); a nil key ends that. algorithm is an index of the drive's, which EncryptionCapabilities
// tells. The parameters hold the key: they are not to be logged.
func SetEncryption(key *Key256, algorithm uint8) (cdb, out []byte) {
	out = make([]byte, 20, 20+len(Key256{}))
	binary.BigEndian.PutUint16(out, 0x0010)
	out[4] = 2 << 5 // of all hosts
	out[5] = 1 << 2 // until the cartridge is taken out
	out[8] = algorithm
	if key != nil {
		out[6], out[7] = 2, 2 // encrypt, decrypt
		binary.BigEndian.PutUint16(out[18:], uint16(len(key)))
		out = append(out, key[:]...)
	}
	binary.BigEndian.PutUint16(out[2:], uint16(len(out)-4))
	cdb = make([]byte, 12)
	cdb[0], cdb[1] = 0xb5, securityProtocol
	binary.BigEndian.PutUint16(cdb[2:], 0x0010)
	binary.BigEndian.PutUint32(cdb[6:], uint32(len(out)))
	return cdb, out
}

// EncryptionState is what a drive tells of its encryption.
type EncryptionState struct {
	Encrypts  bool
	Decrypts  bool
	Algorithm uint8
	Keys      uint32 // how often a key was set: a change tells that somebody else has set one
}

// ParseEncryptionState decodes page EncryptionStatus (SSC-5, 8.6.2.7).
func ParseEncryptionState(b []byte) (EncryptionState, error) {
	if len(b) < 12 || binary.BigEndian.Uint16(b) != EncryptionStatus {
		return EncryptionState{}, malformed("encryption status", len(b), "%d bytes, or another page", len(b))
	}
	return EncryptionState{Encrypts: b[5] == 2, Decrypts: b[6] >= 2, Algorithm: b[7], Keys: binary.BigEndian.Uint32(b[8:])}, nil
}
