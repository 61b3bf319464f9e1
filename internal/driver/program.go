package driver

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
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

// Settings say how a vendor's program is found and started. The zero value finds it in PATH.
type Settings struct {
	Binary  string   // a path or a name; the vendor's own name when empty
	Pass    []string // names of further variables that agents see
	Environ []string // the daemon's environment, as in orchestron.Launch

	Hold time.Duration // how long the hook of a permission question may wait for a decision; 0 when nobody decides
}

// program is a vendor's program on this machine.
type program struct {
	title   string // as people call it
	install string // the command that installs it
	says    string // what --version prints before the number
	tested  string // the version that the driver was measured with: the oldest that is accepted
	set     Settings

	mu   sync.Mutex
	seen map[string]string // versions by path, size and time
}

func (p *program) find(env environ) (string, error) {
	file, err := find(p.set.Binary, env.get("PATH"))
	if err != nil {
		return "", orchestron.Errorf(orchestron.Unavailable, "%s is not there: %w", p.title, err).
			Try("install it with %s, or name its path in the configuration", p.install)
	}
	return file, nil
}

// Installed reports whether the program is there, or the configuration says that it should be.
func (p *program) Installed() bool {
	_, err := find(p.set.Binary, environ(p.set.Environ).get("PATH"))
	return err == nil || strings.ContainsRune(p.set.Binary, filepath.Separator)
}

// Check finds the program and says which version it is. It is Unavailable with a remedy when the program is missing, does
// not run, does not call itself what it should, or is older than what the driver was measured with.
func (p *program) Check(ctx context.Context) (string, error) {
	file, err := p.find(p.set.Environ)
	if err != nil {
		return "", err
	}
	said, err := p.version(ctx, file)
	if err != nil {
		return "", err
	}
	version, found := strings.CutPrefix(said, p.says)
	number, ok := numbers(version)
	if !found || !ok {
		return "", orchestron.Errorf(orchestron.Unavailable, "%s says that its version is %q, which is none of %s", file, said, p.title).
			Try("name the path of %s in the configuration", p.title)
	}
	if oldest, _ := numbers(p.tested); slices.Compare(number[:], oldest[:]) < 0 {
		return "", orchestron.Errorf(orchestron.Unavailable, "%s %s is too old", p.title, version).
			Try("update it with %s; the oldest that works is %s", p.install, p.tested)
	}
	return version, nil
}

// Untested says in words that a version is newer than what the driver was measured with, or nothing.
func (p *program) Untested(version string) string {
	have, _ := numbers(version)
	want, _ := numbers(p.tested)
	if slices.Compare(have[:2], want[:2]) <= 0 {
		return ""
	}
	return fmt.Sprintf("newer than %s, with which this was tested; agents that do not become ready may be because of that", p.tested)
}

func numbers(version string) (n [3]int, ok bool) {
	_, err := fmt.Sscanf(version, "%d.%d.%d", &n[0], &n[1], &n[2])
	return n, err == nil
}

// version asks a program once for as long as its file does not change.
func (p *program) version(ctx context.Context, file string) (string, error) {
	info, err := os.Stat(file)
	if err != nil {
		return "", orchestron.Errorf(orchestron.Unavailable, "%s is not there: %w", p.title, err)
	}
	key := fmt.Sprint(file, info.Size(), info.ModTime().UnixNano())
	p.mu.Lock()
	defer p.mu.Unlock()
	if v := p.seen[key]; v != "" {
		return v, nil
	}
	ctx, cancel := context.WithTimeout(ctx, versionTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, file, "--version")
	cmd.Env, _ = environ(p.set.Environ).pick(basic)
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	said, _, _ := strings.Cut(strings.TrimSpace(strings.ToValidUTF8(string(out), "?")), "\n")
	if err != nil || said == "" {
		return "", orchestron.Errorf(orchestron.Unavailable, "%s does not say its version: %w", file, because(err, context.Cause(ctx))).
			Try("run %s --version and see what is wrong", file)
	}
	p.seen[key] = orchestron.Quotable(said)
	return p.seen[key], nil
}

// environment is the whole environment of a program whose editor key runs orchestron compose.
func (p *program) environment(l orchestron.Launch, allow func(name string) bool, more ...string) (open, secret []string) {
	env := environ(l.Environ)
	open, secret = env.pick(func(name string) bool {
		return name != "PATH" && (basic(name) || allow(name) || slices.Contains(p.set.Pass, name))
	})
	open = append(open, "PATH="+binDir(l.Dir)+string(filepath.ListSeparator)+env.get("PATH"),
		"TERM=tmux-256color", "EDITOR=orchestron compose", "VISUAL=orchestron compose", "GIT_EDITOR=true") // git must not open the input box
	open = append(open, more...)
	if env.get("LANG") == "" {
		open = append(open, "LANG=C.UTF-8")
	}
	if editor := cmp.Or(env.get("VISUAL"), env.get("EDITOR")); editor != "" {
		open = append(open, envEditor+"="+editor)
	}
	if l.Token != "" {
		secret = append(secret, envToken+"="+l.Token)
	}
	return open, secret
}

// permissionOf returns a permission mode by the name that records have it under; empty means acceptEdits. It is Invalid
// when there is none of that name.
func permissionOf(title, mode string) (string, error) {
	switch mode {
	case "":
		return "acceptEdits", nil
	case "manual":
		return "default", nil
	case "default", "acceptEdits", "dontAsk", "plan", "bypassPermissions":
		return mode, nil
	}
	return "", orchestron.Errorf(orchestron.Invalid, "%s has no permission mode %q", title, orchestron.Quotable(mode)).
		Try("use default, acceptEdits, plan, dontAsk or bypassPermissions")
}

// vendorHook turns one call of a hook that speaks as Claude Code's do into facts. It knows one hook more: Interrupt.
func vendorHook(event string, payload json.RawMessage, at time.Time) []orchestron.Fact {
	var call struct {
		hookCall
		Turn string `json:"turn_id"`
	}
	if json.Unmarshal(payload, &call) != nil {
		return nil
	}
	if event == "" {
		event = call.Event
	}
	call.PromptID = call.Turn
	f := orchestron.Fact{Source: orchestron.FromHook, At: at, SessionID: call.SessionID, Transcript: call.Transcript}
	if event == "Interrupt" {
		f.Kind, f.Text, f.PromptID, f.Detail = orchestron.FactTurnFailed, "interrupted", call.Turn, "interrupted in the terminal"
		return []orchestron.Fact{f}
	}
	if !call.tell(event, &f) {
		return nil
	}
	return []orchestron.Fact{f}
}

// hookCommand is the shell's command for our hook.
func hookCommand(self string) string { return "'" + strings.ReplaceAll(self, "'", `'\''`) + "' hook" }

// prompted returns a message as a prompt for programs that take / and ! at the beginning for a command: with a
// backslash before it. A message of nothing but white space is Invalid.
func prompted(text string) (string, error) {
	trimmed := strings.TrimSpace(text)
	if trimmed == "" {
		return "", orchestron.Errorf(orchestron.Invalid, "the message holds nothing but white space").Try("give it some text")
	}
	if !commands(trimmed) {
		return text, nil
	}
	at := strings.Index(text, trimmed)
	return text[:at] + `\` + text[at:], nil
}

// unmentioned returns a text with a space behind a mention (@file) at its end, which would open a list that takes the
// submit key.
func unmentioned(text string) string {
	words := strings.Fields(text)
	if len(words) == 0 || !strings.HasSuffix(text, words[len(words)-1]) || !strings.Contains(words[len(words)-1], "@") {
		return text
	}
	return text + " "
}

// recorded reports whether a conversation's file holds something near its beginning: that there is one to resume.
func recorded(path, mark string) bool {
	if path == "" {
		return false
	}
	data, err := head(path)
	return err == nil && bytes.Contains(data, []byte(mark))
}
