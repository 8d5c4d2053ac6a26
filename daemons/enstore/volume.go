package main

import (
	"fmt"
	"os/user"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore/site"
)

type initCmd struct {
	Dir      string `arg:"" help:"The site's directory; made if need be."`
	Name     string `default:"enstore" help:"The site's name."`
	Brand    string `default:"ENST" help:"What stands in front of every bit file id."`
	Drives   int    `default:"2" help:"How many drives."`
	Slots    int    `default:"100" help:"How many slots for cartridges."`
	Volumes  int    `default:"0" help:"Add so many blank volumes, VO0001 and on."`
	Capacity string `placeholder:"SIZE" help:"Capacity of each of them, like \"12 TB\"."`
}

// Help is the example of --help.
func (initCmd) Help() string {
	return "Makes a site whose drives and robot work on tape images in DIR/tapes, and the file DIR/site.toml, which may\nbe edited.\n\nExample:\n  enstore init ~/site --volumes 8 --capacity \"10 GB\""
}

// Run makes a site.
func (c *initCmd) Run(p *program) error {
	if c.Volumes < 0 || c.Volumes > min(c.Slots, 9999) {
		return usage("%d volumes for %d slots", c.Volumes, c.Slots)
	}
	o, err := volumeOptions(c.Capacity)
	if err != nil {
		return err
	}
	if err := site.Init(p.ctx, c.Dir, site.InitOptions{Name: c.Name, Brand: c.Brand, Drives: c.Drives, Slots: c.Slots}); err != nil {
		return err
	}
	var labels []catalog.Label
	for i := range c.Volumes {
		labels = append(labels, catalog.Label(fmt.Sprintf("VO%04d", i+1)))
	}
	p.cmd.Site = c.Dir
	if len(labels) > 0 {
		if err := p.with(func(s *site.Site) error { return s.AddVolumes(p.ctx, labels, o) }); err != nil {
			return err
		}
	}
	file := filepath.Join(c.Dir, site.FileName)
	if p.cmd.JSON {
		return p.json(struct {
			Site    string `json:"site"`
			Drives  int    `json:"drives"`
			Volumes int    `json:"volumes"`
		}{file, c.Drives, c.Volumes})
	}
	return p.line("site %s: %s, %s", printable(file), count(c.Drives, "drive"), count(c.Volumes, "volume"))
}

// leastCapacity catches sizes without their unit.
const leastCapacity = 1e6

func volumeOptions(capacity string) (site.VolumeOptions, error) {
	var o site.VolumeOptions
	if capacity != "" {
		n, err := site.ParseSize(capacity)
		if err != nil {
			return o, usage("--capacity: %w", err)
		}
		if n < leastCapacity {
			return o, usage("--capacity %s: less than %s; is the unit missing?", capacity, size(leastCapacity))
		}
		o.Capacity = int64(n)
	}
	return o, nil
}

type volumeCmd struct {
	Add     volumeAddCmd     `cmd:"" help:"Add blank volumes."`
	Ls      volumeLsCmd      `cmd:"" help:"List volumes."`
	Show    volumeShowCmd    `cmd:"" help:"Tell all about one volume."`
	Label   volumeLabelCmd   `cmd:"" help:"Write the label of a volume that has no files."`
	Inhibit volumeInhibitCmd `cmd:"" help:"Keep a volume from being written or touched, or allow it again."`
}

type volumeAddCmd struct {
	Labels   []string `arg:"" help:"Labels, like VO0001 or VO0001L8."`
	Library  string   `help:"The library. Default: the site's only one."`
	Capacity string   `placeholder:"SIZE" help:"Like \"12 TB\". Default: the site file's."`
	Comment  string   `help:"A remark for people."`
}

// Help is the example of --help.
func (volumeAddCmd) Help() string {
	return "In a library of tape images the cartridges are made too.\n\nExample:\n  enstore volume add VO0009 VO0010 --capacity \"10 GB\""
}

// Run adds volumes.
func (c *volumeAddCmd) Run(p *program) error {
	o, err := volumeOptions(c.Capacity)
	if err != nil {
		return err
	}
	o.Library, o.Comment = catalog.LibraryName(c.Library), c.Comment
	var labels []catalog.Label
	for _, l := range c.Labels {
		labels = append(labels, catalog.Label(l))
	}
	return p.with(func(s *site.Site) error {
		if err := s.AddVolumes(p.ctx, labels, o); err != nil {
			return err
		}
		if !p.cmd.JSON {
			return p.line("added %s", count(len(labels), "volume"))
		}
		for _, l := range labels {
			if err := p.label(l); err != nil {
				return err
			}
		}
		return nil
	})
}

// label prints a label in JSON.
func (p *program) label(l catalog.Label) error {
	return p.json(struct {
		Label catalog.Label `json:"label"`
	}{l})
}

// volume is what is told of a volume.
type volume struct {
	Label     catalog.Label       `json:"label"`
	Library   catalog.LibraryName `json:"library"`
	Family    string              `json:"family"`
	State     string              `json:"state"`
	Files     int64               `json:"files"`
	Bytes     int64               `json:"bytes"`
	Dead      int64               `json:"deadBytes"`
	Remaining int64               `json:"remaining"`
	Capacity  int64               `json:"capacity"`
	BlockSize int                 `json:"blockSize"`
	EndOfData string              `json:"endOfData"` // location cookie; "none" before it is labelled
	Mounts    int64               `json:"mounts"`
	Declared  time.Time           `json:"declared,omitzero"`
	Accessed  time.Time           `json:"lastAccess,omitzero"`
	Comment   string              `json:"comment,omitempty"`
	Why       string              `json:"why,omitempty"` // of the state
}

// family is the family for people: a volume that may still become any family's has none.
func (v volume) family() string {
	if v.Family == (catalog.Family{Group: catalog.None, Family: catalog.None, Wrapper: catalog.None}).String() {
		return "-"
	}
	return v.Family
}

func volumeOf(v catalog.Volume) volume {
	out := volume{
		Label: v.Label, Library: v.Library, Family: v.Family.String(), State: "writable", Files: v.Files, Bytes: v.Bytes, Dead: v.DeadBytes,
		Remaining: v.Remaining, Capacity: v.Capacity, BlockSize: v.BlockSize, EndOfData: "none", Mounts: v.Mounts,
		Declared: v.Declared, Accessed: v.LastAccess, Comment: v.Comment,
	}
	if v.EOD.File > 0 {
		out.EndOfData = v.EOD.String()
	}
	if v.WriteProtected {
		out.State = "write protected"
	}
	for s := range v.State {
		if i := v.State[s]; !i.Is(catalog.Unlimited) {
			out.State, out.Why = i.String(), i.Why
			break
		}
	}
	return out
}

type volumeLsCmd struct {
	Library string `help:"Only of this library."`
}

// Help is the example of --help.
func (volumeLsCmd) Help() string { return "Example:\n  enstore volume ls" }

// Run lists volumes.
func (c *volumeLsCmd) Run(p *program) error {
	return p.with(func(s *site.Site) error {
		w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
		if !p.cmd.JSON {
			fmt.Fprintln(w, "VOLUME\tLIBRARY\tFAMILY\tSTATE\tFILES\tDATA\tLEFT\tMOUNTS")
		}
		for v, err := range s.Catalog().Volumes(p.ctx, catalog.Filter{Library: catalog.LibraryName(c.Library)}) {
			if err != nil {
				return err
			}
			o := volumeOf(v)
			if p.cmd.JSON {
				if err := p.json(o); err != nil {
					return err
				}
				continue
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%s\t%d\n", o.Label, o.Library, o.family(), o.State, o.Files, size(o.Bytes), size(o.Remaining), o.Mounts)
		}
		return w.Flush()
	})
}

type volumeShowCmd struct {
	Label string `arg:"" help:"The volume's label."`
}

// Help is the example of --help.
func (volumeShowCmd) Help() string {
	return "What its state forbids is allowed again by: enstore volume inhibit VO0001 none --why TEXT\n\nExample:\n  enstore volume show VO0001"
}

// Run tells about one volume.
func (c *volumeShowCmd) Run(p *program) error {
	return p.with(func(s *site.Site) error {
		l, err := catalog.ParseLabel(c.Label)
		if err != nil {
			return err
		}
		v, err := s.Catalog().Volume(p.ctx, l)
		if err != nil {
			return err
		}
		o := volumeOf(v)
		if p.cmd.JSON {
			return p.json(o)
		}
		return p.pairs([][2]string{
			{"volume", string(o.Label)}, {"library", string(o.Library)}, {"family", o.family()}, {"state", o.State}, {"because", escaped(o.Why)},
			{"files", fmt.Sprint(o.Files)}, {"data", exactly(o.Bytes)}, {"dead space", exactly(o.Dead)}, {"left", exactly(o.Remaining)}, {"capacity", exactly(o.Capacity)},
			{"block size", exactly(int64(o.BlockSize))}, {"end of data", o.EndOfData}, {"mounts", fmt.Sprint(o.Mounts)},
			{"declared", when(o.Declared)}, {"last access", when(o.Accessed)}, {"comment", escaped(o.Comment)},
		}...)
	})
}

type volumeInhibitCmd struct {
	Label string `arg:"" help:"The volume's label."`
	Limit string `arg:"" enum:"none,readonly,notallowed" help:"${enum}."`
	Why   string `required:"" placeholder:"TEXT" help:"The reason; it is kept in the volume's history."`
}

// Help is the example of --help.
func (volumeInhibitCmd) Help() string {
	return "none lifts what was set by this command, and what the site set itself after an error: look at the cartridge\nfirst. A volume that is full stays full.\n\nExample:\n  enstore volume inhibit VO0003 readonly --why \"edge damage\"\n  enstore volume inhibit VO0003 none --why \"drive cleaned\""
}

// Run sets or lifts what keeps a volume from being used.
func (c *volumeInhibitCmd) Run(p *program) error {
	l, err := catalog.ParseLabel(c.Label)
	if err != nil {
		return err
	}
	return p.with(func(s *site.Site) error {
		set := func(slot catalog.Slot, limit catalog.Limit) error {
			return s.Catalog().SetInhibit(p.ctx, l, slot, limit, whoAsks(), c.Why)
		}
		switch c.Limit {
		case "readonly":
			err = set(catalog.UserWrite, catalog.ReadOnly)
		case "notallowed":
			err = set(catalog.UserAccess, catalog.NotAllowed)
		default:
			err = lift(p, s, l, set)
		}
		if err != nil {
			return err
		}
		if p.cmd.JSON {
			return p.label(l)
		}
		v, err := s.Catalog().Volume(p.ctx, l)
		if err != nil {
			return err
		}
		return p.line("volume %s is %s", l, volumeOf(v).State)
	})
}

// lift clears every slot that keeps a volume from being used but for want of room.
func lift(p *program, s *site.Site, l catalog.Label, set func(catalog.Slot, catalog.Limit) error) error {
	v, err := s.Catalog().Volume(p.ctx, l)
	if err != nil {
		return err
	}
	for slot, i := range v.State {
		if i.Is(catalog.ReadOnly) || i.Is(catalog.NoAccess) || i.Is(catalog.NotAllowed) {
			if err := set(catalog.Slot(slot), catalog.Unlimited); err != nil {
				return err
			}
		}
	}
	return nil
}

// whoAsks is who gives the command.
func whoAsks() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "operator"
}

type volumeLabelCmd struct {
	Label     string `arg:"" help:"The volume; it must be in the catalogue and have no files."`
	Overwrite string `placeholder:"LABEL" help:"The label that is on the cartridge now. What is on it is lost."`
}

// Help is the example of --help.
func (volumeLabelCmd) Help() string {
	return "Blank cartridges are labelled when they are first written; this is for those that are to be labelled\nbefore, or that come with something on them. A cartridge that is not blank is refused unless its present\nlabel is given.\n\nExample:\n  enstore volume label VO0003 --overwrite OLD001"
}

// Run labels a cartridge.
func (c *volumeLabelCmd) Run(p *program) error {
	l, err := catalog.ParseLabel(c.Label)
	if err != nil {
		return err
	}
	name, err := p.site()
	if err != nil {
		return err
	}
	if err := site.LabelVolume(p.ctx, name, l, c.Overwrite, p.options()); err != nil {
		return err
	}
	if p.cmd.JSON {
		return p.label(l)
	}
	return p.line("volume %s is labelled", l)
}
