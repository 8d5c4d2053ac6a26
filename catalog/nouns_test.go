package catalog_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/enstore-go/sdk/catalog"
)

// vectors reads golden values of the original; see the note in each file.
func vectors(t *testing.T, name string) map[string]json.RawMessage {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Vectors map[string]json.RawMessage }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	return file.Vectors
}

// pairs decodes a list of [input, output].
func pairs[In, Out any](t *testing.T, raw json.RawMessage) (list []struct {
	in  In
	out Out
}) {
	t.Helper()
	var rows [][2]json.RawMessage
	if err := json.Unmarshal(raw, &rows); err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		var p struct {
			in  In
			out Out
		}
		if err := errors.Join(json.Unmarshal(row[0], &p.in), json.Unmarshal(row[1], &p.out)); err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	if len(list) == 0 {
		t.Fatal("no vectors")
	}
	return list
}

func TestBFIDVectors(t *testing.T) {
	v := vectors(t, "bfid.json")
	for _, p := range pairs[string, bool](t, v["is_bfid"]) {
		_, err := catalog.ParseBFID(p.in)
		if (err == nil) != p.out {
			t.Errorf("%q: %v, the original says %v", p.in, err, p.out)
		}
	}
	for _, p := range pairs[string, *string](t, v["extract_brand"]) {
		id, err := catalog.ParseBFID(p.in)
		if err != nil || p.out == nil || strings.TrimRight(*p.out, "0123456789") != *p.out {
			continue // what the original cuts wrong: a brand does not end in a digit
		}
		if id.Brand() != *p.out {
			t.Errorf("%q: brand %q, the original says %q", p.in, id.Brand(), *p.out)
		}
	}
}

func TestBFIDForms(t *testing.T) {
	for _, test := range []struct {
		text, brand string
		seconds     int64
	}{
		{"CDMS170000000000007", "CDMS", 1_700_000_000},
		{"95628374400000", "", 956_283_744},
		{"95628374400000L", "", 956_283_744},
		{"PRF95628374400000L", "PRF", 956_283_744},
		{"D0EN95628374400000", "D0EN", 956_283_744},
		{"CMS12345678901", "CMS", 123_456},
		{"1234567890123456", "", 12_345_678_901},
	} {
		t.Run(test.text, func(t *testing.T) {
			is := is.New(t)
			id, err := catalog.ParseBFID(test.text)
			is.NoErr(err)
			is.Equal(id.String(), test.text)
			is.Equal(id.Brand(), test.brand)
			is.Equal(id.Time().Unix(), test.seconds)
		})
	}
	for _, bad := range []string{"", "CMS", "1426192303", "CDMS170000000000007\n", "CDMS170000000000007LL", "CDMS170000000000007_copy_1",
		"CD-S170000000000007", "CDMS1700000000é7", strings.Repeat("A", 22) + "12345678901"} {
		if id, err := catalog.ParseBFID(bad); !errors.Is(err, catalog.ErrInvalid) {
			t.Errorf("%q parses as %q, error %v", bad, id, err)
		}
	}
}

func TestForgedTimesAreCorrected(t *testing.T) {
	is := is.New(t)
	now := time.Unix(1_700_000_000, 0)
	genuine, forged := catalog.BFID("CDMS169999999900000"), catalog.BFID("CDMS170008640100000")
	is.Equal(genuine.Corrected(now), genuine.Time())
	is.Equal(forged.Corrected(now).Unix(), int64(1_700_086_401-619_318_800))
	is.True(catalog.BFID("CDMS").Time().IsZero())
	_, ok := catalog.BFID("99999999999999999999").Number()
	is.True(!ok)
}

func TestLabels(t *testing.T) {
	for text, onTape := range map[string]string{
		"VO1234": "VO1234", "VO1234L8": "VO1234", "VO1234M8": "VO1234", "VO1234JC": "VO1234", "VO1234J": "VO1234", "VO1234JY": "VO1234",
		"VO1234L8.deleted": "VO1234L8.deleted", "host-1.fnal.gov:cms.raw/a.cpio_odc": "host-1.fnal.gov:cms.raw/a.cpio_odc",
		"host:a.b.c:2010-01-02T03:04:05Z": "host:a.b.c:2010-01-02T03:04:05Z",
	} {
		l, err := catalog.ParseLabel(text)
		if err != nil || l.OnTape() != onTape || l.IsTape() == strings.Contains(text, ":") || l.IsDeleted() != strings.HasSuffix(text, ".deleted") {
			t.Errorf("%q: %v, on tape %q, tape %v", text, err, l.OnTape(), l.IsTape())
		}
	}
	for _, bad := range []string{"", "VO123", "vo1234", "VO1234L", "VO1234L88", "VO1234X8", "VO1234JX", "VO1234 ", "VO1234L8xdeleted", ".deleted",
		"host:a.b", "host:a.b.c:", "ho st:a.b.c", ":a.b.c", "host:a.b.c:today", strings.Repeat("h", 250) + ":a.b.c"} {
		if _, err := catalog.ParseLabel(bad); !errors.Is(err, catalog.ErrInvalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestLocationVectors(t *testing.T) {
	v := vectors(t, "location_cookie.json")
	for _, p := range pairs[string, int64](t, v["cookie_to_long"]) {
		if n, err := catalog.FileNumber(p.in); err != nil || n != p.out {
			t.Errorf("%q: %d, %v; the original says %d", p.in, n, err, p.out)
		}
	}
	for _, p := range pairs[string, bool](t, v["is_tape"]) {
		if _, err := catalog.ParseLocation(p.in); (err == nil) != p.out {
			t.Errorf("%q: %v, the original says %v", p.in, err, p.out)
		}
	}
	for _, p := range pairs[string, *int64](t, v["extract_file_number"]) {
		l, err := catalog.ParseLocation(p.in)
		if (err == nil) != (p.out != nil) || err == nil && l.File != *p.out {
			t.Errorf("%q: %v, %v", p.in, l, err)
		}
	}
	for _, p := range pairs[any, string](t, v["loc_to_cookie"]) {
		if n, ok := p.in.(float64); ok {
			if got := (catalog.Location{File: int64(n)}).String(); got != p.out {
				t.Errorf("%v: %s, the original says %s", n, got, p.out)
			}
		}
	}
}

func TestLocations(t *testing.T) {
	is := is.New(t)
	l, err := catalog.ParseLocation("0001_000000002_0000003")
	is.NoErr(err)
	is.Equal(l, catalog.Location{Partition: 1, Block: 2, File: 3})
	is.True(l.HasBlock())
	is.True(!catalog.Location{File: 3}.HasBlock())
	is.True(catalog.Location{}.HasBlock())
	is.Equal(catalog.Location{Block: -1, File: 3}.String(), "0000_000000000_0000003")
	is.Equal(catalog.Location{Block: 1 << 40, File: 3}.String(), "0000_000000000_0000003") // does not fit
	is.True(!catalog.Location{File: catalog.MaxFile + 1}.Valid())
	for _, bad := range []string{"", "a_b_c", "1_2", "1_2_3_4", "1_2_-3", "LL", "99999999999999999999"} {
		if n, err := catalog.FileNumber(bad); !errors.Is(err, catalog.ErrInvalid) {
			t.Errorf("%q: %d, %v", bad, n, err)
		}
	}
	n, err := catalog.FileNumber("0000_000000000_0000042L")
	is.NoErr(err)
	is.Equal(n, int64(42))
}

func TestFamilyVectors(t *testing.T) {
	v := vectors(t, "volume_family.json")
	for _, p := range pairs[[]string, string](t, v["make"]) {
		is := is.New(t)
		f, err := catalog.ParseFamily(p.out)
		is.NoErr(err)
		is.Equal(f, catalog.Family{Group: catalog.StorageGroup(p.in[0]), Family: catalog.FileFamily(p.in[1]), Wrapper: p.in[2]})
		is.Equal(f.String(), p.out)
	}
	for part, of := range map[string]func(catalog.Family) string{
		"storage_group": func(f catalog.Family) string { return string(f.Group) },
		"file_family":   func(f catalog.Family) string { return string(f.Family) },
		"wrapper":       func(f catalog.Family) string { return f.Wrapper },
	} {
		for _, p := range pairs[string, string](t, v[part]) {
			f, err := catalog.ParseFamily(p.in)
			if strings.Count(p.in, ".") != 2 { // the original makes the best of those
				is.New(t).True(errors.Is(err, catalog.ErrInvalid))
			} else if err != nil || of(f) != p.out {
				t.Errorf("%s of %q: %q, %v; the original says %q", part, p.in, of(f), err, p.out)
			}
		}
	}
}

func TestBlankFamilies(t *testing.T) {
	is := is.New(t)
	is.Equal(catalog.Family{}.String(), "none.none.none")
	is.True(catalog.Family{Group: "cms", Family: "raw"}.IsBlank())
	is.True(!catalog.Family{Group: "cms", Family: "raw", Wrapper: "null"}.IsBlank())
}

func TestNamesOfSites(t *testing.T) {
	is := is.New(t)
	_, err := catalog.ParseLibraryName("CD-LTO8F1")
	is.NoErr(err)
	_, err = catalog.ParseStorageGroup("a/b_c-d")
	is.NoErr(err)
	for _, bad := range []string{"", "a b", "a,b", strings.Repeat("x", 65), "ä"} {
		_, err := catalog.ParseLibraryName(bad)
		is.True(errors.Is(err, catalog.ErrInvalid))
		_, err = catalog.ParseStorageGroup(bad)
		is.True(errors.Is(err, catalog.ErrInvalid))
		_, err = catalog.ParseFileFamily(bad + ".")
		is.True(errors.Is(err, catalog.ErrInvalid))
	}
}

func TestLevels(t *testing.T) {
	is := is.New(t)
	is.True(catalog.Accepted < catalog.Cached && catalog.Cached < catalog.OnTape && catalog.OnTape < catalog.Verified)
	for _, l := range []catalog.Level{catalog.Accepted, catalog.Cached, catalog.OnTape, catalog.Verified} {
		back, err := catalog.ParseLevel(l.String())
		is.NoErr(err)
		is.Equal(back, l)
	}
	for _, bad := range []string{"", "none", "lost"} {
		_, err := catalog.ParseLevel(bad)
		is.True(errors.Is(err, catalog.ErrInvalid))
	}
}

func TestIDsAreText(t *testing.T) {
	is := is.New(t)
	type both struct {
		R catalog.RequestID
		L *catalog.LeaseID
	}
	lease := catalog.NewLeaseID()
	in := both{catalog.NewRequestID(), &lease}
	text, err := json.Marshal(in)
	is.NoErr(err)
	var out both
	is.NoErr(json.Unmarshal(text, &out))
	is.Equal(out, in)
	id, err := catalog.ParseRequestID(in.R.String())
	is.NoErr(err)
	is.Equal(id, in.R)
	is.True(!id.IsZero())
	one, other := catalog.NewRequestID(), catalog.NewRequestID()
	is.True(one != other)
	const known = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f" // RFC 9562, A.6
	rfc, err := catalog.ParseRequestID(known)
	is.NoErr(err)
	is.Equal(rfc.String(), known)
	upper, err := catalog.ParseRequestID(strings.ToUpper(known))
	is.NoErr(err)
	is.Equal(upper, rfc)
	is.Equal(in.R.String()[14], byte('7')) // version and variant of ours
	is.True(strings.ContainsRune("89ab", rune(in.R.String()[19])))
	for _, bad := range []string{"", "x", "{" + in.R.String() + "}", strings.ReplaceAll(known, "-", "0"), strings.ReplaceAll(known, "f", "g"), strings.ReplaceAll(in.R.String(), "-", "")} {
		_, err := catalog.ParseLeaseID(bad)
		is.True(errors.Is(err, catalog.ErrInvalid))
		is.True(errors.Is(out.R.UnmarshalText([]byte(bad)), catalog.ErrInvalid))
	}
}

func TestBytesInJSON(t *testing.T) {
	is := is.New(t)
	for _, s := range []string{"", "/a/ä\n", "/a\xff", "{"} {
		text, err := json.Marshal(catalog.Bytes(s))
		is.NoErr(err)
		var back catalog.Bytes
		is.NoErr(json.Unmarshal(text, &back))
		is.Equal(string(back), s)
	}
	var b catalog.Bytes
	is.True(json.Unmarshal([]byte(`{"base64":"?"}`), &b) != nil)
	is.True(json.Unmarshal([]byte(`7`), &b) != nil)
}

func TestEntryNames(t *testing.T) {
	is := is.New(t)
	for _, good := range []string{"a", "...", "\xff", " ", strings.Repeat("x", 255)} {
		is.NoErr(catalog.CheckEntryName(good))
	}
	for _, bad := range []string{"", ".", "..", "a/b", "a\x00", strings.Repeat("x", 256)} {
		is.True(errors.Is(catalog.CheckEntryName(bad), catalog.ErrInvalid))
	}
}
