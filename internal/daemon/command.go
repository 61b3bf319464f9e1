package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/bridge"
	"github.com/orchestron/orchestron/internal/claudefile"
	"github.com/orchestron/orchestron/internal/cli"
	"github.com/orchestron/orchestron/internal/client"
	"github.com/orchestron/orchestron/internal/config"
	"github.com/orchestron/orchestron/internal/console"
	"github.com/orchestron/orchestron/internal/handoff"
	"github.com/orchestron/orchestron/internal/role"
	"github.com/orchestron/orchestron/internal/tmux"
	scripted "github.com/orchestron/orchestron/testkit/acp"
	"github.com/orchestron/orchestron/testkit/agent"
	"github.com/orchestron/orchestron/testkit/api"
)

// Command runs the command line and returns the exit code.
func (p Process) Command(ctx context.Context) int {
	self, err := selfPath()
	if err != nil {
		fmt.Fprintln(p.Stderr, "orchestron:", err)
		return 1
	}
	c := commands{Process: p, self: self, warned: new(sync.Once)}
	return cli.Run(ctx, cli.Program{
		Process: console.Process{
			Stdin: p.Stdin, Stdout: p.Stdout, Stderr: p.Stderr, Environ: p.Environ, Now: time.Now, Dial: c.dial,
		},
		Version: p.Version, Self: self, Config: config.Example(),
		Serve: c.serve, Bridge: c.bridge, Attach: c.attach, Exec: replace, Roles: c.roles, Configured: c.configured, Checks: c.checks(), BindKeys: c.bindKeys,
		Hook:      func(_ context.Context, args []string) int { return p.hook(args) },
		Compose:   func(_ context.Context, args []string) int { return p.compose(args) },
		AgentExec: func(_ context.Context, args []string) int { return p.agentExec(args) },
		ACPHost:   func(_ context.Context, args []string) int { return p.acpHost(args) },
		Testkit:   c.testkit,
	}, p.Args[1:])
}

// selfPath is the program's own absolute path, so that agents find it whatever their directory is.
func selfPath() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("finding the program's own path: %w", err)
	}
	return filepath.EvalSymlinks(self)
}

func replace(argv, env []string) error { return syscall.Exec(argv[0], argv, env) }

// commands is what the command line reaches through its functions.
type commands struct {
	Process
	self   string
	warned *sync.Once // of what is wrong with the configuration
}

func (c commands) config() (config.Config, error) { return config.Load(c.Environ, "") }

func (c commands) configured() error { _, err := c.config(); return err }

// found is where things are, also when the configuration is wrong: a daemon that runs does not need it any more.
func (c commands) found() (cfg config.Config, wrong, err error) {
	if cfg, wrong = c.config(); wrong == nil {
		return cfg, nil, nil
	}
	cfg, err = config.Places(c.Environ)
	return cfg, wrong, err
}

func (c commands) dial(ctx context.Context, start bool) (console.Daemon, error) {
	cl, err := c.client(ctx, start)
	if errors.Is(err, client.ErrNone) {
		return nil, orchestron.Errorf(orchestron.Unavailable, "%w", console.ErrNoDaemon).Try("orchestron up starts it")
	}
	return cl, err
}

func (c commands) client(ctx context.Context, start bool) (*client.Client, error) {
	cfg, wrong, err := c.found()
	if err != nil {
		return nil, err
	}
	token, _ := lookup(c.Environ, handoff.EnvToken)
	if _, inside := lookup(c.Environ, handoff.EnvAgent); inside {
		start = false // a daemon that an agent started would end with the agent
	}
	dir, err := os.Getwd()
	if err != nil {
		dir = "" // it was removed, and is no default for anything
	}
	find := client.Find
	if start && wrong == nil {
		find = client.Start
	}
	cl, err := find(ctx, client.Launcher{
		Socket: cfg.DaemonSocket, Token: token, Argv: []string{c.self, "serve", "--ready-fd", "3"}, Env: c.Environ, Dir: cfg.Home,
		Lock: filepath.Join(cfg.Home, "start.lock"), Log: cfg.LogFile,
	})
	if wrong != nil && start && errors.Is(err, client.ErrNone) {
		return nil, wrong // it would not start
	}
	if err == nil {
		if wrong != nil {
			c.warned.Do(func() {
				fmt.Fprintf(c.Stderr, "orchestron: %v; the daemon goes on with what it was started with\n", wrong)
			})
		}
		var once sync.Once // a command says it once, however often it calls
		cl.Dir = dir
		cl.Notice = func(text string) { once.Do(func() { fmt.Fprintln(c.Stderr, "orchestron:", text) }) }
	}
	return cl, err
}

// serve runs the daemon and says on the descriptor whether it is ready.
func (c commands) serve(ctx context.Context, how cli.Serve) error {
	cfg, err := c.config()
	if err != nil {
		return errors.Join(err, say(how.ReadyFD, err.Error()))
	}
	log := slog.New(slog.NewTextHandler(c.Stderr, &slog.HandlerOptions{Level: cfg.LogLevel}))
	said := false
	ready := func() {
		said = true
		if err := say(how.ReadyFD, "ready"); err != nil {
			log.Warn("the starter does not hear that the daemon is ready", "err", err)
		}
	}
	err = Serve(ctx, Instance{Version: c.Version, Self: c.self, Environ: c.Environ, Log: log}, cfg, ready)
	if err == nil || said {
		return err
	}
	word := orchestron.Visible(err).Error()
	if locked := orchestron.KindOf(err) == orchestron.Conflict; locked { // another daemon holds the home
		word = "running"
	}
	return errors.Join(err, say(how.ReadyFD, word))
}

// say writes a line to the descriptor on which the starter listens, and closes it.
func say(fd int, line string) error {
	if fd == 0 {
		return nil
	}
	f := os.NewFile(uintptr(fd), "ready")
	if f == nil {
		return fmt.Errorf("descriptor %d is not open", fd)
	}
	_, err := io.WriteString(f, line+"\n")
	return errors.Join(err, f.Close())
}

// bridge joins the standard input and output to the daemon, which it starts when none runs.
func (c commands) bridge(ctx context.Context, how cli.Bridge) error {
	cl, err := c.client(ctx, true)
	if err != nil {
		return err
	}
	choice := url.Values{}
	if len(how.Toolsets) > 0 {
		choice.Set("toolsets", strings.Join(how.Toolsets, ","))
	}
	if how.ReadOnly {
		choice.Set("readonly", "1")
	}
	if dir, err := os.Getwd(); err == nil { // one that was removed is not told
		choice.Set("dir", dir)
	}
	return bridge.Run(ctx, c.Stdin, c.Stdout, func(ctx context.Context) (io.ReadWriteCloser, error) { return cl.Stdio(ctx, choice) })
}

func (c commands) attach(_ context.Context, session string) ([]string, error) {
	cfg, _, err := c.found()
	if err != nil {
		return nil, err
	}
	argv, err := tmux.AttachCommand(cfg.Tmux, cfg.TmuxSocket)
	if err != nil {
		return nil, err
	}
	return append(argv, "-t", "="+session), nil
}

func (c commands) roles() (role.Set, error) {
	cfg, _, err := c.found()
	if err != nil {
		return nil, err
	}
	return role.Load(cfg.RolesDir)
}

// bindKeys puts our keys into the person's own Claude Code.
func (c commands) bindKeys(context.Context) (string, error) {
	dir := filepath.Join(c.userHome(), ".claude")
	if own, _ := lookup(c.Environ, "CLAUDE_CONFIG_DIR"); own != "" {
		dir = own
	}
	path := filepath.Join(dir, "keybindings.json")
	changed, err := claudefile.MergeKeybindings(path)
	if err != nil {
		return "", err
	}
	if !changed {
		return path + " has the keys already", nil
	}
	return "the keys were added to " + path, nil
}

func (c commands) userHome() string {
	home, _ := lookup(c.Environ, "HOME")
	return home
}

// testkit runs a program of the testkit. The command line knows which there are.
func (c commands) testkit(ctx context.Context, args []string) int {
	switch args[0] {
	case "api":
		return api.Main(ctx, args[1:], c.Stdout, c.Stderr)
	case "acp":
		return scripted.Main(args[1:], c.Environ, c.Stdin, c.Stdout, c.Stderr)
	}
	return agent.Main(args[1:], c.Environ, c.Stdin, c.Stdout, c.Stderr) // with options of ours before its name
}
