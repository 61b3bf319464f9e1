package approval

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/approvalapi"
	"github.com/orchestron/orchestron/internal/approvalstore"
	"github.com/orchestron/orchestron/internal/handoff"
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/internal/signal"
	"github.com/orchestron/orchestron/internal/sqlite"
)

// database is the real store.
type database struct{ approvalstore.Store }

func (d database) Write(ctx context.Context, change func(Tx) error) error {
	return d.Store.Write(ctx, func(tx approvalstore.Tx) error { return change(tx) })
}

// stage is agents and hooks as a test wants them. mgr_1_1 leads spec_1_1_1.
type stage struct {
	changed signal.Signal

	mu     sync.Mutex
	agents map[orchestron.AgentID]orchestron.Agent
	dead   map[int]bool      // processes of hooks
	said   map[string]string // by record
	fail   error             // of Decide
}

func (s *stage) Agent(id orchestron.AgentID) (orchestron.Agent, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, known := s.agents[id]
	return a, known
}

func (s *stage) Within(actor orchestron.Actor, id orchestron.AgentID) bool {
	return actor.Trusted() || actor.Agent == id || actor.Agent == "mgr_1_1" && id == "spec_1_1_1"
}

func (s *stage) Changed() <-chan struct{} { return s.changed.Wait() }

func (s *stage) Alive(p orchestron.Process) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.dead[p.PID]
}

func (s *stage) Say(_ string, _ json.RawMessage, d orchestron.Decision) (json.RawMessage, error) {
	return json.RawMessage(fmt.Sprintf("%v %s %v", d.Allow, d.Reason, d.Answers)), nil
}

func (s *stage) Decide(_ orchestron.AgentID, record string, said []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail == nil {
		s.said[record] = string(said)
	}
	return s.fail
}

func (s *stage) heard(record string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	said, found := s.said[record]
	return said, found
}

// change alters an agent and tells of it.
func (s *stage) change(id orchestron.AgentID, change func(*orchestron.Agent)) {
	s.mu.Lock()
	a := s.agents[id]
	change(&a)
	s.agents[id] = a
	s.mu.Unlock()
	s.changed.Raise()
}

func (s *stage) kill(pid int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dead[pid] = true
}

type house struct {
	*Service
	*stage
	t    *testing.T
	db   *sqlite.DB
	path string
	asks int
}

func newHouse(t *testing.T, policy approvalapi.Policy) *house {
	t.Helper()
	dir := t.TempDir()
	agent := func(id orchestron.AgentID, level orchestron.Level) orchestron.Agent {
		return orchestron.Agent{ID: id, Level: level, Driver: "claude", Status: orchestron.Busy, Workspace: dir, Generation: 1, Wanted: orchestron.WantRunning}
	}
	h := &house{t: t, path: filepath.Join(dir, "db"), stage: &stage{
		dead: map[int]bool{}, said: map[string]string{},
		agents: map[orchestron.AgentID]orchestron.Agent{"mgr_1_1": agent("mgr_1_1", orchestron.Manager), "spec_1_1_1": agent("spec_1_1_1", orchestron.Specialist)},
	}}
	if policy.Expiry == 0 {
		policy.Expiry = 10 * time.Minute
	}
	h.open(policy)
	t.Cleanup(func() { _ = h.db.Close() })
	return h
}

func (h *house) open(policy approvalapi.Policy) {
	h.t.Helper()
	var err error
	if h.db, err = sqlite.Open(context.Background(), h.path, slog.New(slog.DiscardHandler)); err != nil {
		h.t.Fatal(err)
	}
	if h.Service, err = New(database{approvalstore.In(h.db)}, h.stage, h.stage, policy, time.Now, slog.New(slog.DiscardHandler)); err != nil {
		h.t.Fatal(err)
	}
}

// run runs the service until the test, or stop, ends it.
func (h *house) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			h.t.Errorf("Run: %v", err)
		}
	})
	return stop
}

func (h *house) record(pid int) handoff.Record {
	return handoff.Record{
		ID: fmt.Sprint("r", pid), Agent: "spec_1_1_1", Generation: 1, Kind: handoff.Hooked, Event: "PermissionRequest", At: time.Now(),
		Hold: &handoff.Hold{Process: orchestron.Process{PID: pid, Start: 1}, Until: time.Now().Add(11 * time.Minute)},
	}
}

func fact(tool, input string) orchestron.Fact {
	return orchestron.Fact{
		Kind: orchestron.FactAsked, Question: &orchestron.Question{Tool: tool, Detail: input}, Input: json.RawMessage(input),
	}
}

// ask has spec_1_1_1 ask; the hooks' processes are 1, 2, and so on.
func (h *house) ask(tool, input string) approvalapi.Case {
	h.t.Helper()
	h.asks++
	return h.askFact(fact(tool, input))
}

func (h *house) askFact(f orchestron.Fact) approvalapi.Case {
	h.t.Helper()
	a, _ := h.Agent("spec_1_1_1")
	id, _, err := h.Ask(context.Background(), a, h.record(h.asks), f)
	if err != nil {
		h.t.Fatalf("Ask: %v", err)
	}
	return h.now(approvalapi.ID(id))
}

func (h *house) now(id approvalapi.ID) approvalapi.Case {
	h.t.Helper()
	c, err := h.store.Approval(context.Background(), id)
	if err != nil {
		h.t.Fatal(err)
	}
	return c
}

var (
	person  = orchestron.Actor{Kind: orchestron.Operator}
	manager = orchestron.Actor{Kind: orchestron.AgentCall, Agent: "mgr_1_1", Level: orchestron.Manager}
)

func (h *house) reply(actor orchestron.Actor, in approvalapi.AnswerIn) error {
	_, err := h.answer(context.Background(), op.Call{Actor: actor}, in)
	return err
}

func (h *house) want(c approvalapi.Case, state approvalapi.State, said string) {
	h.t.Helper()
	if got := h.now(c.ID); got.State != state {
		h.t.Errorf("%s is %s (%s), want %s", c.ID, got.State, got.Reason, state)
	}
	if got, found := h.heard(c.Record); got != said || found == (state == approvalapi.Pending) {
		h.t.Errorf("the hook of %s was told %q (%v), want %q", c.ID, got, found, said)
	}
}

func TestAskAndAnswer(t *testing.T) {
	h := newHouse(t, approvalapi.Policy{})
	c := h.ask("Bash", `{"command": "make <all>", "description":"x"}`)
	if c.ID != "APR-1" || c.Subject != "make <all>" || c.Risk != approvalapi.High || string(c.Input) != `{"command": "make <all>", "description":"x"}` ||
		string(c.Arguments) != `{"command":"make \u003call\u003e","description":"x"}` ||
		c.Question != "May spec_1_1_1 run make <all>?" || c.Expires.Sub(c.Created).Round(5*time.Second) != 10*time.Minute {
		t.Errorf("the case is %+v", c)
	}
	a, _ := h.Agent("spec_1_1_1")
	again, open, err := h.Ask(t.Context(), a, h.record(1), fact("Bash", `{}`)) // the record comes twice after a crash
	if again != "APR-1" || !open || err != nil {
		t.Errorf("the same record gives %s, %v, %v", again, open, err)
	}
	h.want(c, approvalapi.Pending, "")
	in := approvalapi.AnswerIn{ID: "APR-1", Decision: approvalapi.Deny, Reason: "not <now>"}
	key := op.Call{Actor: person, Key: "k"}
	if _, err := h.answer(t.Context(), key, in); err != nil {
		t.Fatal(err)
	}
	h.want(c, approvalapi.Denied, "false Denied by operator (APR-1): not <now> map[]")
	if _, err := h.answer(t.Context(), key, in); err != nil {
		t.Errorf("the same call again: %v", err)
	}
	in.Decision = approvalapi.AllowOnce
	if err := h.reply(person, in); orchestron.KindOf(err) != orchestron.Conflict || !strings.Contains(err.Error(), "APR-1 was denied by operator") {
		t.Errorf("a second answer: %v", err)
	}
	if err := h.reply(person, approvalapi.AnswerIn{ID: "APR-9", Decision: approvalapi.Deny}); orchestron.KindOf(err) != orchestron.NotFound {
		t.Errorf("an answer to nothing: %v", err)
	}
	events, err := h.db.Events(t.Context(), 0, 10)
	if err != nil || len(events) != 2 || events[0].Type != orchestron.ApprovalAsked || events[1].Type != orchestron.ApprovalSettled || events[1].Actor != "operator" {
		t.Errorf("the events are %+v, %v", events, err)
	}
}

// TestAnsweredOnce: of many answers at the same time one counts.
func TestAnsweredOnce(t *testing.T) {
	h := newHouse(t, approvalapi.Policy{})
	c := h.ask("Bash", `{"command":"x"}`)
	var g sync.WaitGroup
	var mu sync.Mutex
	won, lost := 0, 0
	for i := range 20 {
		g.Go(func() {
			decision := []approvalapi.Answer{approvalapi.AllowOnce, approvalapi.Deny}[i%2]
			err := h.reply(person, approvalapi.AnswerIn{ID: string(c.ID), Decision: decision})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won++
			} else if orchestron.KindOf(err) == orchestron.Conflict {
				lost++
			}
		})
	}
	g.Wait()
	if won != 1 || lost != 19 {
		t.Errorf("%d answers counted and %d were conflicts", won, lost)
	}
	got, _ := h.heard(c.Record)
	if allowed := h.now(c.ID).State == approvalapi.Allowed; strings.HasPrefix(got, "true") != allowed {
		t.Errorf("the hook was told %q of %s", got, h.now(c.ID).State)
	}
}

func TestRulesDecide(t *testing.T) {
	h := newHouse(t, approvalapi.Policy{Rules: []approvalapi.Rule{
		{Tool: "Bash", Argument: "*rm *", Decision: approvalapi.RuleDeny, Reason: "no"},
		{Tool: "Bash", Argument: "make *", Decision: approvalapi.RuleAllow},
		{Tool: "AskUserQuestion", Decision: approvalapi.RuleAllow},
	}})
	denied := h.ask("Bash", `{"command":"rm x"}`)
	h.want(denied, approvalapi.Denied, "false Denied by rule 1 of the configuration (APR-1): no map[]")
	h.want(h.ask("Bash", `{"command":"make x"}`), approvalapi.Allowed, "true  map[]")
	h.want(h.ask("Bash", `{"command":"make x; date"}`), approvalapi.Pending, "")
	f := fact("AskUserQuestion", `{"questions":[]}`)
	f.Choices = []orchestron.Choice{{Question: "Which?", Options: []string{"a", "b"}}}
	h.asks++
	h.want(h.askFact(f), approvalapi.Pending, "") // no rule knows the answer
}

func TestAlways(t *testing.T) {
	h := newHouse(t, approvalapi.Policy{})
	first := h.ask("Bash", `{"command":"make x","timeout":5,"nice":{"a":1,"b":[1.0]}}`)
	if err := h.reply(person, approvalapi.AnswerIn{ID: string(first.ID), Decision: approvalapi.AllowAlways}); err != nil {
		t.Fatal(err)
	}
	second := h.ask("Bash", `{"nice": {"b":[1.0], "a":1}, "timeout":5, "command":"make x"}`)
	h.want(second, approvalapi.Allowed, "true  map[]")
	if by := h.now(second.ID).By; by != "operator, who said always to APR-1" {
		t.Errorf("the second time was answered by %q", by)
	}
	for _, other := range []string{
		`{"command":"make y","timeout":5,"nice":{"a":1,"b":[1.0]}}`, `{"command":"make x"}`, `{"command":"make x","timeout":50,"nice":{"a":1,"b":[1.0]}}`,
		`{"command":"make x","timeout":5,"nice":{"a":1,"b":[1.0]},"dangerouslyDisableSandbox":true}`, `{"command":"make x","timeout":5,"nice":{"a":1,"b":[1]}}`,
		`"make x"`,
	} {
		h.want(h.ask("Bash", other), approvalapi.Pending, "")
	}
	h.want(h.ask("Write", `{"command":"make x","timeout":5,"nice":{"a":1,"b":[1.0]}}`), approvalapi.Pending, "")
	h.asks++
	other, _ := h.Agent("mgr_1_1")
	if _, open, err := h.Ask(t.Context(), other, h.record(h.asks), fact("Bash", string(first.Input))); !open || err != nil {
		t.Errorf("another agent's same question: open %v, %v", open, err)
	}
}

// TestAlwaysThere: what was allowed always is a place, not a name, and nothing outside of the workspace is.
func TestAlwaysThere(t *testing.T) {
	h := newHouse(t, approvalapi.Policy{})
	a, _ := h.Agent("spec_1_1_1")
	outside, link := t.TempDir(), filepath.Join(a.Workspace, "link")
	lead := func(to string) {
		t.Helper()
		_ = os.Remove(link)
		if err := errors.Join(os.MkdirAll(to, 0o700), os.Symlink(to, link)); err != nil {
			t.Fatal(err)
		}
	}
	write := `{"file_path":"link/f","content":"x"}`
	lead(filepath.Join(a.Workspace, "one"))
	first := h.ask("Write", write)
	if err := h.reply(person, approvalapi.AnswerIn{ID: string(first.ID), Decision: approvalapi.AllowAlways}); err != nil {
		t.Fatal(err)
	}
	h.want(h.ask("Write", write), approvalapi.Allowed, "true  map[]")
	lead(filepath.Join(a.Workspace, "two"))
	h.want(h.ask("Write", write), approvalapi.Pending, "")
	lead(outside)
	out := h.ask("Write", write)
	h.want(out, approvalapi.Pending, "")
	if err := h.reply(person, approvalapi.AnswerIn{ID: string(out.ID), Decision: approvalapi.AllowAlways}); orchestron.KindOf(err) != orchestron.Invalid {
		t.Errorf("always, outside of the workspace: %v", err)
	}
	if err := h.reply(person, approvalapi.AnswerIn{ID: string(out.ID), Decision: approvalapi.AllowOnce}); err != nil {
		t.Error(err)
	}
	lead(filepath.Join(a.Workspace, "one"))
	h.want(h.ask("Write", write), approvalapi.Allowed, "true  map[]")
}

// TestRevoke: what was allowed always can be seen and taken back.
func TestRevoke(t *testing.T) {
	h := newHouse(t, approvalapi.Policy{AgentsMayApprove: true})
	always := func() []approvalapi.ID {
		t.Helper()
		out, err := h.list(t.Context(), op.Call{Actor: person}, approvalapi.ListIn{State: approvalapi.Always, Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		var ids []approvalapi.ID
		for _, a := range out.Approvals {
			ids = append(ids, a.ID)
		}
		return ids
	}
	for _, in := range []approvalapi.AnswerIn{{ID: "APR-1", Decision: approvalapi.AllowAlways}, {ID: "APR-2", Decision: approvalapi.AllowOnce}} {
		h.ask("Bash", fmt.Sprintf(`{"command":%q}`, in.ID))
		if err := h.reply(person, in); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]approvalapi.ID{"APR-1"}, always()); diff != "" {
		t.Error(diff)
	}
	revoke := func(actor orchestron.Actor, id string) error {
		_, err := h.revoke(t.Context(), op.Call{Actor: actor}, approvalapi.RevokeIn{ID: id})
		return err
	}
	self := orchestron.Actor{Kind: orchestron.AgentCall, Agent: "spec_1_1_1", Level: orchestron.Manager}
	if err := revoke(self, "APR-1"); orchestron.KindOf(err) != orchestron.Forbidden {
		t.Errorf("an agent of its own: %v", err)
	}
	if err := revoke(person, "APR-2"); orchestron.KindOf(err) != orchestron.Conflict {
		t.Errorf("what was allowed once: %v", err)
	}
	if err := revoke(person, "APR-9"); orchestron.KindOf(err) != orchestron.NotFound {
		t.Errorf("what is not there: %v", err)
	}
	for range 2 { // again does nothing more
		if err := revoke(manager, "APR-1"); err != nil {
			t.Error(err)
		}
	}
	if got := always(); len(got) > 0 {
		t.Errorf("%v still count", got)
	}
	h.want(h.ask("Bash", `{"command":"APR-1"}`), approvalapi.Pending, "")
	if got := h.now("APR-1"); got.State != approvalapi.Allowed || got.RevokedBy != "mgr_1_1" || got.Revoked.IsZero() {
		t.Errorf("it is %+v", got.Approval)
	}
	events, err := h.db.Events(t.Context(), 0, 20)
	told := 0
	for _, e := range events {
		if e.Type == approvalapi.Revoked && e.Agent == "spec_1_1_1" && e.Actor == "mgr_1_1" {
			told++
		}
	}
	if err != nil || told != 1 {
		t.Errorf("%d events tell of it, %v", told, err)
	}
}

// TestAskedWhileAway: what was asked while no daemon ran can still be answered, as long as the hook waits.
func TestAskedWhileAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, approvalapi.Policy{Expiry: time.Minute})
		a, _ := h.Agent("spec_1_1_1")
		old, late, over := h.record(1), h.record(2), h.record(3) // their hooks wait for 11 minutes
		over.Hold.Until = time.Now().Add(5*time.Minute + 10*time.Second)
		time.Sleep(5 * time.Minute)
		stop := h.run()
		for _, r := range []handoff.Record{old, over} {
			if _, open, err := h.Ask(t.Context(), a, r, fact("Bash", `{"command":"x"}`)); !open || err != nil {
				t.Fatalf("Ask: open %t, %v", open, err)
			}
		}
		time.Sleep(4 * time.Second)
		synctest.Wait()
		for _, id := range []approvalapi.ID{"APR-1", "APR-2"} {
			if got := h.now(id); got.State != approvalapi.Pending {
				t.Errorf("%s is %s after 4 seconds", id, got.State)
			}
		}
		time.Sleep(3 * time.Second) // its hook still takes the answer
		synctest.Wait()
		if got := h.now("APR-2").State; got != approvalapi.Expired {
			t.Errorf("APR-2 is %s, and its hook gives up in a moment", got)
		}
		time.Sleep(50 * time.Second)
		synctest.Wait()
		if got := h.now("APR-1").State; got != approvalapi.Pending {
			t.Errorf("APR-1 is %s before a minute is over", got)
		}
		time.Sleep(4 * time.Second)
		synctest.Wait()
		if got := h.now("APR-1").State; got != approvalapi.Expired {
			t.Errorf("APR-1 is %s after a minute", got)
		}
		time.Sleep(4*time.Minute + 25*time.Second)
		if _, _, err := h.Ask(t.Context(), a, late, fact("Bash", `{"command":"x"}`)); err != nil {
			t.Fatal(err)
		}
		if left := time.Until(h.now("APR-3").Expires); left <= 0 || left > time.Until(late.Hold.Until) {
			t.Errorf("it expires in %s, and its hook waits for %s", left, time.Until(late.Hold.Until))
		}
		stop()
		if err := h.db.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestChoices(t *testing.T) {
	h := newHouse(t, approvalapi.Policy{})
	f := fact("AskUserQuestion", `{"questions":[{}]}`)
	f.Choices = []orchestron.Choice{{Question: "Which?", Options: []string{"a", "b"}}}
	h.asks++
	c := h.askFact(f)
	for name, in := range map[string]approvalapi.AnswerIn{
		"always":       {Decision: approvalapi.AllowAlways, Answers: map[string]string{"Which?": "a"}},
		"no answer":    {Decision: approvalapi.AllowOnce},
		"another":      {Decision: approvalapi.AllowOnce, Answers: map[string]string{"Which?": "a", "What?": "b"}},
		"wrong answer": {Decision: approvalapi.AllowOnce, Answers: map[string]string{"What?": "b"}},
	} {
		in.ID = string(c.ID)
		if err := h.reply(person, in); orchestron.KindOf(err) != orchestron.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := h.reply(person, approvalapi.AnswerIn{ID: string(c.ID), Decision: approvalapi.AllowOnce, Answers: map[string]string{"Which?": "b"}}); err != nil {
		t.Fatal(err)
	}
	h.want(c, approvalapi.Allowed, "true  map[Which?:b]")
}

func TestWhoMayAnswer(t *testing.T) {
	spec := orchestron.Actor{Kind: orchestron.AgentCall, Agent: "spec_1_1_1", Level: orchestron.Manager}
	stranger := orchestron.Actor{Kind: orchestron.AgentCall, Agent: "mgr_2_1", Level: orchestron.Manager}
	for _, tt := range []struct {
		name   string
		may    bool
		actor  orchestron.Actor
		answer approvalapi.Answer
		want   orchestron.Kind
	}{
		{"a person", false, person, approvalapi.AllowAlways, ""},
		{"an agent, when the configuration does not let it", false, manager, approvalapi.Deny, orchestron.Forbidden},
		{"an agent above", true, manager, approvalapi.AllowOnce, ""},
		{"an agent above denies", true, manager, approvalapi.Deny, ""},
		{"an agent above, for ever", true, manager, approvalapi.AllowAlways, orchestron.Forbidden},
		{"the agent itself", true, spec, approvalapi.AllowOnce, orchestron.Forbidden},
		{"an agent elsewhere", true, stranger, approvalapi.Deny, orchestron.NotFound},
	} {
		h := newHouse(t, approvalapi.Policy{AgentsMayApprove: tt.may})
		c := h.ask("Bash", `{"command":"x"}`)
		err := h.reply(tt.actor, approvalapi.AnswerIn{ID: string(c.ID), Decision: tt.answer})
		if err == nil && tt.want != "" || err != nil && orchestron.KindOf(err) != tt.want {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
		out, err := h.list(t.Context(), op.Call{Actor: tt.actor}, approvalapi.ListIn{State: approvalapi.All, Limit: 10})
		if want := map[bool]int{true: 0, false: 1}[tt.want == orchestron.NotFound]; err != nil || out.Count != want {
			t.Errorf("%s sees %d, %v, want %d", tt.name, out.Count, err, want)
		}
		byID, err := h.list(t.Context(), op.Call{Actor: tt.actor}, approvalapi.ListIn{ID: string(c.ID)})
		for _, seen := range slices.Concat(out.Approvals, byID.Approvals) {
			if offered := slices.Contains(seen.Answers, tt.answer); offered != (tt.want == "") || seen.Answers == nil && err == nil {
				t.Errorf("%s is offered %v, and %s is %q", tt.name, seen.Answers, tt.answer, tt.want)
			}
		}
	}
}

func TestRisk(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(os.Symlink("/etc", filepath.Join(dir, "out")), os.Symlink(filepath.Join(dir, "nowhere"), filepath.Join(dir, "loose"))); err != nil {
		t.Fatal(err)
	}
	table, err := readTools(tools)
	if err != nil {
		t.Fatal(err)
	}
	a := orchestron.Agent{Workspace: dir}
	for _, tt := range []struct {
		tool, input string
		want        approvalapi.Risk
		subject     string
	}{
		{"Read", `{"file_path":"a"}`, approvalapi.Low, filepath.Join(dir, "a")},
		{"Read", `{"file_path":"../a"}`, approvalapi.High, filepath.Join(filepath.Dir(dir), "a")},
		{"Grep", `{"pattern":"x"}`, approvalapi.Low, dir},
		{"Glob", `{"pattern":"**/*.go"}`, approvalapi.Low, filepath.Join(dir, "**/*.go")},
		{"Glob", `{"pattern":"*.{ts,tsx}","path":"src"}`, approvalapi.Low, filepath.Join(dir, "src/*.{ts,tsx}")},
		{"Glob", fmt.Sprintf(`{"pattern":%q}`, filepath.Join(dir, "a/*")), approvalapi.Low, filepath.Join(dir, "a/*")},
		{"Glob", `{"path":"src"}`, approvalapi.Low, filepath.Join(dir, "src")},
		{"Glob", `{"pattern":"/etc/**"}`, approvalapi.High, "/etc/**"},
		{"Glob", `{"pattern":"*","path":"/etc"}`, approvalapi.High, "/etc/*"},
		{"Glob", `{"pattern":"out/*"}`, approvalapi.High, filepath.Join(dir, "out/*")},
		{"Glob", `{"pattern":"../*"}`, approvalapi.High, "../*"},
		{"Glob", `{"pattern":"a/*/../../.."}`, approvalapi.High, "a/*/../../.."},
		{"Glob", `{"pattern":"~/.ssh/*"}`, approvalapi.High, "~/.ssh/*"},
		{"Glob", `{"pattern":"{src,/etc}/*"}`, approvalapi.High, "{src,/etc}/*"},
		{"Read", `{"file_path":"a","":"/etc"}`, approvalapi.Low, filepath.Join(dir, "a")},
		{"Write", fmt.Sprintf(`{"file_path":%q}`, filepath.Join(dir, "new/deep/file")), approvalapi.Medium, filepath.Join(dir, "new/deep/file")},
		{"Edit", `{"file_path":"/etc/passwd"}`, approvalapi.High, "/etc/passwd"},
		{"Edit", `{"file_path":"out/passwd"}`, approvalapi.High, filepath.Join(dir, "out/passwd")},
		{"Edit", `{"file_path":"loose"}`, approvalapi.High, filepath.Join(dir, "loose")},
		{"Edit", `{"path":"/etc/passwd"}`, approvalapi.High, `{"path":"/etc/passwd"}`},
		{"edit", `{"path":"a"}`, approvalapi.High, `{"path":"a"}`},
		{"Bash", `{"command":"ls"}`, approvalapi.High, "ls"},
		{"WebFetch", `{"url":"https://example.com"}`, approvalapi.High, "https://example.com"},
		{"mcp__x__y", `{"a": 1}`, approvalapi.High, `{"a":1}`},
		{"Bash", `["not an object"]`, approvalapi.High, `["not an object"]`},
		{"Bash", `broken`, approvalapi.High, `broken`},
	} {
		q, risk := look(table, a, fact(tt.tool, tt.input))
		if risk != tt.want || q.Subject != tt.subject {
			t.Errorf("%s %s is %s about %q, want %s about %q", tt.tool, tt.input, risk, q.Subject, tt.want, tt.subject)
		}
	}
}

func TestLongArguments(t *testing.T) {
	h := newHouse(t, approvalapi.Policy{})
	long := fmt.Sprintf(`{"command":"echo %s; rm x"}`, strings.Repeat("ü", maxInput))
	c := h.ask("Bash", long)
	if !json.Valid(c.Arguments) || len(c.Arguments) > 3*maxInput || !strings.Contains(string(c.Arguments), "bytes more") || !strings.Contains(c.Subject, "bytes more") ||
		!strings.Contains(c.Question, "bytes more") {
		t.Errorf("the arguments are cut to %d bytes, the subject is %.60q", len(c.Arguments), c.Subject)
	}
	other := h.ask("Bash", strings.Replace(long, "rm x", "rm y", 1))
	if c.Same == other.Same {
		t.Error("what differs behind the cut is taken for the same")
	}
	if diff := cmp.Diff(h.now(c.ID), c); diff != "" {
		t.Error(diff)
	}
}

func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, approvalapi.Policy{Expiry: time.Minute})
		stop := h.run()
		c := h.ask("Bash", `{"command":"x"}`)
		time.Sleep(time.Minute - time.Second)
		synctest.Wait()
		h.want(c, approvalapi.Pending, "")
		time.Sleep(3 * time.Second)
		synctest.Wait()
		h.want(c, approvalapi.Expired, "false Denied: nobody answered APR-1 within 1m0s. map[]")
		if err := h.reply(person, approvalapi.AnswerIn{ID: "APR-1", Decision: approvalapi.AllowOnce}); orchestron.KindOf(err) != orchestron.Conflict {
			t.Errorf("an answer after the end: %v", err)
		}
		h.kill(1)
		time.Sleep(3 * time.Second)
		if stop(); len(h.live) != 0 {
			t.Errorf("%d hooks that ended are still watched", len(h.live))
		}
		if err := h.db.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestTerminalFirst: what an agent's program says of itself settles a question, and old news do not.
func TestTerminalFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, approvalapi.Policy{})
		stop := h.run()
		became := func(status orchestron.Status, source orchestron.Source, at time.Time) {
			h.change("spec_1_1_1", func(a *orchestron.Agent) {
				a.Status, a.Evidence = status, orchestron.Evidence{Source: source, At: at}
			})
			synctest.Wait()
		}
		c := h.ask("Bash", `{"command":"x"}`)
		became(orchestron.Busy, orchestron.FromStateFile, time.Now().Add(-time.Second))
		h.want(c, approvalapi.Pending, "")
		became(orchestron.Waiting, orchestron.FromHook, time.Now())
		time.Sleep(5 * time.Second)
		became(orchestron.Busy, orchestron.FromHook, time.Now()) // as by a prompt that is queued
		h.want(c, approvalapi.Pending, "")
		became(orchestron.Busy, orchestron.FromStateFile, time.Now())
		h.want(c, approvalapi.InTerminal, "")

		first, second := h.ask("Bash", `{"command":"y"}`), h.ask("Bash", `{"command":"z"}`)
		time.Sleep(time.Second)
		became(orchestron.Busy, orchestron.FromStateFile, time.Now())
		became(orchestron.Waiting, orchestron.FromStateFile, time.Now().Add(time.Millisecond)) // the other dialog
		time.Sleep(10 * time.Second)
		h.want(first, approvalapi.Pending, "")
		h.want(second, approvalapi.Pending, "")
		if err := h.Withdraw(t.Context(), first.Record); err != nil {
			t.Error(err)
		}
		h.want(first, approvalapi.InTerminal, "")
		h.change("spec_1_1_1", func(a *orchestron.Agent) { a.Generation = 2 })
		synctest.Wait()
		h.want(second, approvalapi.Gone, "")
		stop()
		if err := h.db.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestHookGone: a hook that ended is no answer, and what it said on its way counts.
func TestHookGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, approvalapi.Policy{})
		stop := h.run()
		killed, ended := h.ask("Bash", `{"command":"x"}`), h.ask("Bash", `{"command":"y"}`)
		interrupted := h.ask("Bash", `{"command":"z"}`)
		h.kill(1)
		h.kill(2)
		time.Sleep(2 * time.Second)
		if err := h.reply(person, approvalapi.AnswerIn{ID: string(killed.ID), Decision: approvalapi.AllowOnce}); orchestron.KindOf(err) != orchestron.Conflict {
			t.Errorf("an answer that nobody would get: %v", err)
		}
		if err := h.Withdraw(t.Context(), ended.Record); err != nil {
			t.Error(err)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		h.kill(3)
		h.change("spec_1_1_1", func(a *orchestron.Agent) {
			a.Status, a.Evidence = orchestron.Idle, orchestron.Evidence{Source: orchestron.FromHook, At: time.Now()}
		})
		synctest.Wait()
		for id, want := range map[approvalapi.ID]approvalapi.State{
			killed.ID: approvalapi.Gone, ended.ID: approvalapi.InTerminal, interrupted.ID: approvalapi.InTerminal,
		} {
			if got := h.now(id).State; got != want {
				t.Errorf("%s is %s, want %s", id, got, want)
			}
		}
		stop()
		if err := h.db.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestRestart: a daemon that was killed after it had committed an answer, and before anybody heard it, says it when it
// runs again; what waits still waits.
func TestRestart(t *testing.T) {
	h := newHouse(t, approvalapi.Policy{})
	h.fail = errors.New("the disk is full")
	told, waits := h.ask("Bash", `{"command":"x"}`), h.ask("Bash", `{"command":"y"}`)
	if err := h.reply(person, approvalapi.AnswerIn{ID: string(told.ID), Decision: approvalapi.AllowOnce}); err != nil {
		t.Fatal(err)
	}
	if _, found := h.heard(told.Record); found {
		t.Fatal("the hook was told in spite of the fault")
	}
	if err := h.db.Close(); err != nil {
		t.Fatal(err)
	}
	h.fail = nil
	h.open(approvalapi.Policy{Expiry: time.Minute})
	stop := h.run()
	defer stop()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if _, found := h.heard(told.Record); found {
			break
		}
	}
	h.want(told, approvalapi.Allowed, "true  map[]")
	h.want(waits, approvalapi.Pending, "")
	if err := h.reply(person, approvalapi.AnswerIn{ID: string(waits.ID), Decision: approvalapi.AllowOnce}); err != nil {
		t.Error(err)
	}
	h.want(waits, approvalapi.Allowed, "true  map[]")
}

func TestWaitForTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, approvalapi.Policy{})
		began := time.Now()
		in := approvalapi.ListIn{State: approvalapi.Pending, Limit: 10, Timeout: 60}
		if out, err := h.list(t.Context(), op.Call{Actor: person}, in); err != nil || out.Count != 0 || time.Since(began) < 59*time.Second {
			t.Errorf("nothing comes: %+v, %v after %s", out, err, time.Since(began))
		}
		got := make(chan approvalapi.ListOut)
		go func() {
			out, err := h.list(context.Background(), op.Call{Actor: person}, in)
			if err != nil {
				t.Error(err)
			}
			got <- out
		}()
		time.Sleep(10 * time.Second)
		c := h.ask("Bash", `{"command":"x"}`)
		if out := <-got; out.Count != 1 || out.Approvals[0].ID != c.ID {
			t.Errorf("got %+v", out)
		}
		in.After, in.Timeout = string(c.ID), 0
		if out, err := h.list(t.Context(), op.Call{Actor: person}, in); err != nil || out.Count != 0 {
			t.Errorf("after it: %+v, %v", out, err)
		}
		if err := h.db.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestDepth(t *testing.T) {
	for text, want := range map[string]int{
		`1`: 0, `{}`: 1, `[[{"a":[]}],[]]`: 4, `["[[[\"[{"]`: 1, strings.Repeat("[", 2000) + strings.Repeat("]", 2000): 2000,
	} {
		if got := depth([]byte(text)); got != want {
			t.Errorf("the depth of %.30s is %d, want %d", text, got, want)
		}
	}
}
