package discovery

import (
	"testing"

	"github.com/matryer/is"
)

func TestNumber(t *testing.T) {
	for lun, want := range map[uint64]int{
		0: 0, 5 << 48: 5, 0x40<<56 | 5<<48: 5, 0x41<<56 | 2<<48: 258, 0x7f<<56 | 0xff<<48: 16383,
		1: -1, 5<<48 | 1<<40: -1, 0x01 << 56: -1, 0x80 << 56: -1, 0xc1 << 56: -1,
	} {
		n, ok := number(lun)
		if !ok {
			n = -1
		}
		is.New(t).Equal(n, want)
	}
}
