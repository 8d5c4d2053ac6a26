package wrapper_test

import (
	"io"
	"slices"
	"testing"
	"time"

	"github.com/enstore-go/sdk/crc"
	"github.com/enstore-go/sdk/wrapper"
	"github.com/enstore-go/sdk/wrapper/cpio"
	"github.com/enstore-go/sdk/wrapper/wrappertest"
)

// memory is a source in memory.
type memory struct {
	data []byte
	left int64
}

func (m *memory) Read(p []byte) (int, error) {
	if m.left == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(int64(len(p)), m.left)], m.data)
	m.left -= int64(n)
	return n, nil
}

// BenchmarkRatio compares Writer.ReadFrom with a loop that reads blocks into the same buffer and
// meters them, in turns within one run. The metric ratio is the median of the loop's
// time over the Writer's: 1 is no cost at all.
func BenchmarkRatio(b *testing.B) {
	const size, block = 256 << 20, 256 << 10
	data := wrappertest.Data(1 << 20)
	tape := &counting{buf: make([]byte, block)}
	plain := func() error {
		src, meter := &memory{data, size}, crc.NewMeter()
		for {
			n, err := io.ReadFull(src, tape.buf)
			meter.Write(tape.buf[:n])
			if err == io.EOF {
				return nil
			} else if err != nil {
				return err
			}
			if err := tape.WriteBlock(n); err != nil {
				return err
			}
		}
	}
	ours := func() error {
		w, err := wrapper.NewWriter(tape, cpio.Odc, wrappertest.NewFile("/a", size))
		if err != nil {
			return err
		}
		if _, err := w.ReadFrom(&memory{data, size}); err != nil {
			return err
		}
		return w.Close(w.Sum())
	}
	timed := func(f func() error) float64 {
		start := time.Now()
		if err := f(); err != nil {
			b.Fatal(err)
		}
		return time.Since(start).Seconds()
	}
	var ratios []float64
	for b.Loop() {
		for range 15 {
			ratios = append(ratios, timed(plain)/timed(ours))
		}
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)/2], "ratio")
	b.ReportMetric(ratios[len(ratios)/4], "ratio-q1")
	b.ReportMetric(ratios[len(ratios)*3/4], "ratio-q3")
}
