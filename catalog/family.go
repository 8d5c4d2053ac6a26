package catalog

import "strings"

// LibraryName names a library: a robot, or the part of one, that one library manager
// serves, as "CD-LTO8F1".
type LibraryName string

// StorageGroup names whose files they are, as "cms".
type StorageGroup string

// FileFamily names which files of a storage group share volumes, as "raw2026".
type FileFamily string

// None is what stands for a part of a family that a blank volume does not have yet.
const None = "none"

const maxName = 64 // bytes of a library, group, family or wrapper

// Family is what the files of a volume have in common: "group.family.wrapper". A blank
// volume has None in the parts that are still open, from the right; empty parts mean
// the same and are stored as None.
type Family struct {
	Group   StorageGroup
	Family  FileFamily
	Wrapper string
}

// ParseFamily reads "group.family.wrapper", exactly three parts of letters, digits and
// "-_/". The error wraps ErrInvalid.
func ParseFamily(s string) (Family, error) {
	parts := strings.SplitN(s, ".", 4)
	if len(parts) != 3 {
		return Family{}, invalid("volume family %.80q: not three parts", s)
	}
	f := Family{StorageGroup(parts[0]), FileFamily(parts[1]), parts[2]}
	for _, p := range parts {
		if !familyName(p) {
			return Family{}, invalid("volume family %.80q", s)
		}
	}
	return f, nil
}

// ParseStorageGroup accepts letters, digits and "-_/", at most 64 of them.
func ParseStorageGroup(s string) (StorageGroup, error) {
	if !familyName(s) {
		return "", invalid("storage group %.80q", s)
	}
	return StorageGroup(s), nil
}

// ParseFileFamily accepts letters, digits and "-_/", at most 64 of them.
func ParseFileFamily(s string) (FileFamily, error) {
	if !familyName(s) {
		return "", invalid("file family %.80q", s)
	}
	return FileFamily(s), nil
}

// ParseLibraryName accepts letters, digits and "-_.", at most 64 of them.
func ParseLibraryName(s string) (LibraryName, error) {
	if s == "" || len(s) > maxName || !allOf(s, func(c byte) bool { return isAlnum(c) || strings.IndexByte("-_.", c) >= 0 }) {
		return "", invalid("library %.80q", s)
	}
	return LibraryName(s), nil
}

func familyName(s string) bool {
	return s != "" && len(s) <= maxName && allOf(s, func(c byte) bool { return isAlnum(c) || strings.IndexByte("-_/", c) >= 0 })
}

func (f Family) String() string {
	f = f.normal()
	return string(f.Group) + "." + string(f.Family) + "." + f.Wrapper
}

// IsBlank tells whether the family still has open parts: its volume holds no files.
func (f Family) IsBlank() bool { return f.normal().Wrapper == None }

func (f Family) normal() Family {
	if f.Group == "" {
		f.Group = None
	}
	if f.Family == "" {
		f.Family = None
	}
	if f.Wrapper == "" {
		f.Wrapper = None
	}
	return f
}

// check accepts what ParseFamily does, with open parts only at the right.
func (f Family) check() error {
	f = f.normal()
	if _, err := ParseFamily(f.String()); err != nil {
		return err
	}
	if f.Wrapper != None && (f.Family == None || f.Group == None) || f.Family != None && f.Group == None {
		return invalid("volume family %s: a part is open to the left of one that is not", f)
	}
	return nil
}

// pools lists where a volume for the family may come from, in order: the family itself,
// then blanks that are reserved for it, for its group, and for anybody.
func (f Family) pools() []Family {
	return []Family{f, {f.Group, f.Family, None}, {f.Group, None, None}, {None, None, None}}
}

func (l LibraryName) String() string  { return string(l) }
func (g StorageGroup) String() string { return string(g) }
func (f FileFamily) String() string   { return string(f) }
