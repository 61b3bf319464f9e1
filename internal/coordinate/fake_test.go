package coordinate_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/coordinate"
	"github.com/orchestron/orchestron/internal/coordinateapi"
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/internal/signal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errCrash = errors.New("the process was killed")

// knife kills the service at one of the places where it touches something outside itself.
type knife struct {
	mu   sync.Mutex
	left int // places that are passed before it cuts; -1 never cuts
	dead bool
	cut  func()
}

func (k *knife) pass() error {
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.dead && k.left == 0 {
		k.dead = true
		k.cut()
	}
	k.left--
	if k.dead {
		return errCrash
	}
	return nil
}

// around does something with a place before it and one after.
func around[T any](k *knife, do func() (T, error)) (T, error) {
	var none T
	if err := k.pass(); err != nil {
		return none, err
	}
	v, err := do()
	if cut := k.pass(); cut != nil {
		return none, cut
	}
	return v, err
}

// shelf is a store in memory.
type shelf struct {
	mu       sync.Mutex
	runs     map[coordinateapi.RunID]coordinateapi.Run
	keys     map[string]string
	ordinals map[string]int
	events   []orchestron.Event
}

func newShelf() *shelf {
	return &shelf{runs: map[coordinateapi.RunID]coordinateapi.Run{}, keys: map[string]string{}, ordinals: map[string]int{}}
}

func (s *shelf) Write(_ context.Context, change func(coordinate.Tx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	tx := &shelf{runs: maps.Clone(s.runs), keys: maps.Clone(s.keys), ordinals: maps.Clone(s.ordinals), events: slices.Clone(s.events)}
	if err := change(tx); err != nil {
		return err
	}
	s.runs, s.keys, s.ordinals, s.events = tx.runs, tx.keys, tx.ordinals, tx.events
	return nil
}

func (s *shelf) NextOrdinal(stem string) (int, error) {
	s.ordinals[stem]++
	return s.ordinals[stem], nil
}

func (s *shelf) Keyed(actor, key, operation string, hash [32]byte) (string, bool, error) {
	subject, found := s.keys[fmt.Sprint(actor, key, operation, hash)]
	return subject, found, nil
}

func (s *shelf) SetKey(actor, key, operation string, hash [32]byte, subject string) error {
	s.keys[fmt.Sprint(actor, key, operation, hash)] = subject
	return nil
}

func (s *shelf) AddEvent(e *orchestron.Event) error {
	s.events = append(s.events, *e)
	return nil
}

func (s *shelf) OpenRuns(actor orchestron.Actor) (int64, error) {
	n := int64(0)
	for _, r := range s.runs {
		if r.Actor.String() == actor.String() && !r.State.Over() {
			n++
		}
	}
	return n, nil
}

func (s *shelf) PutRun(r coordinateapi.Run) error {
	s.ordinals["written"]++
	raw, err := json.Marshal(r)
	if err != nil {
		return err
	}
	stored := coordinateapi.Run{}
	if err := json.Unmarshal(raw, &stored); err != nil {
		return err
	}
	stored.Steps = s.runs[r.ID].Steps
	s.runs[r.ID] = stored
	return nil
}

func (s *shelf) AddStep(id coordinateapi.RunID, step coordinateapi.Step) error {
	r := s.runs[id]
	if len(r.Steps)+1 != step.N || step.Key == "" {
		return fmt.Errorf("step %d with the key %q after %d", step.N, step.Key, len(r.Steps))
	}
	r.Steps = append(slices.Clone(r.Steps), step)
	s.runs[id] = r
	return nil
}

func (s *shelf) PutStep(id coordinateapi.RunID, step coordinateapi.Step) error {
	r := s.runs[id].Clone()
	before := r.Steps[step.N-1]
	step.Key, step.Prompt = before.Key, before.Prompt
	r.Steps[step.N-1] = step
	s.runs[id] = r
	return nil
}

func (s *shelf) Run(_ context.Context, id coordinateapi.RunID) (coordinateapi.Run, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, found := s.runs[id]
	if !found {
		return r, orchestron.Errorf(orchestron.NotFound, "there is no run %s", id)
	}
	return r.Clone(), nil
}

func (s *shelf) List(_ context.Context, f coordinateapi.Filter) ([]coordinateapi.Run, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []coordinateapi.Run
	for _, r := range s.runs {
		switch {
		case len(f.States) > 0 && !slices.Contains(f.States, r.State):
		case f.Kind != "" && f.Kind != r.Kind:
		case f.Coordinator != "" && f.Coordinator != r.Coordinator:
		case f.By != nil && !slices.Contains(f.By, r.Actor.Agent):
		default:
			found = append(found, r.Clone().Brief())
		}
	}
	slices.SortFunc(found, func(a, b coordinateapi.Run) int { return int(b.ID.Number() - a.ID.Number()) })
	if f.Limit > 0 && len(found) > f.Limit {
		found = found[:f.Limit]
	}
	return found, nil
}

func (s *shelf) Open(context.Context) ([]coordinateapi.Run, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []coordinateapi.Run
	for _, id := range slices.Sorted(maps.Keys(s.runs)) {
		if r := s.runs[id]; !r.State.Over() {
			found = append(found, r.Clone())
		}
	}
	return found, nil
}

func (s *shelf) Drop(_ context.Context, before time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.runs, func(_ coordinateapi.RunID, r coordinateapi.Run) bool {
		return r.State.Over() && r.Updated.Before(before)
	})
	return nil
}

// cutStore is a store in front of a knife.
type cutStore struct {
	coordinate.Store
	knife *knife
}

func (c cutStore) Write(ctx context.Context, change func(coordinate.Tx) error) error {
	_, err := around(c.knife, func() (struct{}, error) { return struct{}{}, c.Store.Write(ctx, change) })
	return err
}

// crowd is agents that outlive the service. What they answer is up to reply.
type crowd struct {
	mu       sync.Mutex
	alive    map[orchestron.AgentID]bool
	parent   map[orchestron.AgentID]orchestron.AgentID
	load     map[orchestron.AgentID]int
	away     map[orchestron.AgentID]string
	keys     map[string]string // of messages and agents
	messages map[orchestron.MessageID]*orchestron.Message
	order    []orchestron.MessageID
	spawned  []coordinate.Specialist
	ended    []orchestron.AgentID
	stopped  []orchestron.AgentID
	most     int                         // specialists alive at the same time
	mute     map[orchestron.AgentID]bool // whose program does not tell what it answers
	held     map[orchestron.AgentID]bool // whose messages wait in the inbox, untyped
	stubborn int                         // interrupts that stop nothing
	rooms    int                         // for specialists; 0 means any number
	changed  signal.Signal

	// reply is what an agent answers to a prompt; empty leaves the message for later.
	reply func(id orchestron.AgentID, text string) string
	fails func(call string, id orchestron.AgentID) error
	// spawning is called once, when a specialist is there and its caller does not know it yet.
	spawning atomic.Pointer[func()]
}

func newCrowd(ids ...orchestron.AgentID) *crowd {
	c := &crowd{
		alive: map[orchestron.AgentID]bool{}, parent: map[orchestron.AgentID]orchestron.AgentID{}, load: map[orchestron.AgentID]int{}, away: map[orchestron.AgentID]string{}, held: map[orchestron.AgentID]bool{},
		keys: map[string]string{}, messages: map[orchestron.MessageID]*orchestron.Message{},
	}
	for _, id := range ids {
		c.alive[id] = true
	}
	return c
}

func (c *crowd) Known(actor orchestron.Actor, id orchestron.AgentID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.alive[id]; !known {
		return false
	}
	for above := id; actor.Agent != "" && above != actor.Agent; above = c.parent[above] {
		if above == "" {
			return false
		}
	}
	return true
}

func (c *crowd) MayStart(leader orchestron.AgentID, workDir string) error {
	if strings.HasPrefix(string(leader), "spec") || strings.HasPrefix(workDir, "/missing") {
		return orchestron.Errorf(orchestron.Invalid, "%s cannot start anybody in %s", leader, workDir)
	}
	return nil
}

func (c *crowd) Visible(actor orchestron.Actor) []orchestron.AgentID {
	return slices.DeleteFunc(c.ids(), func(id orchestron.AgentID) bool { return !c.Known(actor, id) })
}

func (c *crowd) Alive(id orchestron.AgentID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.alive[id]
}

func (c *crowd) Managers(actor orchestron.Actor) []orchestron.AgentID {
	c.mu.Lock()
	var found []orchestron.AgentID
	for id, alive := range c.alive {
		if alive && strings.HasPrefix(string(id), "mgr") {
			found = append(found, id)
		}
	}
	c.mu.Unlock()
	found = slices.DeleteFunc(found, func(id orchestron.AgentID) bool { return !c.Known(actor, id) })
	slices.Sort(found)
	return found
}

func (c *crowd) Load(id orchestron.AgentID) (int, string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.load[id], c.away[id]
}

func (c *crowd) refuse(call string, id orchestron.AgentID) error {
	if c.fails == nil {
		return nil
	}
	return c.fails(call, id)
}

func (c *crowd) Post(_ context.Context, by orchestron.Actor, id orchestron.AgentID, key, text string) (orchestron.MessageID, error) {
	if err := c.refuse("post", id); err != nil {
		return "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if made := c.keys[key]; made != "" {
		if m := c.messages[orchestron.MessageID(made)]; m.Text != text || m.Agent != id {
			return "", orchestron.Errorf(orchestron.Conflict, "the key %s was used for another call", key)
		}
		return orchestron.MessageID(made), nil
	}
	if !c.alive[id] {
		return "", orchestron.Errorf(orchestron.Conflict, "%s is stopped", id)
	}
	if _, _, err := orchestron.Clean(text); err != nil {
		return "", err
	}
	m := &orchestron.Message{ID: orchestron.MessageID(fmt.Sprintf("m%d", len(c.order)+1)), From: orchestron.PassingOn(by).Author(), Agent: id, Text: text, State: orchestron.Submitted}
	if c.held[id] {
		m.State = orchestron.Queued
	} else if c.reply != nil {
		if m.Answer = c.reply(id, text); m.Answer != "" {
			m.State = orchestron.Answered
		}
	}
	c.messages[m.ID], c.keys[key] = m, string(m.ID)
	c.order = append(c.order, m.ID)
	c.changed.Raise()
	return m.ID, nil
}

func (c *crowd) Outcome(_ context.Context, id orchestron.MessageID) (orchestron.Message, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.messages[id]
	if m == nil {
		return orchestron.Message{}, false, orchestron.Errorf(orchestron.NotFound, "there is no message %s", id)
	}
	return *m, m.State.Done() || c.mute[m.Agent], nil
}

func (c *crowd) Spawn(_ context.Context, _ orchestron.Actor, key string, s coordinate.Specialist) (orchestron.AgentID, error) {
	if spawning := c.spawning.Swap(nil); spawning != nil {
		defer (*spawning)() // when the lock is free
	}
	if err := c.refuse("spawn", s.Parent); err != nil {
		return "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if made := c.keys[key]; made != "" {
		return orchestron.AgentID(made), nil
	}
	if !c.alive[s.Parent] {
		return "", orchestron.Errorf(orchestron.Conflict, "%s is stopped", s.Parent)
	}
	if c.rooms > 0 && c.specialists() >= c.rooms {
		return "", orchestron.Errorf(orchestron.Limit, "there are %d agents already", c.rooms)
	}
	c.spawned = append(c.spawned, s)
	id := orchestron.AgentID(fmt.Sprintf("spec_9_%d", len(c.spawned)))
	c.alive[id], c.parent[id], c.keys[key] = true, s.Parent, string(id)
	c.most = max(c.most, c.specialists())
	c.changed.Raise()
	return id, nil
}

func (c *crowd) specialists() int {
	n := 0
	for id, alive := range c.alive {
		if alive && strings.HasPrefix(string(id), "spec_9_") {
			n++
		}
	}
	return n
}

func (c *crowd) Terminate(_ context.Context, id orchestron.AgentID) error {
	if err := c.refuse("terminate", id); err != nil {
		return err
	}
	c.die(id)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = append(c.ended, id)
	return nil
}

func (c *crowd) Withdraw(_ context.Context, _ orchestron.AgentID, id orchestron.MessageID, reason string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.messages[id]
	if m.State == orchestron.Queued || m.State == orchestron.Attempting && !c.alive[m.Agent] {
		m.State, m.Reason = orchestron.Undeliverable, reason
		c.changed.Raise()
	}
	return nil
}

func (c *crowd) Made(_ context.Context, _ orchestron.Actor, _, key string) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.keys[key] != "", nil
}

// hold lets what an agent is sent wait in its inbox.
func (c *crowd) hold(id orchestron.AgentID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held[id] = true
}

// unhold lets an agent be given what waits for it.
func (c *crowd) unhold(id orchestron.AgentID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.held, id)
	for _, m := range c.messages {
		if m.Agent == id && c.alive[id] && m.State.Outcome() == orchestron.Queued {
			m.State = orchestron.Submitted
		}
	}
	c.changed.Raise()
}

func (c *crowd) Interrupt(_ context.Context, id orchestron.AgentID) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = append(c.stopped, id)
	if c.stubborn--; c.stubborn >= 0 {
		return nil
	}
	for _, m := range c.messages {
		if m.Agent == id && m.State == orchestron.Submitted {
			m.State, m.Failure = orchestron.Answered, "the turn was interrupted"
		}
	}
	c.changed.Raise()
	return nil
}

func (c *crowd) Changed() <-chan struct{} { return c.changed.Wait() }

// die ends an agent as a crash does.
func (c *crowd) die(id orchestron.AgentID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.alive[id] = false
	c.changed.Raise()
}

// answer ends the turn of an agent's oldest message that is open.
func (c *crowd) answer(id orchestron.AgentID, text string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.order {
		if m := c.messages[n]; m.Agent == id && m.State == orchestron.Submitted {
			m.State, m.Answer = orchestron.Answered, text
			c.changed.Raise()
			return true
		}
	}
	return false
}

// prompts is the texts that were given to an agent, or to all.
func (c *crowd) prompts(id orchestron.AgentID) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []string
	for _, n := range c.order {
		if m := c.messages[n]; id == "" || m.Agent == id {
			all = append(all, m.Text)
		}
	}
	return all
}

// cutAgents is agents in front of a knife.
type cutAgents struct {
	*crowd
	knife *knife
}

func (c cutAgents) Post(ctx context.Context, by orchestron.Actor, id orchestron.AgentID, key, text string) (orchestron.MessageID, error) {
	return around(c.knife, func() (orchestron.MessageID, error) { return c.crowd.Post(ctx, by, id, key, text) })
}

func (c cutAgents) Spawn(ctx context.Context, actor orchestron.Actor, key string, s coordinate.Specialist) (orchestron.AgentID, error) {
	return around(c.knife, func() (orchestron.AgentID, error) { return c.crowd.Spawn(ctx, actor, key, s) })
}

func (c cutAgents) Terminate(ctx context.Context, id orchestron.AgentID) error {
	_, err := around(c.knife, func() (struct{}, error) { return struct{}{}, c.crowd.Terminate(ctx, id) })
	return err
}

func (c cutAgents) Withdraw(ctx context.Context, agent orchestron.AgentID, id orchestron.MessageID, reason string) error {
	_, err := around(c.knife, func() (struct{}, error) { return struct{}{}, c.crowd.Withdraw(ctx, agent, id, reason) })
	return err
}

func (c cutAgents) Interrupt(ctx context.Context, id orchestron.AgentID) error {
	_, err := around(c.knife, func() (struct{}, error) { return struct{}{}, c.crowd.Interrupt(ctx, id) })
	return err
}

// house is a running service with everything that it stands on.
type house struct {
	t     *testing.T
	store coordinate.Store
	crowd *crowd
	ops   *op.Catalogue
	stop  func()
	log   *bytes.Buffer
}

// run starts a service. With a knife it may die.
func run(t *testing.T, store coordinate.Store, agents *crowd, k *knife) *house {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	h := &house{t: t, store: store, crowd: agents, log: &bytes.Buffer{}}
	if k != nil {
		k.cut = cancel
	}
	s := coordinate.New(cutStore{store, k}, cutAgents{agents, k}, time.Now, slog.New(slog.NewTextHandler(io.Discard, nil)))
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stopped := false
	h.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil && !errors.Is(err, errCrash) {
			t.Errorf("Run = %v", err)
		}
	}
	t.Cleanup(h.stop)
	h.ops = op.NewCatalogue(ledger{}, slog.New(slog.DiscardHandler), s.Ops()...)
	return h
}

type ledger struct{}

func (ledger) Begin(context.Context, string, string, string, [32]byte) (json.RawMessage, error) {
	return nil, nil
}
func (ledger) End(context.Context, string, string, json.RawMessage) error { return nil }

var operator = orchestron.Actor{Kind: orchestron.Operator}

// call calls an operation as it is called from outside.
func call[T any](h *house, actor orchestron.Actor, name, key string, args map[string]any) (T, error) {
	h.t.Helper()
	var v T
	raw, err := json.Marshal(args)
	if err != nil {
		h.t.Fatal(err)
	}
	answer, err := h.ops.Call(h.t.Context(), name, raw, op.Call{Actor: actor, Key: key})
	if err != nil {
		return v, err
	}
	if err := json.Unmarshal(answer, &v); err != nil {
		h.t.Fatal(err)
	}
	return v, nil
}

func must[T any](h *house, name string, args map[string]any) T {
	h.t.Helper()
	v, err := call[T](h, operator, name, "", args)
	if err != nil {
		h.t.Fatalf("%s = %v", name, err)
	}
	return v
}
