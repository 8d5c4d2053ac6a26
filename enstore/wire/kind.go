package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/enstore-go/sdk/catalog"
)

// Kind says what sort of failure an [Error] is. The list is closed; numbers and names are
// frozen, because both cross the network and stand in journals. A Kind is itself an error, and
// errors.Is(err, kind) is true for every Error of that kind, on whichever side of
// a network it was made.
type Kind uint8

const (
	Unknown     Kind = iota // no kind: an error that nobody has classified
	NotFound                // no such file, volume, request or directory
	Exists                  // the key is taken by other content
	Invalid                 // the request can never succeed as it stands
	NotAllowed              // the caller may not do this
	Busy                    // not now; Error.RetryAfter says when to come again
	Quota                   // the caller's share is used up
	NoSpace                 // no volume, or no disk space, to put it on
	TooLarge                // larger than the volume, format or spool can ever take
	NoAccess                // the volume exists, but its state forbids this use
	Offline                 // the file is on tape only and the caller did not want to wait
	Locked                  // held by somebody else, or the site is draining
	Checksum                // bytes differ from what was promised or recorded
	Changed                 // the source changed, or was longer or shorter than declared
	Media                   // the cartridge is at fault
	Drive                   // the drive or robot is at fault
	Restart                 // the stream was cut; Error.SafeBytes says from which byte to send again
	Fenced                  // the lease or epoch is no longer valid
	Cancelled               // the caller gave it up
	Timeout                 // somebody did not answer in time
	Unavailable             // the other side cannot be reached, or has gone
	Internal                // a fault of this software
	kinds                   // how many there are
)

// One sentinel a kind, for errors.Is.
var (
	ErrNotFound    error = NotFound
	ErrExists      error = Exists
	ErrInvalid     error = Invalid
	ErrNotAllowed  error = NotAllowed
	ErrBusy        error = Busy
	ErrQuota       error = Quota
	ErrNoSpace     error = NoSpace
	ErrTooLarge    error = TooLarge
	ErrNoAccess    error = NoAccess
	ErrOffline     error = Offline
	ErrLocked      error = Locked
	ErrChecksum    error = Checksum
	ErrChanged     error = Changed
	ErrMedia       error = Media
	ErrDrive       error = Drive
	ErrRestart     error = Restart
	ErrFenced      error = Fenced
	ErrCancelled   error = Cancelled
	ErrTimeout     error = Timeout
	ErrUnavailable error = Unavailable
	ErrInternal    error = Internal
)

// kindNames are the names on the wire; kindTexts what a user reads when nobody said more.
var kindNames = [kinds]string{
	"unknown", "not-found", "exists", "invalid", "not-allowed", "busy", "quota", "no-space",
	"too-large", "no-access", "offline", "locked", "checksum", "changed", "media", "drive",
	"restart", "fenced", "cancelled", "timeout", "unavailable", "internal",
}

var kindTexts = [kinds]string{
	"unknown error", "not found", "exists with other content", "invalid request", "not allowed",
	"busy, try later", "quota exceeded", "no space", "too large", "no access to the volume",
	"on tape only", "locked", "checksum mismatch", "source changed", "bad medium", "drive failed",
	"stream cut, send again", "lease no longer valid", "cancelled", "timed out", "unavailable",
	"internal error",
}

// String is the kind's name on the wire: "not-found".
func (k Kind) String() string {
	if k >= kinds {
		k = Unknown
	}
	return kindNames[k]
}

// Error is a short sentence for the kind.
func (k Kind) Error() string {
	if k >= kinds {
		k = Unknown
	}
	return kindTexts[k]
}

// MarshalText gives the kind's name.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText takes a kind's name. A name that it does not know gives Unknown and no
// error, so that a peer of a later version is still understood.
func (k *Kind) UnmarshalText(text []byte) error {
	*k = Unknown
	for i, n := range kindNames {
		if n == string(text) {
			*k = Kind(i)
		}
	}
	return nil
}

// Error is a failure as it crosses the network: plain data, and errors.Is on its Kind works on the
// other side as well.
type Error struct {
	Kind       Kind          `json:"kind"`
	Op         string        `json:"op,omitempty"`         // what was tried: "put"
	Subject    string        `json:"subject,omitempty"`    // what it was tried on: "volume VO1234"
	Text       string        `json:"text,omitempty"`       // what happened, without the subject
	RetryAfter time.Duration `json:"retryAfter,omitempty"` // nanoseconds; with Busy
	SafeBytes  int64         `json:"safeBytes,omitempty"`  // with Restart: nothing from this byte on is safe
	Err        error         `json:"-"`                    // the cause, on the side where it happened
}

// Error is "subject: text".
func (e *Error) Error() string {
	text := e.Text
	if text == "" && e.Err != nil {
		text = e.Err.Error()
	}
	if text == "" {
		text = e.Kind.Error()
	}
	if e.Subject == "" || strings.HasPrefix(text, e.Subject) {
		return text
	}
	return e.Subject + ": " + text
}

// Unwrap gives the cause; nil once the error has crossed the network.
func (e *Error) Unwrap() error { return e.Err }

// Is tells whether target is the error's Kind.
func (e *Error) Is(target error) bool {
	k, ok := target.(Kind)
	return ok && k == e.Kind
}

// Errorf makes an Error. A %w in format becomes its cause.
func Errorf(kind Kind, subject, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Kind: kind, Subject: subject, Text: err.Error(), Err: errors.Unwrap(err)}
}

// AsError turns any error into one that can cross the network, with the kind of [KindOf]. op
// and subject fill what err itself does not say. The result of nil is nil.
func AsError(err error, op, subject string) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if !errors.As(err, &e) {
		return &Error{Kind: KindOf(err), Op: op, Subject: subject, Text: bounded(err.Error()), Err: err}
	}
	out := *e
	out.Err = err
	if text := err.Error(); text != e.Error() { // somebody wrapped it and said more
		out.Text, out.Subject = bounded(text), ""
	}
	if out.Op == "" {
		out.Op = op
	}
	if out.Subject == "" {
		out.Subject = subject
	}
	return &out
}

// Restarted is the error for a file that was cut by a failure which is not its own: the
// volume or drive failed before the file was safe. Nothing of it is.
func Restarted(cause error, volume string) *Error {
	e := &Error{Kind: Restart, Text: "nothing of this file is safe yet, send it again", Err: cause}
	if volume != "" {
		e.Subject = "volume " + volume
	}
	if cause != nil {
		e.Text = bounded(e.Text + ": " + cause.Error())
	}
	return e
}

// maxText bounds an error's text on the network, in bytes.
const maxText = 4096

func bounded(s string) string {
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText-3], "") + "..."
	}
	return s
}

// KindOf classifies an error: an Error by its kind, the sentinels of package catalog, of context,
// file system and network by theirs; anything else is Unknown. KindOf(nil) is Unknown.
func KindOf(err error) Kind {
	if k, ok := errors.AsType[Kind](err); ok {
		return k
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	for _, m := range foreign {
		if errors.Is(err, m.err) {
			return m.kind
		}
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return Unavailable
	}
	return Unknown
}

// foreign says which kind the errors of lower packages are. The first match counts.
var foreign = []struct {
	err  error
	kind Kind
}{
	{context.Canceled, Cancelled},
	{context.DeadlineExceeded, Timeout},
	{os.ErrDeadlineExceeded, Timeout},
	{catalog.ErrNotFound, NotFound},
	{catalog.ErrExists, Exists},
	{catalog.ErrFenced, Fenced},
	{catalog.ErrNoVolume, NoSpace},
	{catalog.ErrWidth, Busy},
	{catalog.ErrInvalid, Invalid},
	{catalog.ErrTooLarge, TooLarge},
	{catalog.ErrNotAllowed, NotAllowed},
	{catalog.ErrNotDir, Invalid},
	{catalog.ErrIsDir, Invalid},
	{catalog.ErrNotEmpty, Invalid},
	{catalog.ErrClosed, Unavailable},
	{fs.ErrPermission, NotAllowed},
	{fs.ErrNotExist, NotFound},
	{fs.ErrExist, Exists},
	{syscall.ENOSPC, NoSpace},
	{net.ErrClosed, Unavailable},
	{io.ErrUnexpectedEOF, Unavailable},
	{io.EOF, Unavailable},
}
