package drivertest

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
)

// WriteJUnit writes results in the XML that continuous integration reads as that of JUnit: one suite, a case for each
// rule, its explanation and how it was broken as the failure.
func WriteJUnit(w io.Writer, suite string, results []Result) error {
	type message struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
	type testcase struct {
		Name    string   `xml:"name,attr"`
		Suite   string   `xml:"classname,attr"`
		Time    string   `xml:"time,attr"`
		Failure *message `xml:"failure"`
		Skipped *message `xml:"skipped"`
	}
	type testsuite struct {
		XMLName  xml.Name   `xml:"testsuite"`
		Name     string     `xml:"name,attr"`
		Tests    int        `xml:"tests,attr"`
		Failures int        `xml:"failures,attr"`
		Skipped  int        `xml:"skipped,attr"`
		Time     string     `xml:"time,attr"`
		Cases    []testcase `xml:"testcase"`
	}
	seconds := func(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }
	s := testsuite{Name: suite, Tests: len(results)}
	var took time.Duration
	for _, r := range results {
		took += r.Took
		c := testcase{Name: r.Rule, Suite: suite, Time: seconds(r.Took)}
		first, _, _ := strings.Cut(r.Text, "\n")
		switch r.Verdict {
		case Broken:
			s.Failures++
			c.Failure = &message{first, r.Text}
		case NotTried:
			s.Skipped++
			c.Skipped = &message{first, ""}
		}
		s.Cases = append(s.Cases, c)
	}
	s.Time = seconds(took)
	b, err := xml.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s%s\n", xml.Header, b)
	return err
}
