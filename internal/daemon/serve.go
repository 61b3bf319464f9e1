// Package daemon assembles Orchestron: it opens what the subjects need, listens, supervises, and stops in order. It is
// the only package that knows all others.
package daemon

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agents"
	"github.com/orchestron/orchestron/internal/approval"
	"github.com/orchestron/orchestron/internal/board"
	"github.com/orchestron/orchestron/internal/boardstore"
	"github.com/orchestron/orchestron/internal/config"
	"github.com/orchestron/orchestron/internal/handoff"
	"github.com/orchestron/orchestron/internal/health"
	"github.com/orchestron/orchestron/internal/journal"
	"github.com/orchestron/orchestron/internal/limit"
	"github.com/orchestron/orchestron/internal/mcpapi"
	"github.com/orchestron/orchestron/internal/mcpask"
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/internal/restapi"
	"github.com/orchestron/orchestron/internal/role"
	"github.com/orchestron/orchestron/internal/signal"
	"github.com/orchestron/orchestron/internal/sqlite"
	"github.com/orchestron/orchestron/internal/team"
	"github.com/orchestron/orchestron/internal/tmux"
)

const (
	stopTime  = 8 * time.Second        // for all of a stop
	shortCall = 500 * time.Millisecond // for calls under way when the daemon stops
)

// Instance is what a daemon is started with besides its configuration.
type Instance struct {
	Version string
	Self    string   // absolute path of the program
	Environ []string // the environment of the daemon
	Log     *slog.Logger
}

// daemon is one running daemon.
type daemon struct {
	Instance
	cfg       config.Config
	db        *sqlite.DB
	term      *terminal
	agents    *agents.Service
	board     *board.Service
	approvals *approval.Service
	limits    *limit.Service
	nurse     *health.Service
	subjects  []subject
	calm      signal.Signal // agents changed a moment ago
	drivers   []agents.Driver
	team      *team.Service
	mcp       *mcpapi.Server
	asking    *mcpask.Service
	tcp       net.Listener
	unix      net.Listener
	started   time.Time
	stamp     string          // of the configuration that it was started with
	stopping  chan stopAgents // one request to stop
}

// stopAgents says whether the agents end with the daemon.
type stopAgents bool

// memory is how much there may be, in bytes, before it is collected more often than Go does by itself. A thousand
// subscribers need half of it; only questions about all of a very large board need more, while they are answered.
const memory = 96 << 20

// Serve runs a daemon until ctx ends or an operator stops it. ready is called once, when every agent's state is known
// and calls are answered. Agents live on after it returns unless the operator asked otherwise.
func Serve(ctx context.Context, in Instance, cfg config.Config, ready func()) (err error) {
	debug.SetMemoryLimit(memory)
	d := &daemon{Instance: in, cfg: cfg, started: time.Now(), stamp: cfg.Stamp(), stopping: make(chan stopAgents, 1)}
	defer func() { err = errors.Join(err, d.close()) }()
	if d.db, err = sqlite.Open(ctx, filepath.Join(cfg.Home, "orchestron.db"), in.Log); err != nil {
		return err
	}
	if d.tcp, err = listenTCP(cfg.Listen, filepath.Join(cfg.Home, "port")); err != nil {
		return err
	}
	if d.unix, err = listenUnix(cfg.DaemonSocket); err != nil {
		return err
	}
	if d.term, err = openTerminal(ctx, d.tmuxConfig()); err != nil {
		return err
	}
	handler, err := d.assemble(ctx)
	if err != nil {
		return err
	}
	return d.run(ctx, handler, ready)
}

func (d *daemon) tmuxConfig() tmux.Config {
	env := append(pick(d.Environ, "PATH", "HOME", "USER", "SHELL"), "LANG=C.UTF-8", "TERM=tmux-256color", handoff.EnvHome+"="+d.cfg.Home)
	return tmux.Config{Socket: d.cfg.TmuxSocket, Command: d.cfg.Tmux, Env: env, Log: d.Log}
}

// pick returns the variables of an environment that have one of the names.
func pick(environ []string, names ...string) []string {
	var picked []string
	for _, name := range names {
		if value, found := lookup(environ, name); found {
			picked = append(picked, name+"="+value)
		}
	}
	return picked
}

// assemble makes the subjects and the transports in front of them.
func (d *daemon) assemble(ctx context.Context) (doors, error) {
	token, err := operatorToken(d.cfg.Home, randomToken)
	if err != nil {
		return doors{}, err
	}
	roles, err := role.Load(d.cfg.RolesDir)
	if err != nil {
		return doors{}, err
	}
	drivers, err := drivers(d.cfg, d.Self, d.Environ, d.term)
	if err != nil {
		return doors{}, err
	}
	if d.approvals, err = d.newApprovals(drivers); err != nil {
		return doors{}, err
	}
	d.agents = agents.New(store{d.db}, d.term, processes{}, handoff.Home{Root: d.cfg.Home}, drivers, missingDriver, roles, agents.Settings{
		Self: d.Self, Environ: d.Environ, MCPURL: d.url() + "/mcp", WorkspaceDir: d.cfg.WorkspaceDir,
		Caps:          d.caps(),
		AnyDriver:     d.cfg.ChildDrivers == "any",
		DefaultDriver: d.cfg.Driver, MessageTTL: d.cfg.MessageTTL, Approvals: d.approvals,
		Limits: bounds{d},
	}, d.Log)
	d.team = d.newTeam()
	events := journal.New(d.db, d.db.Told, d.agents.Within)
	var catalogue *op.Catalogue
	w := workers{d.agents, func() *op.Catalogue { return catalogue }, &d.calm}
	d.board = board.New(boards{boardstore.In(d.db)}, holders{w, d}, otherBoards, d.cfg.Push, time.Now, d.Log)
	d.drivers = drivers
	if d.subjects, err = d.others(ctx, w, roles); err != nil {
		return doors{}, err
	}
	ops := slices.Concat(d.agents.Ops(), d.team.Ops(), events.Ops(), d.ops())
	for _, s := range d.subjects {
		ops = append(ops, s.ops...)
	}
	catalogue = op.NewCatalogue(d.db, d.Log, ops...).Noticing(d.team.Notice)
	callers := callers{operator: token, agents: d.agents}
	d.asking = d.newAsking(catalogue)
	d.mcp = mcpapi.New(mcpapi.Config{
		Catalogue: catalogue, Version: d.Version, Instructions: instructions, Tasks: d.db, Log: d.Log, Hosts: d.cfg.Hosts,
		Asker:     asker{d.asking},
		Resources: slices.Concat(resources(), board.Resources(), approval.Resources()), Authenticate: callers.bearer,
	})
	return doors{
		callers: callers, mcp: d.mcp, rest: restapi.New(catalogue, d.Log), log: d.Log,
		hosts: func() []string { return d.cfg.Hosts },
	}, nil
}

const instructions = `Orchestron runs teams of coding agents. spawn or spawn_claude starts one and answers with its id;
send_to_instance gives it a prompt and waits for its exact answer; send only queues. A prompt that was acknowledged is
submitted exactly once. When a call answers done=false, call wait_for_instance with the message_id. list and
get_instance_status show states with their evidence; read shows a terminal; interrupt_instance stops a turn; restart
resumes an ended agent's conversation; terminate ends an agent and keeps its work. Each git repository has a board that
outlives sessions: orchestron_context_get says what the last one left, orchestron_task_claim takes the best ready task,
orchestron_context_save and orchestron_handoff_prepare leave word for the next.`

// url is where programs on this machine reach the daemon.
func (d *daemon) url() string {
	address, ok := d.tcp.Addr().(*net.TCPAddr)
	if ok && address.IP.IsUnspecified() {
		return fmt.Sprintf("http://127.0.0.1:%d", address.Port)
	}
	return "http://" + d.tcp.Addr().String()
}

// run serves until ctx ends, an operator stops the daemon, or a part of it fails.
func (d *daemon) run(ctx context.Context, doors doors, ready func()) error {
	ctx, stopped := context.WithCancel(ctx)
	defer stopped()
	group, ctx := errgroup.WithContext(ctx)
	core, stopCore := context.WithCancel(context.WithoutCancel(ctx)) // the subjects outlive the doors
	defer stopCore()
	calls, cutOff := context.WithCancel(context.WithoutCancel(ctx)) // of everything that comes through the doors
	defer cutOff()
	open, local := newHTTP(calls, doors.open(), d.Log), newHTTP(calls, doors.local(), d.Log)
	group.Go(func() error { return d.agents.Run(core) })
	group.Go(func() error { return ended(open.Serve(d.tcp)) })
	group.Go(func() error { return ended(local.Serve(d.unix)) })
	group.Go(func() error { return d.supervise(ctx) })
	group.Go(func() error { return d.announce(ctx, ready) })
	group.Go(func() error { return d.tellSubscribers(ctx) })
	group.Go(func() error { return d.tellOfBoards(ctx) })
	group.Go(func() error { return d.tellOfApprovals(ctx) })
	group.Go(func() error { return d.calmDown(core) })
	for _, s := range d.subjects {
		group.Go(func() error { return d.keep(core, s) })
	}
	group.Go(func() error { return d.team.Run(core) })
	group.Go(func() error { return d.keepRegistry(core) })
	group.Go(func() error {
		var agentsToo stopAgents
		select {
		case <-ctx.Done():
		case agentsToo = <-d.stopping:
		}
		defer stopped()
		defer stopCore()
		return d.stop(open, local, agentsToo, cutOff)
	})
	return group.Wait()
}

func (d *daemon) announce(ctx context.Context, ready func()) error {
	select {
	case <-ctx.Done():
		return nil
	case <-d.agents.Ready():
	}
	if err := d.mcp.Resume(ctx); err != nil {
		return fmt.Errorf("resuming tasks: %w", err)
	}
	d.Log.Info("ready", "url", d.url(), "socket", d.cfg.DaemonSocket, "tmux", d.term.version(), "pid", os.Getpid())
	debug.FreeOSMemory() // what the start needed once, as for schemas; garbage would let it lie
	ready()
	return nil
}

// supervise ends the daemon when the database cannot be trusted any more, and prunes it.
func (d *daemon) supervise(ctx context.Context) error {
	tick := time.NewTicker(10 * time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-d.db.Fatal():
			return orchestron.Errorf(orchestron.Unavailable, "the disk did not keep what was written").
				Try("check the disk; the daemon verifies its database when it starts again")
		case now := <-tick.C:
			if err := d.db.Prune(ctx, now); err != nil && ctx.Err() == nil {
				d.Log.Error("pruning the database", "err", err)
			}
		}
	}
}

// stop closes the doors, lets calls under way finish, cuts off those that wait for something, and ends the agents if
// asked to.
func (d *daemon) stop(open, local *http.Server, agentsToo stopAgents, cutOff func()) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	d.Log.Info("stopping", "agents", bool(agentsToo))
	var err error
	if agentsToo {
		err = d.team.StopAll(ctx)
	}
	wait := time.AfterFunc(shortCall, cutOff) // their clients ask the next daemon again
	defer wait.Stop()
	for _, server := range []*http.Server{local, open} {
		if server.Shutdown(ctx) != nil {
			err = errors.Join(err, server.Close())
		}
	}
	d.mcp.Close()
	d.asking.Close()
	if agentsToo {
		last, cancel := context.WithTimeout(context.Background(), stopTime)
		defer cancel()
		err = errors.Join(err, d.term.shutdown(last))
	}
	return err
}

// close releases what was opened, the last first.
func (d *daemon) close() error {
	var err error
	for _, listener := range []net.Listener{d.tcp, d.unix} {
		if listener == nil {
			continue
		}
		if cerr := listener.Close(); !errors.Is(cerr, net.ErrClosed) {
			err = errors.Join(err, cerr)
		}
	}
	if d.term != nil {
		err = errors.Join(err, d.term.close())
	}
	if d.db != nil {
		err = errors.Join(err, d.db.Close())
	}
	return err
}

func ended(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func randomToken() string {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails
	return "orc_op_" + hex.EncodeToString(raw[:])
}
