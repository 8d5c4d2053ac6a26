package command

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/tape/driver"
)

const sample = "# comment\n\nslot 1001 -\nslot\t1000 VO0001L8\ndrive 0 VO0002L8 held\r\ndrive lto-b -\nport 2000 ?\nhand 3000 -"

func TestParseList(t *testing.T) {
	is := is.New(t)
	es, err := parseList([]byte(sample), []string{"lto-a", "lto-b"})
	is.NoErr(err)
	is.Equal(es, []driver.Element{
		{Kind: driver.DriveBay, Address: 0, Drive: 0, Full: true, Label: "VO0002L8", Held: true},
		{Kind: driver.DriveBay, Address: 1, Drive: 1},
		{Kind: driver.Slot, Address: 1000, Drive: -1, Full: true, Label: "VO0001L8"},
		{Kind: driver.Slot, Address: 1001, Drive: -1},
		{Kind: driver.Port, Address: 2000, Drive: -1, Full: true},
		{Kind: driver.Transport, Address: 3000, Drive: -1},
	})
}

func TestNonsense(t *testing.T) {
	var many strings.Builder
	for i := range maxPlaces + 1 {
		fmt.Fprintf(&many, "slot %d -\n", firstOther+i)
	}
	for _, c := range []struct{ in, text string }{
		{"slot 1000", `line 1, "slot 1000": want a kind`},
		{"\nslot 1000 A held B", "line 2"},
		{"shelf 1000 A", "want slot, drive, port or hand"},
		{"slot x A", "want a number"},
		{"slot -1 A", "want a number"},
		{"slot 999 A", "all but drives are numbered from 1000"},
		{"slot 1000000000 A", "all but drives"},
		{"slot 99999999999999999999 A", "want a number"},
		{"slot lto-a A", "want a number"},
		{"drive 1000 A", "drives are numbered"},
		{"drive 1 A", "as many as drives names"},
		{"slot 1000 " + strings.Repeat("A", 33), "want a label"},
		{"slot 1000 -rf", "want a label"},
		{"slot 1000 V\x1b[31m", "want a label"},
		{"slot 1000 V\xff", "want a label"},
		{"slot 1000 A held", "only a full drive"},
		{"drive 0 - held", "only a full drive"},
		{"drive 0 A loaded", "only a full drive"},
		{"slot 1000 A\nslot 1001 A", "line 2: label A is at 1000 and at 1001"},
		{"slot 1000 A\nslot 1000 B", "two lines of 1000"},
		{"slot 1000 A\nport 1000 B", "two lines of 1000"},
		{many.String(), "more than 100000"},
	} {
		t.Run(c.text, func(t *testing.T) {
			_, err := parseList([]byte(c.in), []string{"lto-a"})
			if err == nil || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%v, want %q", err, c.text)
			}
		})
	}
}

func FuzzParseList(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte("drive 0 A\nslot 1000 B"))
	f.Fuzz(func(t *testing.T, out []byte) {
		es, err := parseList(out, []string{"lto-a", "lto-b"})
		if err != nil {
			return
		}
		for i, e := range es {
			switch {
			case i > 0 && e.Address <= es[i-1].Address:
				t.Fatalf("%d is listed after %d", e.Address, es[i-1].Address)
			case (e.Kind == driver.DriveBay) != (e.Drive >= 0), !e.Full && (e.Label != "" || e.Held), len(e.Label) > maxWord:
				t.Fatalf("%+v", e)
			case e.Label != "" && slices.ContainsFunc(es[i+1:], func(o driver.Element) bool { return o.Label == e.Label }):
				t.Fatalf("%s twice", e.Label)
			}
		}
	})
}
