package disk

import (
	"io"
	"io/fs"
	"math/bits"
	"os"
	"path/filepath"
	"time"
)

const (
	// SectorSize is what a disk writes whole or not at all, in bytes: the unit in which a
	// [Forgetful] keeps or loses what was not synced.
	SectorSize = 512
	pageSize   = 4096 // bytes; the unit in which content is kept and copied
	maxSize    = 1 << 40
)

// content is the data of a file: as programs see it, and as the disk has it.
type content struct {
	size     int64
	diskSize int64
	pages    []page
	dirty    []int // pages with dirty sectors, each once
}

// page is one piece of a file. Both arrays may be the same one, which is then not written to; nil is all zero.
type page struct {
	now, disk    *[pageSize]byte
	dirty, freed uint8 // one bit per sector: written since the last Sync; cut off since
	lost         uint8 // written before a Sync that failed: no later Sync makes these durable
}

// mark notes that the sectors of p that hold bytes from to to (of the page) were changed.
func (c *content) mark(i, from, to int) {
	p := &c.pages[i]
	if p.dirty == 0 {
		c.dirty = append(c.dirty, i)
	}
	first, last := from/SectorSize, (to-1)/SectorSize
	mask := uint8(1<<(last+1)-1) &^ uint8(1<<first-1)
	p.dirty |= mask
	p.lost &^= mask
}

// own gives page i as bytes to write to.
func (c *content) own(i int) *[pageSize]byte {
	for len(c.pages) <= i {
		c.pages = append(c.pages, page{})
	}
	p := &c.pages[i]
	if p.now == nil {
		p.now = new([pageSize]byte)
	} else if p.now == p.disk {
		fresh := *p.now
		p.now = &fresh
	}
	return p.now
}

// write puts data at an offset; the size grows if need be.
func (c *content) write(data []byte, off int64) {
	if end := off + int64(len(data)); end > c.size {
		c.size = end
	}
	for len(data) > 0 {
		i, from := int(off/pageSize), int(off%pageSize)
		n := copy(c.own(i)[from:], data)
		c.mark(i, from, from+n)
		data, off = data[n:], off+int64(n)
	}
}

// read fills as much of data as there is.
func (c *content) read(data []byte, off int64) int {
	if off >= c.size {
		return 0
	}
	data = data[:min(int64(len(data)), c.size-off)]
	for rest := data; len(rest) > 0; {
		i, from := int(off/pageSize), int(off%pageSize)
		n := min(len(rest), pageSize-from)
		if i < len(c.pages) && c.pages[i].now != nil {
			copy(rest[:n], c.pages[i].now[from:])
		} else {
			clear(rest[:n])
		}
		rest, off = rest[n:], off+int64(n)
	}
	return len(data)
}

// truncate changes the size. What is cut off reads as zero if the file grows again, and
// may be on the disk still: as it was, as zero, or as what is written there later.
func (c *content) truncate(size int64) {
	for off := size; off < c.size; {
		i, from := int(off/pageSize), int(off%pageSize)
		if i >= len(c.pages) {
			break
		}
		to := int(min(int64(pageSize), int64(from)+c.size-off))
		if p := &c.pages[i]; p.now != nil {
			if from == 0 {
				p.now = nil
			} else {
				clear(c.own(i)[from:to])
			}
			c.mark(i, from, to)
			first := (from + SectorSize - 1) / SectorSize // sectors cut off whole
			p.freed |= ^uint8(1<<first - 1)
		}
		off += int64(to - from)
	}
	c.size = size
}

// sync makes all of it durable, except what a failed sync lost.
func (c *content) sync() {
	for _, i := range c.dirty {
		p := &c.pages[i]
		if p.lost == 0 {
			p.disk = p.now
		} else {
			p.keep(p.dirty &^ p.lost)
		}
		p.dirty, p.freed = p.lost, 0
	}
	lost := c.dirty[:0]
	for _, i := range c.dirty {
		if c.pages[i].dirty != 0 {
			lost = append(lost, i)
		}
	}
	c.dirty = lost
	c.diskSize = c.size
}

// syncFailed does what a Linux kernel does when it cannot write pages: it reports so once and
// takes them for clean.
func (c *content) syncFailed() {
	for _, i := range c.dirty {
		c.pages[i].lost |= c.pages[i].dirty
	}
}

// keep copies the given sectors to the disk's side.
func (p *page) keep(sectors uint8) {
	if sectors == 0 || p.now == p.disk {
		return
	}
	fresh := new([pageSize]byte)
	if p.disk != nil {
		*fresh = *p.disk
	}
	for ; sectors != 0; sectors &= sectors - 1 {
		from := bits.TrailingZeros8(sectors) * SectorSize
		if p.now == nil {
			clear(fresh[from : from+SectorSize])
		} else {
			copy(fresh[from:from+SectorSize], p.now[from:])
		}
	}
	p.disk = fresh
}

// handle is an open file.
type handle struct {
	fs     *Forgetful
	n      *node
	name   string
	flag   int
	off    int64
	closed bool
	locks  bool // it holds the lock on its node
}

func (h *handle) Name() string { return h.name }

func (h *handle) reads() bool  { return h.flag&(os.O_RDONLY|os.O_WRONLY|os.O_RDWR) != os.O_WRONLY }
func (h *handle) writes() bool { return h.flag&(os.O_WRONLY|os.O_RDWR) != 0 }

// begin locks the file system and says whether the operation may go on. The caller unlocks in any case.
func (h *handle) begin(op Op, allowed bool) error {
	h.fs.mu.Lock()
	switch {
	case h.closed:
		return fs.ErrClosed
	case !allowed:
		return errBadFile
	}
	return h.fs.call(op, h.name)
}

func (h *handle) fail(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &fs.PathError{Op: op, Path: h.name, Err: err}
}

func (h *handle) Read(p []byte) (int, error) {
	err := h.begin(OpRead, h.reads())
	defer h.fs.mu.Unlock()
	n := 0
	if err == nil {
		n, err = h.read(p, h.off)
		h.off += int64(n)
		if n > 0 {
			err = nil
		}
	}
	return n, h.fail("read", err)
}

func (h *handle) ReadAt(p []byte, off int64) (int, error) {
	err := h.begin(OpRead, h.reads())
	defer h.fs.mu.Unlock()
	n := 0
	if err == nil && off < 0 {
		err = errInvalid
	}
	if err == nil {
		n, err = h.read(p, off)
	}
	return n, h.fail("read", err)
}

// read gives io.EOF with fewer bytes than asked for.
func (h *handle) read(p []byte, off int64) (int, error) {
	if h.n.isDir() {
		return 0, errIsDir
	}
	n := h.n.read(p, off)
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (h *handle) Write(p []byte) (int, error) {
	err := h.begin(OpWrite, h.writes())
	defer h.fs.mu.Unlock()
	n := 0
	if err == nil {
		if h.flag&os.O_APPEND != 0 {
			h.off = h.n.size
		}
		n, err = h.write(p, h.off)
		h.off += int64(n)
	}
	return n, h.fail("write", err)
}

func (h *handle) WriteAt(p []byte, off int64) (int, error) {
	if h.flag&os.O_APPEND != 0 {
		return 0, h.fail("write", errInvalid) // as package os refuses it
	}
	err := h.begin(OpWrite, h.writes())
	defer h.fs.mu.Unlock()
	n := 0
	if err == nil && off < 0 {
		err = errInvalid
	}
	if err == nil {
		n, err = h.write(p, off)
	}
	return n, h.fail("write", err)
}

// write stores as much as there is space for.
func (h *handle) write(p []byte, off int64) (int, error) {
	var err error
	if off+int64(len(p)) > maxSize {
		return 0, errInvalid
	}
	if grow := off + int64(len(p)) - h.n.size; len(p) > 0 && grow > 0 {
		if free := h.fs.free(); grow > free {
			p, err = p[:max(0, int64(len(p))-(grow-free))], errNoSpace
		}
	}
	if len(p) > 0 {
		before := h.n.size
		h.n.write(p, off)
		h.fs.used += h.n.size - before
		h.n.mod = time.Now()
	}
	if err == nil && h.flag&os.O_SYNC != 0 {
		h.n.sync()
	}
	return len(p), err
}

func (h *handle) Seek(offset int64, whence int) (int64, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if h.closed {
		return 0, h.fail("seek", fs.ErrClosed)
	}
	if h.fs.dead != nil {
		return 0, h.fail("seek", h.fs.dead)
	}
	switch whence {
	case io.SeekCurrent:
		offset += h.off
	case io.SeekEnd:
		offset += h.n.size
	}
	if offset < 0 || whence < 0 || whence > 2 {
		return 0, h.fail("seek", errInvalid)
	}
	h.off = offset
	return offset, nil
}

func (h *handle) Truncate(size int64) error {
	err := h.begin(OpTruncate, h.writes())
	defer h.fs.mu.Unlock()
	if err == nil && (size < 0 || size > maxSize) {
		err = errInvalid
	}
	if err == nil && size-h.n.size > h.fs.free() {
		err = errNoSpace
	}
	if err == nil {
		h.fs.resize(h.n, size)
	}
	return h.fail("truncate", err)
}

func (h *handle) Sync() error {
	err := h.begin(OpSync, true)
	defer h.fs.mu.Unlock()
	switch {
	case err != nil:
		if !h.closed && h.fs.dead == nil {
			h.n.syncFailed()
		}
	case h.n.isDir():
		h.fs.commitDir(h.n)
	default:
		h.n.sync()
	}
	return h.fail("sync", err)
}

func (h *handle) Stat() (fs.FileInfo, error) {
	err := h.begin(OpStat, true)
	defer h.fs.mu.Unlock()
	if err != nil {
		return nil, h.fail("stat", err)
	}
	return info(filepath.Base(h.name), h.n), nil
}

func (h *handle) Close() error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if h.closed {
		return h.fail("close", fs.ErrClosed)
	}
	if h.fs.dead != nil {
		h.closed = true // its file may live on in another file system
		return h.fail("close", h.fs.dead)
	}
	h.fs.release(h)
	return nil
}

// release ends a handle and the lock it holds.
func (f *Forgetful) release(h *handle) {
	h.closed = true
	h.n.handles--
	if h.locks {
		delete(f.locks, h.n)
	}
	f.forgetSpace(h.n)
}

// resize truncates a file and counts its space.
func (f *Forgetful) resize(n *node, size int64) {
	f.used += size - n.size
	n.truncate(size)
	n.mod = time.Now()
}

// forgetSpace gives back the space of a file that has lost its last name or handle.
func (f *Forgetful) forgetSpace(n *node) {
	if n.links == 0 && n.handles == 0 {
		f.used -= n.size // the content stays: if the removal is not durable, a crash brings it back
	}
}

func (f *Forgetful) free() int64 { return max(0, f.limit-f.used) }
