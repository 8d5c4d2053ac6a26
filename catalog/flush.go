package catalog

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// NewFile is a file that was written on a volume and is now to be recorded. Location,
// Size, the sums, Request and the attributes are those of File. Without a Parent the
// file gets no name in the built-in name space.
type NewFile struct {
	Request RequestID
	Parent  EntryID
	Name    string

	Location   Location
	Header     int64 // see File
	Size       int64
	Adler      uint32
	SanitySize int64
	SanitySum  uint32

	Path           string
	UID, GID, Mode uint32
	MTime          time.Time
	Original       BFID
}

// Commit is one flush: everything between two synchronisations of a drive.
type Commit struct {
	Lease    LeaseID
	Seq      uint64 // n-th flush of the lease, from 1
	Volume   Label
	Epoch    uint64
	From, To Location // end of data before and after

	Files     []NewFile // by ascending location, all in From…To
	DeadBytes int64     // between From and To, of no file
	Remaining int64     // as the drive tells; less than 0: unknown
	Full      bool      // the end of the medium was met: no more is written on the volume
	Drive     string
}

// FileResult is what became of one file of a flush.
type FileResult struct {
	File File

	// Err is nil if the file is stored. Else its bytes are dead space of the volume, File
	// is their record, marked as deleted, and Err wraps ErrExists (the name is taken),
	// ErrNotFound (the directory is gone, or the original), ErrInvalid (it is no copy of its
	// original), or ErrStored (the request had been recorded before, as Earlier).
	Err     error
	Earlier *File
}

// maxFlush bounds the files of one flush: what one transaction takes.
const maxFlush = 10_000

// lastStart is the last tape file at which a volume is still open for writing. What is written behind
// MaxFile could not be recorded, and the lease that comes near it may go on for ten full
// flushes, of three tape files for each file, after it was told.
const lastStart = MaxFile - 10*3*maxFlush

// Flush records a flush in one transaction: files with their names, the volume's end of
// data and counters, events. It does so only if the lease still writes on the volume,
// with that epoch and that end of data; else ErrFenced, and nothing is changed. Results
// are in the order of the files.
//
// Flush is idempotent by (Lease, Seq): asked again, it gives the results of the first
// time, with the files as they are now. ErrInvalid refuses a commit that contradicts
// itself; any error that does not wrap one of this package's leaves the outcome open, and
// FlushOutcome tells it.
func (c *Catalog) Flush(ctx context.Context, cm Commit) (results []FileResult, err error) {
	if err := cm.check(); err != nil {
		return nil, err
	}
	first := uint64(0)
	if len(cm.Files) > 0 {
		if first, err = c.newNumbers(ctx, len(cm.Files)); err != nil {
			return nil, err
		}
	}
	err = c.store.Update(ctx, func(tx Tx) error {
		f := flush{c: c, tx: tx, cm: &cm, first: first}
		results, err = f.run()
		return err
	})
	if err != nil {
		return nil, err
	}
	return results, nil
}

// FlushOutcome gives the results of a flush that committed, ErrNotFound if it did not
// and, as long as the caller does not ask for it again, never will.
func (c *Catalog) FlushOutcome(ctx context.Context, lease LeaseID, seq uint64) (results []FileResult, err error) {
	err = c.store.View(ctx, func(tx Tx) error { results, err = outcome(tx, lease, seq); return err })
	if err != nil {
		return nil, err
	}
	return results, nil
}

func (cm *Commit) check() error {
	fail := func(format string, args ...any) error {
		return invalid("volume %s: flush %d: %s", cm.Volume, cm.Seq, fmt.Sprintf(format, args...))
	}
	switch {
	case cm.Lease.IsZero():
		return fail("no lease id")
	case cm.Seq == 0 || cm.Seq > 1<<62:
		return fail("flushes are counted from 1")
	case !cm.From.Valid() || !cm.To.Valid() || cm.From.File == 0 || cm.To.File < cm.From.File:
		return fail("from %s to %s", cm.From, cm.To)
	case cm.DeadBytes < 0:
		return fail("%d dead bytes", cm.DeadBytes)
	case len(cm.Files) > maxFlush:
		return fail("%d files, more than %d", len(cm.Files), maxFlush)
	}
	if err := checkText("volume "+string(cm.Volume), cm.Drive); err != nil {
		return err
	}
	next := cm.From.File
	for i := range cm.Files {
		f := &cm.Files[i]
		switch {
		case f.Location.File < next || f.Location.File >= cm.To.File || !f.Location.Valid():
			return fail("file %d at %s", i, f.Location)
		case f.Size < 0 || f.SanitySize < 0 || f.SanitySize > f.Size:
			return fail("file %d of %d bytes, sanity sum of %d", i, f.Size, f.SanitySize)
		case len(f.Path) > maxPath:
			return fail("file %d: path of %d bytes", i, len(f.Path))
		}
		if f.Parent != 0 {
			if err := CheckEntryName(f.Name); err != nil {
				return fmt.Errorf("volume %s: flush %d: file %d: %w", cm.Volume, cm.Seq, i, err)
			}
		}
		next = f.Location.File + 1
	}
	return nil
}

// maxPath is the longest path, in bytes.
const maxPath = 4096

// flush is one run of the transaction.
type flush struct {
	c     *Catalog
	tx    Tx
	cm    *Commit
	first uint64 // number of the first file's BFID; the others follow it
	now   time.Time
	v     Volume
}

func (f *flush) run() ([]FileResult, error) {
	var err error
	f.v, err = fenced(f.tx, f.cm.Volume, f.cm.Lease, f.cm.Epoch)
	if err == nil && f.v.EOD.File != f.cm.From.File {
		err = fmt.Errorf("volume %s: end of data is %s, not %s: %w", f.v.Label, f.v.EOD, f.cm.From, ErrFenced)
	}
	if errors.Is(err, ErrFenced) {
		if results, again := outcome(f.tx, f.cm.Lease, f.cm.Seq); !errors.Is(again, ErrNotFound) {
			return results, again
		}
	}
	if err != nil {
		return nil, err
	}
	f.now = f.c.Now()
	record := FlushRecord{Lease: f.cm.Lease, Seq: f.cm.Seq, Volume: f.v.Label, Epoch: f.cm.Epoch,
		From: f.cm.From, To: f.cm.To, At: Micros(f.now), Results: make([]FlushedFile, len(f.cm.Files))}
	results := make([]FileResult, len(f.cm.Files))
	for i := range f.cm.Files {
		if results[i], err = f.file(i); err != nil {
			return nil, err
		}
		record.Results[i] = flushed(f.cm.Files[i].Request, results[i])
	}
	if err := f.tx.AddFlush(record); errors.Is(err, ErrExists) {
		if f.cm.To.File == f.cm.From.File { // it moved nothing, so the fence does not tell a repetition
			return outcome(f.tx, f.cm.Lease, f.cm.Seq)
		}
		return nil, fmt.Errorf("volume %s: flush %d of lease %s was another one: %w", f.v.Label, f.cm.Seq, f.cm.Lease, ErrFenced)
	} else if err != nil {
		return nil, err
	}
	return results, f.volume()
}

// volume moves the end of data and the counters, which the files have advanced.
func (f *flush) volume() error {
	v, cm := &f.v, f.cm
	v.EOD = cm.To
	v.Intent.From = cm.To
	if cm.To.File > cm.From.File { // what was there before has been overwritten
		v.Intent.Unclean = false
	}
	written := cm.DeadBytes
	for i := range cm.Files {
		written += cm.Files[i].Size
	}
	if v.Remaining = max(0, v.Remaining-written); cm.Remaining >= 0 {
		v.Remaining = min(cm.Remaining, v.Capacity)
	}
	v.DeadBytes += cm.DeadBytes
	v.LastAccess = f.now
	if v.FirstAccess.IsZero() {
		v.FirstAccess = f.now
	}
	why := ""
	switch {
	case cm.Full || v.Remaining == 0:
		why = "end of medium"
	case v.EOD.File > lastStart:
		why = "last file numbers"
	}
	if why != "" && v.State[SystemWrite].Is(Unlimited) {
		if err := f.c.setLimit(f.tx, v, SystemWrite, Full, cm.Drive, why); err != nil {
			return err
		}
	}
	return f.tx.PutVolume(*v)
}

// file records one file and its name. What cannot have its name, or was recorded before,
// is recorded as deleted.
func (f *flush) file(i int) (FileResult, error) {
	n := &f.cm.Files[i]
	r := FileResult{File: f.record(i)}
	var failed error
	if n.Original != "" {
		r.File.Copies, failed = f.copyOf(&r.File)
	}
	if failed == nil && n.Parent != 0 {
		failed = f.tx.AddEntry(Entry{ID: r.File.Entry, Parent: n.Parent, Name: n.Name, BFID: r.File.BFID, Size: n.Size,
			Mode: n.Mode, UID: n.UID, GID: n.GID, MTime: r.File.MTime, Created: f.now})
	}
	if failed == nil {
		failed = f.tx.AddFile(r.File)
		if errors.Is(failed, ErrExists) && n.Parent != 0 {
			if err := f.tx.DeleteEntry(r.File.Entry); err != nil {
				return r, err
			}
		}
	}
	if failed == nil {
		f.v.Files++
		f.v.Bytes += n.Size
		return r, Append(f.tx, f.now, FileStored, string(r.File.BFID), r.File.event("", ""))
	}
	if !errors.Is(failed, ErrExists) && !errors.Is(failed, ErrNotFound) && !errors.Is(failed, ErrInvalid) {
		return r, failed
	}
	return f.dead(n, r, failed)
}

// record is the file as it is stored if nothing is in its way.
func (f *flush) record(i int) File {
	n := &f.cm.Files[i]
	number := f.first + uint64(i)
	file := File{BFID: f.c.bfid(number), Request: n.Request, Volume: f.v.Label, Location: n.Location, Header: n.Header,
		Size: n.Size, Adler: n.Adler, SanitySize: n.SanitySize, SanitySum: n.SanitySum,
		Family: f.v.Family, Library: f.v.Library, Path: n.Path, UID: n.UID, GID: n.GID, Mode: n.Mode,
		MTime: micro(n.MTime), Created: f.now, Drive: f.cm.Drive, Level: OnTape, Original: n.Original, Copies: 1}
	if n.Parent != 0 {
		file.Entry = EntryID(number)
	}
	return file
}

// copyOf checks that the file is what its original is, and counts the copies with it.
func (f *flush) copyOf(file *File) (copies int, err error) {
	original, err := f.tx.File(file.Original)
	switch {
	case errors.Is(err, ErrNotFound):
		return 0, fmt.Errorf("original %s: %w", file.Original, ErrNotFound)
	case err != nil:
		return 0, err
	case original.Original != "":
		return 0, invalid("original %s: is itself a copy", file.Original)
	case original.Size != file.Size || original.Adler != file.Adler:
		return 0, invalid("original %s: other size or checksum", file.Original)
	}
	return original.Copies + 1, nil
}

func (f *flush) dead(n *NewFile, r FileResult, why error) (FileResult, error) {
	if !n.Request.IsZero() {
		earlier, err := f.tx.FileByRequest(n.Request)
		if err == nil {
			r.Earlier = &earlier
		} else if !errors.Is(err, ErrNotFound) {
			return r, err
		}
	}
	r.Err = deadError(n.Request, r.Earlier, why)
	request := r.File.Request
	r.File.Request, r.File.Entry, r.File.Deletion, r.File.Copies, r.File.Original = RequestID{}, 0, Gone, 0, ""
	if err := f.tx.AddFile(r.File); err != nil {
		return r, fmt.Errorf("file %s: %w", r.File.BFID, err)
	}
	f.v.DeletedFiles++
	f.v.DeletedBytes += n.Size
	e := r.File.event("", why.Error())
	e.Request = request
	return r, Append(f.tx, f.now, FileDead, string(r.File.BFID), e)
}

// deadError is what Err of a FileResult says, when it is made and when it is read back.
func deadError(request RequestID, earlier *File, why error) error {
	if earlier != nil {
		return fmt.Errorf("request %s: file %s: %w", request, earlier.BFID, ErrStored)
	}
	return fmt.Errorf("request %s: its name or original: %w", request, why)
}

func flushed(request RequestID, r FileResult) FlushedFile {
	ff := FlushedFile{Request: request, BFID: r.File.BFID}
	if r.Err != nil {
		ff.Failed = "invalid"
		for _, known := range []error{ErrExists, ErrNotFound} {
			if errors.Is(r.Err, known) {
				ff.Failed = known.Error()
			}
		}
	}
	if r.Earlier != nil {
		ff.Earlier = r.Earlier.BFID
	}
	return ff
}

// outcome reads the results of a flush back.
func outcome(tx Tx, lease LeaseID, seq uint64) ([]FileResult, error) {
	record, err := tx.Flush(lease, seq)
	if errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("flush %d of lease %s: %w", seq, lease, ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	results := make([]FileResult, len(record.Results))
	for i, ff := range record.Results {
		if results[i].File, err = tx.File(ff.BFID); err != nil {
			return nil, fmt.Errorf("file %s of flush %d of lease %s: %w", ff.BFID, seq, lease, err)
		}
		if ff.Earlier != "" {
			earlier, err := tx.File(ff.Earlier)
			if err != nil {
				return nil, fmt.Errorf("file %s: %w", ff.Earlier, err)
			}
			results[i].Earlier = &earlier
		}
		if ff.Failed != "" {
			why := ErrInvalid
			for _, known := range []error{ErrExists, ErrNotFound} {
				if ff.Failed == known.Error() {
					why = known
				}
			}
			results[i].Err = deadError(ff.Request, results[i].Earlier, why)
		}
	}
	return results, nil
}
