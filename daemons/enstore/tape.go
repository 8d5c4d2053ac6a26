package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"text/tabwriter"

	"github.com/enstore-go/sdk/enstore/scan"
	"github.com/enstore-go/sdk/enstore/site"
	"github.com/enstore-go/sdk/tape"
	"github.com/enstore-go/sdk/tape/filetape"
	"github.com/enstore-go/sdk/wrapper"
)

type tapeCmd struct {
	Ls     tapeLsCmd     `cmd:"" help:"List the files of a tape image (.tap or .tap.gz) of any wrapper."`
	Cat    tapeCatCmd    `cmd:"" help:"Write the content of one file of a tape image to standard output."`
	Verify tapeVerifyCmd `cmd:"" help:"Read a whole tape image and check all that its wrapper lets one check."`
}

type tapeLsCmd struct {
	Image   string `arg:"" help:"The tape image, .tap or .tap.gz."`
	Wrapper string `default:"any" enum:"any,cpio_odc,cern,null" help:"Take the tape to be of this wrapper: ${enum}."`
}

// Help is the example of --help.
func (tapeLsCmd) Help() string {
	return "Files are counted from 1; so are tape files, behind the label. A file that was given up or is not whole is\nshown as such. The wrapper of each file is recognised; null fits everything.\n\nExample:\n  enstore tape ls site/tapes/volumes/VO0001.tap"
}

// tapeFile is a line of tape ls and tape verify in JSON.
type tapeFile struct {
	Number    int    `json:"number"`
	TapeFile  int64  `json:"tapeFile"`
	Wrapper   string `json:"wrapper"`
	Size      int64  `json:"size"` // of the data that are there; -1: cannot be told
	Path      string `json:"path,omitempty"`
	PathBytes []byte `json:"pathBytes,omitempty"`
	Adler32   string `json:"adler32,omitempty"`
	Problem   string `json:"problem,omitempty"`
}

// image opens a tape image for reading.
func (p *program) image(name, wrapper string) (*scan.Tape, func() error, error) {
	if _, err := os.Stat(name); err != nil {
		return nil, nil, err
	}
	raw, err := filetape.OpenImage(name)
	if err != nil {
		return nil, nil, err
	}
	d, err := tape.NewDrive(p.ctx, raw, nil)
	if err != nil {
		return nil, nil, errors.Join(err, raw.Close())
	}
	l, err := d.Load(p.ctx)
	if err != nil {
		return nil, nil, errors.Join(err, d.Close())
	}
	t, err := scan.Open(p.ctx, l, formats(wrapper)...)
	if err != nil {
		return nil, nil, errors.Join(err, d.Close())
	}
	return t, d.Close, nil
}

// formats are those that a tape may be of.
func formats(name string) []wrapper.Format {
	all := site.Formats()
	if name == "any" {
		return all
	}
	return slices.DeleteFunc(all, func(f wrapper.Format) bool { return f.Name() != name })
}

// each calls f for every file of the image, until f returns false.
func (p *program) each(name, wrapper string, begin func(*scan.Tape) error, f func(*scan.File) (bool, error)) (err error) {
	t, done, err := p.image(name, wrapper)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	if err := begin(t); err != nil {
		return err
	}
	for more := true; more; {
		file, err := t.Next()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			more, err = f(file)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// heading tells the volume label, above the list.
func (p *program) heading(t *scan.Tape) error {
	problem := ""
	if t.LabelError != nil {
		problem = t.LabelError.Error()
	}
	switch {
	case p.cmd.JSON:
		return p.json(struct {
			Label    string `json:"label"`
			Labelled bool   `json:"labelled"`
			Problem  string `json:"problem,omitempty"`
		}{t.Label.ID, t.Labelled, problem})
	case problem != "":
		return p.line("the label cannot be read: %s", escaped(problem))
	case !t.Labelled:
		return p.line("no volume label")
	case t.Label.Family != "":
		return p.line("volume %s, family %s", printable(t.Label.ID), printable(t.Label.Family))
	}
	return p.line("volume %s", printable(t.Label.ID))
}

// list shows all files of an image. Files that are not whole are counted, and make the command
// fail if it is strict; dead space, which is no file any more, does not.
func (p *program) list(image, format string, strict bool, look func(*scan.File) (tapeFile, error)) error {
	bad, bare := 0, 0
	wrapped := "" // a volume has one wrapper: its files are all bare, or none is
	sums := ""
	if strict {
		sums = "ADLER-32\t"
	}
	w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	err := p.each(image, format, func(t *scan.Tape) error {
		if err := p.heading(t); err != nil || p.cmd.JSON {
			return err
		}
		_, err := fmt.Fprintf(w, "FILE\tTAPE FILE\tWRAPPER\tSIZE\t%sPATH\n", sums)
		return err
	}, func(f *scan.File) (bool, error) {
		o, err := look(f)
		o.Number, o.TapeFile, o.Wrapper = f.Number, f.TapeFile, f.Format.Name()
		o.Path, o.PathBytes = f.Header.Path, unlikeText(f.Header.Path)
		if err != nil {
			o.Problem = err.Error()
			if !errors.Is(err, wrapper.ErrDead) {
				bad++
			}
		}
		if f.Format == wrapper.Null {
			bare++
		} else {
			wrapped = o.Wrapper
		}
		if p.cmd.JSON {
			return true, p.json(o)
		}
		name, sum, problem := "-", "", ""
		if o.Path != "" {
			name = printable(o.Path)
		}
		if strict {
			sum = o.Adler32 + "\t"
		}
		switch {
		case errors.Is(err, wrapper.ErrDead):
			problem = "  (dead space)"
		case err != nil:
			problem = "  DAMAGED: " + escaped(o.Problem)
		}
		_, err = fmt.Fprintf(w, "%d\t%d\t%s\t%s\t%s%s%s\n", o.Number, o.TapeFile, o.Wrapper, size(o.Size), sum, name, problem)
		return true, err
	})
	err = errors.Join(w.Flush(), err)
	if err == nil && strict && bad > 0 {
		err = fmt.Errorf("%s: %s damaged: %w", image, count(bad, "file"), errDamaged)
	}
	if err == nil && strict && bare > 0 && wrapped != "" {
		err = fmt.Errorf("%s: %s without a header on a volume of %s, so their headers are damaged: %w", image, count(bare, "file"), wrapped, errDamaged)
	}
	return err
}

// Run lists an image.
func (c *tapeLsCmd) Run(p *program) error {
	return p.list(c.Image, c.Wrapper, false, func(f *scan.File) (tapeFile, error) {
		err := f.Check()
		return tapeFile{Size: f.Header.Size}, err
	})
}

type tapeVerifyCmd struct {
	Image   string `arg:"" help:"The tape image, .tap or .tap.gz."`
	Wrapper string `default:"any" enum:"any,cpio_odc,cern,null" help:"Take the tape to be of this wrapper: ${enum}."`
}

// Help is the example of --help.
func (tapeVerifyCmd) Help() string {
	return "Reads every file and checks headers, sizes, trailers, and the checksum where the tape has one (cern). The\nchecksums that are printed can be compared with the catalogue's. Dead space, which a writer gave up, is no\ndamage.\n\nExample:\n  enstore tape verify site/tapes/volumes/VO0001.tap"
}

// Run verifies an image.
func (c *tapeVerifyCmd) Run(p *program) error {
	return p.list(c.Image, c.Wrapper, true, func(f *scan.File) (tapeFile, error) {
		n, sum, err := f.Verify()
		return tapeFile{Size: n, Adler32: fmt.Sprintf("%08x", sum)}, err
	})
}

type tapeCatCmd struct {
	Image   string `arg:"" help:"The tape image, .tap or .tap.gz."`
	File    int    `arg:"" help:"Number of the file, from 1."`
	Raw     bool   `help:"The wrapper too: every byte that is on tape for the file."`
	Wrapper string `default:"any" enum:"any,cpio_odc,cern,null" help:"Take the tape to be of this wrapper: ${enum}."`
}

// Help is the example of --help.
func (tapeCatCmd) Help() string {
	return "What is not whole is written as far as it goes; the exit code says so.\n\nExample:\n  enstore tape cat VO0001.tap 3 > copy\n\nUnpacked by GNU cpio:\n  enstore tape cat --raw VO0001.tap 3 | cpio -i --to-stdout > copy"
}

// Run writes one file of an image.
func (c *tapeCatCmd) Run(p *program) error {
	if c.File < 1 {
		return usage("file %d: files are counted from 1", c.File)
	}
	last := 0
	err := p.each(c.Image, c.Wrapper, func(*scan.Tape) error { return nil }, func(f *scan.File) (bool, error) {
		last = f.Number
		if f.Number != c.File {
			return true, nil
		}
		if c.Raw {
			_, err := f.WriteRaw(p.out)
			return false, err
		}
		_, err := f.WriteTo(p.out)
		if end := f.Check(); err == nil || errors.Is(end, wrapper.ErrDead) {
			err = end // why data are missing says more than that they are
		}
		return false, err
	})
	if err == nil && last < c.File {
		err = fmt.Errorf("%s: file %d: %w: it has %s", c.Image, c.File, fs.ErrNotExist, count(last, "file"))
	}
	return err
}
