package operator

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
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/enstore-go/sdk/tape/disk"
)

// Errors about shelves and requests. They come wrapped, with the subject in front.
var (
	ErrNoShelf   = errors.New("no shelf: it is made when its robot is first opened")
	ErrDamaged   = errors.New("damaged")
	ErrNotFound  = errors.New("not found")
	ErrExists    = errors.New("on the shelf already")
	ErrNoSlot    = errors.New("no free slot")
	ErrLabel     = errors.New("not a label: 1 to 32 letters, digits, '-' or '_', the first one no dash")
	ErrAnswered  = errors.New("answered already")
	ErrWithdrawn = errors.New("withdrawn")
	ErrBusy      = errors.New("a request is open for it")
)

// Bounds of a shelf.
const (
	maxDrives    = 256
	maxSlots     = 100_000
	maxLabel     = 32
	maxName      = 32   // bytes of a drive's name
	maxWhy       = 500  // bytes of a refusal's reason
	keptAnswers  = 100  // requests that are answered, void, or forgotten
	maxWaiting   = 1000 // requests that are open or withdrawn
	maxShelfFile = 64 << 20

	firstDrive = 1
	firstSlot  = 1000
)

// DriveAddress is the address, for Move, of the drive with a number from 0.
func DriveAddress(drive int) int { return firstDrive + drive }

// SlotAddress is the address, for Move, of the slot with a number from 0.
func SlotAddress(slot int) int { return firstSlot + slot }

// State is what became of a request.
type State string

// The states.
const (
	Open      State = "open"      // a person is to act
	Withdrawn State = "withdrawn" // too late: see Done
	Carried   State = "done"      // the cartridge was carried
	Refused   State = "refused"   // and nothing was moved
	Void      State = "void"      // withdrawn, and overtaken by what came later
)

// Request asks a person to carry a cartridge.
type Request struct {
	ID     int       `json:"id"`
	Volume string    `json:"volume"` // label of the cartridge
	From   int       `json:"from"`   // addresses, as the robot's inventory has them
	To     int       `json:"to"`
	Source string    `json:"source"` // the same for people: "slot 1003", "drive left"
	Target string    `json:"target"`
	Asked  time.Time `json:"asked"`
	State  State     `json:"state"`
	Ended  time.Time `json:"ended,omitzero"` // of a request that is not open
	Why    string    `json:"why,omitempty"`  // reason of a refusal, a withdrawal, or of being void
}

// String says what to do.
func (r Request) String() string {
	return fmt.Sprintf("carry %s from %s to %s", r.Volume, r.Source, r.Target)
}

// cartridge is what a shelf knows of a volume.
type cartridge struct {
	Label   string `json:"label"`
	Address int    `json:"address"`
}

// state is the content of shelf.json.
type state struct {
	ID         string      `json:"id"`
	Drives     []string    `json:"drives"` // their names, as the robot was last opened with
	Slots      int         `json:"slots"`
	Last       int         `json:"last"` // number of the last request
	Cartridges []cartridge `json:"cartridges"`
	Requests   []Request   `json:"requests"` // oldest first
}

// shelfFile is shelf.json: the state, and what tells that it is whole. The sum is over the state without white space, so that it may
// be indented.
type shelfFile struct {
	Format  string          `json:"format"`
	Version int             `json:"version"`
	CRC32C  string          `json:"crc32c"`
	Shelf   json.RawMessage `json:"shelf"`
}

const (
	shelfFormat  = "enstore shelf"
	shelfVersion = 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func isLabel(s string) bool {
	ok := s != "" && len(s) <= maxLabel && s[0] != '-'
	for _, c := range []byte(s) {
		ok = ok && (c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '-' || c == '_')
	}
	return ok
}

func isName(s string) bool {
	ok := s != "" && len(s) <= maxName && s[0] != '-'
	for _, c := range []byte(s) {
		ok = ok && c >= ' ' && c <= '~'
	}
	return ok
}

// at is the cartridge at an address.
func (s *state) at(address int) *cartridge {
	for i := range s.Cartridges {
		if s.Cartridges[i].Address == address {
			return &s.Cartridges[i]
		}
	}
	return nil
}

// find is the cartridge with a label, in whatever case: two that people cannot tell apart are one too many.
func (s *state) find(label string) *cartridge {
	for i := range s.Cartridges {
		if strings.EqualFold(s.Cartridges[i].Label, label) {
			return &s.Cartridges[i]
		}
	}
	return nil
}

func (s *state) known(address int) bool {
	return address >= firstDrive && address < firstDrive+len(s.Drives) || address >= firstSlot && address < firstSlot+s.Slots
}

// place is what people call an address.
func (s *state) place(address int) string {
	if n := address - firstDrive; n >= 0 && n < len(s.Drives) {
		return "drive " + s.Drives[n]
	}
	return "slot " + strconv.Itoa(address)
}

func (s *state) request(id int) *Request {
	for i := range s.Requests {
		if s.Requests[i].ID == id {
			return &s.Requests[i]
		}
	}
	return nil
}

// waiting tells whether a person still has to do with a request.
func (r *Request) waiting() bool { return r.State == Open || r.State == Withdrawn }

// same tells whether a request asks for just this.
func (r *Request) same(volume string, from, to int) bool {
	return r.Volume == volume && r.From == from && r.To == to
}

// end gives a request its last state but for withdrawn ones.
func (r *Request) end(s State, why string) {
	r.State, r.Why, r.Ended = s, why[:min(len(why), maxWhy)], now()
}

// now has the precision that JSON keeps, and no zone of this machine.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// tidy forgets the oldest requests beyond the bounds.
func (s *state) tidy() {
	answered, waiting := 0, 0
	for i := len(s.Requests) - 1; i >= 0; i-- {
		n, most := &answered, keptAnswers
		if s.Requests[i].waiting() {
			n, most = &waiting, maxWaiting
		}
		if *n++; *n > most {
			s.Requests = slices.Delete(s.Requests, i, i+1)
		}
	}
}

// check finds what a hand that edited the file may have broken.
func (s *state) check() error {
	if len(s.Drives) < 1 || len(s.Drives) > maxDrives {
		return fmt.Errorf("drives: %d: want 1 to %d", len(s.Drives), maxDrives)
	}
	for i, d := range s.Drives {
		if !isName(d) || slices.Index(s.Drives, d) != i {
			return fmt.Errorf("drives: %.40q: want 1 to %d characters of ASCII, each name once", d, maxName)
		}
	}
	if s.Slots < 1 || s.Slots > maxSlots {
		return fmt.Errorf("slots: %d: want 1 to %d", s.Slots, maxSlots)
	}
	labels, places := map[string]bool{}, map[int]string{}
	for _, c := range s.Cartridges {
		if !isLabel(c.Label) {
			return fmt.Errorf("volume %.40q: %w", c.Label, ErrLabel)
		}
		key := strings.ToUpper(c.Label)
		if labels[key] {
			return fmt.Errorf("volume %s: on the shelf twice", c.Label)
		}
		labels[key] = true
		if !s.known(c.Address) {
			return fmt.Errorf("volume %s: at address %d, which is beyond drives and slots", c.Label, c.Address)
		}
		if other, full := places[c.Address]; full {
			return fmt.Errorf("volume %s: in %s, where %s is", c.Label, s.place(c.Address), other)
		}
		places[c.Address] = c.Label
	}
	for i, r := range s.Requests {
		ok := r.State == Open || r.State == Withdrawn || r.State == Carried || r.State == Refused || r.State == Void
		if !ok || r.ID < 1 || r.ID > s.Last || !isLabel(r.Volume) || i > 0 && r.ID <= s.Requests[i-1].ID {
			return fmt.Errorf("request %d: makes no sense", r.ID)
		}
	}
	return nil
}

// shelf is a directory.
type shelf struct {
	fs  disk.FS
	dir string
}

func (l shelf) file() string            { return filepath.Join(l.dir, "shelf.json") }
func (l shelf) lock(name string) string { return filepath.Join(l.dir, "locks", name) }

func encode(s *state) ([]byte, error) {
	b, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	data, err := json.MarshalIndent(shelfFile{Format: shelfFormat, Version: shelfVersion, Shelf: b, CRC32C: fmt.Sprintf("%08x", crc32.Checksum(b, castagnoli))}, "", " ")
	return append(data, '\n'), err
}

// decode reads shelf.json; a version that is not ours is refused before anything else in it is looked at.
func decode(data []byte) (*state, error) {
	var head struct {
		Format  string `json:"format"`
		Version int    `json:"version"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if head.Format != shelfFormat {
		return nil, fmt.Errorf("%w: format %.40q", ErrDamaged, head.Format)
	}
	if head.Version != shelfVersion {
		return nil, fmt.Errorf("version %d: this program reads version %d", head.Version, shelfVersion)
	}
	var f shelfFile
	if err := strict(data, &f); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	var b bytes.Buffer
	if err := json.Compact(&b, f.Shelf); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if sum := fmt.Sprintf("%08x", crc32.Checksum(b.Bytes(), castagnoli)); sum != f.CRC32C {
		return nil, fmt.Errorf("%w: checksum is %s, written is %.40q", ErrDamaged, sum, f.CRC32C)
	}
	s := &state{}
	if err := strict(f.Shelf, s); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return s, nil
}

func strict(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	return d.Decode(v)
}

// read gives what shelf.json says now. It needs no lock: the file is replaced atomically.
func (l shelf) read() (*state, error) {
	data, err := disk.ReadFile(l.fs, l.file(), maxShelfFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", l.dir, ErrNoShelf)
	}
	if err != nil {
		return nil, err
	}
	s, err := decode(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.file(), err)
	}
	return s, nil
}

// changeError is a write of shelf.json that failed: the old content is there, or the new.
type changeError struct{ err error }

func (e *changeError) Error() string { return e.err.Error() }
func (e *changeError) Unwrap() error { return e.err }

// errSame is what a change gives that leaves everything as it is.
var errSame = errors.New("no change")

// change lets fn change what shelf.json says, durably. Only one change happens at a time.
func (l shelf) change(ctx context.Context, fn func(*state) error) error {
	unlock, err := l.wait(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", l.dir, ErrNoShelf)
	}
	if err != nil {
		return err
	}
	defer unlock.Close()
	s, err := l.read()
	if err != nil {
		return err
	}
	if err := fn(s); errors.Is(err, errSame) {
		return nil
	} else if err != nil {
		return err
	}
	return l.write(s)
}

func (l shelf) write(s *state) error {
	s.tidy()
	if err := s.check(); err != nil {
		return err
	}
	data, err := encode(s)
	if err != nil {
		return err
	}
	if err := disk.WriteFileAtomic(l.fs, l.file(), data, 0o666); err != nil {
		return &changeError{err}
	}
	return nil
}

// wait waits for the lock that is held for the moment of a change.
func (l shelf) wait(ctx context.Context) (io.Closer, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		unlock, err := disk.TryLock(l.fs, l.lock("shelf"))
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

// prepare makes the shelf, with cartridges in its first slots, or gives the one that is there the drives and slots that the robot is opened with. What
// stands there must have room.
func (l shelf) prepare(ctx context.Context, drives []string, slots int, volumes []string) (*state, error) {
	for _, d := range []string{l.dir, filepath.Join(l.dir, "locks")} {
		if err := disk.MkdirSync(l.fs, d, 0o777); err != nil {
			return nil, err
		}
	}
	unlock, err := l.wait(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock.Close()
	s, err := l.read()
	switch {
	case errors.Is(err, ErrNoShelf):
		var id [4]byte
		rand.Read(id[:])
		s = &state{ID: hex.EncodeToString(id[:]), Drives: drives, Slots: slots, Cartridges: []cartridge{}, Requests: []Request{}}
		for i, v := range volumes {
			s.Cartridges = append(s.Cartridges, cartridge{v, SlotAddress(i)})
		}
	case err != nil:
		return nil, err
	case slices.Equal(s.Drives, drives) && s.Slots == slots:
		return s, l.fs.SyncDir(l.dir) // who wrote it may have been killed before it was durable
	}
	s.Drives, s.Slots = drives, slots
	return s, l.write(s)
}
