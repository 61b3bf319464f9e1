package config

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/approvalapi"
	"github.com/orchestron/orchestron/internal/boardapi"
	"github.com/orchestron/orchestron/internal/healthapi"
)

// person is an environment with a home that is new.
func person(t *testing.T, more ...string) (home string, environ []string) {
	t.Helper()
	home, err := os.MkdirTemp("", "o")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	return home, append([]string{"HOME=" + home}, more...)
}

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func load(t *testing.T, environ []string, file string) Config {
	t.Helper()
	c, err := Load(environ, file)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDefaultsNeedNothing(t *testing.T) {
	home, environ := person(t)
	state := filepath.Join(home, ".local/state/orchestron")
	want := Config{
		Home: state, Dir: filepath.Join(home, ".config/orchestron"), RolesDir: filepath.Join(home, ".config/orchestron/roles"),
		DaemonSocket: state + "/run/daemon.sock", TmuxSocket: state + "/run/tmux.sock", LogFile: state + "/daemon.log",
		Listen: "127.0.0.1:8080", LogLevel: slog.LevelInfo, MaxInstances: 10, MaxDepth: 3, MaxChildren: 8, MaxSpawns: 20, ChildDrivers: "same", WorkspaceDir: state + "/workspaces",
		Driver: "claude", MessageTTL: time.Hour, Push: boardapi.DefaultPolicy(),
		Approvals: approvalapi.Policy{Expiry: 10 * time.Minute}, Health: healthapi.Usual(), Claude: Claude{Config: "auto", PermissionMode: "acceptEdits"}, Custom: map[string]Custom{}, ACP: map[string]ACP{},
	}
	if diff := cmp.Diff(want, load(t, environ, "")); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
	for _, dir := range []string{state, state + "/run"} {
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v, want a directory of mode 0700", dir, info, err)
		}
	}
}

// The example as it stands changes nothing, and neither do the values it shows.
func TestExampleShowsTheDefaults(t *testing.T) {
	_, environ := person(t)
	want := load(t, environ, "")
	shown := regexp.MustCompile(`(?m)^( *)#([a-z_]+:)`).ReplaceAllString(Example(), "$1$2")
	for what, text := range map[string]string{"example": Example(), "example without its #": shown} {
		got := load(t, environ, write(t, text))
		if len(got.Hosts) == 0 && len(got.Claude.Env) == 0 && len(got.Approvals.Rules) == 0 {
			got.Hosts, got.Claude.Env, got.Approvals.Rules = want.Hosts, want.Claude.Env, want.Approvals.Rules // nothing and an empty list are the same
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	for _, key := range []string{
		"listen", "allow_remote", "hosts", "log_level", "log_file", "max_instances", "max_depth", "max_children", "max_spawns_per_minute", "child_drivers", "workspace_dir", "tmux", "driver", "message_ttl",
		"push", "clarified", "claude", "binary", "config", "permission_mode", "env", "codex", "opencode", "gemini", "custom",
	} {
		if !regexp.MustCompile(`(?m)^ *` + key + `:`).MatchString(shown) {
			t.Errorf("the example does not show %s", key)
		}
	}
}

func TestFileSetsEverything(t *testing.T) {
	home, environ := person(t, "PORT=9000", "MANY=25", "YES=true", "BRACKETS=[a, b]", "QUOTED=7")
	file := write(t, `
listen: 0.0.0.0:${PORT}
allow_remote: ${YES}
hosts: [a.example, "${HOST:-b.example}"]
log_level: warning
log_file: ~/log/o.log
max_instances: ${MANY:-3}
workspace_dir: /srv/work
tmux: /opt/tmux/bin/tmux
driver: aider
message_ttl: 90m
claude:
  binary: claude-next
  config: own
  permission_mode: plan
  env: [HTTPS_PROXY, NO_PROXY]
codex:
  binary: /opt/codex
  env: [MY_KEY]
custom:
  aider:
    argv: [aider, "${BRACKETS}", "$${NOT}", "${EMPTY:-}", "${QUOTED}", $5, "a${QUOTED}b"]
    env: [OPENAI_API_KEY]
    clear: [C-u]
acp:
  qwen:
    argv: [~/bin/qwen, --acp]
    env: [OPENAI_API_KEY]
    login: openai
    modes: {acceptEdits: auto-edit, bypassPermissions: yolo}
`)
	got := load(t, environ, file)
	want := got
	want.Listen, want.AllowRemote, want.Hosts, want.LogLevel = "0.0.0.0:9000", true, []string{"a.example", "b.example"}, slog.LevelWarn
	want.LogFile, want.MaxInstances, want.WorkspaceDir = filepath.Join(home, "log/o.log"), 25, "/srv/work"
	want.Tmux, want.Driver, want.MessageTTL = "/opt/tmux/bin/tmux", "aider", 90*time.Minute
	want.Claude = Claude{Binary: "claude-next", Config: "own", PermissionMode: "plan", Env: []string{"HTTPS_PROXY", "NO_PROXY"}}
	want.Codex = Vendor{Binary: "/opt/codex", Env: []string{"MY_KEY"}}
	want.Custom = map[string]Custom{"aider": {
		Argv: []string{"aider", "[a, b]", "${NOT}", "", "7", "$5", "a7b"}, Env: []string{"OPENAI_API_KEY"}, Clear: []orchestron.Key{"C-u"},
	}}
	want.ACP = map[string]ACP{"qwen": {
		Argv: []string{filepath.Join(home, "bin/qwen"), "--acp"}, Env: []string{"OPENAI_API_KEY"}, Login: "openai",
		Modes: map[string]string{"acceptEdits": "auto-edit", "bypassPermissions": "yolo"},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
}

func TestUsualFile(t *testing.T) {
	home, environ := person(t)
	for _, dir := range []string{".config/orchestron", "elsewhere"} {
		if err := os.MkdirAll(filepath.Join(home, dir), 0o700); err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf("max_instances: %d\n", len(dir))
		if err := os.WriteFile(filepath.Join(home, dir, "config.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := load(t, environ, "").MaxInstances; got != 18 {
		t.Errorf("max_instances = %d, want 18 from ~/.config", got)
	}
	if got := load(t, append(environ, "ORCHESTRON_CONFIG_DIR="+home+"/elsewhere"), "").MaxInstances; got != 9 {
		t.Errorf("max_instances = %d, want 9 from the directory named", got)
	}
}

func TestEnvironmentWins(t *testing.T) {
	file := write(t, "listen: 127.0.0.1:1000\nmax_instances: 2\nlog_level: ERROR\nworkspace_dir: /a\n")
	for _, test := range []struct {
		environ []string
		listen  string
	}{
		{nil, "127.0.0.1:1000"},
		{[]string{"ORCHESTRATOR_PORT=8001"}, "127.0.0.1:8001"},
		{[]string{"ORCHESTRATOR_HOST=localhost"}, "localhost:1000"},
		{[]string{"ORCHESTRATOR_HOST=::1", "ORCHESTRATOR_PORT=0"}, "[::1]:0"},
		{[]string{"ORCHESTRATOR_HOST=localhost", "ORCHESTRATOR_PORT=8001", "ORCHESTRON_LISTEN=127.0.0.2:7"}, "127.0.0.2:7"},
	} {
		_, environ := person(t, test.environ...)
		if got := load(t, environ, file).Listen; got != test.listen {
			t.Errorf("with %v listen = %s, want %s", test.environ, got, test.listen)
		}
	}
	_, environ := person(t, "MAX_INSTANCES=7", "LOG_LEVEL=debug", "WORKSPACE_DIR=~/w", "ORCHESTRON_CLAUDE=/opt/claude")
	c := load(t, environ, file)
	if c.MaxInstances != 7 || c.LogLevel != slog.LevelDebug || filepath.Base(c.WorkspaceDir) != "w" || c.Claude.Binary != "/opt/claude" {
		t.Errorf("got %s, want what the environment says", c)
	}
}

func TestWrongConfigurations(t *testing.T) {
	for name, test := range map[string]struct {
		text    string
		environ []string
		want    []string // parts of the error
	}{
		"unknown key":        {text: "listen: 127.0.0.1:1\nmax_instance: 3\n", want: []string{"c.yaml", "line 2: there is no setting max_instance"}},
		"unknown key inside": {text: "claude:\n  env: []\n  modell: x\n", want: []string{"line 3: there is no setting claude.modell (there are binary, config, permission_mode, env)"}},
		"twice":              {text: "tmux: a\ntmux: b\n", want: []string{"line 2: tmux is there twice, first in line 1"}},
		"no YAML":            {text: "listen: [\n", want: []string{"c.yaml: line 2: it is no YAML"}},
		"stuck after":        {text: "health:\n  stuck_after: 1m\n", want: []string{"c.yaml:2: health.stuck_after: 1m0s is not between 2m and 24h"}},
		"list for a text":    {text: "tmux: [a]\n", want: []string{"line 1: tmux: what stands there is no text"}},
		"text for a list":    {text: "claude:\n  env: A\n", want: []string{`line 2: claude.env: "A" is no list`}},
		"a list":             {text: "- a\n", want: []string{"c.yaml", "line 1"}},
		"two documents":      {text: "tmux: a\n---\ntmux: b\n", want: []string{"c.yaml"}},
		"no number":          {text: "\nmax_instances: many\n", want: []string{`line 2: max_instances: "many" is no whole number`}},
		"variable not set":   {text: "# c\n\ntmux: ${NO_SUCH}\n", want: []string{"line 3", "NO_SUCH is not set"}},
		"no variable":        {text: "tmux: ${a b}\n", want: []string{"line 1", "${a b}"}},
		"open reference":     {text: "tmux: ${HOME\n", want: []string{"line 1"}},
		"too many":           {text: "max_instances: 0\n", want: []string{"c.yaml:1: max_instances"}},
		"remote":             {text: "tmux: tmux\nlisten: 0.0.0.0:80\n", want: []string{"c.yaml:2: listen", "allow_remote: true"}},
		"remote, all":        {text: "listen: :80\n", want: []string{"allow_remote"}},
		"remote, name":       {text: "listen: localhost.example:80\n", want: []string{"allow_remote"}},
		"remote, variable":   {environ: []string{"ORCHESTRATOR_HOST=192.168.1.2"}, want: []string{"ORCHESTRATOR_HOST: listen", "allow_remote"}},
		"no port":            {text: "listen: 127.0.0.1\n", want: []string{"listen", "127.0.0.1:8080"}},
		"bad port":           {environ: []string{"ORCHESTRATOR_PORT=99999"}, want: []string{"ORCHESTRATOR_PORT", "listen"}},
		"bad host":           {text: "hosts: ['*']\n", want: []string{"c.yaml:1: hosts"}},
		"level":              {environ: []string{"LOG_LEVEL=loud"}, want: []string{"LOG_LEVEL: log_level", `"loud"`, "DEBUG"}},
		"number in variable": {environ: []string{"MAX_INSTANCES=x"}, want: []string{"MAX_INSTANCES", `"x"`}},
		"relative":           {environ: []string{"WORKSPACE_DIR=work"}, want: []string{"WORKSPACE_DIR: workspace_dir", "absolute"}},
		"relative program":   {text: "tmux: bin/tmux\n", want: []string{"c.yaml:1: tmux", "absolute"}},
		"push occasion":      {text: "push:\n  clarfied: off\n", want: []string{"c.yaml:1: push", "clarfied", "clarified"}},
		"push way":           {text: "push:\n  clarified: loud\n", want: []string{"c.yaml:1: push", "loud", "urgent"}},
		"depth":              {text: "max_depth: 4\n", want: []string{"c.yaml:1: max_depth", "between 1 and 3"}},
		"children":           {text: "max_children: 0\n", want: []string{"c.yaml:1: max_children", "leave it out for 8"}},
		"spawns":             {text: "max_spawns_per_minute: -1\n", want: []string{"c.yaml:1: max_spawns_per_minute", "leave it out for 20"}},
		"child drivers":      {text: "child_drivers: all\n", want: []string{"c.yaml:1: child_drivers", "same", "any"}},
		"ttl":                {text: "message_ttl: 3ms\n", want: []string{"c.yaml:1: message_ttl", "1h"}},
		"ttl no duration":    {text: "message_ttl: soon\n", want: []string{`line 1: message_ttl: "soon" is no length of time, as 90s`}},
		"driver":             {text: "driver: aider\ncustom: {mine: {argv: [x]}}\n", want: []string{"c.yaml:1: driver", "claude, codex, opencode, gemini, scripted, mine"}},
		"claude.config":      {text: "claude:\n  config: mine\n", want: []string{"c.yaml:2: claude.config", "auto, own, user"}},
		"permission mode":    {text: "claude:\n  permission_mode: yolo\n", want: []string{"c.yaml:2: claude.permission_mode", `"yolo"`, "acceptEdits, plan"}},
		"no permission mode": {text: "claude:\n  permission_mode: ''\n", want: []string{"c.yaml:2: claude.permission_mode"}},
		"custom key":         {text: "custom:\n  x:\n    argv: [x]\n    clear: [C-u, Ctrl-U]\n", want: []string{"c.yaml:4: custom.x.clear", `"Ctrl-U"`, "C-u"}},
		"custom text":        {text: "custom:\n  x:\n    argv: [x]\n    clear: ['rm -rf']\n", want: []string{"c.yaml:4: custom.x.clear"}},
		"value in env":       {text: "claude:\n  env:\n  - KEY=s3cret\n", want: []string{"c.yaml:2: claude.env", "KEY", "names only"}},
		"custom name":        {text: "custom:\n  claude: {argv: [x]}\n", want: []string{"c.yaml:2: custom.claude"}},
		"acp name":           {text: "acp:\n  gemini: {argv: [x]}\n", want: []string{"c.yaml:2: acp.gemini"}},
		"acp argv":           {text: "acp:\n  x: {}\n", want: []string{"c.yaml:2: acp.x", "argv"}},
		"acp mode":           {text: "acp:\n  x:\n    argv: [x]\n    modes: {auto-edit: acceptEdits}\n", want: []string{"c.yaml:4: acp.x.modes", `"auto-edit"`}},
		"acp twice":          {text: "acp: {x: {argv: [x]}}\ncustom:\n  x: {argv: [x]}\n", want: []string{"c.yaml:3: custom.x", "acp"}},
		"custom argv":        {text: "custom:\n  x: {}\n", want: []string{"c.yaml:2: custom.x", "argv"}},
		"home":               {environ: []string{"ORCHESTRON_HOME=here"}, want: []string{"ORCHESTRON_HOME=here", "absolute"}},
		"config dir":         {environ: []string{"ORCHESTRON_CONFIG_DIR=here"}, want: []string{"ORCHESTRON_CONFIG_DIR=here"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, environ := person(t, test.environ...)
			_, err := Load(environ, write(t, test.text))
			if orchestron.KindOf(err) != orchestron.Invalid {
				t.Fatalf("Load = %v, want an error of kind invalid", err)
			}
			for _, part := range test.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("Load = %v, want it to contain %q", err, part)
				}
			}
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("Load = %v, which shows a secret", err)
			}
		})
	}
}

// TestPlacesNeedNoFile: what a wrong file cannot change is the same without it.
func TestPlacesNeedNoFile(t *testing.T) {
	_, environ := person(t)
	c := load(t, environ, "")
	want := Config{Home: c.Home, Dir: c.Dir, RolesDir: c.RolesDir, DaemonSocket: c.DaemonSocket, TmuxSocket: c.TmuxSocket, LogFile: c.LogFile}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.Dir, "config.yaml"), []byte("tmux: [\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(environ, ""); err == nil {
		t.Error("a wrong file is loaded")
	}
	got, err := Places(environ)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("Places = %v (-want +got):\n%s", err, diff)
	}
	if err := os.Chmod(c.Home, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Places(environ); orchestron.KindOf(err) != orchestron.Forbidden {
		t.Errorf("Places in a home that others reach = %v, want forbidden", err)
	}
}

func TestNamedFileMustBeThere(t *testing.T) {
	_, environ := person(t)
	if _, err := Load(environ, "/no/such/config.yaml"); orchestron.KindOf(err) != orchestron.Invalid || !strings.Contains(err.Error(), "/no/such/config.yaml") {
		t.Errorf("Load = %v, want an error that names the file", err)
	}
	if _, err := Load(nil, ""); err == nil || !strings.Contains(err.Error(), "ORCHESTRON_HOME") {
		t.Errorf("Load without HOME = %v, want an error that names ORCHESTRON_HOME", err)
	}
	if c := load(t, []string{"ORCHESTRON_HOME=" + t.TempDir() + "/h", "ORCHESTRON_CONFIG_DIR=/nowhere"}, ""); c.Dir != "/nowhere" {
		t.Errorf("directory of the configuration %s, want /nowhere", c.Dir)
	}
}

func TestHomeIsPrivate(t *testing.T) {
	home, environ := person(t)
	state := filepath.Join(home, "state")
	environ = append(environ, "ORCHESTRON_HOME="+state)
	for mode, fine := range map[os.FileMode]bool{0o700: true, 0o750: false, 0o701: false, 0o777: false} {
		_ = os.RemoveAll(state)
		if err := os.Mkdir(state, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(state, mode); err != nil {
			t.Fatal(err)
		}
		_, err := Load(environ, "")
		if fine && err != nil || !fine && (orchestron.KindOf(err) != orchestron.Forbidden || !strings.Contains(err.Error(), "chmod 700 "+state)) {
			t.Errorf("Load with a home of mode %04o = %v", mode, err)
		}
	}
	_ = os.RemoveAll(state)
	if err := os.WriteFile(state, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(environ, ""); err == nil {
		t.Error("Load took a file for its home")
	}
}

func TestHomeOfAnother(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give a directory away")
	}
	home, environ := person(t)
	if err := os.Chown(home, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	_, err := Load(append(environ, "ORCHESTRON_HOME="+home), "")
	if orchestron.KindOf(err) != orchestron.Forbidden || !strings.Contains(err.Error(), "another user") {
		t.Errorf("Load = %v, want it forbidden", err)
	}
}

// Where the sockets are depends on the home alone: a hook in a bare environment must find the daemon of a full one.
func TestSocketsOfALongHome(t *testing.T) {
	home, environ := person(t)
	for _, name := range []string{strings.Repeat("long", 25), "with#(x)", "at-%s"} {
		environ := append(environ, "ORCHESTRON_HOME="+filepath.Join(home, name))
		c := load(t, environ, "")
		run := filepath.Dir(c.DaemonSocket)
		t.Cleanup(func() { _ = os.RemoveAll(run) })
		if len(c.TmuxSocket) > maxSocket || strings.ContainsAny(c.TmuxSocket, "#%") || filepath.Dir(c.TmuxSocket) != run {
			t.Errorf("sockets of %s are %s and %s", name, c.DaemonSocket, c.TmuxSocket)
		}
		if info, err := os.Stat(run); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v, want mode 0700", run, info, err)
		}
		l, err := net.Listen("unix", c.DaemonSocket)
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
		if again := load(t, append(environ, "XDG_RUNTIME_DIR=/run/x", "TMPDIR=/y"), ""); again.DaemonSocket != c.DaemonSocket {
			t.Errorf("the socket is %s and %s", c.DaemonSocket, again.DaemonSocket)
		}
		// Somebody else may have been there first.
		if err := os.Remove(run); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(home, run); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(environ, ""); err == nil {
			t.Error("Load followed a link in /tmp")
		}
	}
}

func TestLogsShowNoSecret(t *testing.T) {
	_, environ := person(t, "TOKEN=canary-1234")
	c := load(t, environ, write(t, "driver: x\ncustom: {x: {argv: [run, --key, '${TOKEN}']}}\n"))
	if c.Custom["x"].Argv[2] != "canary-1234" {
		t.Fatalf("argv = %v, want the secret in it", c.Custom["x"].Argv)
	}
	var text bytes.Buffer
	for _, log := range []*slog.Logger{slog.New(slog.NewTextHandler(&text, nil)), slog.New(slog.NewJSONHandler(&text, nil))} {
		log.Info("started", "config", c)
	}
	fmt.Fprintf(&text, "%s %v %+v", c, c, c)
	if strings.Contains(text.String(), "canary") || !strings.Contains(text.String(), "127.0.0.1:8080") {
		t.Errorf("logged:\n%s", text.String())
	}
}

func FuzzParse(f *testing.F) {
	f.Add(Example())
	f.Add("listen: ${A:-127.0.0.1:1}\ncustom: {a: {argv: [$${b}, ${}]}}")
	f.Add("a: &a [*a]\n<<: *a\n")
	f.Fuzz(func(t *testing.T, text string) {
		c := Config{Home: "/h", Dir: "/d"}
		s := c.defaults()
		if err := s.parse([]byte(text), "c.yaml", environment{"A": "1"}); err == nil {
			_ = s.apply(&c)
		}
	})
}
