package disk

import (
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"time"
)

// Forgetful is a file system in memory for tests of durability: it knows what would be on the
// disk after a power cut. A test runs the code under test on it, calls [Forgetful.Crash] at some
// moment, and opens what the crash left:
//
//	old := disk.NewForgetful()
//	… // the code under test works on old
//	left := old.Crash(rand.New(rand.NewPCG(seed, 0)))
//	… // the code under test starts again on left
//
// All of its methods may be called from several goroutines at once. Names with and without a
// leading separator mean the same; permissions are kept but forbid nothing.
// A Forgetful is a [Locker].
type Forgetful struct {
	mu      sync.Mutex
	root    *node
	nodes   int64     // numbers given out so far
	pending []*change // of entries, oldest first, that are not durable yet
	barrier *change   // the last pending change that all later ones build on
	locks   map[*node]bool
	used    int64 // bytes, as Used says
	limit   int64
	inject  func(Call) error
	calls   int64
	changes int64
	dead    error // why every call fails
}

// ErrCrashed is what every call gives on a [Forgetful] that has crashed, been killed or
// lost its power, and on files opened on it.
var ErrCrashed = errors.New("the disk has crashed")

// NewForgetful makes an empty file system: a durable root directory, no limit of space.
func NewForgetful() *Forgetful {
	return newForgetful()
}

func newForgetful() *Forgetful {
	f := &Forgetful{limit: math.MaxInt64, locks: map[*node]bool{}}
	f.root = f.newDir(0o777)
	return f
}

// node is a file or a directory, whatever its names.
type node struct {
	id      int64
	mode    fs.FileMode
	mod     time.Time
	links   int // names now; a node without names and handles takes no space
	handles int

	entries map[string]*node // of a directory, now
	durable map[string]*node // and as the disk has it
	last    map[string]*change

	content // of a file
}

func (n *node) isDir() bool { return n.entries != nil }

func (f *Forgetful) newDir(perm fs.FileMode) *node {
	f.nodes++
	return &node{
		id: f.nodes, mode: perm.Perm() | fs.ModeDir, mod: time.Now(),
		entries: map[string]*node{}, durable: map[string]*node{}, last: map[string]*change{},
	}
}

func (f *Forgetful) newFile(perm fs.FileMode) *node {
	f.nodes++
	return &node{id: f.nodes, mode: perm.Perm(), mod: time.Now()}
}

// split gives the elements of a name, none for the root.
func split(name string) []string {
	name = filepath.Clean(string(filepath.Separator) + name[len(filepath.VolumeName(name)):])
	name = strings.Trim(filepath.ToSlash(name), "/")
	if name == "" {
		return nil
	}
	return strings.Split(name, "/")
}

// walk finds the node that the elements lead to.
func (f *Forgetful) walk(elems []string) (*node, error) {
	n := f.root
	for _, e := range elems {
		if !n.isDir() {
			return nil, errNotDir
		}
		n = n.entries[e]
		if n == nil {
			return nil, fs.ErrNotExist
		}
	}
	return n, nil
}

// place finds the directory in which a name lies or would lie, and its last element.
func (f *Forgetful) place(name string) (dir *node, base string, err error) {
	if err := checkName(name); err != nil {
		return nil, "", err
	}
	elems := split(name)
	if len(elems) == 0 {
		return nil, "", errInvalid // the root has no place
	}
	dir, err = f.walk(elems[:len(elems)-1])
	if err != nil {
		return nil, "", err
	}
	if !dir.isDir() {
		return nil, "", errNotDir
	}
	return dir, elems[len(elems)-1], nil
}

// find is the node of a name, which may be the root.
func (f *Forgetful) find(name string) (*node, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	return f.walk(split(name))
}

// checkName refuses what no system takes.
func checkName(name string) error {
	switch {
	case name == "":
		return fs.ErrNotExist
	case strings.ContainsRune(name, 0):
		return errInvalid
	}
	return nil
}

// OpenFile opens or creates a file, as [os.OpenFile] does; O_SYNC makes every write durable.
func (f *Forgetful) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	h, err := f.open(name, flag, perm)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return h, nil
}

func (f *Forgetful) open(name string, flag int, perm fs.FileMode) (*handle, error) {
	op := OpOpen
	if flag&(os.O_CREATE|os.O_TRUNC) != 0 {
		op = OpCreate
	}
	if err := f.call(op, name); err != nil {
		return nil, err
	}
	if err := checkName(name); err != nil {
		return nil, err
	}
	h := &handle{fs: f, name: name, flag: flag}
	if len(split(name)) == 0 {
		h.n = f.root
	} else {
		dir, base, err := f.place(name)
		if err != nil {
			return nil, err
		}
		h.n = dir.entries[base]
		if h.n == nil && flag&os.O_CREATE == 0 {
			return nil, fs.ErrNotExist
		}
		if h.n == nil {
			flag &^= os.O_EXCL
			h.n = f.newFile(perm)
			f.apply(false, set{dir, base, h.n})
		}
	}
	if flag&(os.O_CREATE|os.O_EXCL) == os.O_CREATE|os.O_EXCL {
		return nil, fs.ErrExist
	}
	if h.n.isDir() && (h.writes() || flag&os.O_CREATE != 0) {
		return nil, errIsDir
	}
	if flag&os.O_TRUNC != 0 && h.writes() {
		f.resize(h.n, 0)
	}
	h.n.handles++
	return h, nil
}

// Rename moves a file or directory, and a file replaces a file of the new name.
func (f *Forgetful) Rename(oldname, newname string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.rename(oldname, newname); err != nil {
		return &os.LinkError{Op: "rename", Old: oldname, New: newname, Err: err}
	}
	return nil
}

func (f *Forgetful) rename(oldname, newname string) error {
	if err := f.call(OpRename, newname); err != nil {
		return err
	}
	from, base, err := f.place(oldname)
	if err != nil {
		return err
	}
	to, newbase, err := f.place(newname)
	if err != nil {
		return err
	}
	n, target := from.entries[base], to.entries[newbase]
	switch {
	case n == nil:
		return fs.ErrNotExist
	case target != nil && target.isDir():
		return fs.ErrExist // package os does not replace even an empty one
	case n == target:
		return nil
	case n.isDir() && target != nil:
		return errNotDir
	case n.isDir() && within(n, to):
		return errInvalid
	}
	c := f.apply(n.isDir(), set{to, newbase, n}, set{from, base, nil})
	if from != to {
		elems := split(newname)
		c.needs = f.chain(elems[:len(elems)-1])
	}
	return nil
}

// within says whether dir is n or below it.
func within(n, dir *node) bool {
	if n == dir {
		return true
	}
	for _, e := range n.entries {
		if e.isDir() && within(e, dir) {
			return true
		}
	}
	return false
}

// Remove removes a file or an empty directory. Open files stay readable and writable.
func (f *Forgetful) Remove(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.remove(name); err != nil {
		return &fs.PathError{Op: "remove", Path: name, Err: err}
	}
	return nil
}

func (f *Forgetful) remove(name string) error {
	if err := f.call(OpRemove, name); err != nil {
		return err
	}
	dir, base, err := f.place(name)
	if err != nil {
		return err
	}
	n := dir.entries[base]
	if n == nil {
		return fs.ErrNotExist
	}
	if len(n.entries) > 0 {
		return errNotEmpty
	}
	f.apply(false, set{dir, base, nil})
	return nil
}

// MkdirAll makes a directory and those above it, none of them durable yet.
func (f *Forgetful) MkdirAll(name string, perm fs.FileMode) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.mkdirAll(name, perm); err != nil {
		return &fs.PathError{Op: "mkdir", Path: name, Err: err}
	}
	return nil
}

func (f *Forgetful) mkdirAll(name string, perm fs.FileMode) error {
	if err := f.call(OpMkdir, name); err != nil {
		return err
	}
	if err := checkName(name); err != nil {
		return err
	}
	dir := f.root
	for _, e := range split(name) {
		next := dir.entries[e]
		if next == nil {
			next = f.newDir(perm)
			f.apply(false, set{dir, e, next})
		}
		if !next.isDir() {
			return errNotDir
		}
		dir = next
	}
	return nil
}

// ReadDir gives the entries of a directory sorted by name.
func (f *Forgetful) ReadDir(name string) ([]fs.DirEntry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	dir, err := f.look(OpReadDir, name)
	if err == nil && !dir.isDir() {
		err = errNotDir
	}
	if err != nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: err}
	}
	list := make([]fs.DirEntry, 0, len(dir.entries))
	for _, e := range sortedNames(dir.entries) {
		list = append(list, fs.FileInfoToDirEntry(info(e, dir.entries[e])))
	}
	return list, nil
}

// Stat tells about a file or directory.
func (f *Forgetful) Stat(name string) (fs.FileInfo, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.look(OpStat, name)
	if err != nil {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	return info(filepath.Base(name), n), nil
}

// look counts the call and finds a node for it.
func (f *Forgetful) look(op Op, name string) (*node, error) {
	if err := f.call(op, name); err != nil {
		return nil, err
	}
	return f.find(name)
}

// SyncDir makes the entries of a directory durable. The directory's own name is the
// business of the directory above it. A file renamed from one directory into another
// is certain to have moved once both are synced.
func (f *Forgetful) SyncDir(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	dir, err := f.look(OpSyncDir, name)
	if err == nil && !dir.isDir() {
		err = errNotDir
	}
	if err != nil {
		return &fs.PathError{Op: "sync", Path: name, Err: err}
	}
	f.commitDir(dir)
	return nil
}

// TryLock takes the lock on a file, as [TryLock] says; Crash and Kill end all locks.
func (f *Forgetful) TryLock(name string) (io.Closer, error) {
	f.mu.Lock()
	h, err := f.open(name, os.O_RDWR|os.O_CREATE, 0o666)
	held := err == nil && f.locks[h.n]
	if held {
		f.release(h)
	} else if err == nil {
		f.locks[h.n], h.locks = true, true
	}
	f.mu.Unlock()
	if err != nil {
		return nil, &fs.PathError{Op: "lock", Path: name, Err: err}
	}
	if held {
		holder, _ := ReadHolder(f, name)
		return nil, &LockedError{Name: name, Holder: holder}
	}
	if err := writeHolder(h, Self()); err != nil {
		h.Close()
		return nil, err
	}
	return &heldLock{h}, nil
}

// fileInfo is what Stat gives of a node.
type fileInfo struct {
	name string
	size int64
	mode fs.FileMode
	mod  time.Time
}

func info(name string, n *node) fileInfo {
	return fileInfo{name: name, size: n.size, mode: n.mode, mod: n.mod}
}

func (i fileInfo) Name() string       { return i.name }
func (i fileInfo) Size() int64        { return i.size }
func (i fileInfo) Mode() fs.FileMode  { return i.mode }
func (i fileInfo) ModTime() time.Time { return i.mod }
func (i fileInfo) IsDir() bool        { return i.mode.IsDir() }
func (i fileInfo) Sys() any           { return nil }

func sortedNames(m map[string]*node) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}
