package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/enstore-go/sdk/enstore"
)

type tagCmd struct {
	Show tagShowCmd `cmd:"" help:"Show the tags that hold in a directory."`
	Set  tagSetCmd  `cmd:"" help:"Set tags of a directory."`
	Rm   tagRmCmd   `cmd:"" help:"Remove tags of a directory, so that those of the one above hold again."`
}

// Help is what --help says of tags.
func (tagCmd) Help() string {
	return `Tags say how what is stored below a directory goes to tape; directories inherit them.

  library              where files go: one name, as copies in others are not made yet
  storage_group        who owns the volumes
  file_family          which files lie together
  file_family_width    how many volumes of the family are written at once
  file_family_wrapper  how files lie on tape: cpio_odc, cern or null

Example:
  enstore tag set /raw file_family=raw2026 file_family_width=2`
}

var tagNames = []enstore.Tag{enstore.TagLibrary, enstore.TagGroup, enstore.TagFamily, enstore.TagWidth, enstore.TagWrapper}

// tags are a directory's tags in JSON.
type tags struct {
	Library []string `json:"library,omitempty"`
	Group   string   `json:"storage_group,omitempty"`
	Family  string   `json:"file_family,omitempty"`
	Width   int      `json:"file_family_width,omitempty"`
	Wrapper string   `json:"file_family_wrapper,omitempty"`
}

func tagsOf(t enstore.Tags) tags {
	o := tags{Group: string(t.Group), Family: string(t.Family), Width: t.Width, Wrapper: t.Wrapper}
	for _, l := range t.Library {
		o.Library = append(o.Library, string(l))
	}
	return o
}

func (t tags) rows() [][2]string {
	width := ""
	if t.Width > 0 {
		width = strconv.Itoa(t.Width)
	}
	return [][2]string{
		{string(enstore.TagLibrary), strings.Join(t.Library, ",")}, {string(enstore.TagGroup), t.Group},
		{string(enstore.TagFamily), t.Family}, {string(enstore.TagWidth), width}, {string(enstore.TagWrapper), t.Wrapper},
	}
}

// tagsNow prints what holds in a directory.
func (p *program) tagsNow(cl *enstore.Client, dir string) error {
	t, err := cl.Tags(p.ctx, dir)
	if err != nil {
		return err
	}
	o := tagsOf(t)
	if p.cmd.JSON {
		return p.json(struct {
			Key      string `json:"key"`
			KeyBytes []byte `json:"keyBytes,omitempty"`
			Tags     tags   `json:"tags"`
		}{dir, unlikeText(dir), o})
	}
	return p.pairs(o.rows()...)
}

type tagShowCmd struct {
	Dir string `arg:"" help:"A directory of the name space."`
}

// Help is the example of --help.
func (tagShowCmd) Help() string { return "Example:\n  enstore tag show /raw" }

// Run shows tags.
func (c *tagShowCmd) Run(p *program) error {
	dir, _ := trimmed(c.Dir)
	return p.client(func(cl *enstore.Client) error { return p.tagsNow(cl, dir) })
}

type tagSetCmd struct {
	Dir  string   `arg:"" help:"A directory of the name space."`
	Tags []string `arg:"" name:"name=value" help:"Tags and their values."`
}

// Help is the example of --help.
func (tagSetCmd) Help() string {
	return "Example:\n  enstore tag set /raw file_family=raw2026 file_family_width=2"
}

// Run sets tags.
func (c *tagSetCmd) Run(p *program) error {
	var names []enstore.Tag
	var values []string
	for _, arg := range c.Tags {
		name, value, ok := strings.Cut(arg, "=")
		tag, err := tagNamed(name)
		if err != nil {
			return err
		}
		if !ok || value == "" {
			return hint(usage("tag %s has no value", name), "To remove a tag: enstore tag rm DIR NAME")
		}
		names, values = append(names, tag), append(values, value)
	}
	return p.retag(c.Dir, names, values)
}

type tagRmCmd struct {
	Dir  string   `arg:"" help:"A directory of the name space."`
	Tags []string `arg:"" name:"name" help:"Names of tags."`
}

// Help is the example of --help.
func (tagRmCmd) Help() string { return "Example:\n  enstore tag rm /raw file_family_width" }

// Run removes tags.
func (c *tagRmCmd) Run(p *program) error {
	var names []enstore.Tag
	for _, arg := range c.Tags {
		tag, err := tagNamed(arg)
		if err != nil {
			return err
		}
		names = append(names, tag)
	}
	return p.retag(c.Dir, names, make([]string, len(names)))
}

// retag sets tags, or removes those whose value is empty, and in JSON tells what holds then.
func (p *program) retag(arg string, names []enstore.Tag, values []string) error {
	dir, _ := trimmed(arg)
	return p.client(func(cl *enstore.Client) error {
		for i, n := range names {
			if err := cl.SetTag(p.ctx, dir, n, values[i]); err != nil {
				return err
			}
		}
		if p.cmd.JSON {
			return p.tagsNow(cl, dir)
		}
		return p.widthNote(cl, dir)
	})
}

// widthNote says when the width in force is more than the drives of its library: it counts as their number.
func (p *program) widthNote(cl *enstore.Client, dir string) error {
	t, err := cl.Tags(p.ctx, dir)
	c, _, e := p.siteFile()
	if err != nil || e != nil || len(t.Library) == 0 {
		return nil // the tags are set; this is only a remark
	}
	drives := 0
	for _, d := range c.Drives {
		if slices.Contains(d.Libraries, string(t.Library[0])) {
			drives++
		}
	}
	if t.Width > drives {
		return p.line("%s: width %d, library %s has %s: so many volumes are written at once", printable(dir), t.Width, t.Library[0], count(drives, "drive"))
	}
	return nil
}

func tagNamed(name string) (enstore.Tag, error) {
	for _, t := range tagNames {
		if name == string(t) {
			return t, nil
		}
	}
	return "", usage("there is no tag %s: want one of %s", printable(name), strings.Trim(fmt.Sprint(tagNames), "[]"))
}
