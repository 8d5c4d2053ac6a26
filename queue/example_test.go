package queue_test

import (
	"fmt"
	"time"

	"github.com/enstore-go/sdk/queue"
)

func Example() {
	m, err := queue.New(queue.Settings{})
	if err != nil {
		panic(err)
	}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	apply := func(e queue.Event) {
		decisions, err := m.Apply(e)
		if err != nil {
			fmt.Println(err)
		}
		for _, d := range decisions {
			if g, ok := d.(queue.Grant); ok {
				fmt.Printf("%s: %s %s, %d requests\n", g.Lease.Drive, g.Lease.Kind, g.Lease.Volume, len(g.Lease.Requests))
			}
		}
	}
	for n, file := range []int64{12, 3, 7} {
		id := queue.RequestID{15: byte(n + 1)}
		apply(queue.Submitted{Time: now, Request: queue.Request{ID: id, Kind: queue.Read, Library: "LTO9", Volume: "VO1234", Position: queue.Position{File: file}, Accepted: now}})
	}
	apply(queue.DriveReady{Time: now, Drive: "LTO9-0", Libraries: []queue.Library{"LTO9"}})
	// Output:
	// LTO9-0: read VO1234, 3 requests
}
