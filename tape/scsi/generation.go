package scsi

import (
	"regexp"
	"time"

	"github.com/enstore-go/sdk/tape/driver"
)

// productGeneration finds the generation in the names that LTO drives bear: ULT3580-TD8, ULTRIUM-HH9, HH LTO Gen 7, Ultrium 9-SCSI.
var productGeneration = regexp.MustCompile(`(?i)^(?:ULT3580-|ULTRIUM-)(?:TD|HH)([0-9A])|LTO Gen ([0-9A])|^Ultrium ([0-9]+)`)

// Generation is the LTO generation of a drive by its product name, or 0.
func Generation(product string) int {
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

// Timeouts are how long a drive of an LTO generation may take; of generation 0 they are not known, and zero. The figures are those that IBM publishes for the commands of its LTO
// drives, as the LTFS reference driver has them (ibm_tape.c, LTO-5 to LTO-9, the longest of both heights): load or unload 960 s,
// locate 2940 s, read 2340 s, write filemarks 1920 s. The first load of an LTO-9 cartridge initialises it, for which its makers
// allow two hours more.
func Timeouts(generation int) driver.Timeouts {
	if generation == 0 {
		return driver.Timeouts{}
	}
	t := driver.Timeouts{Load: 960 * time.Second, Locate: 2940 * time.Second, Transfer: 2340 * time.Second, Flush: 1920 * time.Second}
	if generation == 9 {
		t.Load += 2 * time.Hour
	}
	return t
}
