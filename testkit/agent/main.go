package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/orchestron/orchestron/internal/terminal"
	"github.com/orchestron/orchestron/testkit/hook"
	"github.com/orchestron/orchestron/testkit/mcpclient"
	"github.com/orchestron/orchestron/testkit/record"
)

// Main runs the agent in the terminal of stdin and stdout and returns the exit code of the command. It takes its
// arguments, its environment and its files from where Claude Code takes them.
func Main(args, env []string, stdin, stdout *os.File, stderr io.Writer) int {
	opt, err := parse(args)
	switch {
	case err == nil && opt.help:
		fmt.Fprint(stdout, help)
		return 0
	case err == nil && opt.version:
		fmt.Fprintln(stdout, version+" (Claude Code, imitated by Orchestron's testkit)")
		return 0
	case err != nil:
		fmt.Fprintf(stderr, "error: %v\n", err)
		return 1
	}
	// Many agents share a machine: one thread of Go code and a small heap are enough for each.
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(50)
	s, err := open(opt, env)
	if err == nil {
		s.tty, err = terminal.Open(stdin, stdout)
	}
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	w, h := s.tty.Size()
	s.screen = terminal.NewScreen(stdout, w, h)
	signal.Notify(s.signals, syscall.SIGWINCH, syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(s.signals)
	for _, line := range s.old {
		s.show(line)
	}
	s.old = nil
	time.Sleep(s.script.startDelay)
	return s.run()
}

// show prints a line of an earlier run's conversation.
func (s *session) show(line record.Said) {
	mark := "● "
	if line.By == "user" {
		mark = "❯ "
	}
	s.screen.Print(mark + terminal.Shorten(line.Text, 10, 1000) + "\n")
}

// open prepares a session from the command line and the files that it names.
func open(opt options, env []string) (*session, error) {
	cwd, err := os.Getwd()
	if err == nil {
		cwd, err = filepath.EvalSymlinks(cwd) // $PWD may say it otherwise
	}
	if err != nil {
		return nil, fmt.Errorf("the working directory: %w", err)
	}
	config := getenv(env, "CLAUDE_CONFIG_DIR")
	if config == "" {
		home := getenv(env, "HOME")
		if home == "" {
			return nil, errors.New("neither CLAUDE_CONFIG_DIR nor HOME is set")
		}
		config = filepath.Join(home, ".claude")
	}
	if opt.model == "" {
		opt.model = "scripted"
	}
	s := &session{
		opt: opt, config: config, cwd: cwd, env: env, began: time.Now(),
		chords: bindings{file: filepath.Join(config, "keybindings.json")},
		posts:  make(chan func()), signals: make(chan os.Signal, 16), ended: make(chan struct{}),
	}
	if s.script, err = loadScript(opt.script); err != nil {
		return nil, err
	}
	hooks, err := s.loadHooks()
	if err != nil {
		return nil, err
	}
	if s.mcp, err = s.loadMCP(); err != nil {
		return nil, fmt.Errorf("--mcp-config: %w", err)
	}
	if err := s.openTranscript(); err != nil {
		return nil, err
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.hooks = &hook.Runner{Hooks: hooks, Getenv: s.getenv, Life: s.ctx, Exec: s.hookCommand}
	s.state, err = record.NewStateFile(config, record.State{
		SessionID: s.id, CWD: cwd, Version: version, Kind: "interactive", Entrypoint: "cli", Name: opt.name,
	})
	return s, err
}

func (s *session) loadHooks() (map[string][]hook.Matcher, error) {
	var flag []byte
	if s.opt.settings != "" {
		var err error
		if flag, err = fileOrJSON(s.opt.settings); err != nil {
			return nil, fmt.Errorf("--settings: %w", err)
		}
	}
	return hook.Load(s.config, s.cwd, s.opt.sources, flag)
}

func (s *session) loadMCP() (*mcpclient.Servers, error) {
	var configs [][]byte
	for _, value := range s.opt.mcpConfigs {
		data, err := fileOrJSON(value)
		if err != nil {
			return nil, err
		}
		configs = append(configs, data)
	}
	return mcpclient.Load(configs, version, s.getenv)
}

// openTranscript decides which conversation this is. Only one that said something has a file.
func (s *session) openTranscript() error {
	s.id = s.opt.sessionID
	if s.opt.resume != "" {
		s.id = s.opt.resume
	}
	if s.id == "" {
		s.id = record.UUID()
	}
	path := ""
	if uuidForm.MatchString(s.id) {
		path = record.Find(s.config, s.id)
	}
	switch {
	case s.opt.resume != "" && path == "":
		return errors.New("No conversation found with session ID: " + s.id) // Claude Code's words
	case s.opt.resume == "" && path != "":
		return errors.New("Error: Session ID " + s.id + " is already in use.") // Claude Code's words
	case path == "":
		path = record.Path(s.config, s.cwd, s.id)
	}
	s.log = &record.Transcript{Path: path, Base: map[string]any{
		"sessionId": s.id, "cwd": s.cwd, "version": version, "userType": "external", "entrypoint": "cli", "gitBranch": "",
	}}
	var err error
	s.old, err = s.log.Load()
	return err
}
