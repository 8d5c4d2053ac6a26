//go:build unix

package plugins

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape/driver"
)

func TestAProgramWithoutMainIsToldTheLine(t *testing.T) {
	is := is.New(t)
	h := newHost(t, quickOptions(t))
	ran := builtins.Swap(nil)
	defer builtins.Store(ran)
	_, err := h.OpenDrive(t.Context(), "drive-file", nil)
	is.Equal(outcome(err), driver.OutcomeConfig)
	is.True(strings.Contains(err.Error(), "put plugins.Main(plugins.Builtin...) into the first line of its func main"))
}

func TestASourceIsABuiltInNameOrAnAbsolutePath(t *testing.T) {
	is := is.New(t)
	h := newHost(t, quickOptions(t))
	text := filepath.Join(t.TempDir(), "notes")
	is.NoErr(os.WriteFile(text, []byte("not a program"), 0o600))
	broken := filepath.Join(t.TempDir(), "broken")
	is.NoErr(os.WriteFile(broken, []byte("not a program"), 0o700))
	for src, want := range map[Source]string{
		"":             `plugin "": neither the name of a built-in plugin nor an absolute path`,
		"./drive-acme": `plugin "./drive-acme": neither the name of a built-in plugin nor an absolute path`,
		"drive-acme":   `plugin "drive-acme": no built-in plugin has this name, and it is not an absolute path`,
		"/nonexistent": "plugin /nonexistent: no such file or directory",
		Source(text):   "plugin " + text + ": not an executable file",
		Source(broken): "cannot be started",
		"/tmp":         "plugin /tmp: not an executable file",
	} {
		_, err := h.OpenDrive(t.Context(), src, nil)
		is.Equal(outcome(err), driver.OutcomeConfig)
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v: does not say %q", err, want)
		}
	}
}

func TestAPluginIsAPathToo(t *testing.T) {
	is := is.New(t)
	o := quickOptions(t)
	script := filepath.Join(t.TempDir(), "ram") // the name is the one that the program is asked for
	self, err := os.Executable()
	is.NoErr(err)
	is.NoErr(os.Symlink(self, script))
	d, err := newHost(t, o).OpenDrive(t.Context(), Source(script), nil)
	is.NoErr(err)
	_, err = d.Status(t.Context())
	is.NoErr(err)
}

func TestARunDirectoryThatOthersCanEnterIsRefused(t *testing.T) {
	is := is.New(t)
	dir := t.TempDir()
	is.NoErr(os.Chmod(dir, 0o750))
	_, err := NewHost(HostOptions{Dir: dir})
	is.True(strings.Contains(err.Error(), "has mode 0750, which lets others in: make it 0700"))
	_, err = NewHost(HostOptions{Dir: "run"})
	is.True(strings.Contains(err.Error(), `"run" is not an absolute path`))
	_, err = NewHost(HostOptions{Dir: dir, Window: 65})
	is.True(strings.Contains(err.Error(), "window 65, not 1 to 64"))
	_, err = NewHost(HostOptions{Dir: dir, HeldWait: -1})
	is.True(strings.Contains(err.Error(), "HeldWait is negative"))
}

func TestTheRunDirectoryIsMadePrivate(t *testing.T) {
	is := is.New(t)
	dir := filepath.Join(t.TempDir(), "a", "run")
	newHost(t, HostOptions{Dir: dir})
	st, err := os.Stat(dir)
	is.NoErr(err)
	is.Equal(st.Mode().Perm(), os.FileMode(0o700))
}

func TestAClosedHostOpensNothing(t *testing.T) {
	is := is.New(t)
	h := newHost(t, quickOptions(t))
	d, err := h.OpenDrive(t.Context(), "ram", nil)
	is.NoErr(err)
	is.NoErr(h.Close())
	_, err = h.OpenDrive(t.Context(), "ram", nil)
	is.Equal(outcome(err), driver.OutcomeIllegalRequest)
	_, err = d.Status(t.Context())
	is.Equal(outcome(err), driver.OutcomeIllegalRequest)
	is.NoErr(h.Close())
}

func TestALongRunDirectoryIsNoHindrance(t *testing.T) {
	is := is.New(t)
	o := quickOptions(t)
	o.Dir = filepath.Join(o.Dir, strings.Repeat("long", 40))
	d, err := newHost(t, o).OpenDrive(t.Context(), "ram", nil)
	is.NoErr(err)
	is.NoErr(d.Close())
	is.NoErr(os.Remove(o.Dir))
}

// syncBuffer is written by the host's goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func TestWhatAPluginLogsReachesTheHost(t *testing.T) {
	o := quickOptions(t)
	var out syncBuffer
	o.Logger = hclog.New(&hclog.LoggerOptions{Output: &out, Level: hclog.Info, DisableTime: true})
	open(t, o, ramConfig{Print: true})
	for _, want := range []string{
		"[WARN]  ram: logged with slog: ",
		" drive=7",
		"[INFO]  ram: printed on standard output: pid=",
		"[INFO]  ram: printed on standard error: pid=",
	} {
		within(t, 2*time.Second, want, func() bool { return strings.Contains(out.String(), want) })
	}
}

func TestLogLinesAreTakenAsTheyAre(t *testing.T) {
	is := is.New(t)
	level, msg, args, ok := parseRecord([]byte(`{"@level":"warn","@message":"hot","@module":"x","@timestamp":"now","b":1,"a":"two"}`))
	is.True(ok)
	is.Equal(level, hclog.Warn)
	is.Equal(msg, "hot")
	is.Equal(args, []any{"a", "two", "b", 1.0})
	level, _, _, ok = parseRecord([]byte(`{"level":"DEBUG-4","msg":"m"}`))
	is.True(ok)
	is.Equal(level, hclog.Info) // a level that hclog does not have
	for _, line := range []string{``, `text`, `{`, `{"@message":5,"@level":"info"}`, `{"@message":"m"}`, `[]`, `{"@message":"m","@level":3}`} {
		_, _, _, ok := parseRecord([]byte(line))
		is.True(!ok)
	}
	is.Equal(printable("a\x1b[31m\tb\x00\x7f\r\n"), "a?[31m\tb??")
	is.Equal(printable("\u009b31mé"), "?31mé") // the other way to begin a terminal's command
}
