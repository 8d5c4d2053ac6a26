package sdk_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/matryer/is"
)

// These tests are the rules of the house: what stands where and who may lean on whom. Each has its
// reason; a change that breaks one changes the rule here, with a new reason, or itself.

const module = "github.com/enstore-go/sdk"

type pkg struct {
	ImportPath string
	Dir        string
	Doc        string
	Name       string
	Imports    []string
	Deps       []string
	Standard   bool
	Module     *struct {
		Path, Dir string
		Main      bool
	}
}

// list runs go list; every package of the module, dependencies too if asked.
func list(t *testing.T, args ...string) []pkg {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Dir,Doc,Name,Imports,Deps,Standard,Module"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var ps []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		switch err := d.Decode(&p); {
		case errors.Is(err, io.EOF):
			return ps
		case err != nil:
			t.Fatal(err)
		}
		ps = append(ps, p)
	}
}

// room is a package's path below the module, "" for the top.
func room(path string) string {
	return strings.TrimPrefix(strings.TrimPrefix(path, module), "/")
}

// floors are the top-level rooms from the ground up. Imports between rooms run strictly down, but
// for the edges of sameFloor.
var floors = map[string]int{
	"crc": 1, "catalog": 1,
	"tape": 2, "wrapper": 2,
	"plugins": 3, "queue": 3,
	"enstore": 4,
	"daemons": 5, "examples": 5,
}

func TestImportsRunDown(t *testing.T) {
	is := is.New(t)
	for _, p := range list(t, "./...") {
		from := strings.SplitN(room(p.ImportPath), "/", 2)[0]
		if from == "" {
			continue
		}
		for _, i := range p.Imports {
			if !strings.HasPrefix(i, module+"/") {
				continue
			}
			to := strings.SplitN(room(i), "/", 2)[0]
			if from == to {
				continue
			}
			if floors[to] >= floors[from] {
				t.Errorf("%s imports %s: imports between rooms run down, so that a leaf is worth importing alone", p.ImportPath, i)
			}
		}
		_, known := floors[from]
		is.True(known) // every room has its floor: a new top-level directory is not ours to add
	}
}

func TestTopLevel(t *testing.T) {
	allowed := []string{".ci", ".git", ".gitignore", "CHANGELOG.md", "LICENSE", "README.md", "THIRD_PARTY.md", "catalog", "check", "crc", "daemons", "doc.go",
		"enstore", "examples", "go.mod", "go.sum", "go.tool.mod", "go.tool.sum", "plugins", "queue", "tape", "tree_test.go", "wrapper"}
	es, err := os.ReadDir(".")
	is.New(t).NoErr(err)
	for _, e := range es {
		if !slices.Contains(allowed, e.Name()) && !ignored(e.Name()) {
			t.Errorf("%s: the top level is a fixed list, so that a reader finds the rooms", e.Name())
		}
	}
}

// ignored tells whether git does not want the file: what a build or an editor left.
func ignored(name string) bool {
	return exec.Command("git", "check-ignore", "-q", name).Run() == nil
}

// only says which packages may import a module, directly, and why no others.
var only = []struct {
	module  string
	allowed []string // path prefixes below our module
	reason  string
}{
	{"github.com/hashicorp/go-plugin", []string{"plugins"}, "the plugin border is one room; engines see driver.Drive"},
	{"google.golang.org/grpc", []string{"plugins"}, "gRPC carries plugin commands and nothing else"},
	{"google.golang.org/protobuf", []string{"plugins"}, "as gRPC"},
	{"modernc.org/sqlite", []string{"catalog/sqlitestore"}, "one embedded database behind one contract"},
	{"github.com/jackc/pgx/v5", []string{"catalog/pgstore"}, "likewise"},
	{"github.com/BurntSushi/toml", []string{"enstore/site"}, "configuration is parsed in one place"},
	{"github.com/alecthomas/kong", []string{"daemons"}, "libraries have no command lines"},
	{"github.com/hashicorp/go-hclog", []string{"plugins", "enstore", "daemons", "examples"}, "leaf packages do not log"},
}

func TestForeignImports(t *testing.T) {
	for _, p := range list(t, "./...") {
		for _, i := range p.Imports {
			for _, o := range only {
				if i != o.module && !strings.HasPrefix(i, o.module+"/") {
					continue
				}
				r := room(p.ImportPath)
				if !slices.ContainsFunc(o.allowed, func(a string) bool { return r == a || strings.HasPrefix(r, a+"/") }) {
					t.Errorf("%s imports %s: %s", p.ImportPath, i, o.reason)
				}
			}
		}
	}
}

// lean says what a program that imports a package must not link. google/uuid links
// database/sql/driver, a package of interfaces that holds no database.
var lean = []struct{ root, forbidden, reason string }{
	{"enstore", `sqlite|pgx|database/sql$|google.golang.org/grpc|go-plugin|/sdk/tape|/sdk/plugins`, "a data-acquisition program links no SQL, no gRPC, no drive"},
	{"tape/driver", `/sdk/(catalog|enstore|queue|plugins)|sql|grpc`, "a vendor's contract drags in nothing"},
	{"plugins", `/sdk/(catalog|enstore|queue)|sql`, "a vendor's plugin drags in no database"},
	{"wrapper", `/sdk/(tape|catalog|enstore|queue|plugins)|sql|grpc`, "tape formats are worth importing alone"},
	{"queue", `/sdk/[^q]|sql|grpc|^net$|^os/|goroutine`, "the scheduler is pure: no files, no network, no clock of its own"},
	{"crc", `/sdk/[^c]|sql|grpc`, "checksums are worth importing alone"},
	{"catalog", `/sdk/[^c]|database/sql$|sqlite|grpc`, "the catalogue's rules need no database linked in"},
}

func TestLeanPrograms(t *testing.T) {
	for _, l := range lean {
		bad := regexp.MustCompile(l.forbidden)
		for _, p := range list(t, "./"+l.root) {
			for _, d := range p.Deps {
				if bad.MatchString(d) && !strings.HasPrefix(d, "internal/") && !strings.HasPrefix(d, "vendor/") {
					t.Errorf("%s links %s: %s", p.ImportPath, d, l.reason)
				}
			}
		}
	}
}

func TestEveryPackageIsDocumented(t *testing.T) {
	for _, p := range list(t, "./...") {
		if len(p.Doc) < 20 {
			t.Errorf("%s has no package doc: it says what the package is, its nouns and what it does not do", p.ImportPath)
		}
	}
}

func TestNoInitNoUtil(t *testing.T) {
	banned := []string{"util", "utils", "common", "helpers", "types", "models", "base", "shared", "lib", "pkg"}
	for _, p := range list(t, "./...") {
		if slices.Contains(banned, filepath.Base(p.ImportPath)) {
			t.Errorf("%s: a room is named by its noun", p.ImportPath)
		}
		files, err := filepath.Glob(filepath.Join(p.Dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if strings.HasSuffix(f, ".pb.go") || strings.HasSuffix(f, "_grpc.pb.go") {
				continue
			}
			tree, err := parser.ParseFile(token.NewFileSet(), f, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			if tree.Scope != nil && tree.Scope.Lookup("init") != nil {
				t.Errorf("%s: init functions register things behind the reader's back", f)
			}
			src, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(src, []byte("\nfunc init()")) {
				t.Errorf("%s: init functions register things behind the reader's back", f)
			}
		}
	}
}

// licences that a linked module may have; what the text must contain.
var licences = []string{
	"MIT License", "Permission is hereby granted, free of charge", "Redistribution and use in source and binary forms",
	"Apache License", "Mozilla Public License", "ISC License", "CC0 1.0 Universal",
}

func TestLicencesOfLinkedModules(t *testing.T) {
	is := is.New(t)
	seen := map[string]bool{}
	for _, p := range list(t, "-deps", "./...") {
		if p.Standard || p.Module == nil || p.Module.Main || seen[p.Module.Path] {
			continue
		}
		seen[p.Module.Path] = true
		var text []byte
		for _, pattern := range []string{"LICENSE*", "LICENCE*", "COPYING*", "License*"} {
			names, err := filepath.Glob(filepath.Join(p.Module.Dir, pattern))
			is.NoErr(err)
			for _, n := range names {
				if b, err := os.ReadFile(n); err == nil {
					text = append(text, b...)
				}
			}
		}
		if !slices.ContainsFunc(licences, func(l string) bool { return bytes.Contains(text, []byte(l)) }) {
			t.Errorf("module %s: its licence is not on the list of those we may link", p.Module.Path)
		}
	}
	is.True(len(seen) > 5) // the list was really walked
}
