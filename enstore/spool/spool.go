package spool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore/wire"
	"github.com/enstore-go/sdk/tape/disk"
)

// Options say where a Spool is and how large it may be. Everything without a stated default is required.
type Options struct {
	Dir      string
	FS       disk.FS        // nil: the machine's
	Capacity int64          // bytes of data in it, complete or not
	Listener *wire.Listener // where clients connect; not closed by the Spool

	// Stall is how long a client that is alive may send no data. Default 1 hour: the spool is there for
	// slow ones, but not for those who forgot.
	Stall time.Duration
	// Streams bounds how many are received at a time. Default 64.
	Streams int
	// Step, if set, is called before and after each durable act, for tests that kill the process there.
	Step func(name string)
}

// Info says what a complete file is.
type Info struct {
	ID         catalog.RequestID `json:"id"`
	Key        catalog.Bytes     `json:"key,omitempty"` // the name it is to have; older files do not tell
	Size       int64             `json:"size"`
	Adler      uint32            `json:"adler"` // seed 1
	SanitySize int64             `json:"sanitySize"`
	SanitySum  uint32            `json:"sanitySum"` // Adler-32, seed 1, of the first SanitySize bytes
	Cached     time.Time         `json:"cached"`    // when it was complete
}

// Spool is one directory of spooled files. Its methods may be called from several goroutines.
type Spool struct {
	o      Options
	lock   io.Closer
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	used    int64 // reserved, by complete files and by others
	files   map[catalog.RequestID]*file
	changed chan struct{} // closed and replaced when space becomes free or a stream ends
	waiting int           // streams that wait for space
}

// file is a file in the spool, from its reservation on.
type file struct {
	reserved int64
	info     *Info     // complete
	stream   *incoming // being received
}

const (
	minReserve = 64 << 20 // bytes that a stream of unknown size grows by
	bufferSize = 1 << 20
	retryAfter = time.Minute
)

// Open opens a spool, makes its directory if it is missing, deletes what a crash left incomplete, and
// gives every error a text that begins with the directory. A directory that another process has
// open is Locked.
func Open(ctx context.Context, o Options) (*Spool, error) {
	if o.Dir == "" || o.Capacity <= 0 || o.Listener == nil {
		return nil, wire.Errorf(wire.Invalid, "spool", "Dir, Capacity and Listener are required")
	}
	if o.FS == nil {
		o.FS = disk.OS()
	}
	if o.Stall <= 0 {
		o.Stall = time.Hour
	}
	if o.Streams <= 0 {
		o.Streams = 64
	}
	if o.Step == nil {
		o.Step = func(string) {}
	}
	s := &Spool{o: o, files: map[catalog.RequestID]*file{}, changed: make(chan struct{})}
	if err := disk.MkdirSync(o.FS, o.Dir, 0o700); err != nil {
		return nil, s.failed("make it", err)
	}
	lock, err := disk.TryLock(o.FS, s.path("lock"))
	if errors.Is(err, disk.ErrLocked) {
		return nil, wire.Errorf(wire.Locked, "spool "+o.Dir, "%w", err)
	}
	if err != nil {
		return nil, s.failed("lock it", err)
	}
	s.lock = lock
	if err := s.recover(ctx); err != nil {
		_ = lock.Close()
		return nil, err
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

// Close cuts the streams that are being received and waits for their end. Complete files stay.
func (s *Spool) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		s.work.Wait()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.work.Wait()
	return s.lock.Close()
}

func (s *Spool) path(name string) string { return filepath.Join(s.o.Dir, name) }

func (s *Spool) dataPath(id catalog.RequestID) string { return s.path(id.String() + dataSuffix) }

func (s *Spool) infoPath(id catalog.RequestID) string { return s.path(id.String() + infoSuffix) }

func (s *Spool) failed(doing string, err error) error {
	return wire.Errorf(wire.KindOf(err), "spool "+s.o.Dir, "%s: %w", doing, err)
}

func subject(id catalog.RequestID) string { return "request " + id.String() }

// recover finds complete files and deletes the rest.
func (s *Spool) recover(ctx context.Context) error {
	es, err := s.o.FS.ReadDir(s.o.Dir)
	if err != nil {
		return s.failed("read it", err)
	}
	for _, e := range es {
		if err := ctx.Err(); err != nil {
			return s.failed("read it", err)
		}
		id, ok := named(e.Name(), infoSuffix)
		if !ok {
			continue
		}
		info, err := s.complete(id)
		if err != nil {
			return err
		}
		if info != nil {
			s.files[id] = &file{reserved: info.Size, info: info}
			s.used += info.Size
		}
	}
	return s.sweep(es)
}

// complete reads a file's info; nil if the file is not complete.
func (s *Spool) complete(id catalog.RequestID) (*Info, error) {
	text, err := disk.ReadFile(s.o.FS, s.infoPath(id), maxInfo)
	if err != nil && !errors.Is(err, disk.ErrTooLarge) {
		return nil, s.failed("read it", err)
	}
	info, err := parseInfo(text)
	if errors.Is(err, errNewer) {
		return nil, s.failed(id.String()+infoSuffix, err) // not ours to delete
	}
	if err != nil || info.ID != id {
		return nil, nil
	}
	st, err := s.o.FS.Stat(s.dataPath(id))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, s.failed("read it", err)
	case st.Size() != info.Size:
		return nil, nil
	}
	return &info, nil
}

// sweep deletes what belongs to no complete file. Names that the spool does not make are left alone.
func (s *Spool) sweep(es []fs.DirEntry) error {
	removed := false
	for _, suffix := range []string{infoSuffix + disk.TempSuffix, infoSuffix, dataSuffix} { // .json before .data
		for _, e := range es {
			id, ok := named(e.Name(), suffix)
			if !ok || suffix != infoSuffix+disk.TempSuffix && s.files[id] != nil {
				continue
			}
			if err := s.o.FS.Remove(s.path(e.Name())); err != nil {
				return s.failed("clean up", err)
			}
			removed = true
		}
	}
	if !removed {
		return nil
	}
	if err := s.o.FS.SyncDir(s.o.Dir); err != nil {
		return s.failed("clean up", err)
	}
	return nil
}

// named parses a name that the spool makes.
func named(name, suffix string) (catalog.RequestID, bool) {
	text, ok := strings.CutSuffix(name, suffix)
	if !ok {
		return catalog.RequestID{}, false
	}
	id, err := catalog.ParseRequestID(text)
	return id, err == nil && id.String() == text
}

// Usage tells how many bytes are taken or reserved, and how many there can be.
func (s *Spool) Usage() (used, capacity int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used, s.o.Capacity
}

// List gives the complete files, oldest first.
func (s *Spool) List() []Info {
	s.mu.Lock()
	defer s.mu.Unlock()
	var is []Info
	for _, f := range s.files {
		if f.info != nil {
			is = append(is, *f.info)
		}
	}
	slices.SortFunc(is, func(a, b Info) int {
		if c := a.Cached.Compare(b.Cached); c != 0 {
			return c
		}
		return slices.Compare(a.ID[:], b.ID[:])
	})
	return is
}

// Info tells whether a request's file is complete.
func (s *Spool) Info(id catalog.RequestID) (Info, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.files[id]; f != nil && f.info != nil {
		return *f.info, true
	}
	return Info{}, false
}

// Open gives the data of a complete file, its size and its Adler-32 (seed 1). What is
// read should be compared with them: disks err too. NotFound: there is no such file, or not yet.
func (s *Spool) Open(id catalog.RequestID) (r io.ReadCloser, size int64, adler uint32, err error) {
	info, ok := s.Info(id)
	if !ok {
		return nil, 0, 0, wire.Errorf(wire.NotFound, subject(id), "not in the spool")
	}
	f, err := s.o.FS.OpenFile(s.dataPath(id), os.O_RDONLY, 0)
	if err != nil {
		return nil, 0, 0, s.failed("open "+id.String(), err)
	}
	return f, info.Size, info.Adler, nil
}

// Remove forgets a request: its file, its reservation, or the stream that is expected or being received; that
// one's done is not called any more. What is not there is no error. The space is free for others when Remove returns.
func (s *Spool) Remove(id catalog.RequestID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for f := s.files[id]; f != nil && f.stream != nil; f = s.files[id] {
		in := f.stream
		in.unheard = true
		s.mu.Unlock()
		in.cut(wire.Errorf(wire.Cancelled, subject(id), "given up"))
		s.mu.Lock()
	}
	if f := s.files[id]; f == nil || f.info == nil {
		// A disk that failed may have kept something that the spool has given up.
		_, err := s.o.FS.Stat(s.infoPath(id))
		if errors.Is(err, fs.ErrNotExist) {
			s.forget(id)
			return nil
		}
	}
	if err := s.erase(id); err != nil {
		return err
	}
	s.forget(id)
	return nil
}

// erase deletes a file's names, durably: else it would be back after a crash.
func (s *Spool) erase(id catalog.RequestID) error {
	s.o.Step("spool: before remove")
	for _, name := range []string{s.infoPath(id), s.dataPath(id)} {
		if err := s.o.FS.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return s.failed("remove "+id.String(), err)
		}
	}
	// Until here a crash may bring back the whole file, or one of the two, which is torn.
	if err := s.o.FS.SyncDir(s.o.Dir); err != nil {
		return s.failed("remove "+id.String(), err)
	}
	s.o.Step("spool: removed")
	return nil
}

// forget frees a file's space. Caller holds the lock.
func (s *Spool) forget(id catalog.RequestID) {
	if f := s.files[id]; f != nil {
		s.used -= f.reserved
		delete(s.files, id)
		s.stir()
	}
}

// stir wakes streams that wait for space. Caller holds the lock.
func (s *Spool) stir() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// Reserve sets space aside for a request: its declared size, or for a stream of unknown size what
// comes in a minute at its rate. It stays until a stream of the request has ended, or Remove. Asked
// again it changes nothing. Busy: there is no room now; TooLarge: there can never be.
func (s *Spool) Reserve(p wire.Put) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.reserve(p)
	return err
}

// reserve is Reserve for who holds the lock.
func (s *Spool) reserve(p wire.Put) (*file, error) {
	if s.closed {
		return nil, wire.Errorf(wire.Unavailable, subject(p.ID), "the spool is closed")
	}
	if f := s.files[p.ID]; f != nil {
		return f, nil
	}
	want := p.Size
	if p.Size == wire.UnknownSize {
		want = min(max(min(p.Rate, s.o.Capacity)*60, minReserve), max(s.o.Capacity/4, 1))
	}
	switch {
	case want < 0 || want > s.o.Capacity:
		return nil, wire.Errorf(wire.TooLarge, p.Key, "%d bytes, the spool holds %d", p.Size, s.o.Capacity)
	case s.used+want > s.o.Capacity:
		return nil, &wire.Error{Kind: wire.Busy, Subject: p.Key, RetryAfter: retryAfter,
			Text: fmt.Sprintf("the spool is full: %d of %d bytes are taken, %d are wanted", s.used, s.o.Capacity, want)}
	}
	f := &file{reserved: want}
	s.files[p.ID] = f
	s.used += want
	return f, nil
}
