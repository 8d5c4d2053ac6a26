package wire

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
)

// Token is the secret that admits one connection to the data port: 128 random bits, good
// for one use. Its String does not show it.
type Token [16]byte

// NewToken draws a token from the system's random source.
func NewToken() Token {
	var t Token
	rand.Read(t[:]) // never fails: it ends the program instead
	return t
}

// Equal compares in a time that does not depend on where the tokens differ.
func (t Token) Equal(o Token) bool { return subtle.ConstantTimeCompare(t[:], o[:]) == 1 }

// IsZero tells whether this is no token.
func (t Token) IsZero() bool { return t == Token{} }

// String hides the secret, so that a token printed by accident gives nothing away.
func (t Token) String() string { return "token" }

// MarshalText gives 32 hexadecimal digits: the secret itself.
func (t Token) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, t[:]), nil }

// UnmarshalText takes 32 hexadecimal digits.
func (t *Token) UnmarshalText(text []byte) error {
	if len(text) != 2*len(t) {
		return fmt.Errorf("wire: token: %d characters, must be %d", len(text), 2*len(t))
	}
	if _, err := hex.Decode(t[:], text); err != nil {
		return fmt.Errorf("wire: token: not hexadecimal")
	}
	return nil
}
