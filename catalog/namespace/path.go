package namespace

import (
	"fmt"
	"strings"

	"github.com/enstore-go/sdk/catalog"
)

// MaxPath is the longest path, in bytes.
const MaxPath = 4096

// Path is the way from the root, name by name; the root itself is the empty Path.
type Path []string

// ParsePath accepts absolute paths of at most MaxPath bytes whose components are names
// (catalog.CheckEntryName): none is empty, ".", "..", longer than 255 bytes, or holds NUL.
// There is no slash at the end, but for the root, "/". The error wraps
// catalog.ErrInvalid.
func ParsePath(s string) (Path, error) {
	if len(s) > MaxPath {
		return nil, fmt.Errorf("path %.40q… has %d bytes, more than %d: %w", s, len(s), MaxPath, catalog.ErrInvalid)
	}
	if !strings.HasPrefix(s, "/") {
		return nil, fmt.Errorf("path %.80q is not absolute: %w", s, catalog.ErrInvalid)
	}
	if s == "/" {
		return Path{}, nil
	}
	p := Path(strings.Split(s[1:], "/"))
	for _, name := range p {
		if err := catalog.CheckEntryName(name); err != nil {
			return nil, fmt.Errorf("path %.80q: %w", s, err)
		}
	}
	return p, nil
}

// String is the text that ParsePath accepts.
func (p Path) String() string { return "/" + strings.Join(p, "/") }

// IsRoot tells whether it is "/".
func (p Path) IsRoot() bool { return len(p) == 0 }

// Dir is the path of the directory that holds p; the root's is the root.
func (p Path) Dir() Path {
	if p.IsRoot() {
		return p
	}
	return p[:len(p)-1]
}

// Base is the last name; empty for the root.
func (p Path) Base() string {
	if p.IsRoot() {
		return ""
	}
	return p[len(p)-1]
}
