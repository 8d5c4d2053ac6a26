package spool_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"os"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore/spool"
	"github.com/enstore-go/sdk/enstore/wire"
)

// A stream of unknown size is kept on disk until a drive takes it.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "spool")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	port := wire.NewListener(l, nil)
	defer port.Close()
	s, err := spool.Open(ctx, spool.Options{Dir: dir, Capacity: 1 << 30, Listener: port})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	put := wire.Put{ID: catalog.NewRequestID(), Key: "/raw/f", Size: wire.UnknownSize}
	turn, err := s.Receive(put, func(i spool.Info, err error) error {
		fmt.Println("cached:", i.Size, err)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}

	// The client, elsewhere:
	c, err := wire.Dial(ctx, turn, wire.WriteData, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	if err := c.AwaitReady(ctx); err != nil {
		log.Fatal(err)
	}
	if _, err := io.WriteString(c, "events"); err != nil {
		log.Fatal(err)
	}
	if err := c.Finish(c.Sum()); err != nil {
		log.Fatal(err)
	}
	record, err := c.AwaitResult(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("client:", record.Level)

	// The drive, later:
	r, size, adler, err := s.Open(put.ID)
	if err != nil {
		log.Fatal(err)
	}
	data, err := io.ReadAll(r)
	r.Close()
	fmt.Printf("%s, %d bytes, adler32 %08x, %v\n", data, size, adler, err)
	fmt.Println(s.Remove(put.ID))
	// Output:
	// cached: 6 <nil>
	// client: cached
	// events, 6 bytes, adler32 08eb0296, <nil>
	// <nil>
}
