package approvalstore

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/approvalapi"
	"github.com/orchestron/orchestron/internal/sqlite"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 123456789, time.UTC)

func openTemp(t *testing.T) Store {
	t.Helper()
	db, err := sqlite.Open(context.Background(), filepath.Join(t.TempDir(), "orchestron.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return In(db)
}

// full has a value in every field.
func full(n int64, agent orchestron.AgentID, state approvalapi.State) approvalapi.Case {
	c := approvalapi.Case{
		Record: "r" + string(approvalapi.IDOf(n)), Hook: orchestron.Process{PID: 7, Start: 9}, Generation: 2, Driver: "claude",
		Same: approvalapi.Same("Bash", json.RawMessage(`{"command": "<x>"}`), nil), Given: map[string]string{"a": "b"}, Input: json.RawMessage(`{"command": "<x>"}`),
		Approval: approvalapi.Approval{
			ID: approvalapi.IDOf(n), Agent: agent, Tool: "Bash", Subject: "x \u2028", Arguments: json.RawMessage(`{"command":"x"}`), Question: "May it?",
			Choices: []orchestron.Choice{{Question: "a", Options: []string{"b"}, Many: true}}, Answers: []approvalapi.Answer{approvalapi.Deny},
			Risk: approvalapi.High, Created: noon, Expires: noon.Add(time.Minute), State: state,
		},
	}
	if state != approvalapi.Pending {
		c.Answer, c.By, c.Reason, c.Settled = approvalapi.AllowAlways, "operator", "why", noon.Add(time.Duration(n))
	}
	return c
}

func TestApprovals(t *testing.T) {
	s, ctx := openTemp(t), t.Context()
	all := []approvalapi.Case{
		full(1, "exec_1", approvalapi.Allowed), full(2, "exec_1", approvalapi.Denied), full(3, "mgr_1_1", approvalapi.Pending), full(10, "exec_1", approvalapi.Pending),
	}
	runs := orchestron.Agent{ID: "exec_1", Status: orchestron.Idle, Created: noon}
	if err := s.Write(ctx, func(tx Tx) error { return tx.PutAgent(runs) }); err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		if err := s.Write(ctx, func(tx Tx) error { return tx.PutApproval(c) }); err != nil {
			t.Fatal(err)
		}
	}
	same := func(what string, got []approvalapi.Case, err error, want ...approvalapi.Case) {
		t.Helper()
		if diff := cmp.Diff(append([]approvalapi.Case{}, want...), got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", what, err, diff)
		}
	}
	got, err := s.Since(ctx, noon.Add(2))
	same("what waits or was settled late", got, err, all[1], all[2], all[3])
	listed := func(what string, state approvalapi.State, agent orchestron.AgentID, after int64, limit int, want ...approvalapi.Case) {
		t.Helper()
		for i := range want {
			want[i].Input = nil
		}
		got, err := s.List(ctx, state, agent, after, limit)
		same(what, got, err, want...)
	}
	listed("all", "", "", 0, -1, all[0], all[1], all[2], all[3])
	listed("the newest two", "", "", 0, 2, all[2], all[3])
	listed("pending of one agent", approvalapi.Pending, "exec_1", 0, 9, all[3])
	listed("behind the second", "", "", 2, 9, all[2], all[3])
	listed("for ever", approvalapi.Always, "exec_1", 0, 9, all[0])

	c, err := s.Approval(ctx, "APR-10")
	same("one", []approvalapi.Case{c}, err, all[3])
	for _, id := range []approvalapi.ID{"APR-4", "SCHED-1", ""} {
		if _, err := s.Approval(ctx, id); orchestron.KindOf(err) != orchestron.NotFound {
			t.Errorf("%q: %v", id, err)
		}
	}
	err = s.Write(ctx, func(tx Tx) error {
		c, found, err := tx.Of("rAPR-3")
		same("by its record", []approvalapi.Case{c}, err, all[2])
		_, none, err2 := tx.Of("r")
		always, forever, err3 := tx.Always("exec_1", all[0].Same)
		_, elsewhere, err4 := tx.Always("mgr_1_1", all[0].Same)
		if !found || none || !forever || elsewhere || always.ID != "APR-1" {
			t.Errorf("found %v, %v, %v (%s), %v", found, none, forever, always.ID, elsewhere)
		}
		return errors.Join(err2, err3, err4, tx.DropApprovals(noon.Add(time.Hour)))
	})
	if err != nil {
		t.Error(err)
	}
	listed("what is dropped is neither pending nor for ever", "", "", 0, -1, all[0], all[2], all[3])
	twice := full(11, "exec_1", approvalapi.Pending)
	twice.Record = all[2].Record
	if err := s.Write(ctx, func(tx Tx) error { return tx.PutApproval(twice) }); err == nil {
		t.Error("one record makes two approvals")
	}
}

// TestPruned holds that what counts for ever goes with its agent, and not before.
func TestPruned(t *testing.T) {
	s, ctx := openTemp(t), t.Context()
	late := noon.Add(time.Hour)
	agents := []orchestron.Agent{
		{ID: "exec_1", Status: orchestron.Idle, Created: noon},
		{ID: "exec_2", Status: orchestron.Stopped, Created: noon, Ended: noon},
		{ID: "exec_3", Status: orchestron.Failed, Created: noon, Ended: late.Add(time.Minute)},
	}
	err := s.Write(ctx, func(tx Tx) error {
		var err error
		for _, a := range agents {
			err = errors.Join(err, tx.PutAgent(a))
		}
		for n, id := range []orchestron.AgentID{"exec_1", "exec_2", "exec_3", "exec_4"} {
			err = errors.Join(err, tx.PutApproval(full(int64(n+1), id, approvalapi.Allowed)))
		}
		revoked := full(5, "exec_1", approvalapi.Allowed)
		revoked.Revoked, revoked.RevokedBy = noon, "operator"
		return errors.Join(err, tx.PutApproval(revoked), tx.DropApprovals(late))
	})
	if err != nil {
		t.Fatal(err)
	}
	left, err := s.List(ctx, "", "", 0, -1)
	var ids []approvalapi.ID
	for _, c := range left {
		ids = append(ids, c.ID)
	}
	if diff := cmp.Diff([]approvalapi.ID{"APR-1", "APR-3"}, ids); diff != "" || err != nil {
		t.Errorf("what is left, %v (-want +got):\n%s", err, diff)
	}
}
