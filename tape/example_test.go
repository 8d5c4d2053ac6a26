package tape_test

import (
	"context"
	"fmt"

	"github.com/enstore-go/sdk/tape"
	"github.com/enstore-go/sdk/tape/label"
	"github.com/enstore-go/sdk/tape/memtape"
)

// A new cartridge is mounted, labelled and written, and what was written is safe when
// Sync returns.
func Example() {
	ctx := context.Background()
	lib := memtape.New(memtape.Options{})
	lib.AddVolume("VO0001", memtape.VolumeOptions{})
	robot, _ := tape.NewChanger(ctx, lib.Changer(), nil)
	drive, _ := tape.NewDrive(ctx, lib.Drive(0), nil)
	defer drive.Close()

	if err := robot.Mount(ctx, "VO0001", 0); err != nil {
		fmt.Println(err)
		return
	}
	load, _ := drive.Load(ctx)
	fmt.Println(load.WriteLabel(ctx, label.Plain("VO0001"), ""))

	end, err := load.CheckEnd(ctx, 1)
	fmt.Println(end, err)
	load.WriteBlock(ctx, []byte("some data"))
	load.WriteFilemarks(ctx, 1)
	fmt.Println(load.Sync(ctx))

	fmt.Println(load.WriteLabel(ctx, label.Plain("VO0002"), ""))
	// Output:
	// <nil>
	// at end of data <nil>
	// file 2, block 4 <nil>
	// volume VO0001: drive MEM00000: at file 0, block 1: check label: tape: the cartridge is not blank: its label is "VO0001"
}
