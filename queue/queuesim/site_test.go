package queuesim_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/enstore-go/sdk/queue"
	"github.com/enstore-go/sdk/queue/queuesim"
	"github.com/enstore-go/sdk/queue/queuesim/peers"
)

// largest is the largest site that Enstore had: 8 libraries, 190 drives, 25,000 volumes, 800 TB a day read and written.
func largest(days int) queuesim.Scenario {
	s := queuesim.Scenario{Name: "largest", Seed: 7, Length: time.Duration(days) * 24 * time.Hour, Drain: 24 * time.Hour, Site: queuesim.Site{Drive: queuesim.Drive{Generation: "LTO-8"}}}
	for i := range 8 {
		drives := 24
		if i >= 6 {
			drives = 23
		}
		s.Site.Libraries = append(s.Site.Libraries, queuesim.Library{Name: string(rune('A' + i)), Drives: drives, Volumes: 3125, Blanks: 500, Arms: 2})
	}
	s.Work = []queuesim.Stream{
		{Name: "datasets", Kind: "read", Bursts: 400, Files: 250, Size: 2e9, Sigma: 0.7, Zipf: 1.1, Spread: 4, Users: 20},
		{Name: "analysis", Kind: "read", Bursts: 3000, Files: 20, Size: 1.5e9, Sigma: 0.8, Zipf: 1.05, Spread: 3, Users: 200},
		{Name: "single", Kind: "read", Bursts: 15000, Size: 2e9, Sigma: 0.8, Users: 500},
		{Name: "archive", Kind: "write", Bursts: 600, Files: 150, Within: 3600, Size: 2.5e9, Sigma: 0.6, Width: 3, Users: 20},
		{Name: "daq", Kind: "write", Library: "A", Bursts: 20000, Size: 4e9, Width: 4, Admin: 1},
	}
	return s
}

func compare(t *testing.T, s queuesim.Scenario, mine queue.Settings) []queuesim.Named {
	var all []queuesim.Named
	for _, d := range []struct {
		name string
		d    queuesim.Decider
	}{
		{"ours", machine(t, mine)},
		{"Enstore", peers.NewEnstore(peers.EnstoreSettings{})},
		{"CTA", peers.NewCTA(peers.CTASettings{AdminPriority: 1000})},
	} {
		start := time.Now()
		r, err := queuesim.Run(s, d.d)
		if err != nil {
			t.Fatal(d.name, err)
		}
		t.Log(d.name, time.Since(start))
		all = append(all, queuesim.Named{Name: d.name, Result: r})
	}
	var b bytes.Buffer
	_ = queuesim.Table(&b, all)
	t.Log("\n" + b.String())
	return all
}

func TestLargest(t *testing.T) {
	compare(t, largest(1), queue.Settings{Rate: 360e6})
}
func TestSmallCompare(t *testing.T) {
	compare(t, small(), queue.Settings{Rate: 400e6})
}
