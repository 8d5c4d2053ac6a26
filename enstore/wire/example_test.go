package wire_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"strings"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore/wire"
)

// A client sends a file to a mover.
func Example() {
	ctx := context.Background()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	port := wire.NewListener(l, nil)
	defer port.Close()

	// The mover expects the client of a request, and has the library tell it.
	turn := wire.Turn{Address: port.Addr(), Token: wire.NewToken()}
	expected, err := port.Expect(turn.Token, wire.WriteData, catalog.NewRequestID())
	if err != nil {
		log.Fatal(err)
	}
	defer expected.Close()

	sent := make(chan error)
	go func() {
		c, err := wire.Dial(ctx, turn, wire.WriteData, nil)
		if err != nil {
			sent <- err
			return
		}
		defer c.Close()
		if err = c.AwaitReady(ctx); err == nil {
			_, err = c.ReadFrom(strings.NewReader("the file's content"))
		}
		if err == nil {
			err = c.Finish(c.Sum())
		}
		if err == nil {
			_, err = c.AwaitResult(ctx)
		}
		sent <- err
	}()

	c, err := expected.Wait(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	if err := c.Ready(); err != nil {
		log.Fatal(err)
	}
	data, err := io.ReadAll(c) // checked in every frame, and as a whole
	if err != nil {
		log.Fatal(err)
	}
	size, adler := c.End()
	fmt.Printf("%q: %d bytes, adler32 %08x\n", data, size, adler)
	// … the file is made safe, and only then:
	if err := c.Result(&wire.Record{Size: size, Adler: adler, Level: catalog.OnTape}, nil); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-sent)
	// Output:
	// "the file's content": 18 bytes, adler32 3df706b7
	// <nil>
}

// Errors keep their kind across the network.
func ExampleError() {
	sent := wire.Errorf(wire.Media, "volume VO1234", "write error at block 17")
	data, err := wire.Marshal(sent)
	if err != nil {
		log.Fatal(err)
	}
	var received wire.Error
	if err := wire.Unmarshal(data, &received); err != nil {
		log.Fatal(err)
	}
	fmt.Println(&received)
	fmt.Println(errors.Is(&received, wire.ErrMedia), wire.KindOf(&received).String())
	// Output:
	// volume VO1234: write error at block 17
	// true media
}
