package schema

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/enstore-go/sdk/catalog"
)

// volumeColumns are those of table volume, in the order of VolumeArgs and ScanVolume.
var volumeColumns = strings.Fields(`label on_tape library storage_group file_family wrapper media_type block_size capacity remaining
	eod_partition eod_block eod_file epoch holder
	intent_lease intent_epoch intent_partition intent_block intent_file intent_since intent_drive intent_unclean
	system_access system_write user_access user_write inhibits write_protected checked declared first_access last_access
	mounts write_errors read_errors files bytes deleted_files deleted_bytes dead_bytes comment`)

var selectVolumes = "select " + strings.Join(volumeColumns, ", ") + " from volume "

// Statements about volumes. Those that select end in the columns of ScanVolume; their
// parameters are named behind them.
var (
	SelectVolume        = selectVolumes + "where label = $1"
	SelectVolumeOnTape  = selectVolumes + "where on_tape = $1"
	SelectVolumeOfLease = selectVolumes + "where holder = $1" // 16 bytes

	// InsertVolume takes VolumeArgs and affects no row if the label, what is on tape, or the
	// holder is taken.
	InsertVolume = insert("volume", volumeColumns) + " on conflict do nothing"
	// UpdateVolume takes VolumeArgs and affects no row if there is no such volume.
	UpdateVolume = update("volume", volumeColumns)
	// MoveVolume takes MoveArgs: the part that a flush changes, in no index.
	MoveVolume = `update volume set remaining = $2, eod_partition = $3, eod_block = $4, eod_file = $5,
		intent_partition = $6, intent_block = $7, intent_file = $8, intent_unclean = $9, first_access = $10, last_access = $11,
		mounts = $12, write_errors = $13, read_errors = $14,
		files = $15, bytes = $16, deleted_files = $17, deleted_bytes = $18, dead_bytes = $19 where label = $1`

	// SelectVolumes: after, limit, library or '', storage group or '', file family, wrapper.
	SelectVolumes = selectVolumes + `where label > $1 and ($3 = '' or library = $3)
		and ($4 = '' or storage_group = $4 and file_family = $5 and wrapper = $6) order by label limit $2`
	// SelectIntents: as SelectVolumes, but only volumes with an intent.
	SelectIntents = selectVolumes + `where intent_lease is not null and label > $1 and ($3 = '' or library = $3)
		and ($4 = '' or storage_group = $4 and file_family = $5 and wrapper = $6) order by label limit $2`
	// SelectWriting: as SelectVolumes, but only volumes that a write lease holds.
	SelectWriting = selectVolumes + `where intent_lease is not null and intent_epoch = epoch and label > $1 and ($3 = '' or library = $3)
		and ($4 = '' or storage_group = $4 and file_family = $5 and wrapper = $6) order by label limit $2`
	// SelectCandidates: library, storage group, file family, wrapper, room, limit.
	SelectCandidates = selectVolumes + `where library = $1 and storage_group = $2 and file_family = $3 and wrapper = $4
		and system_write = 'none' and system_access = 'none' and user_access = 'none' and user_write = 'none'
		and write_protected = 0 and remaining >= $5 and (intent_lease is null or intent_epoch <> epoch)
		order by declared, label limit $6`
)

// SelectLargest: library.
const SelectLargest = `select coalesce(max(capacity), 0) from volume where library = $1`

// insert is the statement that adds a row of these columns.
func insert(table string, columns []string) string {
	params := make([]string, len(columns))
	for i := range columns {
		params[i] = "$" + strconv.Itoa(i+1)
	}
	return "insert into " + table + " (" + strings.Join(columns, ", ") + ") values (" + strings.Join(params, ", ") + ")"
}

// update is the statement that changes all columns but the first, which is the key.
func update(table string, columns []string) string {
	sets := make([]string, 0, len(columns))
	for i, c := range columns[1:] {
		sets = append(sets, c+" = $"+strconv.Itoa(i+2))
	}
	return "update " + table + " set " + strings.Join(sets, ", ") + " where " + columns[0] + " = $1"
}

// VolumeArgs are the parameters of InsertVolume and UpdateVolume for a volume in normal
// form.
func VolumeArgs(v *catalog.Volume) []any {
	var lease any
	var in catalog.Intent
	if v.Intent != nil {
		in = *v.Intent
		lease = in.Lease[:]
	}
	return []any{
		string(v.Label), v.Label.OnTape(), string(v.Library), string(v.Family.Group), string(v.Family.Family), v.Family.Wrapper,
		v.MediaType, int64(v.BlockSize), v.Capacity, v.Remaining,
		int64(v.EOD.Partition), v.EOD.Block, v.EOD.File, int64(v.Epoch), id16(v.Holder),
		lease, int64(in.Epoch), int64(in.From.Partition), in.From.Block, in.From.File, catalog.Micros(in.Since), in.Drive, flag(in.Unclean),
		v.State[0].String(), v.State[1].String(), v.State[2].String(), v.State[3].String(), marks(v.State),
		flag(v.WriteProtected), flag(v.Checked), catalog.Micros(v.Declared), catalog.Micros(v.FirstAccess), catalog.Micros(v.LastAccess),
		v.Mounts, v.WriteErrors, v.ReadErrors, v.Files, v.Bytes, v.DeletedFiles, v.DeletedBytes, v.DeadBytes, v.Comment,
	}
}

// Moved tells whether MoveVolume makes the row of old one of v; both in normal form.
func Moved(old, v catalog.Volume) bool {
	was, is := old.Intent, v.Intent
	if (was == nil) != (is == nil) {
		return false
	}
	if was != nil {
		in := *was
		if in.From, in.Unclean = is.From, is.Unclean; in != *is {
			return false
		}
	}
	old.Intent, v.Intent = nil, nil
	old.Remaining, old.EOD, old.FirstAccess, old.LastAccess = v.Remaining, v.EOD, v.FirstAccess, v.LastAccess
	old.Mounts, old.WriteErrors, old.ReadErrors = v.Mounts, v.WriteErrors, v.ReadErrors
	old.Files, old.Bytes, old.DeletedFiles, old.DeletedBytes, old.DeadBytes = v.Files, v.Bytes, v.DeletedFiles, v.DeletedBytes, v.DeadBytes
	return old == v
}

// MoveArgs are the parameters of MoveVolume.
func MoveArgs(v *catalog.Volume) []any {
	var in catalog.Intent
	if v.Intent != nil {
		in = *v.Intent
	}
	return []any{
		string(v.Label), v.Remaining, int64(v.EOD.Partition), v.EOD.Block, v.EOD.File,
		int64(in.From.Partition), in.From.Block, in.From.File, flag(in.Unclean), catalog.Micros(v.FirstAccess), catalog.Micros(v.LastAccess),
		v.Mounts, v.WriteErrors, v.ReadErrors, v.Files, v.Bytes, v.DeletedFiles, v.DeletedBytes, v.DeadBytes,
	}
}

// ScanVolume reads a row of the statements that select volumes.
func ScanVolume(row Scanner) (catalog.Volume, error) {
	var v catalog.Volume
	var in catalog.Intent
	var onTape, inhibits string
	var holder, lease []byte
	var unclean, protected, checked, since, declared, first, last, epoch, intentEpoch, partition, intentPartition, blockSize int64
	err := row.Scan(&v.Label, &onTape, &v.Library, &v.Family.Group, &v.Family.Family, &v.Family.Wrapper,
		&v.MediaType, &blockSize, &v.Capacity, &v.Remaining,
		&partition, &v.EOD.Block, &v.EOD.File, &epoch, &holder,
		&lease, &intentEpoch, &intentPartition, &in.From.Block, &in.From.File, &since, &in.Drive, &unclean,
		&v.State[0].Limit, &v.State[1].Limit, &v.State[2].Limit, &v.State[3].Limit, &inhibits,
		&protected, &checked, &declared, &first, &last,
		&v.Mounts, &v.WriteErrors, &v.ReadErrors, &v.Files, &v.Bytes, &v.DeletedFiles, &v.DeletedBytes, &v.DeadBytes, &v.Comment)
	if err != nil {
		return catalog.Volume{}, err
	}
	v.BlockSize, v.EOD.Partition, v.Epoch = int(blockSize), int(partition), uint64(epoch)
	v.WriteProtected, v.Checked = protected != 0, checked != 0
	v.Declared, v.FirstAccess, v.LastAccess = catalog.FromMicros(declared), catalog.FromMicros(first), catalog.FromMicros(last)
	copy(v.Holder[:], holder)
	if lease != nil {
		copy(in.Lease[:], lease)
		in.Epoch, in.From.Partition, in.Since, in.Unclean = uint64(intentEpoch), int(intentPartition), catalog.FromMicros(since), unclean != 0
		v.Intent = &in
	}
	return v, readMarks(&v, inhibits)
}

// marks is when, who and why of the inhibits as JSON.
func marks(state catalog.Inhibits) string {
	for i := range state {
		state[i].Limit = ""
	}
	if state == (catalog.Inhibits{}) {
		return ""
	}
	text, err := json.Marshal(state)
	if err != nil { // only a year beyond 9999 does that
		return ""
	}
	return string(text)
}

func readMarks(v *catalog.Volume, text string) error {
	if text == "" {
		return nil
	}
	var state catalog.Inhibits
	if err := json.Unmarshal([]byte(text), &state); err != nil {
		return fmt.Errorf("volume %s: stored inhibits: %w", v.Label, err)
	}
	for i := range state {
		state[i].Limit = v.State[i].Limit
		state[i].When = catalog.FromMicros(catalog.Micros(state[i].When))
	}
	v.State = state
	return nil
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// id16 is an id as 16 bytes, or null if it is zero.
func id16[T ~[16]byte](id T) any {
	if id == (T{}) {
		return nil
	}
	b := [16]byte(id)
	return b[:]
}
