package tape_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape"
	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/faulty"
	"github.com/enstore-go/sdk/tape/label"
	"github.com/enstore-go/sdk/tape/memtape"
)

func TestWriteLabel(t *testing.T) {
	everyKind(t, func(t *testing.T, lib *memtape.Library, d *tape.Drive) {
		is := is.New(t)
		l := load(t, d)
		_, _, err := l.ReadLabel(t.Context())
		is.True(errors.Is(err, tape.ErrBlank))

		v := label.Plain("VO0001L8")
		is.NoErr(l.WriteLabel(t.Context(), v, ""))
		is.Equal(l.Position().File, int64(1))
		put(t, l, "ab|")
		sync(t, l)
		got, record, err := l.ReadLabel(t.Context())
		is.NoErr(err)
		is.Equal(got, v)
		is.Equal(len(record), 80)

		all, err := lib.Objects("VO0001")
		is.NoErr(err)
		is.Equal(len(all), 5) // label, filemark, two blocks, filemark
		is.True(bytes.Equal(all[0], record))
	})
}

// What is on a cartridge is overwritten only by somebody who names its label.
func TestNotOverwrittenByAccident(t *testing.T) {
	for _, c := range []struct {
		name, first, given string
		ok                 bool
	}{
		{"no name given", "VO0001", "", false},
		{"another name", "VO0001", "VO0002", false},
		{"a part of it", "VO0001", "VO000", false},
		{"its name", "VO0001", "VO0001", true},
		{"its name with the medium", "VO0001", "VO0001L8", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			is := is.New(t)
			lib, d := drive(t, memtape.Options{}, memtape.VolumeOptions{})
			l := load(t, d)
			is.NoErr(l.WriteLabel(t.Context(), label.Plain(c.first), ""))
			put(t, l, "a|")
			sync(t, l)
			err := l.WriteLabel(t.Context(), label.Plain("VO0009"), c.given)
			is.Equal(err == nil, c.ok)
			is.Equal(errors.Is(err, tape.ErrNotBlank), !c.ok)
			all, err := lib.Objects("VO0001")
			is.NoErr(err)
			is.Equal(len(all) == 4, !c.ok) // either untouched, or only the new label
		})
	}
}

// A cartridge with anything else on it has no name that could be given.
func TestForeignDataIsNotOverwritten(t *testing.T) {
	for name, write := range map[string]func(t *testing.T, l *tape.Load){
		"data":       func(t *testing.T, l *tape.Load) { put(t, l, "abc") },
		"a filemark": func(t *testing.T, l *tape.Load) { put(t, l, "|") },
		"long blocks": func(t *testing.T, l *tape.Load) {
			is.New(t).NoErr(second(l.WriteBlock(t.Context(), make([]byte, 1<<18))))
		},
		"a bad label": func(t *testing.T, l *tape.Load) {
			is.New(t).NoErr(second(l.WriteBlock(t.Context(), []byte("VOL1VO0001"))))
		},
	} {
		t.Run(name, func(t *testing.T) {
			is := is.New(t)
			lib, d := drive(t, memtape.Options{}, memtape.VolumeOptions{})
			l := load(t, d)
			write(t, l)
			sync(t, l)
			before, err := lib.Objects("VO0001")
			is.NoErr(err)
			for _, given := range []string{"", "VO0001", " "} {
				is.True(errors.Is(l.WriteLabel(t.Context(), label.Plain("VO0001"), given), tape.ErrNotBlank))
			}
			after, err := lib.Objects("VO0001")
			is.NoErr(err)
			is.Equal(before, after)
		})
	}
}

func second[T any](_ T, err error) error { return err }

func TestWriteLabelRefuses(t *testing.T) {
	is := is.New(t)
	_, d := drive(t, memtape.Options{}, memtape.VolumeOptions{WriteProtect: true})
	l := load(t, d)
	err := l.WriteLabel(t.Context(), label.Plain("VO0001"), "")
	is.True(errors.Is(err, tape.ErrWriteProtected))
	is.True(errors.Is(l.WriteLabel(t.Context(), label.Volume{ID: "TOOLONG"}, ""), label.ErrBadLabel))
}

func TestWriteLabelReadsBack(t *testing.T) {
	is := is.New(t)
	lib := memtape.New(memtape.Options{})
	_, err := lib.AddVolume("VO0001", memtape.VolumeOptions{})
	is.NoErr(err)
	is.NoErr(lib.Insert("VO0001", 0))
	l := load(t, over(t, faulty.Drive(lib.Drive(0), faulty.Rule{Op: faulty.WriteBlock, Corrupt: true})))
	is.True(errors.Is(l.WriteLabel(t.Context(), label.Plain("VO0001"), ""), tape.ErrLabelDiffers))
}

// An error of reading is no proof that a tape is blank.
func TestUnreadableIsNotBlank(t *testing.T) {
	is := is.New(t)
	lib, d := drive(t, memtape.Options{}, memtape.VolumeOptions{})
	l := load(t, d)
	put(t, l, "a|")
	sync(t, l)
	is.NoErr(lib.Damage("VO0001", 0, driver.Sense{}))
	err := l.WriteLabel(t.Context(), label.Plain("VO0001"), "")
	is.True(errors.Is(err, tape.ErrMedium))
	is.True(!errors.Is(err, tape.ErrBlank))
}

func TestCheckEnd(t *testing.T) {
	for _, c := range []struct {
		story string
		file  int64
		end   tape.End
	}{
		{"", 0, tape.AtEnd},
		{"L|", 1, tape.AtEnd},
		{"L|ab|", 2, tape.AtEnd},
		{"L|ab||", 2, tape.DoubleMark},
		{"L|ab|||", 2, tape.DataBeyond},
		{"L|ab|c", 2, tape.DataBeyond},
		{"L|ab|c|", 2, tape.DataBeyond},
		{"L|ab||c", 2, tape.DataBeyond},
		{"L|ab|c|d|", 1, tape.DataBeyond},
		{"L|ab|", 0, tape.DataBeyond},
		{"|", 0, tape.DoubleMark},
	} {
		t.Run(c.story, func(t *testing.T) {
			everyKind(t, func(t *testing.T, _ *memtape.Library, d *tape.Drive) {
				is := is.New(t)
				l := load(t, d)
				put(t, l, c.story)
				sync(t, l)
				for range 2 {
					end, err := l.CheckEnd(t.Context(), c.file)
					is.NoErr(err)
					is.Equal(end, c.end)
					is.Equal(l.Position().File, c.file)
				}
				// The tape stands where the file will be written.
				put(t, l, "x")
				sync(t, l)
				is.NoErr(l.LocateFile(t.Context(), c.file))
				is.Equal(get(t, l), "x")
				is.NoErr(l.Rewind(t.Context()))
				is.Equal(len(get(t, l)) <= len(c.story)+1, true)
			})
		})
	}
}

// The catalogue knows more files than the tape has.
func TestCheckEndOfATapeThatLostData(t *testing.T) {
	everyKind(t, func(t *testing.T, _ *memtape.Library, d *tape.Drive) {
		is := is.New(t)
		l := load(t, d)
		put(t, l, "L|ab|")
		sync(t, l)
		_, err := l.CheckEnd(t.Context(), 3)
		is.True(errors.Is(err, tape.ErrEndOfData))
		is.Equal(tape.VerdictOf(err), tape.Verdict{Fault: tape.FaultVolume, Permanent: true, Do: tape.NoAccess})
	})
}

// A torn tail that cannot even be read is data all the same.
func TestCheckEndBeforeAnUnreadableBlock(t *testing.T) {
	is := is.New(t)
	lib, d := drive(t, memtape.Options{}, memtape.VolumeOptions{})
	l := load(t, d)
	put(t, l, "L|ab|c")
	sync(t, l)
	is.NoErr(lib.Damage("VO0001", 5, driver.Sense{}))
	end, err := l.CheckEnd(t.Context(), 2)
	is.NoErr(err)
	is.Equal(end, tape.DataBeyond)
	is.Equal(l.Position(), tape.Position{Block: 5, File: 2})
}

func TestBlankCheckIsBlank(t *testing.T) {
	is := is.New(t)
	lib := memtape.New(memtape.Options{})
	_, err := lib.AddVolume("VO0001", memtape.VolumeOptions{})
	is.NoErr(err)
	is.NoErr(lib.Insert("VO0001", 0))
	l := load(t, over(t, faulty.Drive(lib.Drive(0), faulty.Rule{Op: faulty.ReadBlock, Nth: 1, Outcome: driver.OutcomeBlankCheck})))
	_, _, err = l.ReadLabel(t.Context())
	is.True(errors.Is(err, tape.ErrBlank))
}
