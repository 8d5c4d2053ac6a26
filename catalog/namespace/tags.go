package namespace

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/enstore-go/sdk/catalog"
)

// Tag names what a directory may say about the files written into it.
type Tag string

// The tags, by the names that Enstore gave them.
const (
	Library      Tag = "library"             // comma list: where files go, then where further copies go
	StorageGroup Tag = "storage_group"       // letters, digits, "-_/"
	FileFamily   Tag = "file_family"         // likewise
	Width        Tag = "file_family_width"   // 1…1000: volumes of the family written at once
	Wrapper      Tag = "file_family_wrapper" // as "cpio_odc"
)

// maxWidth bounds what a tag may ask for; a site has fewer drives.
const maxWidth = 1000

// maxLibraries bounds the comma list.
const maxLibraries = 8

// Tags are the tags that hold in a directory, parsed. What no directory says is the zero
// value, but Width, which is 1 then.
type Tags struct {
	Library []catalog.LibraryName
	Group   catalog.StorageGroup
	Family  catalog.FileFamily
	Width   int
	Wrapper string
}

// VolumeFamily is the family of volumes that files go to. The error wraps
// catalog.ErrInvalid if a tag is missing.
func (t Tags) VolumeFamily() (catalog.Family, error) {
	for _, part := range []struct {
		tag   Tag
		value string
	}{{StorageGroup, string(t.Group)}, {FileFamily, string(t.Family)}, {Wrapper, t.Wrapper}} {
		if part.value == "" {
			return catalog.Family{}, fmt.Errorf("tag %s: no directory has it: %w", part.tag, catalog.ErrInvalid)
		}
	}
	return catalog.Family{Group: t.Group, Family: t.Family, Wrapper: t.Wrapper}, nil
}

// set parses one tag into t.
func (t *Tags) set(tag Tag, value string) (err error) {
	switch tag {
	case Library:
		t.Library, err = parseLibraries(value)
	case StorageGroup:
		t.Group, err = catalog.ParseStorageGroup(value)
	case FileFamily:
		t.Family, err = catalog.ParseFileFamily(value)
	case Width:
		t.Width, err = parseWidth(value)
	case Wrapper:
		_, err = catalog.ParseFileFamily(value) // the same letters
		t.Wrapper = value
	default:
		return fmt.Errorf("tag %.40q: there is no such tag: %w", tag, catalog.ErrInvalid)
	}
	if err == nil && value == catalog.None {
		err = fmt.Errorf("%q stands for nothing: %w", value, catalog.ErrInvalid)
	}
	if err != nil {
		return fmt.Errorf("tag %s: %w", tag, err)
	}
	return nil
}

func parseLibraries(value string) ([]catalog.LibraryName, error) {
	parts := strings.SplitN(value, ",", maxLibraries+1)
	if len(parts) > maxLibraries {
		return nil, fmt.Errorf("more than %d libraries: %w", maxLibraries, catalog.ErrInvalid)
	}
	list := make([]catalog.LibraryName, len(parts))
	for i, p := range parts {
		l, err := catalog.ParseLibraryName(p)
		if err != nil {
			return nil, err
		}
		list[i] = l
	}
	return list, nil
}

func parseWidth(value string) (int, error) {
	n, err := strconv.ParseUint(value, 10, 16)
	if err != nil || n < 1 || n > maxWidth {
		return 0, fmt.Errorf("width %.40q is not 1…%d: %w", value, maxWidth, catalog.ErrInvalid)
	}
	return int(n), nil
}

// SetTag sets a tag of a directory for everything below that has none of its own; an
// empty value removes it. ErrInvalid if the value cannot be parsed.
func (t *Tree) SetTag(ctx context.Context, dir string, tag Tag, value string) error {
	if err := new(Tags).set(tag, value); err != nil && (value != "" || !tag.known()) {
		return err
	}
	p, err := ParsePath(dir)
	if err != nil {
		return err
	}
	return t.c.Update(ctx, func(tx catalog.Tx) error {
		e, err := directory(tx, p)
		if err != nil {
			return err
		}
		if err := tx.PutTag(e.ID, string(tag), value); err != nil {
			return err
		}
		return catalog.Append(tx, t.c.Now(), catalog.DirectoryTagged, p.String(),
			catalog.EntryEvent{Entry: e.ID, Path: catalog.Bytes(p.String()), Tag: string(tag), Value: value})
	})
}

func (tag Tag) known() bool {
	switch tag {
	case Library, StorageGroup, FileFamily, Width, Wrapper:
		return true
	}
	return false
}

// Tags gives the tags that hold in a directory, its own and inherited ones.
func (t *Tree) Tags(ctx context.Context, dir string) (tags Tags, err error) {
	p, err := ParsePath(dir)
	if err != nil {
		return Tags{}, err
	}
	err = t.c.View(ctx, func(tx catalog.Tx) error {
		e, inherited, err := walkTagged(tx, p)
		if err == nil && !e.Dir {
			err = fmt.Errorf("path %q: %w", p, catalog.ErrNotDir)
		}
		tags = inherited
		return err
	})
	return tags, err
}

// OwnTags gives the tags that a directory itself has, as they were set.
func (t *Tree) OwnTags(ctx context.Context, dir string) (own map[Tag]string, err error) {
	p, err := ParsePath(dir)
	if err != nil {
		return nil, err
	}
	err = t.c.View(ctx, func(tx catalog.Tx) error {
		e, err := directory(tx, p)
		if err != nil {
			return err
		}
		stored, err := tx.Tags(e.ID)
		own = make(map[Tag]string, len(stored))
		for name, value := range stored {
			own[Tag(name)] = value
		}
		return err
	})
	return own, err
}

// walkTagged finds an entry and the tags that hold there.
func walkTagged(tx catalog.Tx, p Path) (catalog.Entry, Tags, error) {
	tags := Tags{Width: 1}
	e, err := walk(tx, p, func(dir catalog.Entry) error {
		own, err := tx.Tags(dir.ID)
		if err != nil {
			return err
		}
		for name, value := range own {
			if !Tag(name).known() { // of a later version
				continue
			}
			if err := tags.set(Tag(name), value); err != nil {
				return fmt.Errorf("directory %s: %w", dir.ID, err)
			}
		}
		return nil
	})
	return e, tags, err
}
