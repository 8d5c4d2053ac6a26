package filetape

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/enstore-go/sdk/tape/disk"
)

const (
	// chunkSize is how much goes to the file at one time. Larger ones gain nothing measurable.
	chunkSize = 1 << 20
	// chunks is how many buffers a drive has: what is taken and not yet in the file is at most their sum, 8 MiB.
	chunks = 8
	// align is what direct I/O wants of offsets, lengths and addresses: a page.
	align = 4096
)

var errClosed = errors.New("the drive was closed")

// writer appends to an image in a goroutine of its own, in order, while its owner goes on.
// All methods but stop belong to one goroutine.
type writer struct {
	f      disk.File
	direct bool

	free chan []byte
	work chan job
	quit chan struct{} // closed by stop: nothing waits any more
	once sync.Once
	done sync.WaitGroup
	err  atomic.Pointer[error] // the first failure; nothing is written after it until reset

	mem  []byte // of the buffers; nil: they are on the heap, or there is none yet
	made int    // buffers
	buf  []byte // being filled; nil before the first byte
	base int64  // offset of buf in the image, a multiple of align
	fill int
}

// job is a chunk to be written, a function to be called after what came before it, or both in this order.
type job struct {
	buf  []byte
	n    int
	off  int64
	free bool // buf may be filled again
	fn   func() error
	done chan error // of the job; has room for one
}

func newWriter(f disk.File, direct bool) *writer {
	w := &writer{
		f: f, direct: direct && setDirect(f, true) == nil,
		free: make(chan []byte, chunks), work: make(chan job, chunks), quit: make(chan struct{}),
	}
	for range chunks {
		w.free <- nil // made when it is needed
	}
	w.done.Go(w.run)
	return w
}

func (w *writer) run() {
	for {
		select {
		case <-w.quit:
			return
		case j := <-w.work:
			err := w.failure()
			if err == nil && j.buf != nil {
				if err = w.writeAt(j.buf[:j.n], j.off); err != nil {
					w.err.CompareAndSwap(nil, &err)
				}
			}
			if j.free {
				w.free <- j.buf
			}
			if err == nil && j.fn != nil {
				err = j.fn()
			}
			if j.done != nil {
				j.done <- err
			}
		}
	}
}

// writeAt writes, past the page cache if that works here.
func (w *writer) writeAt(b []byte, off int64) error {
	_, err := w.f.WriteAt(b, off)
	if err != nil && w.direct && refusesDirect(err) {
		w.direct = false
		if err := setDirect(w.f, false); err != nil {
			return err
		}
		_, err = w.f.WriteAt(b, off)
	}
	return err
}

// failure is why nothing is written any more, or nil.
func (w *writer) failure() error {
	if err := w.err.Load(); err != nil {
		return *err
	}
	return nil
}

// begin starts to append at off. head is what the image has between the multiple of align below off and off.
func (w *writer) begin(ctx context.Context, off int64, head []byte) error {
	if w.buf == nil {
		if err := w.next(ctx); err != nil {
			return err
		}
	}
	w.base, w.fill = off-int64(len(head)), copy(w.buf, head)
	return nil
}

// next takes an empty buffer.
func (w *writer) next(ctx context.Context) error {
	select {
	case w.buf = <-w.free:
	default:
		select {
		case w.buf = <-w.free:
		case <-ctx.Done():
			return ctx.Err()
		case <-w.quit:
			return errClosed
		}
	}
	if w.buf == nil {
		w.buf = w.newBuffer()
	}
	return nil
}

// newBuffer gives a chunk and a page more, for an end mark.
func (w *writer) newBuffer() []byte {
	const n = chunkSize + align
	if w.made == 0 {
		w.mem = mapMemory(chunks * n)
	}
	at := w.made * n
	w.made++
	if w.mem == nil {
		return alignedBuffer(n)
	}
	return w.mem[at : at+n : at+n]
}

// append takes p. An error means that part of it may have been taken.
func (w *writer) append(ctx context.Context, p []byte) error {
	for {
		n := copy(w.buf[w.fill:chunkSize], p)
		w.fill += n
		p = p[n:]
		if w.fill < chunkSize {
			return nil
		}
		if err := w.put(ctx, job{buf: w.buf, n: chunkSize, off: w.base, free: true}); err != nil {
			return err
		}
		w.base, w.fill, w.buf = w.base+chunkSize, 0, nil
		if err := w.next(ctx); err != nil {
			return err
		}
	}
}

func (w *writer) appendWord(ctx context.Context, word uint32) error {
	if chunkSize-w.fill > wordSize {
		binary.LittleEndian.PutUint32(w.buf[w.fill:], word)
		w.fill += wordSize
		return nil
	}
	return w.append(ctx, binary.LittleEndian.AppendUint32(nil, word))
}

func (w *writer) put(ctx context.Context, j job) error {
	select {
	case w.work <- j:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-w.quit:
		return errClosed
	}
}

// wait gives a job to the goroutine and waits for its end. ended is false if ctx or the writer ended first;
// then the job may still be done.
func (w *writer) wait(ctx context.Context, j job) (ended bool, err error) {
	j.done = make(chan error, 1)
	if err := w.put(ctx, j); err != nil {
		return false, err
	}
	select {
	case err := <-j.done:
		return true, err
	case <-ctx.Done():
		return false, ctx.Err()
	case <-w.quit:
		return false, errClosed
	}
}

// do calls fn after everything before has been written, and returns its error, or that of a write
// before, which keeps fn from being called.
func (w *writer) do(ctx context.Context, fn func() error) error {
	_, err := w.wait(ctx, job{fn: fn})
	return err
}

// flush writes what has been taken with an end mark behind it, and calls fn, as do. Appending goes on
// over the end mark.
func (w *writer) flush(ctx context.Context, fn func() error) error {
	n := w.fill + copy(w.buf[w.fill:], endMark[:])
	padded := (n + align - 1) &^ (align - 1)
	clear(w.buf[n:padded])
	if _, err := w.wait(ctx, job{buf: w.buf, n: padded, off: w.base, fn: fn}); err != nil {
		return err
	}
	// Whole pages are done with; the rest is written again with what follows.
	whole := w.fill &^ (align - 1)
	copy(w.buf, w.buf[whole:w.fill])
	w.base, w.fill = w.base+int64(whole), w.fill-whole
	return nil
}

// reset waits until nothing is on its way, forgets a failure, and what has been taken. begin is next.
func (w *writer) reset(ctx context.Context) error {
	if ended, err := w.wait(ctx, job{fn: func() error { return nil }}); !ended {
		return err
	}
	w.err.Store(nil)
	return nil
}

// halt ends the goroutine and every wait for it. It may be called at any time. What has been taken is lost.
func (w *writer) halt() { w.once.Do(func() { close(w.quit) }) }

// stop is halt, and waits for the goroutine. It is the owner's last call.
func (w *writer) stop() {
	w.halt()
	w.done.Wait()
	w.buf = nil
	unmapMemory(w.mem)
	w.mem = nil
}

var endMark = [wordSize]byte{0xff, 0xff, 0xff, 0xff}

// alignedBuffer gives n bytes of memory that begin at a multiple of align.
func alignedBuffer(n int) []byte {
	b := make([]byte, n+align)
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(b))) & (align - 1))
	return b[skip : skip+n : skip+n]
}
