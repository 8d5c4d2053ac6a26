package schema

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/enstore-go/sdk/catalog"
)

// fileColumns are those of table file, in the order of FileArgs and ScanFile.
var fileColumns = strings.Fields(`bfid request volume loc_partition loc_block loc_file header size adler sanity_size sanity_sum
	deletion bad storage_group file_family wrapper library path entry uid gid mode mtime created drive level verified original`)

// selectFiles counts the copies as well.
var selectFiles = "select f." + strings.Join(fileColumns, ", f.") + `,
	(select count(*) from file c where c.bfid = coalesce(f.original, f.bfid) and c.deletion <> 1 and c.bad = 0) +
	(select count(*) from file c where c.original = coalesce(f.original, f.bfid) and c.deletion <> 1 and c.bad = 0)
	from file f `

// Statements about files.
var (
	SelectFile          = selectFiles + "where f.bfid = $1"
	SelectFileByRequest = selectFiles + "where f.request = $1" // 16 bytes
	// SelectFilesOfVolume: volume, after, after BFID, limit.
	SelectFilesOfVolume = selectFiles + `where f.volume = $1 and f.loc_file >= $2 and (f.loc_file > $2 or f.bfid > $3)
		order by f.loc_file, f.bfid limit $4`
	SelectCopies = selectFiles + "where f.original = $1 order by f.bfid"

	// InsertFile takes FileArgs and affects no row if BFID or request is taken.
	InsertFile = insert("file", fileColumns) + " on conflict do nothing"
	// UpdateFile takes UpdateFileArgs: all but the request.
	UpdateFile = update("file", withoutRequest)
)

var withoutRequest = append([]string{fileColumns[0]}, fileColumns[2:]...)

// Statements about flushes.
const (
	SelectFlush = `select volume, epoch, from_partition, from_block, from_file, to_partition, to_block, to_file, at, results
		from flush where lease = $1 and seq = $2`
	InsertFlush = `insert into flush (lease, seq, volume, epoch, from_partition, from_block, from_file, to_partition, to_block, to_file, at, results)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) on conflict do nothing`
)

// FileArgs are the parameters of InsertFile for a file in normal form.
func FileArgs(f *catalog.File) []any {
	var original any
	if f.Original != "" {
		original = string(f.Original)
	}
	return []any{
		string(f.BFID), id16(f.Request), string(f.Volume), int64(f.Location.Partition), f.Location.Block, f.Location.File, f.Header,
		f.Size, int64(f.Adler), f.SanitySize, int64(f.SanitySum), int64(f.Deletion), flag(f.Bad),
		string(f.Family.Group), string(f.Family.Family), f.Family.Wrapper, string(f.Library), []byte(f.Path), int64(f.Entry),
		int64(f.UID), int64(f.GID), int64(f.Mode), catalog.Micros(f.MTime), catalog.Micros(f.Created), f.Drive,
		int64(f.Level), catalog.Micros(f.Verified), original,
	}
}

// UpdateFileArgs are the parameters of UpdateFile.
func UpdateFileArgs(f *catalog.File) []any {
	args := FileArgs(f)
	return append(args[:1], args[2:]...)
}

// ScanFile reads a row of the statements that select files.
func ScanFile(row Scanner) (catalog.File, error) {
	var f catalog.File
	var request, path []byte
	var original *string
	var partition, bad, entry, mtime, created, verified int64
	err := row.Scan(&f.BFID, &request, &f.Volume, &partition, &f.Location.Block, &f.Location.File, &f.Header,
		&f.Size, &f.Adler, &f.SanitySize, &f.SanitySum, &f.Deletion, &bad,
		&f.Family.Group, &f.Family.Family, &f.Family.Wrapper, &f.Library, &path, &entry,
		&f.UID, &f.GID, &f.Mode, &mtime, &created, &f.Drive, &f.Level, &verified, &original, &f.Copies)
	if err != nil {
		return catalog.File{}, err
	}
	copy(f.Request[:], request)
	f.Location.Partition, f.Path, f.Entry, f.Bad = int(partition), string(path), catalog.EntryID(entry), bad != 0
	f.MTime, f.Created, f.Verified = catalog.FromMicros(mtime), catalog.FromMicros(created), catalog.FromMicros(verified)
	if original != nil {
		f.Original = catalog.BFID(*original)
	}
	return f, nil
}

// FlushArgs are the parameters of InsertFlush.
func FlushArgs(r *catalog.FlushRecord) ([]any, error) {
	results, err := json.Marshal(r.Results)
	if err != nil {
		return nil, fmt.Errorf("flush %d of lease %s: %w", r.Seq, r.Lease, err)
	}
	return []any{
		id16(r.Lease), int64(r.Seq), string(r.Volume), int64(r.Epoch),
		int64(r.From.Partition), r.From.Block, r.From.File, int64(r.To.Partition), r.To.Block, r.To.File, r.At, string(results),
	}, nil
}

// ScanFlush reads a row of SelectFlush.
func ScanFlush(row Scanner, lease catalog.LeaseID, seq uint64) (catalog.FlushRecord, error) {
	r := catalog.FlushRecord{Lease: lease, Seq: seq}
	var epoch int64
	var results string
	err := row.Scan(&r.Volume, &epoch, &r.From.Partition, &r.From.Block, &r.From.File, &r.To.Partition, &r.To.Block, &r.To.File, &r.At, &results)
	if err != nil {
		return catalog.FlushRecord{}, err
	}
	r.Epoch = uint64(epoch)
	if err := json.Unmarshal([]byte(results), &r.Results); err != nil {
		return catalog.FlushRecord{}, fmt.Errorf("flush %d of lease %s: stored results: %w", seq, lease, err)
	}
	return r, nil
}
