package operator_test

import (
	"context"
	"fmt"
	"os"

	"github.com/enstore-go/sdk/tape/disk"
	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/operator"
)

// A mount is asked for, a person carries the cartridge and says so.
func Example() {
	dir, err := os.MkdirTemp("", "shelf")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	config, err := driver.ConfigOf(map[string]any{"dir": dir, "drives": []string{"left"}, "slots": 10, "volumes": []string{"VO0001"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	robot, err := operator.OpenChanger(ctx, config)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer robot.Close()
	mounted := make(chan error, 1)
	go func() { mounted <- robot.Move(ctx, operator.SlotAddress(0), operator.DriveAddress(0)) }()

	var requests []operator.Request
	for len(requests) == 0 { // a person looks less often
		if requests, err = operator.Requests(disk.OS(), dir); err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Println(requests[0])
	fmt.Println(operator.Done(disk.OS(), dir, requests[0].ID), <-mounted)
	// Output:
	// carry VO0001 from slot 1000 to drive left
	// <nil> <nil>
}
