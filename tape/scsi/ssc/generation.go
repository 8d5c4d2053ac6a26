package ssc

import (
	"context"
	"regexp"
	"time"

	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/scsi"
)

// productGeneration finds the generation in the names that LTO drives bear: ULT3580-TD8, ULTRIUM-HH9, HH LTO Gen 7, Ultrium 9-SCSI.
var productGeneration = regexp.MustCompile(`(?i)^(?:ULT3580-|ULTRIUM-)(?:TD|HH)([0-9A])|LTO Gen ([0-9A])|^Ultrium ([0-9]+)`)

// generationOf is the LTO generation of a drive by its product name, or 0.
func generationOf(product string) int {
	for _, s := range productGeneration.FindAllStringSubmatch(product, 1) {
		for _, g := range s[1:] {
			switch {
			case g == "A" || g == "a" || g == "10":
				return 10
			case len(g) == 1 && g[0] >= '1' && g[0] <= '9':
				return int(g[0] - '0')
			}
		}
	}
	return 0
}

var densityGeneration = map[uint8]int{
	scsi.DensityLTO5: 5, scsi.DensityLTO6: 6, scsi.DensityLTO7: 7, scsi.DensityM8: 8, scsi.DensityLTO8: 8, scsi.DensityLTO9: 9, scsi.DensityLTO10: 10, scsi.DensityPA10: 10,
}

// generation is the drive's, by its name, else by the newest format that it knows; 0: not LTO, or not told.
func (d *drive) generation(ctx context.Context) (int, error) {
	if g := generationOf(d.id.Product); g > 0 {
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

// timeouts are how long a drive of a generation may take. The figures are those that IBM publishes for the commands of its LTO
// drives, as the LTFS reference driver has them (ibm_tape.c, LTO-5 to LTO-9, the longest of both heights): load or unload 960 s,
// locate 2940 s, read 2340 s, write filemarks 1920 s. The first load of an LTO-9 cartridge initialises it, for which its makers
// allow two hours more.
func timeouts(generation int) driver.Timeouts {
	if generation == 0 {
		return driver.Timeouts{}
	}
	t := driver.Timeouts{Load: 960 * time.Second, Locate: 2940 * time.Second, Transfer: 2340 * time.Second, Flush: 1920 * time.Second}
	if generation == 9 {
		t.Load += 2 * time.Hour
	}
	return t
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
