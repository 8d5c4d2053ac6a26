// Daqwriter is the tape side of a data-acquisition program: it streams events into files while they
// are taken, keeps its own copy of each file until the file is safe, and only then drops it.
//
//	go run ./examples/daqwriter          # a site in a new temporary directory
//	go run ./examples/daqwriter -kill    # kills the drive's process in the middle, and goes on
//
// Copy what is in stream.go; this file makes a site and a detector to try it with.
package main

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"sync"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore"
	"github.com/enstore-go/sdk/enstore/site"
	"github.com/enstore-go/sdk/plugins"
	"github.com/enstore-go/sdk/tape/disk"
	"golang.org/x/sync/errgroup"
)

func main() {
	// Built-in drives and robots are this very program, started again as a subprocess.
	plugins.Main(plugins.Builtin...)

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	kill := flag.Bool("kill", false, "kill the drive's process in the middle of a file")
	flag.Parse()
	home, err := os.MkdirTemp("", "enstore-daqwriter-")
	if err == nil {
		_, err = run(ctx, os.Stdout, home, detector{files: 8, events: 4000, size: 4096}, *kill)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "daqwriter:", err)
		os.Exit(1)
	}
	fmt.Printf("The site is kept in %s; remove it when you are done.\n", home)
}

// inFlight is how many files may wait for safety. Their copies are what this program needs of memory; when
// it is used up the detector has to wait, which is better than to lose data.
const inFlight = 4

// run takes data until the detector has no more, and returns what is known of the files.
func run(ctx context.Context, out io.Writer, home string, d detector, kill bool) (records []enstore.Record, err error) {
	s, err := newSite(ctx, home)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := s.Client().Mkdir(ctx, "/raw"); err != nil {
		return nil, err
	}
	var once sync.Once
	records = make([]enstore.Record, d.files)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(inFlight)
	for i := range d.files {
		own := newCopy() // blocks no longer than until a file is safe: see SetLimit
		key, o := fmt.Sprintf("/raw/run%04d.dat", i), enstore.PutOptions{}
		how := "by way of the site's disk" // the wrapper wants to know the size first
		if i%2 == 0 {
			o.Size, how = d.fileSize(), "straight to tape"
		}
		if kill && i == d.files/2&^1 {
			o.Progress = func(p enstore.Progress) { // called while the file streams
				if p.State == enstore.Streaming {
					once.Do(func() { fmt.Fprintf(out, "%s  killing the drive's process: %v\n", key, orDone(killDrive(home))) })
				}
			}
		}
		g.Go(func() error {
			rec, err := store(ctx, s.Client(), key, own, o, func(why error) {
				fmt.Fprintf(out, "%s  was cut (%v); it is sent again from our own copy\n", key, why)
			})
			if err != nil {
				return err
			}
			records[i] = rec
			fmt.Fprintf(out, "%s  is safe: %d bytes, adler32 %08x, %s, %d copy on volume %s file %d  (%s)\n",
				key, rec.Size, rec.Adler, rec.Level, rec.Copies, rec.Volume, rec.Location.File, how)
			return nil // and own goes with the garbage
		})
		if err := d.take(ctx, i, own); err != nil {
			break // what ended ctx is told by Wait
		}
	}
	return records, g.Wait()
}

// newSite makes a site of one drive and three volumes.
func newSite(ctx context.Context, home string) (*site.Site, error) {
	if err := site.Init(ctx, home, site.InitOptions{Name: "daq", Drives: 1, Slots: 4}); err != nil {
		return nil, err
	}
	s, err := site.Open(ctx, home, nil)
	if err != nil {
		return nil, err
	}
	volumes := []catalog.Label{"VO0001", "VO0002", "VO0003"}
	if err := s.AddVolumes(ctx, volumes, site.VolumeOptions{Capacity: 4 << 30}); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// killDrive ends the process that has the drive open, as an operator's kill -9 would.
func killDrive(home string) error {
	holder, err := disk.ReadHolder(disk.OS(), filepath.Join(home, "tapes", "locks", "drive0"))
	if err != nil {
		return err
	}
	return holder.Kill()
}

func orDone(err error) any {
	if err == nil {
		return "done"
	}
	return err
}

// detector makes files of events of about the same size.
type detector struct {
	files, events, size int
}

func (d detector) fileSize() int64 { return int64(d.events) * int64(d.size) }

// take writes the events of one file.
func (d detector) take(ctx context.Context, file int, w io.WriteCloser) error {
	defer w.Close()
	r := rand.New(rand.NewPCG(42, uint64(file)))
	event := make([]byte, d.size)
	for n := range d.events {
		binary.LittleEndian.PutUint64(event, uint64(n))
		for at := 8; at+8 <= len(event); at += 8 {
			binary.LittleEndian.PutUint64(event[at:], r.Uint64())
		}
		if _, err := w.Write(event); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}
