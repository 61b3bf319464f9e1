// Package archtest holds the code against the rules of the house.
package archtest

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const (
	module      = "github.com/orchestron/orchestron"
	root        = "../.."
	maxFunction = 80
	maxFile     = 400
	maxPackage  = 2500
)

// goPackage is what go list says of a package.
type goPackage struct {
	ImportPath, Dir                    string
	GoFiles, TestGoFiles, XTestGoFiles []string
	Imports, TestImports, XTestImports []string
}

func (p goPackage) name() string {
	if p.ImportPath == module {
		return "."
	}
	return strings.TrimPrefix(p.ImportPath, module+"/")
}

func packages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json", "-tags", "conformance", "./...")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// floors reads the table of ARCHITECTURE.md.
func floors(t *testing.T) map[string]int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	table := map[string]int{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (\\d) \\|").FindAllStringSubmatch(string(text), -1) {
		floor, err := strconv.Atoi(row[2])
		if err != nil {
			t.Fatal(err)
		}
		table[row[1]] = floor
	}
	if len(table) < 10 {
		t.Fatalf("ARCHITECTURE.md has a table of %d packages", len(table))
	}
	return table
}

func TestFloors(t *testing.T) {
	table := floors(t)
	seen := map[string]bool{}
	for _, p := range packages(t) {
		floor, known := table[p.name()]
		if !known {
			t.Errorf("%s is not in the table of ARCHITECTURE.md", p.name())
		}
		seen[p.name()] = true
		for _, path := range p.Imports {
			if path != module && !strings.HasPrefix(path, module+"/") {
				if floor == 0 && strings.Contains(strings.Split(path, "/")[0], ".") {
					t.Errorf("%s imports %s: the ground floor stands on the standard library only", p.name(), path)
				}
				continue
			}
			below := goPackage{ImportPath: path}.name()
			if table[below] >= floor {
				t.Errorf("%s (floor %d) imports %s (floor %d)", p.name(), floor, below, table[below])
			}
		}
	}
	for name := range table {
		if !seen[name] {
			t.Errorf("the table of ARCHITECTURE.md names %s, which does not exist", name)
		}
	}
}

func TestSizes(t *testing.T) {
	for _, p := range packages(t) {
		lines := 0
		for _, file := range p.GoFiles {
			n := measure(t, filepath.Join(p.Dir, file))
			if n > maxFile {
				t.Errorf("%s/%s has %d lines, more than %d", p.name(), file, n, maxFile)
			}
			lines += n
		}
		if lines > maxPackage {
			t.Errorf("%s has %d lines, more than %d", p.name(), lines, maxPackage)
		}
	}
}

// measure checks a file's functions and returns its lines.
func measure(t *testing.T, path string) int {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		f, ok := n.(*ast.FuncDecl)
		if !ok {
			return true
		}
		if lines := set.Position(f.End()).Line - set.Position(f.Pos()).Line + 1; lines > maxFunction {
			t.Errorf("%s: %s has %d lines, more than %d", path, f.Name.Name, lines, maxFunction)
		}
		return true
	})
	return set.Position(file.End()).Line
}

// TestNoShell keeps shells out of the program, and the starting of programs to the packages that are for it.
func TestNoShell(t *testing.T) {
	starts := map[string]bool{
		"internal/tmux": true, "internal/shim": true, "internal/acp": true, "internal/driver": true, "internal/bin": true, "internal/client": true, "internal/cli": true, "internal/console": true,
		"internal/daemon": true, "testkit/agent": true, "testkit/acp": true, "e2e/bench": true, "e2e/demo": true, "e2e/conformance": true,
	}
	for _, p := range packages(t) {
		for _, path := range p.Imports {
			if path == "os/exec" && !starts[p.name()] {
				t.Errorf("%s starts programs", p.name())
			}
		}
	}
	shell := regexp.MustCompile(`"(/bin/)?(ba|da|z)?sh",?\s*"-l?c"`)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if shell.Match(text) {
			t.Errorf("%s runs a shell", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
