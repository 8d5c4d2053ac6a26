package mover

import (
	"testing"

	"github.com/matryer/is"
)

func TestBuffersAreBoundedAndUsedAgain(t *testing.T) {
	const block = 100_000 // not a multiple of a page
	is := is.New(t)
	b := newBuffers(1 << 20)
	defer b.release()
	for range 2 {
		is.NoErr(b.lend(block))
		var all [][]byte
		for p := b.take(); p != nil; p = b.take() {
			is.Equal(len(p), block)
			all = append(all, p)
		}
		is.Equal(len(all), 10) // of 25 pages each
		for i, p := range all {
			p[0], p[block-1] = byte(i), byte(i)
		}
		for i, p := range all {
			is.True(p[0] == byte(i) && p[block-1] == byte(i)) // no two are the same memory
		}
		b.give(all[3][:7]) // as written: less than a block
		b.give(all[5])
		<-b.freed
		p := b.take()
		is.True(&p[0] == &all[5][0]) // what was used last is used first
		p = b.take()
		is.Equal(len(p), block)
		is.True(&p[0] == &all[3][0])
		is.True(b.take() == nil)
		b.back() // the others have not been given
	}
}

func TestBuffersKeepTheirMemoryWhileLent(t *testing.T) {
	is := is.New(t)
	b := newBuffers(1)
	is.NoErr(b.lend(64 << 10))
	p := b.take()
	b.release() // a drive that has just got work after a rest
	p[0] = 1
	is.True(b.take() != nil) // two blocks, however little is allowed
	is.True(b.take() == nil)
	b.back()
	b.release()
	is.True(b.mem == nil)
	is.NoErr(b.lend(64 << 10))
	b.lose() // to a driver that does not return
	b.release()
	p[0] = 2
	is.NoErr(b.lend(32 << 10))
	is.Equal(len(b.take()), 32<<10)
	b.back()
	b.release()
}
