package filetape_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/enstore-go/sdk/tape/disk"
	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/filetape"
)

// A library of one drive: a cartridge is mounted, written, unloaded, and its image
// read without the library.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "library-")
	check(err)
	defer os.RemoveAll(dir)
	check(filetape.Create(disk.OS(), dir, filetape.Options{Drives: 1, Slots: 8}))
	check(filetape.AddVolume(disk.OS(), dir, "VO0001", filetape.VolumeOptions{Capacity: 1 << 30}))

	table := driver.Config(fmt.Sprintf(`{"dir":%q}`, dir))
	robot, err := filetape.OpenChanger(ctx, table)
	check(err)
	defer robot.Close()
	check(robot.Move(ctx, filetape.SlotAddress(0), filetape.DriveAddress(0)))

	drive, err := filetape.OpenDrive(ctx, table)
	check(err)
	check(drive.Load(ctx))
	for _, s := range []string{"first block", "second block"} {
		_, err := drive.WriteBlock(ctx, []byte(s))
		check(err)
	}
	_, err = drive.WriteFilemarks(ctx, 1, false) // both are safe when it returns
	check(err)
	check(drive.Unload(ctx))
	check(drive.Close())

	image, err := filetape.OpenImage(filepath.Join(dir, "volumes", "VO0001.tap"))
	check(err)
	defer image.Close()
	buf := make([]byte, 1<<20)
	for {
		n, cond, err := image.ReadBlock(ctx, buf)
		check(err)
		switch cond {
		case driver.Filemark:
			fmt.Println("filemark")
		case driver.EndOfData:
			return
		default:
			fmt.Println(string(buf[:n]))
		}
	}
	// Output:
	// first block
	// second block
	// filemark
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
