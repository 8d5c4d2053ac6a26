package faulty_test

import (
	"context"
	"fmt"

	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/faulty"
	"github.com/enstore-go/sdk/tape/memtape"
)

// The second block meets a bad spot that the drive reports one block late.
func Example() {
	ctx := context.Background()
	lib := memtape.New(memtape.Options{})
	lib.AddVolume("VO0001", memtape.VolumeOptions{})
	lib.Insert("VO0001", 0)
	d := faulty.Drive(lib.Drive(0), faulty.Rule{
		Op: faulty.WriteBlock, Nth: 3, Outcome: driver.OutcomeMedium, Sense: driver.Sense{Key: 3, ASC: 0x0c, Deferred: true},
	})
	d.Load(ctx)
	for range 3 {
		_, err := d.WriteBlock(ctx, []byte("some data"))
		fmt.Println(err)
	}
	// Output:
	// <nil>
	// <nil>
	// write block: medium error (deferred) [sense 3/0c/00]: injected
}
