package library

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"github.com/enstore-go/sdk/crc"
	"github.com/enstore-go/sdk/tape/disk"
)

// The journal is one file. It begins with a header of 16 bytes
//
//	0  8  "ENSTJRNL"
//	8  4  version, 2
//	12 4  CRC-32C of the 12 bytes before
//
// and goes on with frames, each written at once and as a rule synced before anybody is told of what is in it:
//
//	0  4  "Frm1"
//	4  4  length of the payload in bytes
//	8  8  how many bytes of the file were durable when the frame was written
//	16 4  CRC-32C of bytes 4 to 15 and of the payload
//	20    payload: records, each 4 bytes of length and JSON (see record) or what binary.go says
//
// Numbers are big-endian. A frame that is not whole ends the journal, unless a whole frame further on says that the
// broken one was durable: then it is no torn tail but damage, and the journal is not used.
const (
	journalName    = "journal"
	journalVersion = 2 // 1 had JSON only
	headerSize     = 16
	frameSize      = 20
	maxFrame       = 64 << 20
	maxRecord      = 1 << 20
	// lazyBytes is how many bytes of records for which nobody waits are kept in memory.
	lazyBytes = 64 << 10
)

var (
	journalMagic = []byte("ENSTJRNL")
	frameMagic   = []byte("Frm1")
)

// Errors of a journal.
var (
	// ErrCorrupt means that the journal is damaged in a part that was durable once. See CorruptError.
	ErrCorrupt = errors.New("journal is damaged")
	// ErrVersion means that the journal was written by a later version of this package.
	ErrVersion = errors.New("journal is of a later version")
)

// CorruptError says where a journal is damaged. It is an ErrCorrupt.
type CorruptError struct {
	Name   string
	Offset int64 // of the frame that is not whole
	Proof  int64 // of the whole frame that says it once was
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("journal %s: damaged at byte %d; the frame at byte %d tells that it had been written whole", e.Name, e.Offset, e.Proof)
}

// Is makes it an ErrCorrupt.
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }

// journal appends records durably, many callers sharing one sync.
type journal struct {
	fsys disk.FS
	name string
	most int64 // rotate above this many bytes
	step func(string)

	// snapshot gives the records that a new journal must begin with. It is called while io is held.
	snapshot func() [][]byte

	io     sync.Mutex // held while writing; taken before mu
	file   disk.File
	stable int64 // durable bytes, all whole frames
	end    int64 // written bytes, all whole frames
	dirty  bool  // what is behind end is not known
	floor  int64 // size after the last rotation
	torn   int64 // where the journal that was read ends in a frame that is not whole, 0: nowhere

	mu  sync.Mutex
	cur *batch
}

// batch is what goes into the next frame.
type batch struct {
	payload []byte
	awaited bool // somebody waits until it is durable
	done    bool
	err     error
}

// readJournal reads the journal in dir and calls replay for each of its records in order. The journal takes no records
// before begin.
func readJournal(fsys disk.FS, dir string, most int64, step func(string), replay func([]byte) error) (*journal, error) {
	j := &journal{fsys: fsys, name: filepath.Join(dir, journalName), most: most, step: step, cur: &batch{}}
	if err := disk.MkdirSync(fsys, dir, 0o700); err != nil {
		return nil, fmt.Errorf("journal %s: %w", j.name, err)
	}
	return j, j.read(replay)
}

// begin starts a new journal with what snapshot gives. The old one stands until the new one is durable.
func (j *journal) begin(snapshot func() [][]byte) error {
	j.io.Lock()
	defer j.io.Unlock()
	j.snapshot = snapshot
	return j.rotate()
}

// read replays the journal's records.
func (j *journal) read(replay func([]byte) error) error {
	f, err := j.fsys.OpenFile(j.name, os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("journal %s: %w", j.name, err)
	}
	defer f.Close()
	if err := j.checkHeader(f); err != nil {
		return err
	}
	at := int64(headerSize)
	for {
		payload, _, err := readFrame(f, at)
		if err == io.EOF {
			return nil
		}
		if errors.Is(err, errBroken) {
			j.torn = at
			return j.tail(f, at)
		}
		if err != nil {
			return fmt.Errorf("journal %s: %w", j.name, err)
		}
		if err := eachRecord(payload, replay); err != nil {
			return fmt.Errorf("journal %s: byte %d: %w", j.name, at, err)
		}
		at += frameSize + int64(len(payload))
	}
}

func (j *journal) checkHeader(f disk.File) error {
	var h [headerSize]byte
	if _, err := f.ReadAt(h[:], 0); err != nil && err != io.EOF {
		return fmt.Errorf("journal %s: %w", j.name, err)
	}
	if string(h[:8]) != string(journalMagic) || crc.CRC32C(h[:12]) != binary.BigEndian.Uint32(h[12:]) {
		return &CorruptError{Name: j.name} // it is renamed into place whole, so it is no torn beginning
	}
	if v := binary.BigEndian.Uint32(h[8:]); v > journalVersion {
		return fmt.Errorf("journal %s: version %d, this program reads %d: %w", j.name, v, journalVersion, ErrVersion)
	}
	return nil
}

// errBroken means that there is no whole frame at an offset.
var errBroken = errors.New("no whole frame")

// readFrame reads the frame at an offset: its payload, and how much of the file was durable when it was written. io.EOF is the clean end.
func readFrame(f io.ReaderAt, at int64) (payload []byte, stable int64, err error) {
	var h [frameSize]byte
	n, err := f.ReadAt(h[:], at)
	switch {
	case n == 0 && err == io.EOF:
		return nil, 0, io.EOF
	case n < frameSize && err == io.EOF:
		return nil, 0, errBroken
	case n < frameSize:
		return nil, 0, err
	}
	length := binary.BigEndian.Uint32(h[4:])
	if string(h[:4]) != string(frameMagic) || length == 0 || length > maxFrame {
		return nil, 0, errBroken
	}
	payload = make([]byte, length)
	if n, err := f.ReadAt(payload, at+frameSize); n < len(payload) {
		if err == io.EOF {
			return nil, 0, errBroken
		}
		return nil, 0, err
	}
	if crc.UpdateCRC32C(crc.CRC32C(h[4:16]), payload) != binary.BigEndian.Uint32(h[16:]) {
		return nil, 0, errBroken
	}
	return payload, int64(binary.BigEndian.Uint64(h[8:])), nil
}

// tail decides what a broken frame is: the torn end of the journal (nil), or damage.
func (j *journal) tail(f disk.File, broken int64) error {
	const chunk = 1 << 20
	buf := make([]byte, chunk+len(frameMagic)-1)
	for from := broken; ; from += chunk {
		n, err := f.ReadAt(buf, from)
		if err != nil && err != io.EOF {
			return fmt.Errorf("journal %s: %w", j.name, err)
		}
		for i := 0; i+len(frameMagic) <= n; i++ {
			if string(buf[i:i+len(frameMagic)]) != string(frameMagic) {
				continue
			}
			at := from + int64(i)
			if _, stable, err := readFrame(f, at); err == nil && stable > broken {
				return &CorruptError{Name: j.name, Offset: broken, Proof: at}
			}
		}
		if err == io.EOF {
			return nil
		}
	}
}

// eachRecord visits the records of a frame.
func eachRecord(payload []byte, visit func([]byte) error) error {
	for len(payload) > 0 {
		if len(payload) < 4 {
			return fmt.Errorf("%d bytes after the last record: %w", len(payload), ErrCorrupt)
		}
		n := binary.BigEndian.Uint32(payload)
		payload = payload[4:]
		if n > maxRecord || int(n) > len(payload) {
			return fmt.Errorf("record of %d bytes: %w", n, ErrCorrupt)
		}
		if err := visit(payload[:n]); err != nil {
			return err
		}
		payload = payload[n:]
	}
	return nil
}

// commit appends a record and returns when it is durable.
func (j *journal) commit(rec []byte) error {
	if len(rec) > maxRecord {
		return fmt.Errorf("journal %s: record of %d bytes, %d is the most", j.name, len(rec), maxRecord)
	}
	return j.wait(j.append(rec, true))
}

// wait returns when a batch is durable.
func (j *journal) wait(b *batch) error {
	runtime.Gosched() // who else is about to commit shares the sync
	j.io.Lock()
	defer j.io.Unlock()
	if !b.done {
		j.flush()
	}
	return b.err
}

// add appends a record that becomes durable with the next commit, if there is one. It does no input or output.
func (j *journal) add(rec []byte) {
	if len(rec) <= maxRecord {
		j.append(rec, false)
	}
}

func (j *journal) append(rec []byte, awaited bool) *batch {
	j.mu.Lock()
	defer j.mu.Unlock()
	b := j.cur
	b.awaited = b.awaited || awaited
	b.payload = binary.BigEndian.AppendUint32(b.payload, uint32(len(rec)))
	b.payload = append(b.payload, rec...)
	return b
}

// relieve writes what add left in memory, if it is much.
func (j *journal) relieve() {
	j.mu.Lock()
	much := len(j.cur.payload) > lazyBytes
	j.mu.Unlock()
	if much {
		j.io.Lock()
		j.flush()
		j.io.Unlock()
	}
}

// flush writes the current batch as one frame, and syncs it if somebody waits for that. Caller holds io.
func (j *journal) flush() {
	j.mu.Lock()
	b := j.cur
	j.cur = &batch{}
	j.mu.Unlock()
	b.done = true
	b.err = j.write(b.payload, b.awaited)
	if b.err == nil && j.end > j.most && j.end > 2*j.floor {
		if err := j.rotate(); err != nil {
			j.floor = j.end // not again at once
			if j.file == nil {
				b.err = err
			}
		}
	}
}

func (j *journal) write(payload []byte, sync bool) error {
	if err := j.writeFrames(payload, sync); err != nil {
		j.dirty = true
		return fmt.Errorf("journal %s: %w", j.name, err)
	}
	return nil
}

func (j *journal) writeFrames(payload []byte, sync bool) error {
	if j.file == nil {
		return fs.ErrClosed
	}
	if j.dirty {
		// Nobody was told of what was written in vain; it is written over.
		if err := j.file.Truncate(j.stable); err != nil {
			return err
		}
		j.end, j.dirty = j.stable, false
	}
	at := j.end
	for len(payload) > 0 {
		n := framed(payload)
		frame := appendFrame(nil, payload[:n], j.stable)
		if _, err := j.file.WriteAt(frame, at); err != nil {
			return err
		}
		at += int64(len(frame))
		payload = payload[n:]
	}
	j.step("library: journal written")
	if sync {
		if err := j.file.Sync(); err != nil {
			return err
		}
		j.stable = at
		j.step("library: journal synced")
	}
	j.end = at
	return nil
}

// framed is how much of a payload goes into one frame: whole records, at most maxFrame bytes.
func framed(payload []byte) int {
	if len(payload) <= maxFrame {
		return len(payload)
	}
	n := 0
	for {
		next := n + 4 + int(binary.BigEndian.Uint32(payload[n:]))
		if next > maxFrame {
			return n
		}
		n = next
	}
}

func appendFrame(b, payload []byte, stable int64) []byte {
	start := len(b)
	b = append(b, frameMagic...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(payload)))
	b = binary.BigEndian.AppendUint64(b, uint64(stable))
	sum := crc.UpdateCRC32C(crc.CRC32C(b[start+4:]), payload)
	b = binary.BigEndian.AppendUint32(b, sum)
	return append(b, payload...)
}

// rotate begins a new journal with a snapshot. Records that wait in the current batch follow in it. Caller holds io.
func (j *journal) rotate() error {
	next := j.name + disk.TempSuffix
	f, err := j.fsys.OpenFile(next, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("journal %s: %w", j.name, err)
	}
	size, err := j.fill(f)
	if err != nil {
		_ = f.Close()
		return fmt.Errorf("journal %s: %w", j.name, err)
	}
	j.step("library: journal snapshot synced")
	if err := j.fsys.Rename(next, j.name); err != nil {
		_ = f.Close()
		return fmt.Errorf("journal %s: %w", j.name, err)
	}
	if j.file != nil {
		_ = j.file.Close()
	}
	// From here on the new file is the journal, and what goes into it counts only once its name is durable.
	j.file, j.stable, j.end, j.floor, j.dirty = f, size, size, size, false
	if err := j.fsys.SyncDir(filepath.Dir(j.name)); err != nil {
		_ = j.file.Close()
		j.file, j.dirty = nil, true // the old name or the new: only the next start can tell
		return fmt.Errorf("journal %s: %w", j.name, err)
	}
	return nil
}

// fill writes header and snapshot into a new file and syncs it.
func (j *journal) fill(f disk.File) (int64, error) {
	h := append([]byte(nil), journalMagic...)
	h = binary.BigEndian.AppendUint32(h, journalVersion)
	h = binary.BigEndian.AppendUint32(h, crc.CRC32C(h))
	if _, err := f.Write(h); err != nil {
		return 0, err
	}
	size := int64(len(h))
	var payload []byte
	write := func() error {
		if len(payload) == 0 {
			return nil
		}
		frame := appendFrame(nil, payload, size)
		payload = payload[:0]
		size += int64(len(frame))
		_, err := f.Write(frame)
		return err
	}
	for _, rec := range j.snapshot() {
		payload = binary.BigEndian.AppendUint32(payload, uint32(len(rec)))
		payload = append(payload, rec...)
		if len(payload) > 1<<20 {
			if err := write(); err != nil {
				return 0, err
			}
		}
	}
	if err := write(); err != nil {
		return 0, err
	}
	return size, f.Sync()
}

// close makes everything durable that is left, and ends the journal.
func (j *journal) close() error {
	j.io.Lock()
	defer j.io.Unlock()
	if j.file == nil {
		return nil
	}
	b := j.cur
	var err error
	if len(b.payload) > 0 || j.end > j.stable {
		b.awaited = true
		j.flush()
		err = b.err
	}
	err = errors.Join(err, j.file.Close())
	j.file = nil
	return err
}
