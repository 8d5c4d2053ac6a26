package queuesim_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/queue"
	"github.com/enstore-go/sdk/queue/queuesim"
)

func machine(t testing.TB, s queue.Settings) *queue.Machine {
	t.Helper()
	m, err := queue.New(s)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func arrival(at time.Duration, n int, r queue.Request) queuesim.Arrival {
	r.ID = queue.RequestID{15: byte(n)}
	r.Library, r.Family = "L", queue.Family{Group: "g", Family: "f", Wrapper: "w"}
	return queuesim.Arrival{At: at, Request: r}
}

func read(v queue.Volume, file, size int64) queue.Request {
	return queue.Request{Kind: queue.Read, Volume: v, Size: size, Position: queue.Position{File: file, Block: file * 8000}}
}

var one = queuesim.Site{Libraries: []queuesim.Library{{Name: "L", Drives: 1, Blanks: 10}}}

// One drive, worked out by hand: every second is somewhere.
func TestEverySecondIsSomewhere(t *testing.T) {
	is := is.New(t)
	s := queuesim.Scenario{Site: one, Drain: time.Hour, Arrivals: []queuesim.Arrival{
		arrival(0, 1, read("A", 0, 3e9)), arrival(0, 2, read("B", 0, 6e9)),
	}}
	r, err := queuesim.Run(s, machine(t, queue.Settings{}))
	is.NoErr(err)
	is.Equal(r.Done, 2)
	is.Equal(r.Mounts, 2)
	// LTO-9 streams 400 MB a second. A: 10 s of the robot, 17 s of loading. B: unloading 30 s and rewinding 55 s before that.
	is.Equal(r.Streaming, 22500*time.Millisecond)
	is.Equal(r.Locating, time.Duration(0))
	is.Equal(r.Mounting, (27+30+55+27)*time.Second)
	is.Equal(r.RobotTime, 20*time.Second)
	is.Equal(r.Waits.Most, (27+1+30+55+27)*time.Second+r.Streaming) // with the second for which the drive waited for more of A
}

func TestRobotsAreShared(t *testing.T) {
	is := is.New(t)
	site := queuesim.Site{Libraries: []queuesim.Library{{Name: "L", Drives: 3, Exchange: 20, Arms: 1}}}
	s := queuesim.Scenario{Site: site, Drain: time.Hour, Arrivals: []queuesim.Arrival{
		arrival(0, 1, read("A", 0, 3e9)), arrival(0, 2, read("B", 0, 3e9)), arrival(0, 3, read("C", 0, 3e9)),
	}}
	r, err := queuesim.Run(s, machine(t, queue.Settings{}))
	is.NoErr(err)
	is.Equal(r.Waits.P50, (2*20+17)*time.Second+7500*time.Millisecond) // the second waits for the first
	is.Equal(r.Waits.Most, (3*20+17)*time.Second+7500*time.Millisecond)
}

func small() queuesim.Scenario {
	return queuesim.Scenario{
		Name: "small", Seed: 1, Length: 24 * time.Hour, Drain: 48 * time.Hour,
		Site: queuesim.Site{Libraries: []queuesim.Library{
			{Name: "A", Drives: 4, Volumes: 200, Blanks: 50, Arms: 2}, {Name: "B", Drives: 2, Volumes: 100, Blanks: 50, Also: []string{"A"}},
		}},
		Work: []queuesim.Stream{
			{Name: "recall", Kind: "read", Bursts: 60, Files: 40, Size: 2e9, Sigma: 0.7, Zipf: 1.2, Spread: 2, Users: 5},
			{Name: "single", Kind: "read", Bursts: 400, Size: 1e9, Zipf: 1.1, Users: 20},
			{Name: "archive", Kind: "write", Bursts: 50, Files: 60, Within: 1800, Size: 2e9, Sigma: 0.5, Width: 2},
			{Name: "daq", Kind: "write", Library: "A", Bursts: 700, Size: 4e9, Admin: 1, Width: 1},
		},
	}
}

func TestTheSameSeedIsTheSameRun(t *testing.T) {
	is := is.New(t)
	var tables [2]string
	for i := range tables {
		var d queue.Digest
		r, err := queuesim.RunObserved(small(), machine(t, queue.Settings{}), func(_ time.Time, _ queue.Event, all []queue.Decision) { d.Add(all) })
		is.NoErr(err)
		var b bytes.Buffer
		is.NoErr(queuesim.Table(&b, []queuesim.Named{{Name: "ours", Result: r}}))
		tables[i] = b.String()
		is.Equal(r.Done, r.Came)
		if i == 0 {
			t.Log("\n" + b.String())
		}
	}
	is.Equal(tables[0], tables[1])
}

// Whatever goes wrong, everything is done in the end, and the drives' time is no longer than it was.
func TestFaults(t *testing.T) {
	is := is.New(t)
	s := small()
	s.Faults = queuesim.Faults{Reads: 0.02, Down: 0.01, Away: 600}
	s.Length, s.Drain = 7*24*time.Hour, 7*24*time.Hour
	r, err := queuesim.Run(s, machine(t, queue.Settings{}))
	is.NoErr(err)
	is.Equal(r.Done, r.Came)
	is.True(r.Failed > 10 && r.Downs > 10)
	is.True(r.DriveTime() <= r.Span*time.Duration(r.Drives))
}

func TestWorkloadFiles(t *testing.T) {
	is := is.New(t)
	all, err := queuesim.Arrivals(small())
	is.NoErr(err)
	var b bytes.Buffer
	is.NoErr(queuesim.WriteArrivals(&b, all))
	again, err := queuesim.ReadArrivals(&b)
	is.NoErr(err)
	is.Equal(len(again), len(all))
	is.Equal(again[17].Request, all[17].Request)
	for _, c := range []struct{ text, says string }{
		{"{", "line 1"}, {"{\"at\":5}\n\n{\"at\":4}", "line 3: comes at 4ns"}, {strings.Repeat("x", 100_000), "token too long"},
	} {
		_, err := queuesim.ReadArrivals(strings.NewReader(c.text))
		is.True(errors.Is(err, queuesim.ErrScenario))
		is.True(strings.Contains(err.Error(), c.says))
	}
}

func FuzzReadArrivals(f *testing.F) {
	f.Add([]byte(`{"at":1,"request":{"Kind":2}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		all, err := queuesim.ReadArrivals(bytes.NewReader(b))
		if err != nil && !errors.Is(err, queuesim.ErrScenario) {
			t.Fatal(err)
		}
		if err == nil {
			_ = queuesim.WriteArrivals(io.Discard, all)
		}
	})
}

func TestBadScenarios(t *testing.T) {
	for _, c := range []struct {
		change func(*queuesim.Scenario)
		says   string
	}{
		{func(s *queuesim.Scenario) { s.Site.Libraries = nil }, "no library"},
		{func(s *queuesim.Scenario) { s.Site.Libraries[0].Drives = 0 }, "out of range"},
		{func(s *queuesim.Scenario) { s.Site.Libraries[1].Also = []string{"Z"} }, `no library "Z"`},
		{func(s *queuesim.Scenario) { s.Site.Drive.Generation = "LTO-1" }, "LTO-1"},
		{func(s *queuesim.Scenario) { s.Work[0].Kind = "erase" }, `kind "erase"`},
		{func(s *queuesim.Scenario) { s.Work[0].Zipf = 0.5 }, "zipf"},
		{func(s *queuesim.Scenario) { s.Work[0].Bursts = 0 }, "bursts"},
		{func(s *queuesim.Scenario) { s.Faults.Reads = 2 }, "from 0 to 1"},
		{func(s *queuesim.Scenario) { s.Faults.Down = math.NaN() }, "from 0 to 1"},
		{func(s *queuesim.Scenario) { s.Faults.Away = -1 }, "away"},
		{func(s *queuesim.Scenario) { s.Work[0].Zipf = math.NaN() }, "zipf"},
		{func(s *queuesim.Scenario) { s.Work[0].Zipf = math.Inf(1) }, "zipf"},
		{func(s *queuesim.Scenario) { s.Work[0].Bursts = math.NaN() }, "bursts"},
		{func(s *queuesim.Scenario) { s.Work[0].Bursts, s.Work[0].Files = 1e8, 1e7 }, "more than"},
		{func(s *queuesim.Scenario) { s.Work[0].Sigma = math.NaN() }, "sigma"},
		{func(s *queuesim.Scenario) { s.Site.Drive.Load = -1_000_000 }, "load"},
		{func(s *queuesim.Scenario) { s.Site.Drive.Unload = math.MaxInt }, "unload"},
	} {
		is := is.New(t)
		s := small()
		c.change(&s)
		_, err := queuesim.Run(s, machine(t, queue.Settings{}))
		is.True(errors.Is(err, queuesim.ErrScenario))
		is.True(strings.Contains(err.Error(), c.says))
	}
}

func TestPictureIsSVG(t *testing.T) {
	is := is.New(t)
	r, err := queuesim.Run(small(), machine(t, queue.Settings{}))
	is.NoErr(err)
	var b bytes.Buffer
	is.NoErr(queuesim.Picture(&b, []queuesim.Named{{Name: "<ours>", Result: r}}))
	d := xml.NewDecoder(&b)
	for {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
