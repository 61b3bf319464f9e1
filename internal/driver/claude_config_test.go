package driver

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/bin"
	"github.com/orchestron/orchestron/internal/claudefile"
	"github.com/orchestron/orchestron/internal/driver/drivertest"
)

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// without returns an environment less one variable.
func without(env []string, name string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(e string) bool { return strings.HasPrefix(e, name+"=") })
}

func TestAutoConfig(t *testing.T) {
	l := drivertest.Launch(t)
	home := bin.Environ(l.Environ).Get("HOME")
	c := NewClaude(ClaudeSettings{Binary: "/bin/cat", Environ: without(l.Environ, "ANTHROPIC_API_KEY")})
	l.Environ = without(l.Environ, "ANTHROPIC_API_KEY")

	_, err := c.Prepare(l)
	if orchestron.KindOf(err) != orchestron.Unavailable || !strings.Contains(err.Error(), "ANTHROPIC_API_KEY") {
		t.Errorf("without an account Prepare says %v", err)
	}
	put(t, filepath.Join(home, ".claude.json"), `{"oauthAccount":{"emailAddress":"ann@example.com"},"big":12345678901234567890,"html":"<b>","projects":{"/other":{"x":1}}}`)
	_, err = c.Prepare(l)
	if orchestron.KindOf(err) != orchestron.Unavailable || !strings.Contains(err.Error(), "orchestron install claude") {
		t.Errorf("without the person's consent Prepare says %v", err)
	}
	if changed, err := claudefile.MergeKeybindings(filepath.Join(home, ".claude", "keybindings.json")); err != nil || !changed {
		t.Fatalf("MergeKeybindings = %v, %v", changed, err)
	}
	command := drivertest.Prepare(t, c, l)
	for _, e := range command.Env {
		if strings.HasPrefix(e, "CLAUDE_CONFIG_DIR=") {
			t.Errorf("with the person's own configuration the program is given %s", e)
		}
	}
	state := get(t, filepath.Join(home, ".claude.json"))
	for _, want := range []string{"12345678901234567890", "<b>", `"/other"`, "ann@example.com", "hasTrustDialogAccepted", l.Agent.Workspace} {
		if !strings.Contains(state, want) {
			t.Errorf("%q is not in the person's .claude.json afterwards", want)
		}
	}
	if info, err := os.Stat(filepath.Join(home, ".claude.json")); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf(".claude.json has the mode %v, %v, want it kept", info.Mode(), err)
	}
	if strings.Contains(state, "hasCompletedOnboarding") {
		t.Error("the person's own onboarding is answered for them")
	}
	a := l.Agent
	a.Process.PID = 7
	if got, want := c.Watch(a, l.Dir), []string{filepath.Join(home, ".claude", "sessions", "7.json")}; !slices.Equal(got, want) {
		t.Errorf("Watch = %q, want %q", got, want)
	}
}

func TestMergeTogether(t *testing.T) {
	l := drivertest.Launch(t)
	home := bin.Environ(l.Environ).Get("HOME")
	put(t, filepath.Join(home, ".claude.json"), `{"oauthAccount":{"a":1}}`)
	if _, err := claudefile.MergeKeybindings(filepath.Join(home, ".claude", "keybindings.json")); err != nil {
		t.Fatal(err)
	}
	c := NewClaude(ClaudeSettings{Binary: "/bin/cat", Config: UserConfig})
	var all sync.WaitGroup
	var work []string
	for range 8 {
		one := drivertest.Launch(t)
		one.Environ = l.Environ
		work = append(work, one.Agent.Workspace)
		all.Go(func() {
			if _, err := c.Prepare(one); err != nil {
				t.Errorf("Prepare: %v", err)
			}
		})
	}
	all.Wait()
	state := get(t, filepath.Join(home, ".claude.json"))
	for _, w := range work {
		if !strings.Contains(state, w) {
			t.Errorf("the trust in %s is lost", w)
		}
	}
	if _, err := os.Stat(filepath.Join(home, ".claude.json.lock")); !os.IsNotExist(err) {
		t.Errorf("the lock is left behind: %v", err)
	}
}

func TestMergeKeybindings(t *testing.T) {
	for name, test := range map[string]struct{ before, want string }{
		"empty":    {`{}`, `{"bindings":[{"bindings":{"ctrl+] ctrl+]":"chat:externalEditor","ctrl+] ctrl+^":"chat:submit"},"context":"Chat"}]}`},
		"others":   {`{"$schema":"s","bindings":[{"context":"Global","bindings":{"ctrl+] ctrl+]":"app:exit"}}]}`, `{"$schema":"s","bindings":[{"bindings":{"ctrl+] ctrl+]":"app:exit"},"context":"Global"},{"bindings":{"ctrl+] ctrl+]":"chat:externalEditor","ctrl+] ctrl+^":"chat:submit"},"context":"Chat"}]}`},
		"own":      {`{"bindings":[{"context":"Chat","bindings":{"ctrl+e":"chat:stash","ctrl+] ctrl+]":"chat:externalEditor"}}]}`, `{"bindings":[{"bindings":{"ctrl+] ctrl+]":"chat:externalEditor","ctrl+] ctrl+^":"chat:submit","ctrl+e":"chat:stash"},"context":"Chat"}]}`},
		"taken":    {`{"bindings":[{"context":"Chat","bindings":{"Ctrl+]  ctrl+]":"chat:stash"}}]}`, ""},
		"prefix":   {`{"bindings":[{"context":"Chat","bindings":{"ctrl+]":"chat:stash"}}]}`, ""},
		"no json":  {`{"bindings":`, ""},
		"no list":  {`{"bindings":{}}`, ""},
		"no block": {`{"bindings":[7]}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "keybindings.json")
			put(t, path, test.before)
			changed, err := claudefile.MergeKeybindings(path)
			if test.want == "" {
				if orchestron.KindOf(err) != orchestron.Conflict || changed || get(t, path) != test.before {
					t.Errorf("MergeKeybindings = %v, %v and the file %s, want a conflict and the file as it was", changed, err, get(t, path))
				}
				return
			}
			got := strings.NewReplacer("\n", "", " ", "").Replace(get(t, path))
			if diff := cmp.Diff(strings.ReplaceAll(test.want, " ", ""), got); err != nil || !changed || diff != "" {
				t.Errorf("MergeKeybindings = %v, %v and differs (-want +got):\n%s", changed, err, diff)
			}
			if changed, err := claudefile.MergeKeybindings(path); changed || err != nil {
				t.Errorf("a second MergeKeybindings = %v, %v", changed, err)
			}
		})
	}
}

func TestMemory(t *testing.T) {
	l := drivertest.Launch(t)
	c := NewClaude(ClaudeSettings{Binary: "/bin/cat"})
	memory := filepath.Join(l.Agent.Workspace, "CLAUDE.md")
	appended := func(command orchestron.Command) bool {
		return slices.ContainsFunc(command.Argv, func(a string) bool { return strings.HasPrefix(a, "--append-system-prompt-file=") })
	}
	if appended(drivertest.Prepare(t, c, l)) || get(t, memory) != l.Context {
		t.Errorf("CLAUDE.md = %q, want the context", get(t, memory))
	}
	l.Context = "# Another role\n"
	if appended(drivertest.Prepare(t, c, l)) || get(t, memory) != l.Context {
		t.Errorf("CLAUDE.md = %q, want the new context", get(t, memory))
	}
	put(t, memory, "somebody's own")
	if !appended(drivertest.Prepare(t, c, l)) || get(t, memory) != "somebody's own" {
		t.Errorf("CLAUDE.md = %q, want it kept and the context appended", get(t, memory))
	}
	if err := os.Remove(memory); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", memory); err != nil {
		t.Fatal(err)
	}
	if !appended(drivertest.Prepare(t, c, l)) {
		t.Error("a link in place of CLAUDE.md is taken for ours")
	}
	shared := drivertest.Launch(t)
	shared.Agent.WorkspaceMode = orchestron.Shared
	if !appended(drivertest.Prepare(t, c, shared)) {
		t.Error("the context of an agent in a shared workspace is not appended")
	}
	if _, err := os.Stat(filepath.Join(shared.Agent.Workspace, "CLAUDE.md")); !os.IsNotExist(err) {
		t.Errorf("a shared workspace is given a CLAUDE.md: %v", err)
	}
}

func TestResume(t *testing.T) {
	l := drivertest.Launch(t)
	c := NewClaude(ClaudeSettings{Binary: "/bin/cat"})
	id := "11111111-1111-4111-8111-111111111111"
	l.Agent.SessionID = id
	has := func(flag string) bool { return slices.Contains(drivertest.Prepare(t, c, l).Argv, flag+"="+id) }
	if has("--resume") || has("--session-id") {
		t.Error("a start resumes")
	}
	l.Resume = true
	if has("--resume") || !has("--session-id") {
		t.Error("a conversation that was never begun is not started again with its id")
	}
	transcript := filepath.Join(l.Dir, "config", "projects", "-somewhere", id+".jsonl")
	for _, cut := range []string{"", `{"type":"mode"}` + "\n", `{"type":"mode"}` + "\n" + `{"type":"user","mess`} {
		put(t, transcript, cut)
		if has("--resume") || !has("--session-id") {
			t.Errorf("a transcript without a conversation, %q, is resumed", cut)
		}
		if _, err := os.Stat(transcript); err == nil {
			t.Errorf("the transcript %q is still where Claude Code finds its id in use", cut)
		}
	}
	put(t, transcript, `{"type":"mode"}`+"\n"+`{"parentUuid":null,"type":"user","message":{}}`+"\n")
	if !has("--resume") || has("--session-id") {
		t.Error("a conversation is not resumed")
	}
	l.Agent.SessionID = "../../x"
	if argv := drivertest.Prepare(t, c, l).Argv; strings.Contains(strings.Join(argv, " "), "../x") {
		t.Errorf("a session id that is none is in %q", argv)
	}
}

func TestPermission(t *testing.T) {
	l := drivertest.Launch(t)
	for mode, want := range map[string]string{
		"": "acceptEdits", "default": "manual", "plan": "plan", "bypassPermissions": "bypassPermissions", "yolo": "", "--x": "",
	} {
		l.Agent.Permission = mode
		command, err := NewClaude(ClaudeSettings{Binary: "/bin/cat"}).Prepare(l)
		if want == "" {
			if orchestron.KindOf(err) != orchestron.Invalid {
				t.Errorf("the mode %q is refused with %v, want it invalid", mode, err)
			}
		} else if err != nil || !slices.Contains(command.Argv, "--permission-mode="+want) {
			t.Errorf("the mode %q becomes %q, %v", mode, command.Argv, err)
		}
	}
	l.Agent.Permission, l.Environ = "bypassPermissions", without(l.Environ, "IS_SANDBOX")
	if _, err := NewClaude(ClaudeSettings{Binary: "/bin/cat"}).Prepare(l); (err != nil) != (os.Geteuid() == 0) {
		t.Errorf("bypassPermissions as user %d gives %v", os.Geteuid(), err)
	}
}

func TestCheck(t *testing.T) {
	env := drivertest.Environ(t.TempDir())
	for name, test := range map[string]struct {
		set  ClaudeSettings
		want string
	}{
		"missing":    {ClaudeSettings{Binary: "no-such-program", Environ: env}, "npm install"},
		"no path":    {ClaudeSettings{Binary: "/no/such/program", Environ: env}, "npm install"},
		"no account": {ClaudeSettings{Binary: "/bin/cat", Environ: without(env, "ANTHROPIC_API_KEY")}, "log in"},
		"no key":     {ClaudeSettings{Binary: "/bin/cat", Config: OwnConfig, Environ: without(env, "ANTHROPIC_API_KEY")}, "ANTHROPIC_API_KEY"},
		"failing":    {ClaudeSettings{Binary: "false", Environ: env}, "--version"},
	} {
		version, err := NewClaude(test.set).Check(t.Context())
		if orchestron.KindOf(err) != orchestron.Unavailable || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: Check = %q, %v, want it unavailable with %q", name, version, err, test.want)
		}
	}
	if version, err := NewClaude(ClaudeSettings{Binary: "cat", Environ: env}).Check(t.Context()); err != nil || version == "" {
		t.Errorf("Check = %q, %v, want a version", version, err)
	}
}

// A login is the person's own configuration, which must have the chords before anything can be delivered.
func TestCheckWantsConsent(t *testing.T) {
	home := t.TempDir()
	put(t, filepath.Join(home, ".claude.json"), `{"oauthAccount":{"a":1}}`)
	c := NewClaude(ClaudeSettings{Binary: "cat", Environ: without(drivertest.Environ(home), "ANTHROPIC_API_KEY")})
	if _, err := c.Check(t.Context()); orchestron.KindOf(err) != orchestron.Unavailable || !strings.Contains(err.Error(), "install claude --keybindings") {
		t.Errorf("Check without the chords: %v, want it to say how they are added", err)
	}
	if _, err := claudefile.MergeKeybindings(filepath.Join(home, ".claude", "keybindings.json")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Check(t.Context()); err != nil {
		t.Errorf("Check with the chords: %v", err)
	}
}

func TestPermissionOfDrivers(t *testing.T) {
	claude := NewClaude(ClaudeSettings{Environ: []string{"IS_SANDBOX=1"}})
	custom, err := NewCustom(CustomSettings{Name: "cat", Argv: []string{"cat"}})
	if err != nil {
		t.Fatal(err)
	}
	for mode, want := range map[string]struct{ claude, custom bool }{
		"": {true, true}, "plan": {true, false}, "bypassPermissions": {true, false}, "yolo": {false, false},
	} {
		if _, err := claude.Permission(mode); (err == nil) != want.claude || err != nil && orchestron.KindOf(err) != orchestron.Invalid {
			t.Errorf("claude: the mode %q gives %v", mode, err)
		}
		if _, err := custom.Permission(mode); (err == nil) != want.custom || err != nil && orchestron.KindOf(err) != orchestron.Invalid {
			t.Errorf("custom: the mode %q gives %v", mode, err)
		}
	}
}

// TestPermissionIsExplicit: what an agent gets is known before it starts, and giving it again changes nothing.
func TestPermissionIsExplicit(t *testing.T) {
	claude := NewClaude(ClaudeSettings{Permission: "plan"})
	for mode, want := range map[string]string{"": "plan", "acceptEdits": "acceptEdits", "default": "manual", "manual": "manual"} {
		if got, err := claude.Permission(mode); got != want || err != nil {
			t.Errorf("Permission(%q) = %q, %v, want %q", mode, got, err, want)
		}
	}
}

func TestCustomClear(t *testing.T) {
	for want, keys := range map[orchestron.Key][]orchestron.Key{"C-u": nil, "C-k": {"C-k"}} {
		c, err := NewCustom(CustomSettings{Name: "cat", Argv: []string{"cat"}, Clear: keys})
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Channel("").Clear; !slices.Equal(got, []orchestron.Key{want}) {
			t.Errorf("with the keys %q the input line is cleared by %q, want %q", keys, got, want)
		}
	}
}

func TestTooOld(t *testing.T) {
	for version, want := range map[string]bool{"2.1.329": false, "2.1.197": false, "2.1.196": true, "1.9.999": true, "3.0.0": false, "cat": false, "": false} {
		if got := tooOld(version); got != want {
			t.Errorf("tooOld(%q) = %v, want %v", version, got, want)
		}
	}
}
