//go:build unix

package plugins

import (
	"context"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/enstore-go/sdk/tape/driver"
)

// null is a drive that writes its blocks to the null device, and reads blocks of nothing.
type null struct {
	ram
	f *os.File
}

func openNull(context.Context, driver.Config) (driver.Drive, error) {
	f, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	return &null{f: f, ram: ram{conf: ramConfig{MinBlock: 1, MaxBlock: 1 << 20}, closed: make(chan struct{})}}, nil
}

func (n *null) WriteBlock(_ context.Context, p []byte) (driver.Condition, error) {
	_, err := n.f.Write(p)
	return driver.NoCondition, err
}

func (n *null) ReadBlock(_ context.Context, p []byte) (int, driver.Condition, error) {
	return len(p), driver.NoCondition, nil
}

const benchBlock = 256 << 10

func openNullThrough(b *testing.B, stream bool) (driver.Drive, *remoteDrive) {
	b.Helper()
	h, err := NewHost(HostOptions{Dir: runDir(b), NoSharedMemory: stream})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { h.Close() })
	d, err := h.OpenDrive(b.Context(), "null", nil)
	if err != nil {
		b.Fatal(err)
	}
	return d, d.(*remoteDrive)
}

func BenchmarkWriteBlock(b *testing.B) {
	for _, way := range []string{"ring", "stream"} {
		b.Run(way, func(b *testing.B) {
			d, _ := openNullThrough(b, way == "stream")
			p := make([]byte, benchBlock)
			b.SetBytes(benchBlock)
			for b.Loop() {
				if _, err := d.WriteBlock(b.Context(), p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkReadBlock(b *testing.B) {
	for _, way := range []string{"ring", "stream"} {
		b.Run(way, func(b *testing.B) {
			d, _ := openNullThrough(b, way == "stream")
			p := make([]byte, benchBlock)
			b.SetBytes(benchBlock)
			for b.Loop() {
				if _, _, err := d.ReadBlock(b.Context(), p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRatioPlugin compares blocks of 256 KiB through a plugin process with the same drive in
// this process, in interleaved rounds: "speed" is throughput through the plugin over
// throughput without (the goal is at least 0.3), "cpu" processor time of both processes over that of the one (at
// most 4); medians, with the smallest and largest round beside them. Either way a block is copied once,
// into one of six slots, and written to the null device from there.
func BenchmarkRatioPlugin(b *testing.B) {
	const rounds, blocks = 25, 2000
	through, remote := openNullThrough(b, false)
	bare, err := openNull(b.Context(), nil)
	if err != nil {
		b.Fatal(err)
	}
	src := make([]byte, benchBlock)
	for i := range src {
		src[i] = byte(i)
	}
	slots := make([]byte, 6*benchBlock)
	inProcess := func(i int) error {
		slot := slots[i%6*benchBlock:][:benchBlock]
		copy(slot, src)
		_, err := bare.WriteBlock(b.Context(), slot)
		return err
	}
	throughPlugin := func(int) error {
		_, err := through.WriteBlock(b.Context(), src)
		return err
	}
	flush := func() error { _, err := through.WriteFilemarks(b.Context(), 0, false); return err }
	var speed, cpu []float64
	for b.Loop() {
		for range rounds {
			wall0, cpu0 := measure(b, remote.p.pid(), blocks, inProcess, func() error { return nil })
			wall1, cpu1 := measure(b, remote.p.pid(), blocks, throughPlugin, flush)
			speed = append(speed, wall0.Seconds()/wall1.Seconds())
			cpu = append(cpu, cpu1.Seconds()/cpu0.Seconds())
		}
	}
	report := func(name string, v []float64) {
		slices.Sort(v)
		b.ReportMetric(v[len(v)/2], name)
		b.ReportMetric(v[0], name+"-min")
		b.ReportMetric(v[len(v)-1], name+"-max")
	}
	report("speed", speed)
	report("cpu", cpu)
}

// measure times n blocks, with the processor time of this process and of the plugin.
func measure(b *testing.B, pid, n int, write func(int) error, flush func() error) (wall, cpu time.Duration) {
	b.Helper()
	used := processorTime(b, pid)
	begin := time.Now()
	for i := range n {
		if err := write(i); err != nil {
			b.Fatal(err)
		}
	}
	if err := flush(); err != nil {
		b.Fatal(err)
	}
	wall = time.Since(begin)
	return wall, processorTime(b, pid) - used
}

func ownProcessorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
