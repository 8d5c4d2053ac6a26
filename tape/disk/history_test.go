package disk

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
)

// history is what a file has been since it was last synced: an independent account
// of what a crash may leave.
type history struct {
	states [][]byte
}

func (h *history) synced(now []byte)  { h.states = [][]byte{bytes.Clone(now)} }
func (h *history) changed(now []byte) { h.states = append(h.states, bytes.Clone(now)) }

// allows checks a size between the smallest and the largest, and for each sector that it is
// what it was at one of the times; behind the end it was zero.
func (h *history) allows(got []byte) error {
	low, high := len(h.states[0]), len(h.states[0])
	for _, s := range h.states {
		low, high = min(low, len(s)), max(high, len(s))
	}
	if len(got) < low || len(got) > high {
		return fmt.Errorf("size %d, was between %d and %d", len(got), low, high)
	}
	for off := 0; off < len(got); off += SectorSize {
		sector := got[off:min(off+SectorSize, len(got))]
		found := false
		for _, s := range h.states {
			was := make([]byte, len(sector))
			if off < len(s) {
				copy(was, s[off:])
			}
			found = found || bytes.Equal(was, sector)
		}
		if !found {
			return fmt.Errorf("sector at %d was never like that", off)
		}
	}
	return nil
}

func TestAnyHistoryOfAFile(t *testing.T) {
	for seed := range 400 {
		r := newRand(seed)
		f := NewForgetful()
		put(t, f, "/x", "", true)
		must(t, f.SyncDir("/"))
		var past history
		past.synced(nil)
		for life := range 4 {
			h, err := f.OpenFile("/x", os.O_RDWR, 0)
			must(t, err)
			certain := true // no writeback yet: what was synced last is exactly what is on the disk
			for range r.IntN(12) {
				wrote := changeFile(t, r, h, byte(life*20))
				now := []byte(get(t, f, "/x"))
				if wrote {
					past.changed(now)
				} else {
					past.synced(now)
					certain = true
				}
				if r.IntN(6) == 0 {
					f.Writeback(r)
					certain = certain && len(past.states) == 1
				}
			}
			var with *rand.Rand
			if r.IntN(5) > 0 {
				with = r
			}
			f = f.Crash(with)
			got := []byte(get(t, f, "/x"))
			if err := past.allows(got); err != nil {
				t.Fatalf("seed %d, life %d: %v", seed, life, err)
			}
			if with == nil && certain && !bytes.Equal(got, past.states[0]) {
				t.Fatalf("seed %d, life %d: not what was synced last", seed, life)
			}
			past.synced(got) // what a crash has left is on the disk
		}
	}
}

// changeFile does something to a file; it says false if that was a Sync.
func changeFile(t *testing.T, r *rand.Rand, h File, letter byte) bool {
	switch r.IntN(6) {
	case 0:
		must(t, h.Sync())
		return false
	case 1:
		must(t, h.Truncate(r.Int64N(12000)))
	case 2:
		_, err := h.Seek(0, 2)
		must(t, err)
		_, err = h.Write(bytes.Repeat([]byte{letter + byte(r.IntN(20))}, r.IntN(700)))
		must(t, err)
	default:
		p := bytes.Repeat([]byte{letter + byte(r.IntN(20))}, r.IntN(3000))
		_, err := h.WriteAt(p, r.Int64N(9000))
		must(t, err)
	}
	return true
}

// TestAnyHistoryOfNames moves files about in directories that move themselves. Each file's content is its own
// number. A file that was durable, and is neither removed nor replaced, exists once after a crash,
// with one of the names it has had since.
func TestAnyHistoryOfNames(t *testing.T) {
	for seed := range 600 {
		r := newRand(seed)
		w := &nameWorld{t: t, r: r, f: NewForgetful(), dirs: []string{"/"}, files: map[string]string{}, durable: map[string]bool{}}
		for range 3 {
			for range r.IntN(30) {
				w.step()
			}
			if r.IntN(3) == 0 {
				w.syncAll()
				before := tree(t, w.f, "/")
				w.f = w.f.Crash(r)
				if after := tree(t, w.f, "/"); after != before {
					t.Fatalf("seed %d: all synced, %s before and %s after", seed, before, after)
				}
			} else {
				w.f = w.f.Crash(r)
			}
			w.check(seed)
		}
	}
}

type nameWorld struct {
	t       *testing.T
	r       *rand.Rand
	f       *Forgetful
	next    int
	dirs    []string
	files   map[string]string // content by name
	durable map[string]bool   // by content: it must be there after a crash
}

func (w *nameWorld) anyFile() string {
	names := make([]string, 0, len(w.files))
	for name := range w.files {
		names = append(names, name)
	}
	sort.Strings(names)
	return names[w.r.IntN(len(names))]
}

func (w *nameWorld) newName() string {
	return filepath.Join(w.dirs[w.r.IntN(len(w.dirs))], fmt.Sprint("n", w.r.IntN(5)))
}

func (w *nameWorld) step() {
	r, f := w.r, w.f
	name := w.newName()
	info, err := f.Stat(name)
	taken, dir := err == nil, err == nil && info.IsDir()
	switch k := r.IntN(10); {
	case k < 3 && !dir:
		if taken {
			delete(w.durable, w.files[name])
		}
		w.next++
		content := fmt.Sprint(w.next)
		if taken { // a new file in place of the old one
			delete(w.durable, w.files["/temporary"]) // a crash may have left one
			delete(w.files, "/temporary")
			put(w.t, f, "/temporary", content, true)
			must(w.t, f.Rename("/temporary", name))
		} else {
			put(w.t, f, name, content, true)
		}
		w.files[name] = content
	case k < 5 && !dir && len(w.files) > 0:
		from := w.anyFile()
		if from == name {
			return
		}
		if taken {
			delete(w.durable, w.files[name])
		}
		must(w.t, f.Rename(from, name))
		w.files[name] = w.files[from]
		delete(w.files, from)
	case k == 5 && !taken:
		must(w.t, f.MkdirAll(name, 0o777))
		w.dirs = append(w.dirs, name)
	case k == 6 && !taken && len(w.dirs) > 1:
		from := w.dirs[1+r.IntN(len(w.dirs)-1)]
		if strings.HasPrefix(name+"/", from+"/") {
			return
		}
		must(w.t, f.Rename(from, name))
		w.look()
	case k == 7 && len(w.files) > 0:
		gone := w.anyFile()
		must(w.t, f.Remove(gone))
		delete(w.durable, w.files[gone])
		delete(w.files, gone)
	case k == 8:
		must(w.t, f.SyncDir(w.dirs[r.IntN(len(w.dirs))]))
	case k == 9:
		if r.IntN(2) == 0 {
			f.Writeback(r)
		} else {
			w.syncAll()
		}
	}
}

// syncAll makes every name durable.
func (w *nameWorld) syncAll() {
	for _, dir := range w.dirs {
		must(w.t, w.f.SyncDir(dir))
	}
	for _, content := range w.files {
		w.durable[content] = true
	}
}

// look takes stock of what there is.
func (w *nameWorld) look() (contents map[string]int) {
	contents = map[string]int{}
	w.dirs, w.files = []string{"/"}, map[string]string{}
	for _, name := range strings.Fields(tree(w.t, w.f, "/")) {
		if dir, ok := strings.CutSuffix(name, "/"); ok {
			w.dirs = append(w.dirs, dir)
			continue
		}
		content := get(w.t, w.f, name)
		w.files[name] = content
		contents[content]++
	}
	return contents
}

func (w *nameWorld) check(seed int) {
	contents := w.look()
	for content, n := range contents {
		if n > 1 {
			w.t.Fatalf("seed %d: file %s has %d names: %s", seed, content, n, tree(w.t, w.f, "/"))
		}
	}
	for content := range w.durable {
		if contents[content] == 0 {
			w.t.Fatalf("seed %d: file %s was durable and is lost: %s", seed, content, tree(w.t, w.f, "/"))
		}
	}
	for content := range contents {
		w.durable[content] = true // what a crash has left is on the disk
	}
}
