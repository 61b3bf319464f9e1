package sqlite

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 123456789, time.UTC)

// fullAgent has a value in every field that is stored.
func fullAgent(id orchestron.AgentID) orchestron.Agent {
	return orchestron.Agent{
		ID: id, Name: "Ann", Role: "builder", Level: orchestron.Manager, Parent: "exec_1", Driver: "claude", Model: "opus",
		Permission: "plan", Workspace: "/w/" + string(id), WorkspaceMode: orchestron.Isolated, Wanted: orchestron.WantRunning,
		Status:   orchestron.Waiting,
		Evidence: orchestron.Evidence{Source: orchestron.FromHook, At: noon, Detail: "it said so"},
		Question: &orchestron.Question{Tool: "Bash", Detail: `{"command":"ls"}`, At: noon},
		Exit:     &orchestron.Exit{Code: -1, Signal: "SIGKILL", Reason: "out of memory", At: noon}, Generation: 3,
		Pane:    orchestron.Pane{Server: orchestron.Process{PID: 1, Start: 1 << 63}, ID: "%3", Process: orchestron.Process{PID: 2, Start: 5}},
		Process: orchestron.Process{PID: 7, Start: 8}, SessionID: "s", Transcript: "/t", Created: noon, Started: noon, Ended: noon,
	}
}

func putAgents(t testing.TB, db *DB, ids ...orchestron.AgentID) {
	t.Helper()
	mustWrite(t, db, func(tx *Tx) error {
		for _, id := range ids {
			if err := tx.PutAgent(orchestron.Agent{ID: id}); err != nil {
				return err
			}
		}
		return nil
	})
}

func equal[T any](t testing.TB, what string, got, want T, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestAgents(t *testing.T) {
	db, ctx := openTemp(t), t.Context()
	got, err := db.Agents(ctx)
	equal(t, "no agents", got, []orchestron.Agent{}, err)

	first, second := fullAgent("mgr_1_2"), fullAgent("mgr_1_1")
	first.Queued = 99 // is counted, not stored
	mustWrite(t, db, func(tx *Tx) error { return errors.Join(tx.PutAgent(first), tx.PutAgent(second)) })
	first.Status, first.Question = orchestron.Idle, nil
	mustWrite(t, db, func(tx *Tx) error { return tx.PutAgent(first) })
	mustWrite(t, db, func(tx *Tx) error {
		for i, state := range []orchestron.Delivery{orchestron.Queued, orchestron.Attempting, orchestron.Submitted, orchestron.Answered, orchestron.Undeliverable} {
			m := orchestron.Message{ID: orchestron.MessageID(rune('a' + i)), Agent: first.ID, State: state}
			if err := tx.AddMessage(&m); err != nil {
				return err
			}
		}
		return nil
	})
	first.Queued = 2
	got, err = db.Agents(ctx)
	equal(t, "agents, oldest first", got, []orchestron.Agent{first, second}, err)

	var status, parent string
	row := db.read.QueryRow(`SELECT status, parent FROM agents WHERE id = ?`, first.ID)
	if err := row.Scan(&status, &parent); err != nil || status != "idle" || parent != "exec_1" {
		t.Errorf("columns say status %q, parent %q, %v; want idle, exec_1", status, parent, err)
	}
}

func TestDeleteAgent(t *testing.T) {
	db, ctx := openTemp(t), t.Context()
	putAgents(t, db, "exec_1", "exec_2")
	mustWrite(t, db, func(tx *Tx) error {
		return errors.Join(tx.SetToken("exec_1", "h"), tx.AddMessage(&orchestron.Message{ID: "m", Agent: "exec_1"}),
			tx.AddTurn(&orchestron.Turn{Agent: "exec_1", Started: noon}), tx.AddEvent(&orchestron.Event{Agent: "exec_1"}))
	})
	mustWrite(t, db, func(tx *Tx) error { return tx.DeleteAgent("exec_1") })
	got, err := db.Agents(ctx)
	equal(t, "agents left", got, []orchestron.Agent{{ID: "exec_2"}}, err)
	_, err = db.TokenOwner(ctx, "h")
	wantKind(t, err, orchestron.NotFound)
	_, err = db.Message(ctx, "m")
	wantKind(t, err, orchestron.NotFound, "m")
	turns, err := db.Turns(ctx, "exec_1", time.Time{}, 9)
	equal(t, "turns left", turns, []orchestron.Turn{}, err)
	last, err := db.LastEvent(ctx)
	equal(t, "events stay", last, 1, err)
	err = db.Write(ctx, func(tx *Tx) error { return tx.DeleteAgent("exec_1") })
	wantKind(t, err, orchestron.NotFound, "exec_1")
}

func TestTokens(t *testing.T) {
	db, ctx := openTemp(t), t.Context()
	putAgents(t, db, "exec_1", "exec_2")
	mustWrite(t, db, func(tx *Tx) error { return tx.SetToken("exec_1", "old") })
	mustWrite(t, db, func(tx *Tx) error { return tx.SetToken("exec_1", "new") })
	owner, err := db.TokenOwner(ctx, "new")
	equal(t, "owner", owner, "exec_1", err)
	_, err = db.TokenOwner(ctx, "old")
	wantKind(t, err, orchestron.NotFound)
	err = db.Write(ctx, func(tx *Tx) error { return tx.SetToken("exec_2", "new") })
	wantKind(t, err, orchestron.Conflict, "exec_2")
	err = db.Write(ctx, func(tx *Tx) error { return tx.SetToken("exec_3", "x") })
	wantKind(t, err, orchestron.NotFound, "exec_3")
	if err := db.Write(ctx, func(tx *Tx) error { return tx.SetToken("exec_1", "") }); err == nil {
		t.Error("an empty token is taken")
	}
}

func TestOrdinals(t *testing.T) {
	db, ctx := openTemp(t), t.Context()
	next := func(stem string, want int) {
		t.Helper()
		mustWrite(t, db, func(tx *Tx) error {
			got, err := tx.NextOrdinal(stem)
			equal(t, stem, got, want, err)
			return nil
		})
	}
	next("exec", 1)
	next("exec", 2)
	next("mgr_1", 1)
	failed := errors.New("no")
	err := db.Write(ctx, func(tx *Tx) error { _, _ = tx.NextOrdinal("exec"); return failed })
	if !errors.Is(err, failed) {
		t.Errorf("Write = %v, want the error of the change", err)
	}
	next("exec", 3) // the failed change gave its number to nobody
}

func TestRaiseOrdinal(t *testing.T) {
	db := openTemp(t)
	mustWrite(t, db, func(tx *Tx) error {
		var got []int
		for _, to := range []int{0, 5, 3, 5} {
			given, err := tx.RaiseOrdinal("task", to)
			n, nextErr := tx.NextOrdinal("task")
			if err := errors.Join(err, nextErr); err != nil {
				return err
			}
			got = append(got, given, n)
		}
		if diff := cmp.Diff([]int{0, 1, 5, 6, 6, 7, 7, 8}, got); diff != "" {
			t.Errorf("ordinals (-want +got):\n%s", diff)
		}
		return nil
	})
}

func TestMessages(t *testing.T) {
	db, ctx := openTemp(t), t.Context()
	putAgents(t, db, "exec_1", "exec_2")
	full := orchestron.Message{
		ID: "m1", Agent: "exec_1", From: "operator", Text: "nul \x00, bad \xff, ünïcode 🎉\n" + strings.Repeat("x", orchestron.MaxMessage),
		Urgent: true, State: orchestron.Submitted, Reason: "r", Confirmed: true, Attempts: 2, Answer: "a", Failure: "f",
		Created: noon, Submitted: noon.Add(1), Answered: noon.Add(2),
	}
	second := orchestron.Message{ID: "m2", Agent: "exec_1", State: orchestron.Queued}
	other := orchestron.Message{ID: "m3", Agent: "exec_2", State: orchestron.Queued}
	mustWrite(t, db, func(tx *Tx) error {
		if err := errors.Join(tx.AddMessage(&full), tx.AddMessage(&other), tx.AddMessage(&second)); err != nil {
			return err
		}
		got, err := tx.Message("m1")
		equal(t, "Message inside the change", got, full, err)
		pending, err := tx.Pending("exec_1")
		equal(t, "Pending inside the change", pending, []orchestron.Message{full, second}, err)
		return nil
	})
	if full.Seq == 0 || second.Seq <= full.Seq {
		t.Errorf("Seq = %d, then %d; want them to grow from 1", full.Seq, second.Seq)
	}
	got, err := db.Message(ctx, "m1")
	equal(t, "Message", got, full, err)
	full.State, full.Answer = orchestron.Answered, "another answer"
	mustWrite(t, db, func(tx *Tx) error { return tx.PutMessage(full) })
	got, err = db.Message(ctx, "m1")
	equal(t, "Message that was put", got, full, err)
	pending, err := db.Pending(ctx, "exec_1")
	equal(t, "Pending", pending, []orchestron.Message{second}, err)

	add := func(m orchestron.Message) error {
		return db.Write(ctx, func(tx *Tx) error { return tx.AddMessage(&m) })
	}
	wantKind(t, add(orchestron.Message{ID: "m1", Agent: "exec_1"}), orchestron.Conflict, "m1")
	wantKind(t, add(orchestron.Message{ID: "m9", Agent: "exec_9"}), orchestron.NotFound, "exec_9")
	_, err = db.Message(ctx, "m9")
	wantKind(t, err, orchestron.NotFound, "m9")
	wantKind(t, db.Write(ctx, func(tx *Tx) error { return tx.PutMessage(orchestron.Message{ID: "m9"}) }), orchestron.NotFound, "m9")
	err = db.Write(ctx, func(tx *Tx) error { _, err := tx.Message("m9"); return err })
	wantKind(t, err, orchestron.NotFound, "m9")
}

func TestTurns(t *testing.T) {
	db, ctx := openTemp(t), t.Context()
	putAgents(t, db, "exec_1", "exec_2")
	turns := []orchestron.Turn{
		{Agent: "exec_1", Message: "m", Prompt: "p", Answer: "a", Failure: "f", Started: noon, Ended: noon.Add(5)},
		{Agent: "exec_1", Started: noon.Add(1)},
		{Agent: "exec_1", Started: noon.Add(2)},
	}
	mustWrite(t, db, func(tx *Tx) error {
		for i := range turns {
			if err := errors.Join(tx.AddTurn(&turns[i]), tx.AddTurn(&orchestron.Turn{Agent: "exec_2", Started: noon})); err != nil {
				return err
			}
		}
		open, err := tx.OpenTurns("exec_1")
		equal(t, "OpenTurns", open, turns[1:], err)
		turns[2].Ended = noon.Add(9)
		return tx.PutTurn(turns[2])
	})
	for _, c := range []struct {
		what  string
		since time.Time
		limit int
		want  []orchestron.Turn
	}{
		{"all", time.Time{}, 10, turns},
		{"the newest two", time.Time{}, 2, turns[1:]},
		{"those after the first began", noon, 10, turns[1:]},
		{"none", noon.Add(time.Hour), 10, []orchestron.Turn{}},
	} {
		got, err := db.Turns(ctx, "exec_1", c.since, c.limit)
		equal(t, c.what, got, c.want, err)
	}
	wantKind(t, db.Write(ctx, func(tx *Tx) error { return tx.AddTurn(&orchestron.Turn{Agent: "exec_9"}) }), orchestron.NotFound, "exec_9")
	wantKind(t, db.Write(ctx, func(tx *Tx) error { return tx.PutTurn(orchestron.Turn{ID: 99}) }), orchestron.NotFound, "99")
}

func TestEvents(t *testing.T) {
	db, ctx := openTemp(t), t.Context()
	last, err := db.LastEvent(ctx)
	equal(t, "LastEvent of none", last, 0, err)
	events := []orchestron.Event{
		{At: noon, Type: orchestron.AgentSpawned, Agent: "exec_1", Actor: "operator", Data: json.RawMessage(`{"a": 1}`)},
		{At: noon.Add(1), Type: orchestron.DaemonStarted},
		{At: noon.Add(2), Type: orchestron.DaemonStarted},
	}
	for i := range events {
		mustWrite(t, db, func(tx *Tx) error { return tx.AddEvent(&events[i]) })
		if events[i].Seq != int64(i+1) {
			t.Errorf("event %d got Seq %d", i+1, events[i].Seq)
		}
	}
	got, err := db.Events(ctx, 0, 2)
	equal(t, "the first two", got, events[:2], err)
	got, err = db.Events(ctx, 2, 10)
	equal(t, "those behind 2", got, events[2:], err)
	got, err = db.Events(ctx, 3, 10)
	equal(t, "those behind the last", got, []orchestron.Event{}, err)
	last, err = db.LastEvent(ctx)
	equal(t, "LastEvent", last, 3, err)
	bad := orchestron.Event{Data: json.RawMessage(`{"a":`)}
	if err := db.Write(ctx, func(tx *Tx) error { return tx.AddEvent(&bad) }); err == nil {
		t.Error("an event that no reader could read is taken")
	}
}

func TestReadsStopWithTheirContext(t *testing.T) {
	db := openTemp(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := db.Agents(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Agents = %v, want %v", err, context.Canceled)
	}
}
