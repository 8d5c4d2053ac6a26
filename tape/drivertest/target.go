package drivertest

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"
)

// Target is what the kit found of a drive or robot, to be kept in a file. Package tape's documentation has a table of them.
type Target struct {
	Name  string    `json:"name"`
	Kind  string    `json:"kind"` // "drive" or "robot"
	Rules []Finding `json:"rules"`
}

// Finding is what became of one rule.
type Finding struct {
	Rule    string  `json:"rule"`
	Verdict Verdict `json:"verdict"`
	Fault   string  `json:"fault,omitempty"` // of the target, by which it is broken
}

// envRecord has Judge write the files, and package tape's test its table, instead of comparing.
const envRecord = "ENSTORE_RECORD"

// Recording tells that what the kit finds is to be written down: the environment variable ENSTORE_RECORD is set.
func Recording() bool { return os.Getenv(envRecord) != "" }

// Judge judges the results of a target that others wrote, or that is one of the reference: known are the rules that it cannot keep, each with the
// fault of its own that breaks it. A rule that is broken and not known fails the test, and so does one that is known and kept. What was found has to be as the
// file says, so that the table that is made of it is true; with ENSTORE_RECORD set it is written there.
func Judge(t testing.TB, file string, target Target, results []Result, known map[string]string) {
	t.Helper()
	seen := map[string]bool{}
	for _, r := range results {
		fault, expected := known[r.Rule]
		seen[r.Rule] = true
		switch {
		case r.Verdict == Broken && !expected:
			t.Errorf("%s: %s", r.Rule, r.Text)
		case r.Verdict == Kept && expected:
			t.Errorf("%s is kept, and was believed to be broken: %s", r.Rule, fault)
		}
		if r.Verdict != Broken {
			fault = ""
		}
		target.Rules = append(target.Rules, Finding{r.Rule, r.Verdict, fault})
		t.Logf("%-9s %6.2fs %-45s %s", r.Verdict, r.Took.Seconds(), r.Rule, fault)
	}
	for rule := range known {
		if !seen[rule] {
			t.Errorf("%s is believed to be broken, and there is no such rule", rule)
		}
	}
	if t.Failed() {
		return
	}
	is, err := json.MarshalIndent(target, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	is = append(is, '\n')
	if Recording() {
		if err := os.WriteFile(file, is, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	was, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; write it with %s=1", err, envRecord)
	}
	if !bytes.Equal(is, was) {
		t.Errorf("%s says otherwise; if this is right now, write it with %s=1, and run the tests of package tape so too\n%s", file, envRecord, is)
	}
}
