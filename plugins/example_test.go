//go:build unix

package plugins_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/enstore-go/sdk/plugins"
	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/filetape"
)

// A program that uses built-in plugins says so in the first line of its main; here, TestMain did.
func ExampleHost() {
	dir, err := os.MkdirTemp("", "run")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	host, err := plugins.NewHost(plugins.HostOptions{Dir: dir})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer host.Close()

	ctx := context.Background()
	drive, err := host.OpenDrive(ctx, "drive-file", driver.Config(`{"null": true}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer drive.Close()
	if err := drive.Load(ctx); err != nil {
		fmt.Println(err)
		return
	}
	for range 3 {
		if _, err := drive.WriteBlock(ctx, make([]byte, 256<<10)); err != nil {
			fmt.Println(err)
			return
		}
	}
	if _, err := drive.WriteFilemarks(ctx, 1, false); err != nil {
		fmt.Println(err)
		return
	}
	at, err := drive.Position(ctx)
	fmt.Println(at.Block, at.File, err)

	_, err = host.OpenDrive(ctx, "drive-file", driver.Config(`{"nul": true}`))
	e, ok := errors.AsType[*driver.Error](err)
	fmt.Println(ok && e.Outcome == driver.OutcomeConfig, err)
	// Output:
	// 4 1 <nil>
	// true configure: bad configuration: json: unknown field "nul"
}

// The whole main of a vendor's plugin. (filetape.OpenDrive stands for the vendor's own.)
func ExampleServe() {
	plugins.Serve(plugins.Plugin{Name: "drive-acme", Drive: filetape.OpenDrive})
}
