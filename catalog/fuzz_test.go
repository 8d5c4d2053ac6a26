package catalog_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/enstore-go/sdk/catalog"
)

// isBFID is the rule of the original, as its four expressions amount to.
var isBFID = regexp.MustCompile(`\A[a-zA-Z0-9]*[0-9]{11}L?\z`)

func FuzzParseBFID(f *testing.F) {
	for _, s := range []string{"CDMS170000000000007", "95628374400000L", "PRF95628374400000L", "D0EN95628374400000", "1426192303", "L", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := catalog.ParseBFID(s)
		if want := isBFID.MatchString(s) && len(s) <= 32; (err == nil) != want {
			t.Fatalf("%q: %v", s, err)
		}
		if err != nil {
			return
		}
		if id.String() != s || len(id.Brand()) > len(s)-11 {
			t.Fatalf("%q: text %q, brand %q", s, id, id.Brand())
		}
		id.Corrected(time.Unix(1_700_000_000, 0))
	})
}

func FuzzParseLocation(f *testing.F) {
	for _, s := range []string{"0000_000000000_0000042", "0001_000000002_0000003", "9999_999999999_9999999", "000_000000000_0000001", "12L"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l, err := catalog.ParseLocation(s)
		n, nerr := catalog.FileNumber(s)
		if nerr == nil && n < 0 {
			t.Fatalf("%q: file number %d", s, n)
		}
		if err != nil {
			return
		}
		if l.String() != s || !l.Valid() || nerr != nil || n != l.File {
			t.Fatalf("%q: %s, file number %d (%v)", s, l, n, nerr)
		}
	})
}

func FuzzParseLabel(f *testing.F) {
	for _, s := range []string{"VO1234L8", "VO1234", "VO1234JC.deleted", "host:a.b.c", "host:a.b.c:2010-01-02T03:04:05Z", ":"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l, err := catalog.ParseLabel(s)
		if err != nil {
			return
		}
		onTape := l.OnTape()
		if l.IsTape() && !l.IsDeleted() && (len(onTape) != 6 || s[:6] != onTape) || l.String() != s {
			t.Fatalf("%q: %q on tape", s, onTape)
		}
	})
}

func FuzzParseFamily(f *testing.F) {
	for _, s := range []string{"cms.raw.cpio_odc", "none.none.none", "a.b", "a.b.c.d", ".."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		family, err := catalog.ParseFamily(s)
		if err != nil {
			return
		}
		if family.String() != s {
			t.Fatalf("%q: %q", s, family)
		}
	})
}

func FuzzParseRequestID(f *testing.F) {
	for _, s := range []string{"017f22e2-79b0-7cc3-98c4-dc0c0c07398f", "017F22E2-79B0-7CC3-98C4-DC0C0C07398F", "-", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := catalog.ParseRequestID(s)
		if err == nil && id.String() != strings.ToLower(s) || err != nil && !id.IsZero() {
			t.Fatalf("%q: %s, %v", s, id, err)
		}
	})
}
