package tape_test

import (
	"context"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape"
	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/memtape"
)

// drive opens drive 0 of a library with the volume VO0001 in it.
func drive(t testing.TB, o memtape.Options, v memtape.VolumeOptions) (*memtape.Library, *tape.Drive) {
	t.Helper()
	is := is.New(t)
	lib := memtape.New(o)
	_, err := lib.AddVolume("VO0001", v)
	is.NoErr(err)
	is.NoErr(lib.Insert("VO0001", 0))
	return lib, over(t, lib.Drive(0))
}

func over(t testing.TB, dev driver.Drive) *tape.Drive {
	t.Helper()
	is := is.New(t)
	d, err := tape.NewDrive(t.Context(), dev, nil)
	is.NoErr(err)
	t.Cleanup(func() { d.Close() })
	return d
}

func load(t testing.TB, d *tape.Drive) *tape.Load {
	t.Helper()
	is := is.New(t)
	l, err := d.Load(t.Context())
	is.NoErr(err)
	return l
}

// put writes blocks of one byte, and a filemark for each '|'.
func put(t testing.TB, l *tape.Load, story string) {
	t.Helper()
	is := is.New(t)
	for _, r := range story {
		var err error
		if r == '|' {
			_, err = l.WriteFilemarks(context.Background(), 1)
		} else {
			_, err = l.WriteBlock(context.Background(), []byte{byte(r)})
		}
		is.NoErr(err)
	}
}

// get reads to end of data, in the notation of put.
func get(t testing.TB, l *tape.Load) (story string) {
	t.Helper()
	is := is.New(t)
	buf := make([]byte, 1<<16)
	for {
		n, c, err := l.ReadBlock(context.Background(), buf)
		is.NoErr(err)
		switch c {
		case driver.EndOfData:
			return story
		case driver.Filemark:
			story += "|"
		default:
			story += string(buf[:min(n, 1)])
		}
	}
}

func sync(t testing.TB, l *tape.Load) tape.Position {
	t.Helper()
	is := is.New(t)
	p, err := l.Sync(context.Background())
	is.NoErr(err)
	return p
}

// kinds are the drives that every test of positions runs on.
var kinds = map[string]memtape.Options{
	"all reported": {},
	"no files":     {NoFiles: true, Window: 2},
	"nothing":      {NoPositions: true, Window: 3},
	"no locate":    {NoLocate: true},
	"bare":         {NoPositions: true, NoLocate: true},
}

func everyKind(t *testing.T, f func(t *testing.T, lib *memtape.Library, d *tape.Drive)) {
	for name, o := range kinds {
		t.Run(name, func(t *testing.T) {
			lib, d := drive(t, o, memtape.VolumeOptions{})
			f(t, lib, d)
		})
	}
}
