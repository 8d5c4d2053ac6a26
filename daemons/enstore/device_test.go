package main

import (
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/matryer/is"
)

// devices makes a site and returns the settings of its robot and of its first drive.
func devices(t *testing.T) (robot, drive []string) {
	t.Helper()
	tapes := filepath.Join(newSite(t), "tapes")
	return []string{"--plugin", "robot-file", "--config", fmt.Sprintf(`{"dir": %q}`, tapes)},
		[]string{"--plugin", "drive-file", "--config", fmt.Sprintf(`{"dir": %q, "drive": 0}`, tapes)}
}

func with(flags []string, args ...string) []string { return append(args, flags...) }

func TestRobot(t *testing.T) {
	is := is.New(t)
	robot, _ := devices(t)
	was := good(t, with(robot, "robot", "show")...)
	is.Equal(was, "ADDRESS  PLACE    CARTRIDGE\n1        drive 0  -\n2        drive 1  -\n1000     slot     VO0001\n1001     slot     VO0002\n1002     slot     VO0003\n")
	out := good(t, with(robot, "robot", "check")...)
	is.True(strings.Contains(out, "\nrobot robot-file: 12 kept, 0 broken, 2 not tried\n"))
	is.Equal(good(t, with(robot, "robot", "show")...), was) // everything is back
	good(t, with(robot, "robot", "move", "1001", "1")...)
	o := objects(t, good(t, with(robot, "--json", "robot", "show")...))
	is.Equal(o[0]["label"], "VO0002")
	is.Equal(o[0]["drive"], 0.0)
	bad(t, 2, []string{"all drives empty"}, with(robot, "robot", "check")...)
	bad(t, 3, []string{"is empty"}, with(robot, "robot", "move", "1001", "2")...)
	bad(t, 2, []string{"JSON"}, "robot", "show", "--plugin", "robot-file", "--config", "{")
}

func TestDriveCheck(t *testing.T) {
	is := is.New(t)
	robot, drive := devices(t)
	good(t, "put", write(t, filepath.Join(t.TempDir(), "f"), []byte("content")), "/f") // on VO0001
	check := func(more ...string) []string { return with(drive, append([]string{"drive", "check"}, more...)...) }
	bad(t, 3, []string{"no medium", "robot move"}, check()...)

	// A cartridge with data stays as it is.
	good(t, with(robot, "robot", "move", "1000", "1")...)
	bad(t, 8, []string{"not blank", "VO0001"}, check()...)
	bad(t, 8, []string{"not blank"}, check("--overwrite", "VO0002")...)
	good(t, with(robot, "robot", "move", "1", "1000")...)
	is.Equal(good(t, "get", "/f", "-"), "content")

	good(t, with(robot, "robot", "move", "1002", "1")...)
	report := filepath.Join(t.TempDir(), "report.xml")
	out := good(t, check("--junit", report)...)
	is.True(strings.Contains(out, "kept       blank tape"))
	is.True(strings.Contains(out, "\ndrive drive-file: 41 kept, 0 broken, 10 not tried\n"))
	var suite struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Cases    []struct {
			Name string `xml:"name,attr"`
		} `xml:"testcase"`
	}
	b, err := os.ReadFile(report)
	is.NoErr(err)
	is.NoErr(xml.Unmarshal(b, &suite))
	is.Equal(suite.Tests, 51)
	is.Equal(suite.Failures, 0)
	is.Equal(len(suite.Cases), 51)

	// The second time its label has to be given.
	bad(t, 8, []string{"SCRTCH"}, check()...)
	for _, o := range objects(t, good(t, append([]string{"--json"}, check("--overwrite", "SCRTCH")...)...)) {
		is.True(o["verdict"] == "kept" || o["verdict"] == "not tried")
		is.True(o["explanation"] != "")
	}
}
