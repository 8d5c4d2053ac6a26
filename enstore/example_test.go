package enstore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/enstore-go/sdk/enstore"
	"github.com/enstore-go/sdk/enstore/wire"
)

// control stands for a site: package site gives a real one.
func control() (wire.Control, func()) {
	s, stop, err := openSite(serve)
	if err != nil {
		log.Fatal(err)
	}
	return s, stop
}

// A stream of unknown size goes to tape, and comes back.
func Example() {
	site, stop := control()
	defer stop()
	ctx := context.Background()
	client := enstore.New(site, &enstore.Options{User: "daq"})
	defer client.Close()

	w, err := client.Put(ctx, "/raw/run0042/0007.dat", enstore.PutOptions{})
	if err != nil {
		log.Fatal(err) // refused at once, nothing was sent
	}
	defer w.Abort() // harmless after Commit
	if _, err := io.Copy(w, strings.NewReader("one event after the other")); err != nil {
		log.Fatal(err)
	}
	record, err := w.Commit(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s on volume %s, adler32 %08x\n", record.Level, record.Volume, record.Adler)

	r, err := client.Get(ctx, "/raw/run0042/0007.dat", enstore.GetOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		log.Fatal(err) // without an error the content was verified
	}
	fmt.Println(string(data))
	// Output:
	// on tape on volume VO1234, adler32 78d2095a
	// one event after the other
}

// A file on disk is stored once, however often it is asked for, and its name is never given to other content.
func ExampleClient_PutFile() {
	site, stop := control()
	defer stop()
	ctx := context.Background()
	client := enstore.New(site, nil)
	defer client.Close()

	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "calibration")
	for _, content := range []string{"abc", "abc", "other"} {
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			log.Fatal(err)
		}
		record, err := client.PutFile(ctx, "/calib/42", path, enstore.PutOptions{})
		switch {
		case errors.Is(err, enstore.ErrExists):
			fmt.Println("taken by other content")
		case err != nil:
			log.Fatal(err)
		default:
			fmt.Println(record.BFID, record.Level)
		}
	}
	// Output:
	// CDMS000000000000001 on tape
	// CDMS000000000000001 on tape
	// taken by other content
}

// What a data-acquisition program asks before it deletes its own copy.
func ExampleClient_WaitFor() {
	site, stop := control()
	defer stop()
	ctx := context.Background()
	client := enstore.New(site, nil)
	defer client.Close()

	w, err := client.Put(ctx, "/raw/f", enstore.PutOptions{Commit: enstore.Cached})
	if err != nil {
		log.Fatal(err)
	}
	defer w.Abort()
	io.WriteString(w, "events")
	if _, err := w.Commit(ctx); err != nil { // safe on the site's disk, at least
		log.Fatal(err)
	}
	record, err := client.WaitFor(ctx, "/raw/f", enstore.OnTape)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(record.Level, record.Copies)
	// Output: on tape 1
}
