package agents

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/handoff"
)

// machine is the terminals and the processes, with the programs in them. What a program does as a real one would through
// our helpers it does through package handoff.
type machine struct {
	home   handoff.Home
	driver *driver

	mu       sync.Mutex
	n        int
	panes    map[string]*program
	alive    map[orchestron.Process]chan struct{} // closed at the end
	stubborn bool                                 // programs end only when they are killed
	mute     bool                                 // nothing records how programs end
	taken    func(p *program, text string) bool   // takes what is submitted, instead of the program and its hook
	fault    func(what string) error              // of the next step
	log      []string
}

// program is one terminal and the program in it.
type program struct {
	pane     orchestron.Pane
	window   Window
	process  orchestron.Process
	box      string   // the file that holds its input box
	accepted []string // the prompts that it took
	typed    string   // of a program that only has a terminal: its input line
}

func (m *machine) step(what string) error {
	m.mu.Lock()
	m.log = append(m.log, what)
	fault := m.fault
	m.mu.Unlock()
	if fault != nil {
		return fault(what)
	}
	return nil
}

func (m *machine) steps(what string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, s := range m.log {
		if s == what {
			n++
		}
	}
	return n
}

func (m *machine) setFault(fault func(what string) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fault = fault
}

// begin makes a process; m.mu is held.
func (m *machine) begin() orchestron.Process {
	m.n++
	p := orchestron.Process{PID: 100000 + m.n, Start: uint64(m.n)}
	m.alive[p] = make(chan struct{})
	return p
}

// end ends a process and reports whether it was there; m.mu is held.
func (m *machine) end(p orchestron.Process) bool {
	ended, there := m.alive[p]
	if there {
		close(ended)
		delete(m.alive, p)
	}
	return there
}

func (m *machine) New(_ context.Context, w Window) (orchestron.Pane, error) {
	if err := m.step("new"); err != nil {
		return orchestron.Pane{}, err
	}
	if _, err := m.home.ReadRun(w.Agent); err != nil {
		return orchestron.Pane{}, err
	}
	m.mu.Lock()
	first, process := m.begin(), m.begin()
	p := &program{
		pane:   orchestron.Pane{Server: orchestron.Process{PID: 1, Start: 1}, ID: fmt.Sprintf("%%%d", m.n), Process: first},
		window: w, process: process, box: filepath.Join(m.home.Agent(w.Agent), "box"),
	}
	m.panes[p.pane.ID] = p
	m.mu.Unlock()
	return p.pane, errors.Join(
		m.put(p, handoff.Record{Kind: handoff.Started, Process: &process}),
		m.put(p, handoff.Record{Kind: handoff.Hooked, Event: "ready", Payload: json.RawMessage(`""`)}))
}

func (m *machine) put(p *program, r handoff.Record) error {
	r.Agent, r.Generation = p.window.Agent, p.window.Generation
	return m.home.Put(r)
}

// of returns the program in an agent's newest terminal.
func (m *machine) of(id orchestron.AgentID) *program {
	m.mu.Lock()
	defer m.mu.Unlock()
	var newest *program
	for _, p := range m.panes {
		if p.window.Agent == id && (newest == nil || p.window.Generation > newest.window.Generation) {
			newest = p
		}
	}
	return newest
}

func (m *machine) List(context.Context) ([]Listed, error) {
	if err := m.step("list"); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var listed []Listed
	for _, p := range m.panes {
		listed = append(listed, Listed{Pane: p.pane, Session: p.window.Session, Agent: p.window.Agent, Generation: p.window.Generation})
	}
	return listed, nil
}

func (m *machine) at(pane orchestron.Pane) (*program, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p := m.panes[pane.ID]; p != nil && p.pane == pane {
		return p, nil
	}
	return nil, orchestron.Errorf(orchestron.Conflict, "pane %s is gone", pane.ID)
}

func (m *machine) Press(_ context.Context, pane orchestron.Pane, keys ...orchestron.Key) error {
	p, err := m.at(pane)
	if err != nil {
		return err
	}
	if err := m.step("press " + string(keys[0])); err != nil {
		return err
	}
	if keys[0] == "Reset" {
		keys = keys[1:]
	}
	switch keys[0] {
	case "Editor":
		err := m.home.Compose(p.window.Agent, p.window.Generation, p.box)
		if errors.Is(err, handoff.ErrNoIntent) {
			return nil
		}
		return err
	case "Enter":
		return m.enter(p)
	case "Clear":
		p.typed = ""
	}
	return nil
}

// enter submits what is in the input box, answers it, and ends the turn.
func (m *machine) enter(p *program) error {
	if !m.driver.can.Confirms {
		m.mu.Lock()
		p.accepted, p.typed = append(p.accepted, p.typed), ""
		m.mu.Unlock()
		return nil
	}
	data, err := os.ReadFile(p.box)
	if err != nil || len(data) == 0 {
		return nil //nolint:nilerr // an empty box submits nothing
	}
	text := string(data)
	m.mu.Lock()
	taken := m.taken
	m.mu.Unlock()
	if taken != nil && taken(p, text) {
		return os.Remove(p.box)
	}
	message, twice, err := m.home.Submit(p.window.Agent, text)
	if err != nil {
		return err
	}
	if err := os.Remove(p.box); err != nil {
		return err
	}
	payload, _ := json.Marshal(text)
	if !twice {
		m.mu.Lock()
		p.accepted = append(p.accepted, text)
		m.mu.Unlock()
	}
	err = m.put(p, handoff.Record{Kind: handoff.Hooked, Event: "prompt", Payload: payload, Message: message, Blocked: twice})
	if twice || err != nil {
		return err
	}
	answer, _ := json.Marshal("answer to " + text)
	return m.put(p, handoff.Record{Kind: handoff.Hooked, Event: "stop", Payload: answer})
}

func (m *machine) Paste(_ context.Context, pane orchestron.Pane, text string) error {
	p, err := m.at(pane)
	if err != nil {
		return err
	}
	if err := m.step("paste"); err != nil {
		return err
	}
	p.typed += text
	return nil
}

func (m *machine) Screen(_ context.Context, pane orchestron.Pane, _ int) (string, error) {
	p, err := m.at(pane)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("screen of %s, run %d", p.window.Agent, p.window.Generation), m.step("screen")
}

func (m *machine) Changes(orchestron.Pane) (<-chan struct{}, func()) { return nil, func() {} }

func (m *machine) Kill(_ context.Context, pane orchestron.Pane) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p := m.panes[pane.ID]; p != nil && p.pane == pane {
		delete(m.panes, pane.ID)
		m.end(p.pane.Process)
		m.end(p.process)
	}
	return nil
}

func (m *machine) Alive(p orchestron.Process) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.alive[p] != nil
}

func (m *machine) Signal(target orchestron.Process, kill bool) (bool, error) {
	what := "term"
	if kill {
		what = "kill"
	}
	m.mu.Lock()
	var p *program
	for _, one := range m.panes {
		if one.process == target || one.pane.Process == target {
			p = one
		}
	}
	stays := m.alive[target] == nil || m.stubborn && !kill
	m.mu.Unlock()
	if p == nil {
		return false, nil
	}
	if err := m.step(fmt.Sprintf("%s %s", what, p.window.Agent)); err != nil || stays {
		return !stays, err
	}
	m.mu.Lock()
	m.end(p.process)
	mute := m.mute
	m.mu.Unlock()
	if mute {
		return true, nil
	}
	err := m.put(p, handoff.Record{Kind: handoff.Exited, Exit: &orchestron.Exit{Code: -1, Signal: what, At: time.Now()}})
	m.mu.Lock()
	defer m.mu.Unlock()
	m.end(p.pane.Process)
	return true, err
}

func (m *machine) WaitExit(ctx context.Context, p orchestron.Process) error {
	m.mu.Lock()
	ended := m.alive[p]
	m.mu.Unlock()
	if err := m.step("wait"); err != nil {
		return err
	}
	if ended == nil {
		return nil
	}
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (m *machine) order() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.log)
}

// driver is of a program with hooks, or of one that only has a terminal.
type driver struct {
	can orchestron.Abilities

	mu      sync.Mutex
	prepare error
	observe error
	blank   func(screen string) bool
	shows   []orchestron.Fact // what the screen says

	patience time.Duration // with hooks
	book     []string      // prompts that the conversation has
}

func (d *driver) fail(prepare, observe error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.prepare, d.observe = prepare, observe
}

func (d *driver) Name() string                    { return "fake" }
func (d *driver) Abilities() orchestron.Abilities { return d.can }

func (d *driver) Channel(string) orchestron.Channel {
	c := orchestron.Channel{Submit: []orchestron.Key{"Enter"}, Clear: []orchestron.Key{"Clear"}, Interrupt: []orchestron.Key{"Escape"}}
	if d.can.Confirms {
		c.Editor = []orchestron.Key{"Editor"}
		d.mu.Lock()
		defer d.mu.Unlock()
		c.Reset, c.Blank, c.Hook = []orchestron.Key{"Reset"}, d.blank, d.patience
	}
	return c
}

func (d *driver) Prompts(orchestron.Agent, time.Time) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.book)
}

func (d *driver) Place(text string) (string, error) {
	if text == "/quit" {
		return "", orchestron.Errorf(orchestron.Invalid, "the program takes %s for a command", text)
	}
	return text, nil
}
func (d *driver) Check(context.Context) (string, error)                   { return "1", nil }
func (d *driver) Permission(mode string) (string, error)                  { return mode, nil }
func (d *driver) Watch(orchestron.Agent, string) []string                 { return nil }
func (d *driver) Todos(orchestron.Agent, string) (json.RawMessage, error) { return nil, nil }

func (d *driver) Screen(string) []orchestron.Fact {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.shows)
}

func (d *driver) Prepare(l orchestron.Launch) (orchestron.Command, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return orchestron.Command{Argv: []string{"/bin/fake"}, Dir: l.Agent.Workspace}, d.prepare
}

func (d *driver) Observe(orchestron.Agent, string) ([]orchestron.Fact, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return nil, d.observe
}

func (d *driver) Hook(event string, payload json.RawMessage, at time.Time) []orchestron.Fact {
	var text string
	if err := json.Unmarshal(payload, &text); err != nil {
		return nil
	}
	f := orchestron.Fact{Source: orchestron.FromHook, At: at, Text: text}
	switch event {
	case "ready":
		f.Kind = orchestron.FactReady
	case "prompt":
		f.Kind = orchestron.FactSubmitted
	case "stop":
		f.Kind = orchestron.FactTurnEnded
	case "ask":
		f.Kind, f.Question = orchestron.FactAsked, &orchestron.Question{Tool: text, At: at}
	}
	return []orchestron.Fact{f}
}
