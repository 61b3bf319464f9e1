package approval

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/approvalapi"
)

//go:embed tools.yaml
var tools []byte

// tool is what a tool can do.
type tool struct {
	Tool    string           `yaml:"tool"` // a pattern
	Risk    approvalapi.Risk `yaml:"risk"`
	Subject string           `yaml:"subject"` // the argument that says what it does it to
	Kind    string           `yaml:"kind"`
	Whole   bool             `yaml:"whole"`   // without a path it means the workspace
	Pattern string           `yaml:"pattern"` // the argument with a pattern of paths, below the subject or elsewhere
}

func readTools(data []byte) ([]tool, error) {
	var table []tool
	if err := yaml.Load(data, &table, yaml.WithKnownFields()); err != nil {
		return nil, fmt.Errorf("the table of tools: %w", err)
	}
	return table, nil
}

// look returns what is asked for, as rules and people see it.
func look(table []tool, a orchestron.Agent, f orchestron.Fact) (approvalapi.Asked, approvalapi.Risk) {
	q := approvalapi.Asked{Tool: f.Question.Tool, Agent: a}
	row := tool{Risk: approvalapi.High}
	for _, t := range table {
		if match, err := path.Match(t.Tool, q.Tool); match && err == nil {
			row = t
			break
		}
	}
	var args map[string]any
	_ = json.Unmarshal(f.Input, &args) // arguments of another shape are shown as they are
	text := func(name string) (string, bool) {
		value, is := args[name].(string)
		return value, is && name != ""
	}
	var known bool
	q.Subject, known = text(row.Subject)
	if row.Kind == "path" && !known && !row.Whole {
		q.Subject = compact(f.Input)
		q.Path = &approvalapi.Path{Named: q.Subject, Real: nowhere(""), Workspace: filepath.Clean(a.Workspace), RealWorkspace: follow(a.Workspace)}
		return q, approvalapi.High
	}
	if row.Kind == "path" {
		q.Path = locate(a.Workspace, q.Subject)
		if pattern, is := text(row.Pattern); is {
			q.Path = reach(*q.Path, pattern)
		}
		q.Subject = q.Path.Named
		if q.Path.Outside() {
			row.Risk = approvalapi.High
		}
		return q, row.Risk
	}
	if !known {
		q.Subject = compact(f.Input)
	}
	q.Shell = row.Kind == "command"
	return q, row.Risk
}

func compact(input json.RawMessage) string {
	var b bytes.Buffer
	if json.Compact(&b, input) != nil {
		return string(input)
	}
	return b.String()
}

// strays finds in a pattern of paths what can lead anywhere: a home, a directory above, an absolute path among others.
var strays = regexp.MustCompile(`^~|[{,][/~]|(^|[/{,])\.\.($|[/},])`)

// reach is where a pattern leads that is meant below a directory: as a path, wildcards and all.
func reach(dir approvalapi.Path, pattern string) *approvalapi.Path {
	if strays.MatchString(pattern) {
		return &approvalapi.Path{Named: pattern, Real: nowhere(pattern), Workspace: dir.Workspace, RealWorkspace: dir.RealWorkspace}
	}
	return locate(dir.Workspace, resolve(dir.Named, pattern))
}

func resolve(dir, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}

func locate(workspace, name string) *approvalapi.Path {
	p := approvalapi.Path{Named: filepath.Clean(resolve(workspace, name)), Workspace: filepath.Clean(workspace)}
	p.Real, p.RealWorkspace = follow(p.Named), follow(p.Workspace)
	return &p
}

// follow resolves the links in a path as far as it exists.
func follow(name string) string {
	rest := ""
	for dir := name; ; dir = filepath.Dir(dir) {
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			return filepath.Join(real, rest)
		}
		if _, err := os.Lstat(dir); err == nil || dir == filepath.Dir(dir) {
			return nowhere(name) // a link to nowhere can become one to anywhere
		}
		rest = filepath.Join(filepath.Base(dir), rest)
	}
}

// nowhere is a path that is in no workspace.
func nowhere(name string) string { return "/dev/null/" + strings.TrimPrefix(name, "/") }
