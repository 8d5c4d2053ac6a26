package wrappertest

import (
	"os"
	"os/exec"
	"testing"
)

// Judge gives the path of a foreign program that shall judge what we wrote, "cpio" or
// "bsdtar" say. Where it is not installed the test is skipped; it fails instead if the
// environment says ENSTORE_JUDGES=required. On Debian the programs are in the packages cpio
// and libarchive-tools.
func Judge(t testing.TB, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err == nil {
		return path
	}
	if os.Getenv("ENSTORE_JUDGES") == "required" {
		t.Fatalf("judge %s is not installed, but ENSTORE_JUDGES=required: %v", program, err)
	}
	t.Skipf("judge %s is not installed (Debian: cpio, libarchive-tools): what it would say of our tapes is not known", program)
	return ""
}
