package tape_test

import (
	"context"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/memtape"
)

// sink takes blocks and does nothing with them.
type sink struct{ driver.Drive }

func (sink) WriteBlock(context.Context, []byte) (driver.Condition, error) {
	return driver.NoCondition, nil
}

// What a load costs for each block, beyond the driver.
func BenchmarkWriteBlock(b *testing.B) {
	is := is.New(b)
	lib, _ := drive(b, memtape.Options{Drives: 2}, memtape.VolumeOptions{})
	_, err := lib.AddVolume("VO0002", memtape.VolumeOptions{})
	is.NoErr(err)
	is.NoErr(lib.Insert("VO0002", 1))
	l := load(b, over(b, sink{lib.Drive(1)}))
	p := make([]byte, 256<<10)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := l.WriteBlock(b.Context(), p); err != nil {
			b.Fatal(err)
		}
	}
}
