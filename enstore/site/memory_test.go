//go:build linux

package site_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"github.com/enstore-go/sdk/catalog"
	"github.com/enstore-go/sdk/enstore"
	"github.com/enstore-go/sdk/enstore/site"
	"github.com/matryer/is"
)

// TestTransferMemory streams files to a drive and back and looks at the most memory that this process and the plugins
// ever had in use. It must not grow by more than transfer.memory, the ring in shared memory, the plugins' own
// heaps, the client and the garbage between two collections included: 256 MiB by default, else what is set. The
// largest file has 20 GiB, 1 GiB with -short. The race detector takes memory of its own; with it, this test
// is built and run once more without.
//
// The content is zeros, since those are what a drive that discards gives back. It keeps short blocks, so that files
// with labels of their own, as cern has them, can be read from it.
func TestTransferMemory(t *testing.T) {
	if raceDetector {
		runWithoutRace(t)
		return
	}
	large := int64(20 << 30)
	if testing.Short() {
		large = 1 << 30
	}
	for _, tt := range []struct {
		name, drive, transfer string
		size, bound           int64
	}{
		{"a drive that discards", "null = true", "", large, 256 << 20},
		{"a tape image", "direct = true", "", 1 << 30, 256 << 20},
		{"less is allowed", "null = true", "memory = \"64 MiB\"", 1 << 30, 64 << 20},
	} {
		t.Run(tt.name, func(t *testing.T) {
			is := is.New(t)
			dir := t.TempDir()
			is.NoErr(site.Init(t.Context(), dir, site.InitOptions{Drives: 1, Slots: 1}))
			file := filepath.Join(dir, site.FileName)
			text, err := os.ReadFile(file)
			is.NoErr(err)
			text = []byte(strings.NewReplacer("drive = 0 }", "drive = 0, "+tt.drive+" }", "cpio_odc", "cern").Replace(string(text)) + "\n[transfer]\n" + tt.transfer + "\n")
			is.NoErr(os.WriteFile(file, text, 0o600))
			s, err := site.Open(t.Context(), dir, nil)
			is.NoErr(err)
			defer s.Close()
			is.NoErr(s.AddVolumes(t.Context(), []catalog.Label{"ME0001"}, site.VolumeOptions{}))

			block := make([]byte, 1<<20)
			before := forgetPeak(t)
			w, err := s.Client().Put(t.Context(), "/large", enstore.PutOptions{Size: tt.size})
			is.NoErr(err)
			defer w.Abort()
			for left := tt.size; left > 0; left -= int64(len(block)) {
				_, err := w.Write(block)
				is.NoErr(err)
			}
			rec, err := w.Commit(t.Context())
			is.NoErr(err)
			is.Equal(rec.Size, tt.size)
			is.Equal(rec.Level, enstore.OnTape)
			r, err := s.Client().Get(t.Context(), "/large", enstore.GetOptions{})
			is.NoErr(err)
			defer r.Close()
			n, err := io.Copy(io.Discard, r)
			is.NoErr(err)
			is.Equal(n, tt.size)

			host, plugins := memoryOf(t, os.Getpid(), "VmHWM")-before, int64(0)
			for _, pid := range children(t) {
				plugins += memoryOf(t, pid, "VmHWM") - memoryOf(t, pid, "RssFile") // their program is not the transfer's
			}
			t.Logf("at most %d MiB more in this process, %d MiB in the plugins; %d MiB are allowed", host>>20, plugins>>20, tt.bound>>20)
			is.True(host > 0)
			is.True(plugins > 0)
			is.True(host+plugins <= tt.bound)
		})
	}
}

// runWithoutRace runs a test in a binary without the race detector.
func runWithoutRace(t *testing.T) {
	t.Helper()
	cmd := exec.Command(buildTests(t, "CGO_ENABLED=0"), "-test.v", "-test.run=^"+t.Name()+"$", fmt.Sprint("-test.short=", testing.Short()))
	out, err := cmd.CombinedOutput()
	t.Logf("without the race detector:\n%s", out)
	if err != nil || !bytes.Contains(out, []byte("--- PASS: "+t.Name())) {
		t.Fatal(err)
	}
}

// forgetPeak gives what memory this process has in use, and has the kernel measure its peak from now on.
func forgetPeak(t *testing.T) int64 {
	t.Helper()
	debug.FreeOSMemory() // what other tests left would hide as much of what comes
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
		t.Skip("this kernel does not forget a peak:", err)
	} else if err != nil {
		t.Fatal(err)
	}
	return memoryOf(t, os.Getpid(), "VmRSS")
}

// memoryOf gives a field of /proc/PID/status, in bytes.
func memoryOf(t *testing.T, pid int, field string) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for l := range strings.Lines(string(b)) {
		if f := strings.Fields(l); len(f) == 3 && f[0] == field+":" {
			n, err := strconv.ParseInt(f[1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n << 10
		}
	}
	t.Fatalf("process %d: no %s", pid, field)
	return 0
}
