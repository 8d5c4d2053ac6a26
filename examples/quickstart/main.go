// Quickstart makes a whole tape site in a new directory, stores every regular file of a directory
// tree on it, reads all of them back, and compares every byte.
//
//	go run ./examples/quickstart [DIR]
//
// Without DIR it takes the module that it is part of. The site is kept; its place is printed, with
// the commands by which somebody who trusts nobody checks a file with GNU cpio.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore"
	"github.com/enstore-go/sdk/enstore/site"
	"github.com/enstore-go/sdk/plugins"
	"golang.org/x/sync/errgroup"
)

func main() {
	// Built-in drives and robots are this very program, started again as a subprocess.
	plugins.Main(plugins.Builtin...)

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

// volumes of the robot, and the size at which a cartridge is full.
const (
	volumes  = 8
	capacity = 4 << 30
)

func run(ctx context.Context, out io.Writer, args []string) error {
	if len(args) > 1 || len(args) == 1 && strings.HasPrefix(args[0], "-") {
		return errors.New("usage: go run ./examples/quickstart [DIR]\n  stores every regular file of DIR (default: this module) on tape and reads it back")
	}
	source, err := sourceDir(args)
	if err != nil {
		return err
	}
	home, err := os.MkdirTemp("", "enstore-quickstart-")
	if err != nil {
		return err
	}
	if inside(source, home) {
		_ = os.Remove(home)
		return fmt.Errorf("%s contains the new site's directory %s: it would store its own tapes; choose another DIR, or set TMPDIR", source, home)
	}
	files, err := regularFiles(source)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("%s has no regular files to store", source)
	}

	fmt.Fprintf(out, "A site with 2 drives and %d volumes is made in %s\n", volumes, home)
	if err := site.Init(ctx, home, site.InitOptions{Name: "quickstart", Drives: 2, Slots: volumes}); err != nil {
		return err
	}
	s, err := site.Open(ctx, home, nil)
	if err != nil {
		return err
	}
	defer s.Close()
	var labels []catalog.Label
	for i := range volumes {
		labels = append(labels, catalog.Label(fmt.Sprintf("VO%04d", i+1)))
	}
	if err := s.AddVolumes(ctx, labels, site.VolumeOptions{Capacity: capacity}); err != nil {
		return err
	}
	q := &quick{c: s.Client(), source: source, files: files, records: make([]enstore.Record, len(files))}

	fmt.Fprintf(out, "Storing %d files of %s ...\n", len(files), source)
	stored, err := q.each(ctx, q.put)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	fmt.Fprintln(out, "Reading them back ...")
	fetched, err := q.each(ctx, q.get)
	if err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	stats := s.Stats()
	if err := s.Close(); err != nil { // dismounts: the cartridges can be looked at
		return err
	}
	q.report(out, stored, fetched, stats)
	q.sceptic(out, home)
	return nil
}

// quick is one run: what is stored, and what was told of it.
type quick struct {
	c       *enstore.Client
	source  string
	files   []string // relative to source
	records []enstore.Record
	bytes   atomic.Int64
	dirs    sync.Map // made already
}

// each does work on all files, many at a time: files that wait for safety together are flushed
// together.
func (q *quick) each(ctx context.Context, work func(context.Context, int) error) (time.Duration, error) {
	began := time.Now()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(256)
	for i := range q.files {
		g.Go(func() error { return work(ctx, i) })
	}
	err := g.Wait()
	return time.Since(began), err
}

func (q *quick) key(i int) string { return "/" + filepath.ToSlash(q.files[i]) }

// put stores file i. When it returns, the file is on tape and in the catalogue.
func (q *quick) put(ctx context.Context, i int) error {
	key := q.key(i)
	if dir := key[:strings.LastIndexByte(key, '/')]; dir != "" {
		if _, done := q.dirs.Load(dir); !done {
			if err := q.c.MkdirAll(ctx, dir); err != nil {
				return err
			}
			q.dirs.Store(dir, true)
		}
	}
	rec, err := q.c.PutFile(ctx, key, filepath.Join(q.source, q.files[i]), enstore.PutOptions{})
	if err != nil {
		return err
	}
	q.records[i] = rec
	q.bytes.Add(rec.Size)
	return nil
}

// get reads file i from tape and compares it with the source, byte by byte.
func (q *quick) get(ctx context.Context, i int) error {
	r, err := q.c.Get(ctx, q.key(i), enstore.GetOptions{})
	if err != nil {
		return err
	}
	defer r.Close()
	f, err := os.Open(filepath.Join(q.source, q.files[i]))
	if err != nil {
		return err
	}
	defer f.Close()
	return same(q.key(i), r, f)
}

// same compares two streams to their ends; the end of a Get is reached only if its checksum is right.
func same(key string, a, b io.Reader) error {
	x, y := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		n, errA := io.ReadFull(a, x)
		m, errB := io.ReadFull(b, y)
		if errA != nil && errA != io.EOF && errA != io.ErrUnexpectedEOF {
			return errA
		}
		if errB != nil && errB != io.EOF && errB != io.ErrUnexpectedEOF {
			return errB
		}
		if n != m || !bytes.Equal(x[:n], y[:m]) {
			return fmt.Errorf("%s: what was read from tape differs from the source", key)
		}
		if errA != nil {
			return nil
		}
	}
}

func (q *quick) report(out io.Writer, stored, fetched time.Duration, st site.Stats) {
	n, mb := len(q.files), float64(q.bytes.Load())/1e6
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\nfiles\tMB\t\tseconds\tMB/s\tchecksums\t")
	fmt.Fprintf(w, "%d\t%.1f\tto tape\t%.2f\t%.0f\t%d verified\t\n", n, mb, stored.Seconds(), mb/stored.Seconds(), n)
	fmt.Fprintf(w, "%d\t%.1f\tfrom tape\t%.2f\t%.0f\t%d verified\t\n", n, mb, fetched.Seconds(), mb/fetched.Seconds(), n)
	w.Flush()
	fmt.Fprintln(out)
	w = tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "drive\tmounts\tlocates\tflushes\ttransfers\tMB written\tMB read\t")
	for _, d := range st.Drives {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%.1f\t%.1f\t\n", d.Name, d.Mounts, d.Locates, d.Flushes, d.Files, float64(d.BytesWritten)/1e6, float64(d.BytesRead)/1e6)
	}
	w.Flush()
}

// sceptic prints how one file is checked by other people's tools.
func (q *quick) sceptic(out io.Writer, home string) {
	pick := 0
	for i, f := range q.files {
		if f == "README.md" {
			pick = i
		}
	}
	r := q.records[pick]
	image := filepath.Join(home, "tapes", "volumes", string(r.Volume)+".tap")
	cat := fmt.Sprintf("go run ./daemons/enstore tape cat --raw %s %d", quoted(image), r.Location.File)
	fmt.Fprintf(out, "\nEvery byte agrees. To check %s with GNU cpio, without a line of this project's reading code but the image's:\n\n", quoted(q.files[pick]))
	fmt.Fprintf(out, "  %s | cpio -itv\n", cat)
	fmt.Fprintf(out, "  %s | cpio -i --quiet --to-stdout | cmp - %s && echo equal\n", cat, quoted(filepath.Join(q.source, q.files[pick])))
	fmt.Fprintf(out, "\nThe site is kept in %s; remove it when you are done.\n", home)
}

// quoted is a name as a shell takes it.
func quoted(name string) string {
	if strings.IndexFunc(name, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("/._-+,:@=", r)
	}) < 0 {
		return name
	}
	return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
}

// sourceDir is the directory to store: the argument, or the module's root.
func sourceDir(args []string) (string, error) {
	dir := "."
	if len(args) == 1 {
		dir = args[0]
	} else {
		for at, err := filepath.Abs("."); err == nil; {
			if _, e := os.Stat(filepath.Join(at, "go.mod")); e == nil {
				dir = at
				break
			}
			up := filepath.Dir(at)
			if up == at {
				return "", errors.New("run it inside the module, or name a directory")
			}
			at = up
		}
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	dir, err = filepath.EvalSymlinks(dir)
	if err != nil {
		return "", err
	}
	st, err := os.Stat(dir)
	if err == nil && !st.IsDir() {
		err = fmt.Errorf("%s is not a directory", dir)
	}
	return dir, err
}

func inside(dir, name string) bool {
	if real, err := filepath.EvalSymlinks(name); err == nil {
		name = real
	}
	rel, err := filepath.Rel(dir, name)
	return err == nil && filepath.IsLocal(rel)
}

// regularFiles lists the regular files below dir, without version control's own.
func regularFiles(dir string) ([]string, error) {
	var out []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == ".git" {
			return fs.SkipDir
		}
		if d.Type().IsRegular() {
			rel, err := filepath.Rel(dir, name)
			if err != nil {
				return err
			}
			out = append(out, rel)
		}
		return nil
	})
	return out, err
}
