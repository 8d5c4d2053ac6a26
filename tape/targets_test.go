package tape_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape/drivertest"
)

// columns are the targets of a table, in its order: their files in testdata/targets.
var (
	driveColumns = []string{"memtape", "memory", "filetape", "drive-file", "tgt", "sg", "st"}
	robotColumns = []string{"memtape-robot", "filetape-robot", "robot-command", "robot-operator", "tgt-robot"}
)

// neverRun is what is written from the standards and makers' books and tested with vectors, because no target answers it.
var neverRun = []string{
	"cartridge memory, log pages and TapeAlert of a real drive", "cleaning cartridge in a real drive", "initialisation of an LTO-9 cartridge",
	"recommended access order of a drive", "ends of wraps told by a drive", "logical block protection", "encryption in the drive", "persistent reservations",
	"host adapter by fibre or SAS", "robot with import and export ports",
}

// targets reads what the kit found of each.
func targets(t *testing.T, columns []string) (all []drivertest.Target) {
	t.Helper()
	for _, c := range columns {
		b, err := os.ReadFile(filepath.Join("testdata", "targets", c+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var target drivertest.Target
		if err := json.Unmarshal(b, &target); err != nil {
			t.Fatalf("%s: %v", c, err)
		}
		all = append(all, target)
	}
	return all
}

// table is the documentation of what the targets keep.
func table(t *testing.T) string {
	var b strings.Builder
	for _, part := range []struct {
		title   string
		columns []string
	}{{"Drives", driveColumns}, {"Robots", robotColumns}} {
		all := targets(t, part.columns)
		fmt.Fprintf(&b, "// %s:\n//\n", part.title)
		for i, target := range all {
			fmt.Fprintf(&b, "//\t%c  %s\n", 'A'+i, target.Name)
		}
		b.WriteString("//\n")
		var rows bytes.Buffer
		w := tabwriter.NewWriter(&rows, 0, 0, 2, ' ', 0)
		fmt.Fprint(w, "rule")
		for i := range all {
			fmt.Fprintf(w, "\t%c", 'A'+i)
		}
		fmt.Fprintln(w)
		number := map[string]int{}
		var faults []string
		for i, r := range all[0].Rules {
			fmt.Fprint(w, r.Rule)
			for _, target := range all {
				if len(target.Rules) != len(all[0].Rules) || target.Rules[i].Rule != r.Rule {
					t.Fatalf("%s was recorded with other rules: record it anew", target.Name)
				}
				f := target.Rules[i]
				cell := map[drivertest.Verdict]string{drivertest.Kept: "+", drivertest.NotTried: "."}[f.Verdict]
				if f.Verdict == drivertest.Broken {
					fault := target.Name + ": " + f.Fault
					if number[fault] == 0 {
						faults = append(faults, fault)
						number[fault] = len(faults)
					}
					cell = fmt.Sprint(number[fault])
				}
				fmt.Fprintf(w, "\t%s", cell)
			}
			fmt.Fprintln(w)
		}
		if part.title == "Drives" {
			for _, what := range neverRun {
				fmt.Fprintf(w, "%s\tnever run\n", what)
			}
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(rows.String()) {
			fmt.Fprintf(&b, "//\t%s\n", strings.TrimRight(line, " \n"))
		}
		b.WriteString("//\n")
		for i, f := range faults {
			fmt.Fprintf(&b, "//\t%d  %s\n", i+1, f)
		}
		if len(faults) > 0 {
			b.WriteString("//\n")
		}
	}
	return b.String()
}

// The table in the package's documentation is what the kit found. With ENSTORE_RECORD set it is written.
func TestTableOfTargets(t *testing.T) {
	const begin, end = "// # Targets\n//\n", "// # Time\n"
	is := is.New(t)
	doc, err := os.ReadFile("doc.go")
	is.NoErr(err)
	before, rest, ok := bytes.Cut(doc, []byte(begin))
	is.True(ok)
	_, after, ok := bytes.Cut(rest, []byte(end))
	is.True(ok)
	want := string(before) + begin + `// What the conformance kit, package drivertest, finds of each drive and robot that the tests can reach: + kept, . not tried because the target has no
// way to, a number: broken by a fault of the target's own, named below. Made of the recorded runs, which the tests of each target
// compare with what they find.
//
` + table(t) + end + string(after)
	if drivertest.Recording() {
		is.NoErr(os.WriteFile("doc.go", []byte(want), 0o644))
		return
	}
	if want != string(doc) {
		t.Error("doc.go has another table; write it with ENSTORE_RECORD=1")
	}
}
