package bin

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/orchestron/orchestron"
)

// Dir is where an agent's own programs are, below its directory.
func Dir(dir string) string { return filepath.Join(dir, "bin") }

const VersionTime = 20 * time.Second // a first start reads 400 MB from the disk

// Settings say how a vendor's program is found and started. The zero value finds it in PATH.
type Settings struct {
	Binary  string   // a path or a name; the vendor's own name when empty
	Pass    []string // names of further variables that agents see
	Environ []string // the daemon's environment, as in orchestron.Launch

	Hold time.Duration // how long the hook of a permission question may wait for a decision; 0 when nobody decides
}

// Program is a vendor's program on this machine.
type Program struct {
	Title   string // as people call it
	Install string // the command that installs it
	Says    string // what --version prints before the number
	Tested  string // the version that the driver was measured with: the oldest that is accepted
	Set     Settings

	mu   sync.Mutex
	seen map[string]string // versions by path, size and time
}

// Locate returns the path of the program. It is Unavailable with a remedy when it is missing.
func (p *Program) Locate(env Environ) (string, error) {
	file, err := Find(p.Set.Binary, env.Get("PATH"))
	if err != nil {
		return "", orchestron.Errorf(orchestron.Unavailable, "%s is not there: %w", p.Title, err).
			Try("install it with %s, or name its path in the configuration", p.Install)
	}
	return file, nil
}

// Installed reports whether the program is there, or the configuration says that it should be.
func (p *Program) Installed() bool {
	_, err := Find(p.Set.Binary, Environ(p.Set.Environ).Get("PATH"))
	return err == nil || strings.ContainsRune(p.Set.Binary, filepath.Separator)
}

// Check finds the program and says which version it is. It is Unavailable with a remedy when the program is missing, does
// not run, does not call itself what it should, or is older than what the driver was measured with.
func (p *Program) Check(ctx context.Context) (string, error) {
	file, err := p.Locate(p.Set.Environ)
	if err != nil {
		return "", err
	}
	said, err := p.version(ctx, file)
	if err != nil {
		return "", err
	}
	version, found := strings.CutPrefix(said, p.Says)
	number, ok := numbers(version)
	if !found || !ok {
		return "", orchestron.Errorf(orchestron.Unavailable, "%s says that its version is %q, which is none of %s", file, said, p.Title).
			Try("name the path of %s in the configuration", p.Title)
	}
	if oldest, _ := numbers(p.Tested); slices.Compare(number[:], oldest[:]) < 0 {
		return "", orchestron.Errorf(orchestron.Unavailable, "%s %s is too old", p.Title, version).
			Try("update it with %s; the oldest that works is %s", p.Install, p.Tested)
	}
	return version, nil
}

// Untested says in words that a version is newer than what the driver was measured with, or nothing.
func (p *Program) Untested(version string) string {
	have, _ := numbers(version)
	want, _ := numbers(p.Tested)
	if slices.Compare(have[:2], want[:2]) <= 0 {
		return ""
	}
	return fmt.Sprintf("newer than %s, with which this was tested; agents that do not become ready may be because of that", p.Tested)
}

func numbers(version string) (n [3]int, ok bool) {
	_, err := fmt.Sscanf(version, "%d.%d.%d", &n[0], &n[1], &n[2])
	return n, err == nil
}

// version asks a program once for as long as its file does not change.
func (p *Program) version(ctx context.Context, file string) (string, error) {
	info, err := os.Stat(file)
	if err != nil {
		return "", orchestron.Errorf(orchestron.Unavailable, "%s is not there: %w", p.Title, err)
	}
	key := fmt.Sprint(file, info.Size(), info.ModTime().UnixNano())
	p.mu.Lock()
	defer p.mu.Unlock()
	if v := p.seen[key]; v != "" {
		return v, nil
	}
	ctx, cancel := context.WithTimeout(ctx, VersionTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, file, "--version")
	cmd.Env, _ = Environ(p.Set.Environ).Pick(Basic)
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	said, _, _ := strings.Cut(strings.TrimSpace(strings.ToValidUTF8(string(out), "?")), "\n")
	if err != nil || said == "" {
		return "", orchestron.Errorf(orchestron.Unavailable, "%s does not say its version: %w", file, Because(err, context.Cause(ctx))).
			Try("run %s --version and see what is wrong", file)
	}
	if p.seen == nil {
		p.seen = map[string]string{}
	}
	p.seen[key] = orchestron.Quotable(said)
	return p.seen[key], nil
}

// Environment is the whole environment of a program whose editor key runs orchestron compose.
func (p *Program) Environment(l orchestron.Launch, allow func(name string) bool, more ...string) (open, secret []string) {
	env := Environ(l.Environ)
	open, secret = env.Pick(func(name string) bool {
		return name != "PATH" && (Basic(name) || allow(name) || slices.Contains(p.Set.Pass, name))
	})
	open = append(open, "PATH="+Dir(l.Dir)+string(filepath.ListSeparator)+env.Get("PATH"),
		"TERM=tmux-256color", "EDITOR=orchestron compose", "VISUAL=orchestron compose", "GIT_EDITOR=true") // git must not open the input box
	open = append(open, more...)
	if env.Get("LANG") == "" {
		open = append(open, "LANG=C.UTF-8")
	}
	if editor := cmp.Or(env.Get("VISUAL"), env.Get("EDITOR")); editor != "" {
		open = append(open, EnvEditor+"="+editor)
	}
	if l.Token != "" {
		secret = append(secret, EnvToken+"="+l.Token)
	}
	return open, secret
}

// Because returns why a command failed: that its time was over says more than that it was killed.
func Because(err, cause error) error {
	if cause != nil {
		return cause
	}
	if err == nil {
		return fmt.Errorf("it printed nothing")
	}
	return err
}
