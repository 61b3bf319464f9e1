package schedule

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/internal/scheduleapi"
	"github.com/orchestron/orchestron/internal/when"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory is a store that forgets nothing, unless a change fails.
type memory struct {
	mu     sync.Mutex
	rows   map[int64]string // as JSON, as a database has them
	keys   map[string]string
	count  int
	events []orchestron.Event
}

func newMemory() *memory { return &memory{rows: map[int64]string{}, keys: map[string]string{}} }

func (m *memory) Write(ctx context.Context, change func(Tx) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	rows, keys, count, events := maps.Clone(m.rows), maps.Clone(m.keys), m.count, len(m.events)
	err := change(m)
	if err != nil {
		m.rows, m.keys, m.count, m.events = rows, keys, count, m.events[:events]
	}
	return err
}

func (m *memory) Open(ctx context.Context) ([]scheduleapi.Schedule, error) {
	all, err := m.All(ctx)
	return slices.DeleteFunc(all, func(s scheduleapi.Schedule) bool { return !s.Open() }), err
}

func (m *memory) All(context.Context) (all []scheduleapi.Schedule, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, n := range slices.Sorted(maps.Keys(m.rows)) {
		s, err := m.Schedule(scheduleapi.IDOf(n))
		if err != nil {
			return all, err
		}
		all = append(all, s)
	}
	return all, nil
}

func (m *memory) NextOrdinal(string) (int, error) { m.count++; return m.count, nil }

func (m *memory) Keyed(actor, key, operation string, hash [32]byte) (string, bool, error) {
	stored, found := m.keys[actor+" "+key]
	kind, subject, _ := strings.Cut(stored, " ")
	if found && kind != fmt.Sprintf("%s%x", operation, hash) {
		return "", false, orchestron.Errorf(orchestron.Conflict, "the key was used for another call")
	}
	return subject, found, nil
}

func (m *memory) SetKey(actor, key, operation string, hash [32]byte, subject string) error {
	m.keys[actor+" "+key] = fmt.Sprintf("%s%x %s", operation, hash, subject)
	return nil
}

func (m *memory) AddEvent(e *orchestron.Event) error { m.events = append(m.events, *e); return nil }

func (m *memory) Schedule(id scheduleapi.ID) (s scheduleapi.Schedule, err error) {
	row, found := m.rows[id.Number()]
	if !found {
		return s, orchestron.Errorf(orchestron.NotFound, "there is no schedule %s", id)
	}
	return s, json.Unmarshal([]byte(row), &s)
}

func (m *memory) PutSchedule(s scheduleapi.Schedule) error {
	raw, err := json.Marshal(s)
	m.rows[s.ID.Number()] = string(raw)
	return err
}

func (m *memory) DropSchedules(before time.Time) error {
	for n := range m.rows {
		if s, err := m.Schedule(scheduleapi.IDOf(n)); err == nil && !s.Open() && s.Ended.Before(before) {
			delete(m.rows, n)
		}
	}
	return nil
}

// crew is agents with inboxes. exec_1 leads mgr_1_1, which leads spec_1_1_1; exec_2 leads nobody.
type crew struct {
	mu      sync.Mutex
	agents  map[orchestron.AgentID]orchestron.Agent
	keys    map[string]bool
	inboxes map[orchestron.AgentID][]string
	times   []time.Time // of posts
	now     func() time.Time
	fails   func(orchestron.AgentID) error
}

func newCrew(now func() time.Time) *crew {
	c := &crew{agents: map[orchestron.AgentID]orchestron.Agent{}, keys: map[string]bool{}, inboxes: map[orchestron.AgentID][]string{}, now: now}
	for _, id := range []orchestron.AgentID{"exec_1", "mgr_1_1", "spec_1_1_1", "exec_2"} {
		c.set(id, orchestron.Idle, 0)
	}
	return c
}

func (c *crew) set(id orchestron.AgentID, status orchestron.Status, queued int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.agents[id] = orchestron.Agent{ID: id, Status: status, Queued: queued}
}

func (c *crew) All() []orchestron.Agent {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []orchestron.Agent
	for _, id := range slices.Sorted(maps.Keys(c.agents)) {
		all = append(all, c.agents[id])
	}
	return all
}

func (c *crew) Gone(id orchestron.AgentID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.agents[id].Status == orchestron.Stopped
}

func (c *crew) Within(actor orchestron.Actor, id orchestron.AgentID) bool {
	_, above, _ := strings.Cut(string(actor.Agent), "_")
	_, below, _ := strings.Cut(string(id), "_")
	return actor.Trusted() || strings.HasPrefix(below+"_", above+"_") && len(below) >= len(above)
}

func (c *crew) Post(ctx context.Context, by orchestron.Actor, id orchestron.AgentID, key, text string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case c.keys[key]:
		return nil
	}
	if c.fails != nil {
		if err := c.fails(id); err != nil {
			return err
		}
	}
	c.keys[key] = true
	c.inboxes[id] = append(c.inboxes[id], text)
	c.times = append(c.times, c.now())
	return nil
}

func (c *crew) got(id orchestron.AgentID) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.inboxes[id])
}

// wall is a clock that can be set. It goes on by itself as time does.
type wall struct {
	mu    sync.Mutex
	start time.Time
	shows time.Time
}

func newWall(shows time.Time) *wall { return &wall{start: time.Now(), shows: shows} }

func (w *wall) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.shows.Add(time.Since(w.start))
}

func (w *wall) set(by time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.shows = w.shows.Add(by)
}

func berlin(t testing.TB) *time.Location {
	t.Helper()
	z, err := when.Zone("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func agent(id orchestron.AgentID, level orchestron.Level) orchestron.Actor {
	return orchestron.Actor{Kind: orchestron.AgentCall, Agent: id, Level: level}
}

// call calls an operation as a client does.
func call[T any](t testing.TB, s *Service, actor orchestron.Actor, key, name string, args map[string]any) (T, error) {
	t.Helper()
	raw, err := json.Marshal(args)
	if err != nil {
		t.Fatal(err)
	}
	var out T
	answer, err := op.NewCatalogue(nil, slog.New(slog.DiscardHandler), s.Ops()...).Call(t.Context(), name, raw, op.Call{Actor: actor, Key: key})
	if err == nil {
		err = json.Unmarshal(answer, &out)
	}
	return out, err
}

var operator = orchestron.Actor{Kind: orchestron.Operator}

func plan(t testing.TB, s *Service, args map[string]any) scheduleapi.ScheduleOut {
	t.Helper()
	out, err := call[scheduleapi.ScheduleOut](t, s, operator, "", "schedule_message", args)
	if err != nil {
		t.Fatalf("schedule_message %v: %v", args, err)
	}
	return out
}

// only is the one schedule that there is.
func only(t testing.TB, s *Service) scheduleapi.Entry {
	t.Helper()
	out, err := call[scheduleapi.ListOut](t, s, operator, "", "list_schedules", map[string]any{"all": true})
	if err != nil || len(out.Schedules) != 1 {
		t.Fatalf("list_schedules: %v, %v; want one", out.Schedules, err)
	}
	return out.Schedules[0]
}
