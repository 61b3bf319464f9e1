package usage

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardstore"
	"github.com/orchestron/orchestron/internal/usageapi"
	"github.com/orchestron/orchestron/internal/usagestore"
)

const (
	session = "testdata/claude/11111111-1111-4111-8111-111111111111"
	forked  = "testdata/claude/453a1673-338c-4fb2-b222-c3f0a00f7a7e"
)

// TestRecorded counts what Claude Code 2.1.329 wrote in a session with a sub-agent that was resumed and then forked. Its
// own figures at the end were 6314 tokens in, 267 out, 90 read, 120 written, and 0.031214 dollars.
func TestRecorded(t *testing.T) {
	s := set(t)
	s.add("exec_1", "", s.dir, session+".jsonl", session+"/subagents/agent-a5c02c7f2bd1da183.jsonl", forked+".jsonl")
	s.count(t)
	s.wantTotal(t, "exec_1", 7, usageapi.Tokens{Input: 6314, Output: 267, CacheRead: 90, CacheWrite5m: 120}, "0.031214")
	days := s.ask(t, operator, `{"by":"day"}`).Rows
	if len(days) != 1 || days[0].Day != "2026-11-21" {
		t.Errorf("by day: %+v", days)
	}
}

func TestCountedOnce(t *testing.T) {
	s := set(t)
	main, copied, sub := filepath.Join(s.dir, "a.jsonl"), filepath.Join(s.dir, "b.jsonl"), filepath.Join(s.dir, "a", "subagents", "agent-1.jsonl")
	s.add("exec_1", "", s.dir, copied, main, sub)
	put(t, main,
		called("1", 1, 10, 1), called("1", 2, 10, 5), called("1", 3, 10, 7), // three blocks of one reply
		called("2", 9, 100, 9), called("2", 8, 100, 2), // the later line counts, whatever its time
	)
	put(t, sub, strings.Replace(called("3", 5, 1000, 1), `{`, `{"isSidechain":true,`, 1))
	s.count(t)
	s.wantTotal(t, "exec_1", 3, usageapi.Tokens{Input: 1110, Output: 10}, "0.00464")

	put(t, copied, called("1", 1, 10, 1), called("2", 8, 100, 2)) // only the beginning of the replies
	s.count(t)
	s.wantTotal(t, "exec_1", 3, usageapi.Tokens{Input: 1110, Output: 10}, "0.00464")

	add(t, copied, called("1", 20, 10, 8), called("4", 21, 1, 1)) // it told the end of one
	s.count(t)
	s.wantTotal(t, "exec_1", 4, usageapi.Tokens{Input: 1111, Output: 12}, "0.004684")

	must(t, os.Rename(copied, copied+".old"))
	put(t, copied, called("4", 21, 1, 1), called("5", 22, 1, 1)) // rotated
	s.count(t)
	put(t, main, called("6", 23, 1, 1)) // truncated: what was counted stays
	s.count(t)
	s.wantTotal(t, "exec_1", 6, usageapi.Tokens{Input: 1113, Output: 14}, "0.004732")
	must(t, os.Remove(main))
	s.count(t)
	s.wantTotal(t, "exec_1", 6, usageapi.Tokens{Input: 1113, Output: 14}, "0.004732")
}

// TestAnyOrder: several transcripts that grow in any order, with copies of each other's lines, read at any moments by a
// service that is started again at any moment, give the sums of a model: the last line of each call.
func TestAnyOrder(t *testing.T) {
	s := set(t)
	agent := 0
	rapid.Check(t, func(rt *rapid.T) {
		agent++
		id := orchestron.AgentID(fmt.Sprintf("exec_%d", agent))
		dir := filepath.Join(s.dir, string(id))
		files := []string{filepath.Join(dir, "1.jsonl"), filepath.Join(dir, "2.jsonl"), filepath.Join(dir, "3.jsonl")}
		must(t, os.MkdirAll(dir, 0o700))
		s.all = nil // those before are done
		s.add(id, "", dir, files...)
		want := map[int]usageapi.Tokens{}
		for i := range rapid.IntRange(1, 20).Draw(rt, "steps") {
			call, file := rapid.IntRange(0, 6).Draw(rt, "call"), rapid.IntRange(0, 2).Draw(rt, "file")
			want[call] = usageapi.Tokens{Input: int64(call), Output: int64(i)}
			add(t, files[file], called(fmt.Sprint(call), i, int64(call), int64(i)))
			switch rapid.IntRange(0, 4).Draw(rt, "then") {
			case 0:
				s.count(t)
			case 1:
				s.Service = New(database{usagestore.In(s.db)}, s.team, builtIn(t), time.Now, quiet())
				s.count(t)
			}
		}
		s.count(t)
		var sum usageapi.Tokens
		for _, tokens := range want {
			sum = sum.Plus(tokens)
		}
		if got := s.total(t, id); got.Tokens != sum || got.Calls != int64(len(want)) {
			rt.Errorf("%d calls, %+v; want %d, %+v", got.Calls, got.Tokens, len(want), sum)
		}
	})
}

// TestPlaces: what calls belong to.
func TestPlaces(t *testing.T) {
	s := set(t)
	file := filepath.Join(s.dir, "a.jsonl")
	s.add("exec_1", "", filepath.Join(s.dir, "gone"), file) // its project does not depend on what is still there
	s.all[0].Project = filepath.Join(s.dir, "repo")
	at := func(second int) time.Time { return noon.Add(time.Duration(second) * time.Second) }
	task := func(held bool) orchestron.Task {
		task := orchestron.Task{ID: "TASK-1", Project: "p", Status: orchestron.ToDo, Type: orchestron.Job, Priority: orchestron.Medium}
		if held {
			must(t, task.Claim("exec_1", time.Time{}, at(15)))
		}
		return task
	}
	must(t, boardstore.In(s.db).Write(t.Context(), func(tx boardstore.Tx) error {
		must(t, tx.PutAgent(orchestron.Agent{ID: "exec_1"}))
		for i, turn := range []orchestron.Turn{{PromptID: "p1", Started: at(0)}, {PromptID: "p1", Started: at(12)}, {Message: "m3", Started: at(30)}} {
			turn.Agent = "exec_1"
			must(t, tx.AddTurn(&turn))
			if turn.ID != int64(i+1) {
				t.Fatalf("the turn has number %d", turn.ID)
			}
		}
		must(t, tx.AddTask(task(true)))
		return nil
	}))
	prompt := func(id string) string { return `{"type":"user","promptId":"` + id + `"}` + "\n" }
	put(t, file,
		prompt("p1"), called("1", 10, 1, 0), called("2", 14, 10, 0), // a prompt that came at 12 waits
		prompt("p2"), called("3", 20, 100, 0), prompt("p3"), called("4", 40, 1000, 0))
	s.count(t)
	released := task(true)
	released.Return(at(35))
	must(t, boardstore.In(s.db).Write(t.Context(), func(tx boardstore.Tx) error {
		before, err := tx.Task("TASK-1")
		must(t, err)
		must(t, tx.PutTask(before, released))
		fields, err := json.Marshal(map[string]any{"lease": released.Lease, "status": released.Status})
		must(t, err)
		return tx.AddChange(&orchestron.Change{At: at(35), Project: "p", Task: "TASK-1", Kind: orchestron.TaskReturned, Fields: fields})
	}))
	add(t, file, called("5", 34, 10000, 0), called("6", 36, 100000, 0)) // read when the task is held no more
	s.count(t)
	sums := func(by string) string {
		var all []string
		for _, r := range s.ask(t, operator, `{"by":"`+by+`"}`).Rows {
			all = append(all, fmt.Sprintf("%d%s%s%s=%d", r.Turn, r.Message, r.Task, strings.TrimPrefix(r.Project, s.dir), r.Tokens.Input))
		}
		return strings.Join(all, " ")
	}
	for by, want := range map[string]string{
		"turn": "3m3=111000 2=100 1=11", "task": "0=100011 0TASK-1=11100", "project": "0/repo=111111",
	} {
		if got := sums(by); got != want {
			t.Errorf("by %s: %s, want %s", by, got, want)
		}
	}
	if got := s.ask(t, operator, `{"taskId":"TASK-1"}`).Total.Total; got != 11100 {
		t.Errorf("TASK-1 took %d tokens", got)
	}
	since := s.ask(t, operator, `{"since":"2026-11-21T12:00:20Z","until":"2026-11-21T12:00:36Z"}`).Total.Total
	if since != 10100 {
		t.Errorf("in that time %d tokens were used, want 10100", since)
	}
	wantEvents(t, s)
}

// wantEvents checks that the events add up to what was counted.
func wantEvents(t testing.TB, s *stage) {
	t.Helper()
	events, err := s.db.Events(t.Context(), 0, 1000)
	must(t, err)
	var sum usageapi.Amount
	for _, e := range events {
		var more usageapi.Amount
		must(t, json.Unmarshal(e.Data, &more))
		if e.Type != Recorded || e.Agent == "" {
			t.Errorf("an event %+v", e)
		}
		sum = sum.Plus(more)
	}
	if total := s.ask(t, operator, `{}`).Total; sum != total {
		t.Errorf("the events say %+v, get_usage says %+v", sum, total)
	}
}

func TestWhoSeesWhat(t *testing.T) {
	s := set(t)
	for i, id := range []orchestron.AgentID{"exec_1", "mgr_1_1", "spec_1_1_1", "exec_2"} {
		file := filepath.Join(s.dir, string(id)+".jsonl")
		put(t, file, called("1", 1, []int64{1, 10, 100, 1000}[i], 0))
		s.add(id, []orchestron.AgentID{"", "exec_1", "mgr_1_1", ""}[i], s.dir, file)
	}
	s.count(t)
	agent := func(id orchestron.AgentID, level orchestron.Level) orchestron.Actor {
		return orchestron.Actor{Kind: orchestron.AgentCall, Agent: id, Level: level}
	}
	for _, c := range []struct {
		actor orchestron.Actor
		args  string
		want  int64
		kind  orchestron.Kind
	}{
		{operator, `{}`, 1111, ""},
		{operator, `{"instance_id":"exec_1"}`, 1, ""},
		{operator, `{"instance_id":"exec_1","tree":true}`, 111, ""},
		{operator, `{"instance_id":"mgr_1_1","tree":true}`, 110, ""},
		{operator, `{"project":"default"}`, 1111, ""},
		{operator, `{"project":"other"}`, 0, ""},
		{agent("mgr_1_1", orchestron.Manager), `{}`, 110, ""},
		{agent("mgr_1_1", orchestron.Manager), `{"instance_id":"spec_1_1_1"}`, 100, ""},
		{agent("mgr_1_1", orchestron.Manager), `{"project":"default"}`, 110, ""},
		{agent("mgr_1_1", orchestron.Manager), `{"instance_id":"exec_1"}`, 0, orchestron.NotFound},
		{agent("mgr_1_1", orchestron.Manager), `{"instance_id":"exec_2","tree":true}`, 0, orchestron.NotFound},
		{agent("spec_1_1_1", orchestron.Specialist), `{}`, 100, ""},
		{agent("spec_1_1_1", orchestron.Specialist), `{"instance_id":"mgr_1_1"}`, 0, orchestron.NotFound},
		{operator, `{"instance_id":"exec_9"}`, 0, orchestron.NotFound},
		{operator, `{"tree":true}`, 0, orchestron.Invalid},
		{operator, `{"taskId":"7"}`, 0, orchestron.Invalid},
		{operator, `{"since":"soon"}`, 0, orchestron.Invalid},
		{operator, `{"by":"hour"}`, 0, orchestron.Invalid},
	} {
		out, err := s.try(c.actor, c.args)
		if c.kind == "" && (err != nil || out.Total.Total != c.want) {
			t.Errorf("%s %s: %d tokens, %v; want %d", c.actor, c.args, out.Total.Total, err, c.want)
		}
		if c.kind != "" && (err == nil || orchestron.KindOf(err) != c.kind) {
			t.Errorf("%s %s: %v; want %s", c.actor, c.args, err, c.kind)
		}
	}
	out := s.ask(t, operator, `{"limit":1}`)
	if len(out.Rows) != 1 || out.More != 3 || out.Total.Total != 1111 || out.Rows[0].Agent != "exec_2" {
		t.Errorf("with a limit of one: %+v", out)
	}
}

// TestUnpriced: a model without a price is said so, and priced when there is one.
func TestUnpriced(t *testing.T) {
	s := set(t)
	file := filepath.Join(s.dir, "a.jsonl")
	put(t, file, called("1", 1, 1000, 0), strings.ReplaceAll(called("2", 2, 12_000, 345), "claude-opus-5-5", "house-1"), `{"type":"assistant","usage":`+"\n")
	s.add("exec_1", "", s.dir, file)
	s.count(t)
	out := s.ask(t, operator, `{}`)
	if out.Total.Unpriced != 12_345 || out.Total.Cost.String() != "0.004" || !strings.Contains(out.Note, "12 thousand tokens") || out.Skipped != 1 ||
		len(out.Prices) != 1 || out.Prices[0].Date == "" {
		t.Errorf("with an unknown model: %+v", out)
	}
	priced, err := own(t, "date: 2026-11-01\nmodels:\n  - {model: house-1, input: 1, output: 1}\n")
	must(t, err)
	s.Service = New(database{usagestore.In(s.db)}, s.team, priced, time.Now, quiet())
	s.count(t)
	out = s.ask(t, operator, `{}`)
	if out.Total.Unpriced != 0 || out.Total.Cost.String() != "0.016345" || out.Note != "" || len(out.Prices) != 2 {
		t.Errorf("with a price for it: %+v", out)
	}
	if _, micro, unpriced := s.Spent("exec_1"); micro != 16_345 || unpriced != 0 {
		t.Errorf("Spent = %d, %d", micro, unpriced)
	}
}

// TestRun: a service that runs counts when a turn ends, and when a transcript is written to although nothing else tells.
func TestRun(t *testing.T) {
	s := set(t)
	file := filepath.Join(s.dir, "a.jsonl")
	put(t, file, called("1", 1, 1, 0))
	s.add("exec_1", "", s.dir, file)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	defer func() {
		cancel()
		must(t, <-done)
	}()
	<-s.Ready()
	used := func(want int64) func() bool {
		return func() bool { tokens, _, _ := s.Spent("exec_1"); return tokens == want }
	}
	if !used(1)() {
		t.Error("at the start what was there is not counted")
	}
	counted := s.Service.Changed()
	add(t, file, called("2", 2, 10, 0))
	poll(t, "a line in a known transcript", used(11))
	select {
	case <-counted:
	default:
		t.Error("Changed did not tell")
	}
	next := filepath.Join(s.dir, "b.jsonl")
	s.turn("exec_1", time.Now(), next) // its program writes it down a little later
	put(t, next, called("3", 3, 100, 0))
	poll(t, "a line in a new transcript", used(111))
}

// TestKilled kills a process that counts, again and again, while a transcript grows: nothing is lost or doubled.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a.jsonl")
	put(t, file)
	var want int64
	for kill := range 6 {
		var text strings.Builder
		for i := range 800 { // several changes
			want++
			text.WriteString(strings.Repeat(called(fmt.Sprint(kill, "_", i), i, 1, 0), 2))
		}
		add(t, file, text.String())
		runAndKill(t, dir, 1+kill%4, time.Duration(kill)*time.Millisecond)
	}
	db := openDB(t, dir)
	one := soloist(dir)
	s := &stage{New(database{usagestore.In(db)}, one, builtIn(t), time.Now, quiet()), one, db, dir}
	stored, err := usagestore.In(db).Sums(t.Context(), usageapi.Filter{By: usageapi.ByAgent})
	must(t, err)
	var before int64
	for _, row := range stored {
		before += row.Calls
	}
	events, err := db.LastEvent(t.Context())
	must(t, err)
	t.Logf("killed with %d of %d calls stored, in %d changes", before, want, events)
	if before == 0 || before == want {
		t.Errorf("no kill came in the middle: %d of %d calls were stored", before, want)
	}
	s.count(t)
	s.wantTotal(t, "exec_1", want, usageapi.Tokens{Input: want}, (4_000_000 * usageapi.Money(want)).String())
	if got := sumOfEvents(t, db); got != want {
		t.Errorf("the events say %d tokens, want %d", got, want)
	}
}
