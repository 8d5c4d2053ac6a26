package site_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/enstore/site"
)

// The devices of a site that is not at work can be looked at; one that is keeps them, and the other way round.
func TestDevices(t *testing.T) {
	is := is.New(t)
	dir := t.TempDir()
	is.NoErr(site.Init(t.Context(), dir, site.InitOptions{Drives: 2, Slots: 3}))
	d, err := site.OpenDevices(t.Context(), dir, nil)
	is.NoErr(err)
	_, err = site.Open(t.Context(), dir, nil)
	is.True(errors.Is(err, site.ErrInUse))
	drive, err := d.Drive(t.Context(), "drive1")
	is.NoErr(err)
	st, err := drive.Status(t.Context())
	is.NoErr(err)
	is.True(!st.Present)
	for name := range d.Config().Robots {
		r, err := d.Robot(t.Context(), name, nil)
		is.NoErr(err)
		es, err := r.Inventory(t.Context())
		is.NoErr(err)
		is.Equal(len(es), 5)
		is.NoErr(r.Close())
		_, err = d.Robot(t.Context(), name, map[string]any{"no such setting": 1})
		is.True(err != nil)
	}
	_, err = d.Drive(t.Context(), "none")
	is.True(errors.Is(err, site.ErrConfig))
	_, err = d.Robot(t.Context(), "none", nil)
	is.True(errors.Is(err, site.ErrConfig))
	is.NoErr(d.Close()) // with a drive that is still open
	s, err := site.Open(t.Context(), dir, nil)
	is.NoErr(err)
	_, err = site.OpenDevices(t.Context(), dir, nil)
	is.True(errors.Is(err, site.ErrInUse))
	is.NoErr(s.Close())
}

// A drive that its robot does not have is a mistake in the site file, which is told when the site is opened.
func TestADriveThatTheRobotDoesNotHave(t *testing.T) {
	is := is.New(t)
	dir := t.TempDir()
	is.NoErr(site.Init(t.Context(), dir, site.InitOptions{Drives: 2, Slots: 3}))
	name := filepath.Join(dir, site.FileName)
	text, err := os.ReadFile(name)
	is.NoErr(err)
	wrong := regexp.MustCompile(`(?m)^number( *)= 1$`).ReplaceAll(text, []byte("number = 5"))
	is.True(string(wrong) != string(text))
	is.NoErr(os.WriteFile(name, wrong, 0o644))
	_, err = site.Open(t.Context(), dir, nil)
	is.True(errors.Is(err, site.ErrConfig))
	is.True(strings.Contains(err.Error(), "drive.drive1.number is 5: robot robot0 has the drives [0 1]"))
	is.NoErr(os.WriteFile(name, text, 0o644))
	s, err := site.Open(t.Context(), dir, nil)
	is.NoErr(err)
	is.NoErr(s.Close())
}
