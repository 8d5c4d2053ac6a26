//go:build unix

package guest

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/enstore-go/sdk/tape/driver"
	"github.com/enstore-go/sdk/tape/drivertest"
)

// Known are faults of scsi_debug (Linux 7.3) that tests of everything above have to bear.
var Known = []string{
	"of a block it keeps the first 4 bytes, and the length: Remember gives the others back",
	"a block of less than 512 bytes is refused",
	"WRITE FILEMARKS of none ends the data there",
	"SPACE backwards begins one object too early: it counts the filemark that stopped it, misses one that it stands behind, and may end before the load point",
	"a block at the end of the medium is written, and reported as not",
	"capacity is a number of objects, of any length",
	"a cartridge cannot be write-protected, nor write-once",
	"READ POSITION has no long form, and LOCATE(16), logs of health, cartridge memory and reservations are not there",
}

// Drive is the tape drive of scsi_debug, in the machine that this program runs in.
type Drive struct {
	SG string // generic device
	ST string // non-rewinding tape device
}

// Shortest is the length of its shortest block, in bytes.
const Shortest = 512

// Load makes a drive with a blank cartridge for 10,000 objects, in place of the one before.
func Load(t testing.TB) *Drive {
	t.Helper()
	only(t)
	shell(t, "[ ! -d /sys/module/scsi_debug ] || rmmod scsi_debug")
	shell(t, "insmod /modules/scsi_debug.ko ptype=1 max_luns=1 delay=0")
	clear(written)
	d := &Drive{}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); ; <-tick.C {
		sg, _ := filepath.Glob("/sys/class/scsi_generic/sg*")
		st, _ := filepath.Glob("/sys/class/scsi_tape/nst*[0-9]")
		if len(sg) == 1 && len(st) == 1 {
			d.SG, d.ST = "/dev/"+filepath.Base(sg[0]), "/dev/"+filepath.Base(st[0])
			_, a := os.Stat(d.SG)
			if _, b := os.Stat(d.ST); a == nil && b == nil {
				return d
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("guest: no tape drive: %v %v", sg, st)
		}
	}
}

func shell(t testing.TB, line string) {
	t.Helper()
	if out, err := exec.Command("/bin/sh", "-c", line).CombinedOutput(); err != nil {
		t.Fatalf("guest: %s: %v\n%s", line, err, out)
	}
}

// Reset resets the drive through a device of it that nobody has open, which ends a load.
func Reset(device string) error {
	const sgSCSIReset, resetDevice = 0x2284, 1
	f, err := os.OpenFile(device, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	what := int32(resetDevice)
	if _, _, e := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), sgSCSIReset, uintptr(unsafe.Pointer(&what))); e != 0 {
		return fmt.Errorf("guest: reset through %s: %w", device, e)
	}
	return nil
}

// Fail makes the next command with this code end with sense data.
func (d *Drive) Fail(opcode, key, asc, ascq uint8) error {
	return d.inject("2 -1 %#02x 0 0 2 %#02x %#02x %#02x", opcode, key, asc, ascq)
}

// inject says it to scsi_debug, once.
func (d *Drive) inject(format string, args ...any) error {
	files, err := filepath.Glob("/sys/kernel/debug/scsi_debug/[0-9]*/error")
	if err != nil || len(files) != 1 {
		return fmt.Errorf("guest: no place to say it: %v, %v", files, err)
	}
	return os.WriteFile(files[0], fmt.Appendf(nil, format, args...), 0o200)
}

// Hang makes the next command with this code stay without an answer, until the kernel gives it up.
func (d *Drive) Hang(opcode uint8) error { return d.inject("0 -1 %#02x", opcode) }

// resultMark begins a line with a Result as JSON.
const resultMark = "result "

// Check runs the kit in the machine, and prints what became of each rule for Judge.
func Check(t testing.TB, h drivertest.Harness) {
	t.Helper()
	only(t)
	err := drivertest.CheckDrive(t.Context(), h, func(r drivertest.Result) {
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("%s%s\n", resultMark, b)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// inside is set in the machine.
const inside = "ENSTORE_GUEST"

// Main is what TestMain of a package is whose tests called TestInside and on are for the machine: there only they are run.
func Main(m *testing.M) {
	if os.Getenv(inside) != "" {
		if err := errors.Join(flag.Set("test.run", "^TestInside"), flag.Set("test.v", "true")); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// only skips a test that is not in the machine.
func only(t testing.TB) {
	t.Helper()
	if os.Getenv(inside) == "" {
		t.Skip("for the guest alone")
	}
}

// Judge runs in a machine the tests of the package in this directory that are for it. Of what Check tells, known are the rules that the drive cannot
// keep, with the fault that each is broken by; the rest is as of drivertest.Judge.
func Judge(t *testing.T, file string, target drivertest.Target, known map[string]string) {
	m := New(t)
	m.Build(".")
	var found []drivertest.Result
	var passed bool
	m.Boot(func(line string) bool {
		text, ok := strings.CutPrefix(line, resultMark)
		if !ok {
			passed = passed || line == "PASS"
			t.Log(line)
			return line != "PASS" && line != "FAIL" // a process with a command that is stuck does not end
		}
		var r drivertest.Result
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			t.Errorf("%v in %s", err, line)
		}
		found = append(found, r)
		return true
	}, inside+"=1")
	if len(found) == 0 || !passed {
		t.Fatalf("the tests in the guest told of %d rules, and passed: %v", len(found), passed)
	}
	drivertest.Judge(t, file, target, found, known)
}

// Remember is a drive of scsi_debug that gives blocks whole: what was written with the same length and first 4 bytes, by whomever, in this
// process. Everything else is the drive's own word: lengths, conditions, positions, errors, and which block it is.
func Remember(d driver.Drive) driver.Drive { return &remember{d} }

type remember struct{ driver.Drive }

type start struct {
	n     int
	first uint32
}

var written = map[start][]byte{}

func startOf(b []byte) start {
	if len(b) < 4 {
		return start{n: len(b)}
	}
	return start{len(b), binary.LittleEndian.Uint32(b)}
}

func (r *remember) WriteBlock(ctx context.Context, p []byte) (driver.Condition, error) {
	written[startOf(p)] = append([]byte(nil), p...)
	return r.Drive.WriteBlock(ctx, p)
}

func (r *remember) ReadBlock(ctx context.Context, p []byte) (int, driver.Condition, error) {
	n, c, err := r.Drive.ReadBlock(ctx, p)
	if err == nil && n > 0 {
		copy(p[:n], written[startOf(p[:n])])
	}
	return n, c, err
}
