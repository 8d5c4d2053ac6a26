package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/catalog/namespace"
)

// Same plays random histories of a catalogue on two stores at once: every step must end
// alike, and at the end the stores must hold the same, row by row.
func Same(t *testing.T, one, other Open) {
	rapid.Check(t, func(rt *rapid.T) {
		h := history{rt: rt, labels: labels}
		for _, open := range []Open{one, other} {
			b := newBench(t, open)
			defer b.s.Close() // not at the end of t: there are many
			h.benches = append(h.benches, b)
			h.trees = append(h.trees, namespace.New(b.c))
		}
		h.begin()
		for range 4 {
			rt.Repeat(map[string]func(*rapid.T){
				"add volume": h.addVolume, "choose": h.choose, "label": h.label, "end": h.end, "abandon": h.abandon, "read": h.read,
				"flush": h.flush, "another flush": h.flush, "and another": h.flush, // most histories of volumes are full of them
				"inhibit": h.inhibit, "mark volume": h.markVolume, "mark file": h.markFile, "directories": h.directories, "undone": h.undone, "restart": h.restart,
				"": h.tick,
			})
			h.compare()
		}
	})
}

// history is what a random history knows of what it has done.
type history struct {
	rt      *rapid.T
	benches []*bench
	trees   []*namespace.Tree
	labels  []catalog.Label
	ids     int
	leases  []grantOf
	bfids   []catalog.BFID
	asked   []catalog.RequestID
	flushes []catalog.Commit
}

// grantOf is what a lease was given; the same by both stores, or the history has ended.
type grantOf struct {
	lease catalog.LeaseID
	label catalog.Label
	epoch uint64
	seq   uint64
}

var (
	labels   = []catalog.Label{"VO0007L8", "VO0001L8", "VO0001L7", "VO0002L8", "VO0003L8", "VO0004M8", "VO0005", "VO0006JC"}
	families = []catalog.Family{{}, {Group: "cms"}, {Group: "cms", Family: "raw"}, raw, {Group: "cms", Family: "raw", Wrapper: "cern"}}
	names    = []string{"a", "b", "\xff", "dir"}
	dirs     = []string{"/", "/a", "/b", "/a/a", "/a/b", "/dir", "/dir/\xff", "/a/dir/b"}
)

func (h *history) id() (id [16]byte) {
	h.ids++
	copy(id[:], fmt.Sprintf("id%014d", h.ids))
	return id
}

// both does one step on both and compares how it ended; what it gives, if it did not fail,
// is compared as well.
func (h *history) both(what string, step func(b *bench, tree *namespace.Tree) (any, error)) any {
	var results [2]any
	var errs [2]error
	for i, b := range h.benches {
		results[i], errs[i] = step(b, h.trees[i])
	}
	if text(errs[0]) != text(errs[1]) {
		h.rt.Fatalf("%s: one store says %v, the other %v", what, errs[0], errs[1])
	}
	if a, b := fmt.Sprintf("%+v", results[0]), fmt.Sprintf("%+v", results[1]); errs[0] == nil && a != b {
		h.rt.Fatalf("%s:\none store gives %s\nthe other       %s", what, a, b)
	}
	if errs[0] != nil {
		for _, known := range []error{catalog.ErrNotFound, catalog.ErrExists, catalog.ErrInvalid, catalog.ErrFenced, catalog.ErrNoVolume, catalog.ErrWidth,
			catalog.ErrTooLarge, catalog.ErrNotAllowed, catalog.ErrNotDir, catalog.ErrIsDir, catalog.ErrNotEmpty, errUndone} {
			if errors.Is(errs[0], known) {
				return nil
			}
		}
		h.rt.Fatalf("%s: %v", what, errs[0])
	}
	return results[0]
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func pick[T any](t *rapid.T, name string, from []T) T { return rapid.SampledFrom(from).Draw(t, name) }

// begin makes a volume that is being written, so that a history soon has files.
func (h *history) begin() {
	h.both("begin", func(b *bench, tree *namespace.Tree) (any, error) {
		b.add("VO0007L8", raw, func(v *catalog.Volume) { v.Capacity = 1000 })
		return tree.MkdirAll(b.ctx, "/a/dir", namespace.Attr{})
	})
	h.take(catalog.Choice{Lease: catalog.LeaseID(h.id()), Library: library, Family: raw})
	h.labelIt(&h.leases[0])
}

// tick is done after every step.
func (h *history) tick(*rapid.T) {
	for _, b := range h.benches {
		b.at = b.at.Add(time.Second / 3)
	}
}

func (h *history) compare() {
	t := h.rt
	a, b := Dump(h.benches[0].t, h.benches[0].s), Dump(h.benches[1].t, h.benches[1].s)
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) || a[i] != b[i] {
			t.Fatalf("the stores differ at row %d:\n%q\n%q", i, a[min(i, len(a)):min(i+1, len(a))], b[min(i, len(b)):min(i+1, len(b))])
		}
	}
}

func (h *history) addVolume(t *rapid.T) {
	v := catalog.Volume{Label: pick(t, "label", h.labels), Library: library, MediaType: "LTO8", Capacity: 1000, Family: pick(t, "family", families)}
	h.both("add volume", func(b *bench, _ *namespace.Tree) (any, error) { return nil, b.c.AddVolume(b.ctx, v) })
}

func (h *history) choose(t *rapid.T) {
	ch := catalog.Choice{Lease: catalog.LeaseID(h.id()), Library: library, Family: pick(t, "family", []catalog.Family{raw, raw, raw, raw, families[4], families[2]}), Width: rapid.IntRange(0, 3).Draw(t, "width"),
		MinBytes: pick(t, "bytes", []int64{0, 10, 900, 1001}), Drive: "drive0"}
	if rapid.Bool().Draw(t, "prefer") {
		ch.Prefer = []catalog.Label{pick(t, "preferred", h.labels)}
	}
	if rapid.Bool().Draw(t, "veto") {
		ch.Veto = []catalog.Label{pick(t, "vetoed", h.labels)}
	}
	if len(h.leases) > 0 && rapid.IntRange(0, 4).Draw(t, "again") == 0 {
		ch.Lease = pick(t, "lease", h.leases).lease
	}
	h.take(ch)
}

func (h *history) take(ch catalog.Choice) {
	got := h.both("choose", func(b *bench, _ *namespace.Tree) (any, error) {
		g, err := b.c.ChooseForWrite(b.ctx, ch)
		return grantOf{lease: ch.Lease, label: g.Volume.Label, epoch: g.Epoch}, err
	})
	if g, ok := got.(grantOf); ok && !slices.ContainsFunc(h.leases, func(l grantOf) bool { return l.lease == g.lease }) {
		h.leases = append(h.leases, g)
	}
}

// lease is one of those that were given, or the test step is skipped.
func (h *history) lease(t *rapid.T) *grantOf {
	if len(h.leases) == 0 {
		t.Skip("no lease")
	}
	return &h.leases[len(h.leases)-1-rapid.IntRange(0, len(h.leases)-1).Draw(t, "lease")] // mostly a late one
}

func (h *history) label(t *rapid.T) { h.labelIt(h.lease(t)) }

func (h *history) labelIt(g *grantOf) {
	h.both("label", func(b *bench, _ *namespace.Tree) (any, error) {
		got, err := b.c.Labelled(b.ctx, g.lease, g.label, g.epoch, 1<<18)
		return got.Volume.EOD, err
	})
}

func (h *history) flush(t *rapid.T) {
	g := h.lease(t)
	if len(h.flushes) > 0 && rapid.IntRange(0, 5).Draw(t, "again") == 0 {
		h.doFlush(pick(t, "flush", h.flushes))
		return
	}
	v, err := h.benches[0].c.Volume(h.benches[0].ctx, g.label)
	if err != nil {
		t.Fatal(err)
	}
	from := v.EOD.File + int64(pick(t, "eod", []int{0, 0, 0, 0, 0, 1, -1}))
	if from < 1 {
		t.Skip("not labelled")
	}
	g.seq++
	cm := catalog.Commit{Lease: g.lease, Seq: g.seq, Volume: g.label, Epoch: g.epoch, From: catalog.Location{File: from}, To: catalog.Location{File: from, Block: 10 * from},
		DeadBytes: int64(rapid.IntRange(0, 2).Draw(t, "dead")), Remaining: -1, Full: rapid.IntRange(0, 9).Draw(t, "full") == 0, Drive: "drive0"}
	if rapid.Bool().Draw(t, "drive knows") {
		cm.Remaining = int64(rapid.IntRange(0, 1000).Draw(t, "remaining"))
	}
	for range rapid.IntRange(0, 3).Draw(t, "files") {
		cm.Files = append(cm.Files, h.newFile(t, cm.To.File))
		cm.To.File++
	}
	h.flushes = append(h.flushes, cm)
	h.doFlush(cm)
}

func (h *history) newFile(t *rapid.T, at int64) catalog.NewFile {
	f := catalog.NewFile{Request: catalog.RequestID(h.id()), Location: catalog.Location{File: at}, Header: -1, Size: int64(rapid.IntRange(0, 50).Draw(t, "size")),
		Adler: rapid.Uint32().Draw(t, "adler"), Path: "/x", Mode: 0o644, MTime: time.Unix(int64(rapid.Int32().Draw(t, "mtime")), 1000)}
	if rapid.Bool().Draw(t, "named") {
		f.Name = pick(t, "name", names)
		f.Parent = catalog.RootEntry
		if e, err := h.trees[0].Lookup(h.benches[0].ctx, pick(t, "dir", dirs)); err == nil {
			f.Parent = e.ID
		}
	}
	if len(h.asked) > 0 && rapid.IntRange(0, 4).Draw(t, "request again") == 0 {
		f.Request = pick(t, "request", h.asked)
	}
	if len(h.bfids) > 0 && rapid.IntRange(0, 4).Draw(t, "copy") == 0 {
		f.Original = pick(t, "original", h.bfids)
		if o, err := h.benches[0].c.File(h.benches[0].ctx, f.Original); err == nil {
			f.Size, f.Adler = o.Size, o.Adler
		}
	}
	h.asked = append(h.asked, f.Request)
	return f
}

func (h *history) doFlush(cm catalog.Commit) {
	got := h.both("flush", func(b *bench, _ *namespace.Tree) (any, error) {
		results, err := b.c.Flush(b.ctx, cm)
		lines := make([]string, len(results))
		for i, r := range results {
			lines[i] = fmt.Sprintf("%s %v %+v", text(r.Err), r.Earlier, r.File)
			if err == nil && b == h.benches[0] && !slices.Contains(h.bfids, r.File.BFID) {
				h.bfids = append(h.bfids, r.File.BFID)
			}
		}
		return lines, err
	})
	outcome := h.both("outcome", func(b *bench, _ *namespace.Tree) (any, error) {
		results, err := b.c.FlushOutcome(b.ctx, cm.Lease, cm.Seq)
		return len(results), err
	})
	if (got != nil) != (outcome != nil) {
		h.rt.Fatalf("flush gave %v, its outcome is %v", got, outcome)
	}
}

func (h *history) end(t *rapid.T) {
	g := h.lease(t)
	h.both("end", func(b *bench, _ *namespace.Tree) (any, error) {
		return nil, b.c.EndIntent(b.ctx, g.lease, g.label, g.epoch)
	})
}

func (h *history) abandon(t *rapid.T) {
	g := h.lease(t)
	h.both("abandon", func(b *bench, _ *namespace.Tree) (any, error) {
		return nil, b.c.AbandonIntent(b.ctx, g.lease, g.label, "died")
	})
}

func (h *history) read(t *rapid.T) {
	label, lease := pick(t, "label", h.labels), catalog.LeaseID(h.id())
	h.both("read", func(b *bench, _ *namespace.Tree) (any, error) {
		g, err := b.c.LeaseForRead(b.ctx, label, lease, "drive1")
		return fmt.Sprint(g.Epoch, g.Explains), err
	})
}

func (h *history) inhibit(t *rapid.T) {
	label, slot := pick(t, "label", h.labels), catalog.Slot(rapid.IntRange(0, 3).Draw(t, "slot"))
	limit := pick(t, "limit", []catalog.Limit{catalog.Unlimited, catalog.Unlimited, catalog.Unlimited, catalog.NoAccess, catalog.Full})
	h.both("inhibit", func(b *bench, _ *namespace.Tree) (any, error) {
		return nil, b.c.SetInhibit(b.ctx, label, slot, limit, "who", "why")
	})
}

func (h *history) markVolume(t *rapid.T) {
	label, yes, what := pick(t, "label", h.labels), rapid.IntRange(0, 3).Draw(t, "yes") == 0, rapid.IntRange(0, 4).Draw(t, "what")
	h.both("mark volume", func(b *bench, _ *namespace.Tree) (any, error) {
		switch what {
		case 0:
			return nil, b.c.SetWriteProtected(b.ctx, label, yes, "who")
		case 1:
			return nil, b.c.SetChecked(b.ctx, label, yes, "who")
		case 2:
			return nil, b.c.RecordMount(b.ctx, label, "drive0")
		case 3:
			return nil, b.c.RecordErrors(b.ctx, label, 1, 2)
		}
		return nil, b.c.SetComment(b.ctx, label, "comment")
	})
}

func (h *history) markFile(t *rapid.T) {
	if len(h.bfids) == 0 {
		t.Skip("no file")
	}
	id, what := pick(t, "bfid", h.bfids), rapid.IntRange(0, 4).Draw(t, "what")
	h.both("mark file", func(b *bench, _ *namespace.Tree) (any, error) {
		switch what {
		case 0:
			return nil, b.c.Delete(b.ctx, id, "who")
		case 1:
			return nil, b.c.MarkVerified(b.ctx, id, "who")
		case 2:
			return nil, b.c.MarkBad(b.ctx, id, "who", "why")
		case 3:
			return nil, b.c.MarkGood(b.ctx, id, "who", "why")
		}
		return b.c.CopiesOf(b.ctx, id)
	})
}

func (h *history) directories(t *rapid.T) {
	dir, to, what := pick(t, "dir", dirs), pick(t, "to", dirs), rapid.IntRange(0, 6).Draw(t, "what")
	h.both("directories", func(b *bench, tree *namespace.Tree) (any, error) {
		switch what {
		case 0:
			return tree.Mkdir(b.ctx, dir, namespace.Attr{})
		case 1:
			return tree.MkdirAll(b.ctx, dir, namespace.Attr{Mode: 0o700, UID: 1})
		case 2:
			return nil, tree.Remove(b.ctx, dir, "who")
		case 3:
			return nil, tree.Rename(b.ctx, dir, to, "who")
		case 4:
			return nil, tree.SetTag(b.ctx, dir, namespace.Library, "A,B")
		case 5:
			return tree.ListAfter(b.ctx, dir, "a", 2)
		}
		p, err := tree.Resolve(b.ctx, dir)
		return fmt.Sprint(p.Path, p.Parent, p.Tags), err
	})
}

var errUndone = errors.New("undone")

// undone does several steps in one transaction and then fails it.
func (h *history) undone(t *rapid.T) {
	h.both("undone", func(b *bench, _ *namespace.Tree) (any, error) {
		return nil, b.s.Update(b.ctx, func(tx catalog.Tx) error {
			volumes, err := tx.Volumes(catalog.Filter{}, "", 100)
			if err != nil {
				return err
			}
			for _, v := range volumes {
				v.Epoch, v.Holder, v.Intent, v.Comment = 99, catalog.LeaseID{}, nil, "undone"
				if err := errors.Join(tx.PutVolume(v), tx.AppendEvent(catalog.Event{Kind: "undone", Data: []byte("1")})); err != nil {
					return err
				}
			}
			children, err := tx.Children(catalog.RootEntry, "", 100)
			for _, e := range children {
				err = errors.Join(err, tx.DeleteEntry(e.ID))
			}
			return errors.Join(err, errUndone)
		})
	})
}

// restart opens new catalogues over the same stores.
func (h *history) restart(*rapid.T) {
	for i, b := range h.benches {
		b.reopen()
		h.trees[i] = namespace.New(b.c)
	}
}
