package ssc

import (
	"context"
	"time"

	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/scsi"
)

var densityGeneration = map[uint8]int{
	scsi.DensityLTO5: 5, scsi.DensityLTO6: 6, scsi.DensityLTO7: 7, scsi.DensityM8: 8, scsi.DensityLTO8: 8, scsi.DensityLTO9: 9, scsi.DensityLTO10: 10, scsi.DensityPA10: 10,
}

// generation is the drive's, by its name, else by the newest format that it knows; 0: not LTO, or not told.
func (d *drive) generation(ctx context.Context) (int, error) {
	if g := scsi.Generation(d.id.Product); g > 0 {
		return g, nil
	}
	in, err := d.ask(ctx, "open", scsi.ReportDensities(false, 4096), make([]byte, 4096))
	if err != nil {
		return 0, err
	}
	codes, _ := scsi.ParseDensities(in)
	g := 0
	for _, c := range codes {
		g = max(g, densityGeneration[c.Code])
	}
	return g, nil
}

// either is a with what it leaves out taken from b.
func either(a, b driver.Timeouts) driver.Timeouts {
	for _, p := range []struct{ a, b *time.Duration }{
		{&a.Command, &b.Command}, {&a.Load, &b.Load}, {&a.Locate, &b.Locate}, {&a.Transfer, &b.Transfer}, {&a.Flush, &b.Flush},
	} {
		if *p.a == 0 {
			*p.a = *p.b
		}
	}
	return a
}
