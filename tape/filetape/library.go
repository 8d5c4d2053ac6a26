package filetape

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/enstore-go/sdk/tape/disk"
)

// Errors of the functions that make and change libraries. They come wrapped, with the
// subject in front.
var (
	ErrExists     = errors.New("exists already")
	ErrNotFound   = errors.New("no such volume")
	ErrNoSlot     = errors.New("no free slot")
	ErrLabel      = errors.New("not a label: 1 to 32 letters, digits, '-' or '_'")
	ErrNotLibrary = errors.New("not a tape library")
	ErrDamaged    = errors.New("damaged")
)

// Options are the size of a library. Both numbers are at least 1.
type Options struct {
	Drives int // at most 256
	Slots  int // at most 100000
}

const (
	maxDrives = 256
	maxSlots  = 100_000
	maxLabel  = 32

	firstDrive = 1
	firstSlot  = 1000
)

// DriveAddress is the address, for Move, of the drive with a number from 0.
func DriveAddress(drive int) int { return firstDrive + drive }

// SlotAddress is the address, for Move, of the slot with a number from 0.
func SlotAddress(slot int) int { return firstSlot + slot }

// VolumeOptions are what a cartridge is.
type VolumeOptions struct {
	// Capacity is in bytes of the image, lengths and filemarks included; at least 4096. 0 means what the disk
	// has room for, and no early warning.
	Capacity int64
	// EarlyWarning is how many bytes before the capacity early warning comes. 0 means a fiftieth of the
	// capacity or 64 MiB, whichever is less, but at least 2 MiB (eight blocks of the default size) and at most a quarter
	// of the capacity.
	EarlyWarning int64
	WriteProtect bool // the tab; see SetWriteProtect
	WORM         bool // only what is behind the end of data can be written
	// Adopt takes an image that lies in the directory volumes already, with its index if it has one.
	// Without it an image that is not empty is refused.
	Adopt bool
}

// cartridge is what robot.json knows of a volume.
type cartridge struct {
	Label        string `json:"label"`
	Address      int    `json:"address"`
	Capacity     int64  `json:"capacity,omitempty"`
	EarlyWarning int64  `json:"early_warning,omitempty"`
	WriteProtect bool   `json:"write_protect,omitempty"`
	WORM         bool   `json:"worm,omitempty"`
}

// robot is the content of robot.json.
type robot struct {
	ID         string      `json:"id"`
	Drives     int         `json:"drives"`
	Slots      int         `json:"slots"`
	Cartridges []cartridge `json:"cartridges"`
}

// robotFile is robot.json: the state, and what tells that it is whole. The sum is over
// the state without white space, so that it may be indented.
type robotFile struct {
	Format  string          `json:"format"`
	Version int             `json:"version"`
	CRC32C  string          `json:"crc32c"`
	Robot   json.RawMessage `json:"robot"`
}

const (
	robotFormat  = "enstore filetape"
	robotVersion = 1
	maxRobotFile = 64 << 20 // bytes; 100000 cartridges of the longest entry are 16 MB
)

// library is a directory and what its parts are called.
type library struct {
	fs  disk.FS
	dir string
}

func (l library) robotName() string           { return filepath.Join(l.dir, "robot.json") }
func (l library) volumes() string             { return filepath.Join(l.dir, "volumes") }
func (l library) lockName(name string) string { return filepath.Join(l.dir, "locks", name) }
func (l library) image(label string) string   { return filepath.Join(l.volumes(), label+".tap") }
func (l library) volumeLock(label string) string {
	return l.lockName("volume-" + label)
}

func checkLabel(label string) error {
	ok := label != "" && len(label) <= maxLabel
	for _, c := range []byte(label) {
		ok = ok && (c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '-' || c == '_')
	}
	if !ok {
		return fmt.Errorf("volume %q: %w", label, ErrLabel)
	}
	return nil
}

func (r *robot) find(label string) *cartridge {
	for i := range r.Cartridges {
		if strings.EqualFold(r.Cartridges[i].Label, label) {
			return &r.Cartridges[i]
		}
	}
	return nil
}

func (r *robot) at(address int) *cartridge {
	for i := range r.Cartridges {
		if r.Cartridges[i].Address == address {
			return &r.Cartridges[i]
		}
	}
	return nil
}

// known says whether there is such an address.
func (r *robot) known(address int) bool {
	return address >= firstDrive && address < firstDrive+r.Drives ||
		address >= firstSlot && address < firstSlot+r.Slots
}

// check finds what a hand that edited the file may have broken.
func (r *robot) check() error {
	if r.Drives < 1 || r.Drives > maxDrives {
		return fmt.Errorf("drives: %d: not 1 to %d", r.Drives, maxDrives)
	}
	if r.Slots < 1 || r.Slots > maxSlots {
		return fmt.Errorf("slots: %d: not 1 to %d", r.Slots, maxSlots)
	}
	labels, places := map[string]bool{}, map[int]string{}
	for _, c := range r.Cartridges {
		if err := checkLabel(c.Label); err != nil {
			return err
		}
		if key := strings.ToUpper(c.Label); labels[key] {
			return fmt.Errorf("volume %s: in the robot twice", c.Label)
		} else {
			labels[key] = true
		}
		if !r.known(c.Address) {
			return fmt.Errorf("volume %s: no such address: %d", c.Label, c.Address)
		}
		if other, full := places[c.Address]; full {
			return fmt.Errorf("volume %s: at address %d, where %s is", c.Label, c.Address, other)
		}
		places[c.Address] = c.Label
		if err := checkCapacity(c.Capacity, c.EarlyWarning); err != nil {
			return fmt.Errorf("volume %s: %w", c.Label, err)
		}
	}
	return nil
}

// minCapacity holds a label and a block or two.
const minCapacity = 4096

func checkCapacity(capacity, early int64) error {
	if capacity < 0 || capacity > 0 && capacity < minCapacity {
		return fmt.Errorf("capacity: %d: less than %d bytes", capacity, minCapacity)
	}
	if early < 0 || early > capacity {
		return fmt.Errorf("early warning: %d: not 0 to the capacity, %d bytes", early, capacity)
	}
	return nil
}

// defaultEarlyWarning is what VolumeOptions.EarlyWarning says.
func defaultEarlyWarning(capacity int64) int64 {
	return min(max(min(capacity/50, 64<<20), 2<<20), capacity/4)
}

func encodeRobot(r *robot) ([]byte, error) {
	state, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	data, err := json.MarshalIndent(robotFile{
		Format: robotFormat, Version: robotVersion, Robot: state,
		CRC32C: fmt.Sprintf("%08x", crc32.Checksum(state, castagnoli)),
	}, "", " ")
	return append(data, '\n'), err
}

// parseRobot reads robot.json; a version that is not ours is refused before anything
// else in it is looked at.
func parseRobot(data []byte) (*robot, error) {
	var head struct {
		Format  string `json:"format"`
		Version int    `json:"version"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if head.Format != robotFormat {
		return nil, fmt.Errorf("%w: format %q", ErrNotLibrary, head.Format)
	}
	if head.Version != robotVersion {
		return nil, fmt.Errorf("version %d: this program reads version %d", head.Version, robotVersion)
	}
	var f robotFile
	if err := strict(data, &f); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	var state bytes.Buffer
	if err := json.Compact(&state, f.Robot); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if sum := fmt.Sprintf("%08x", crc32.Checksum(state.Bytes(), castagnoli)); sum != f.CRC32C {
		return nil, fmt.Errorf("%w: checksum is %s, written is %q", ErrDamaged, sum, f.CRC32C)
	}
	r := &robot{}
	if err := strict(f.Robot, r); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return r, nil
}

func strict(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	return d.Decode(v)
}

// read gives what robot.json says now. It needs no lock: the file is replaced atomically.
func (l library) read() (*robot, error) {
	data, err := disk.ReadFile(l.fs, l.robotName(), maxRobotFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w: it has no robot.json", l.dir, ErrNotLibrary)
	}
	if err != nil {
		return nil, err
	}
	r, err := parseRobot(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.robotName(), err)
	}
	return r, nil
}

// change lets fn change what robot.json says, durably. Only one change happens at a time.
func (l library) change(ctx context.Context, fn func(*robot) error) error {
	unlock, err := l.waitLock(ctx, l.lockName("inventory"))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w: %w", l.dir, ErrNotLibrary, err)
	}
	if err != nil {
		return err
	}
	defer unlock.Close()
	r, err := l.read()
	if err != nil {
		return err
	}
	if err := fn(r); err != nil {
		return err
	}
	if err := r.check(); err != nil {
		return err
	}
	data, err := encodeRobot(r)
	if err != nil {
		return err
	}
	if err := disk.WriteFileAtomic(l.fs, l.robotName(), data, 0o666); err != nil {
		return &changeError{err}
	}
	return nil
}

// changeError is a write of robot.json that failed: the old content is there, or the new.
type changeError struct{ err error }

func (e *changeError) Error() string { return e.err.Error() }
func (e *changeError) Unwrap() error { return e.err }

// waitLock waits for a lock that is held for moments only.
func (l library) waitLock(ctx context.Context, name string) (io.Closer, error) {
	const patience = 10 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		unlock, err := disk.TryLock(l.fs, name)
		if !errors.Is(err, disk.ErrLocked) {
			return unlock, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// Create makes a library without cartridges. The directory may exist; a library in
// it is [ErrExists]. It is durable when Create returns.
func Create(fsys disk.FS, dir string, o Options) error {
	l := library{fsys, dir}
	r := &robot{Drives: o.Drives, Slots: o.Slots, Cartridges: []cartridge{}}
	if err := r.check(); err != nil {
		return fmt.Errorf("library %s: %w", dir, err)
	}
	var id [4]byte
	rand.Read(id[:])
	r.ID = hex.EncodeToString(id[:])
	for _, d := range []string{dir, l.volumes(), filepath.Join(dir, "locks")} {
		if err := disk.MkdirSync(fsys, d, 0o777); err != nil {
			return fmt.Errorf("library %s: %w", dir, err)
		}
	}
	unlock, err := l.waitLock(context.Background(), l.lockName("inventory"))
	if err != nil {
		return fmt.Errorf("library %s: %w", dir, err)
	}
	defer unlock.Close()
	if _, err := fsys.Stat(l.robotName()); err == nil {
		return fmt.Errorf("library %s: %w", dir, ErrExists)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("library %s: %w", dir, err)
	}
	data, err := encodeRobot(r)
	if err == nil {
		err = disk.WriteFileAtomic(fsys, l.robotName(), data, 0o666)
	}
	if err == nil {
		err = fsys.SyncDir(dir) // the directories too, if a crashed Create left them
	}
	if err != nil {
		return fmt.Errorf("library %s: %w", dir, err)
	}
	return nil
}

// AddVolume puts a new blank cartridge into the first free slot, durably. It fails with
// [ErrExists] for a label that is there already, in whatever case, or an image that is not empty
// (see VolumeOptions.Adopt), with [ErrNoSlot], or with [ErrLabel].
func AddVolume(fsys disk.FS, dir, label string, o VolumeOptions) error {
	if err := checkLabel(label); err != nil {
		return err
	}
	if err := checkCapacity(o.Capacity, o.EarlyWarning); err != nil {
		return fmt.Errorf("volume %s: %w", label, err)
	}
	l := library{fsys, dir}
	err := l.change(context.Background(), func(r *robot) error {
		if r.find(label) != nil {
			return ErrExists
		}
		slot := 0
		for slot < r.Slots && r.at(SlotAddress(slot)) != nil {
			slot++
		}
		if slot == r.Slots {
			return fmt.Errorf("%w: all %d are taken", ErrNoSlot, r.Slots)
		}
		if err := l.prepareImage(label, o.Adopt); err != nil {
			return err
		}
		c := cartridge{
			Label: label, Address: SlotAddress(slot), Capacity: o.Capacity, EarlyWarning: o.EarlyWarning,
			WriteProtect: o.WriteProtect, WORM: o.WORM,
		}
		if c.EarlyWarning == 0 {
			c.EarlyWarning = defaultEarlyWarning(c.Capacity)
		}
		r.Cartridges = append(r.Cartridges, c)
		slices.SortFunc(r.Cartridges, func(a, b cartridge) int { return strings.Compare(a.Label, b.Label) })
		return nil
	})
	if err != nil {
		return fmt.Errorf("volume %s: %w", label, err)
	}
	return nil
}

// prepareImage makes an empty image with its index, or finds one. An empty image that no robot
// knows is what an AddVolume that crashed left.
func (l library) prepareImage(label string, adopt bool) error {
	info, err := l.fs.Stat(l.image(label))
	switch {
	case err == nil && !info.Mode().IsRegular():
		return fmt.Errorf("%s: not a file", l.image(label))
	case err == nil && adopt:
		return l.syncImage(label)
	case err == nil && info.Size() > 0:
		return fmt.Errorf("%s: %w, and is not empty", l.image(label), ErrExists)
	case adopt:
		return err
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	f, err := l.fs.OpenFile(l.image(label), os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	// Storing the index syncs the directory, and with it the name of the image.
	return newIndexStore(l.fs, l.image(label)).store(extent{}, nil)
}

// syncImage makes an image durable that another program has put here.
func (l library) syncImage(label string) error {
	f, err := l.fs.OpenFile(l.image(label), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrPermission) { // it may be there to be read only
		f, err = l.fs.OpenFile(l.image(label), os.O_RDONLY, 0)
	}
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return l.fs.SyncDir(l.volumes())
}

// SetWriteProtect moves the tab of a cartridge, durably. A drive notices it when it next loads the cartridge.
func SetWriteProtect(fsys disk.FS, dir, label string, on bool) error {
	l := library{fsys, dir}
	err := l.change(context.Background(), func(r *robot) error {
		c := r.find(label)
		if c == nil || c.Label != label {
			return ErrNotFound
		}
		c.WriteProtect = on
		return nil
	})
	if err != nil {
		return fmt.Errorf("volume %s: %w", label, err)
	}
	return nil
}
