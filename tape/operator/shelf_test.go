package operator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape/disk"
	"github.com/enstore-go/sdk/tape/driver"
)

// Wherever the power goes, the file is the old or the new one: what was answered is answered, and an answer that was on its way is one or
// nothing, never half.
func TestPowerCuts(t *testing.T) {
	for k := int64(1); ; k++ {
		over := false
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			fsys := disk.NewForgetful()
			r := newRig(t, fsys, nil)
			q, result := r.move(t.Context(), SlotAddress(0), DriveAddress(0))
			before := fsys.Changes()
			fsys.StopAfter(k)
			err := Done(fsys, "/shelf", q.ID)
			answered := err == nil
			over = fsys.Changes()-before < k
			err = <-result // gone with the disk, or answered
			left := fsys.Crash(rand.New(rand.NewPCG(uint64(k), 1)))
			r = newRig(t, left, nil)
			place := r.at("VO0001")
			open := len(r.open())
			switch {
			case place == DriveAddress(0): // the answer came through
				is.Equal(open, 0)
			default:
				is.Equal(place, SlotAddress(0))
				is.Equal(open, 1)
				is.True(!answered)  // Done returned only when it was durable
				is.True(err != nil) // and so did Move
			}
			is.NoErr(r.c.Close())
		})
		if over {
			return
		}
		if k > 100 {
			t.Fatal("an answer of more than 100 changes")
		}
	}
}

// A move whose request cannot be written asks nobody; one whose request may have been is of unknown outcome.
func TestDisksThatFail(t *testing.T) {
	seen := map[driver.Outcome]bool{}
	for k := int64(1); ; k++ {
		done := false
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			fsys := disk.NewForgetful()
			r := newRig(t, fsys, map[string]any{"timeout": "1m"})
			before := fsys.Changes()
			fsys.FailChange(k, syscall.EIO)
			var e *driver.Error
			is.True(errors.As(r.c.Move(t.Context(), SlotAddress(0), DriveAddress(0)), &e)) // at the latest after its time
			rs, err := Requests(fsys, "/shelf")
			is.NoErr(err)
			if e.Outcome != driver.OutcomeUnknown {
				is.Equal(len(rs), 0)
			}
			seen[e.Outcome] = true
			done = fsys.Changes()-before < k
			is.Equal(r.at("VO0001"), SlotAddress(0))
			fsys.Inject(nil)
			is.NoErr(r.c.Close())
		})
		if done {
			break
		}
	}
	is.New(t).True(seen[driver.OutcomeUnknown] && seen[driver.OutcomeHardware])
}

func TestDecodeRefuses(t *testing.T) {
	is := is.New(t)
	good := func() *state {
		return &state{Drives: []string{"a"}, Slots: 2, Last: 1, Cartridges: []cartridge{{"A", 1000}}, Requests: []Request{{ID: 1, Volume: "A", State: Open}}}
	}
	data, err := encode(good())
	is.NoErr(err)
	_, err = decode(data)
	is.NoErr(err)
	for text, change := range map[string]func(*state){
		"drives: 0":              func(s *state) { s.Drives = nil },
		"slots: -1":              func(s *state) { s.Slots = -1 },
		"on the shelf twice":     func(s *state) { s.Cartridges = append(s.Cartridges, cartridge{"a", 1001}) },
		"in slot 1000, where A":  func(s *state) { s.Cartridges = append(s.Cartridges, cartridge{"B", 1000}) },
		"beyond drives":          func(s *state) { s.Cartridges[0].Address = 2 },
		"not a label":            func(s *state) { s.Cartridges[0].Label = "A B" },
		"request 0: makes no":    func(s *state) { s.Requests[0].ID = 0 },
		"request 2: makes no":    func(s *state) { s.Requests[0].ID = 2 },
		"request 1: makes no se": func(s *state) { s.Requests[0].State = "lost" },
	} {
		s := good()
		change(s)
		data, err := encode(s)
		is.NoErr(err)
		_, err = decode(data)
		is.True(errors.Is(err, ErrDamaged))
		is.True(strings.Contains(err.Error(), text))
	}
	for text, bad := range map[string]string{
		"checksum":  strings.Replace(string(data), `"A"`, `"B"`, 1),
		"version 2": strings.Replace(string(data), `"version": 1`, `"version": 2`, 1),
		"format":    strings.Replace(string(data), shelfFormat, "enstore filetape", 1),
		"unknown":   strings.Replace(string(data), `"version": 1`, `"version": 1, "more": 2`, 1),
		"EOF":       "",
		"character": string(data) + "x",
	} {
		_, err := decode([]byte(bad))
		if err == nil || !strings.Contains(err.Error(), text) && text != "EOF" {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	data, err := encode(&state{Drives: []string{"a"}, Slots: 2, Last: 1, Cartridges: []cartridge{{"A", 1000}}, Requests: []Request{{ID: 1, Volume: "A", State: Open}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"format": "enstore shelf", "version": 1, "crc32c": "00000000", "shelf": {}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := decode(data)
		if err != nil {
			return
		}
		again, err := encode(s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decode(again); err != nil {
			t.Fatal(err)
		}
	})
}

// Two who answer at once do not lose each other's answers.
func TestChangesOneAfterTheOther(t *testing.T) {
	is := is.New(t)
	dir := t.TempDir()
	c, err := open(t.Context(), disk.OS(), settingsOf(dir, map[string]any{"slots": 50}), io.Discard)
	is.NoErr(err)
	defer c.Close()
	errs := make(chan error)
	for n := range 20 {
		go func() { _, err := Add(disk.OS(), dir, fmt.Sprintf("NEW%03d", n)); errs <- err }()
	}
	for range 20 {
		is.NoErr(<-errs)
	}
	es, err := c.Inventory(context.Background())
	is.NoErr(err)
	full := 0
	for _, e := range es {
		if e.Full {
			full++
		}
	}
	is.Equal(full, 23)
}
