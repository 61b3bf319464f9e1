package agents

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/handoff"
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/internal/state"
)

func (w *world) message(id orchestron.MessageID) orchestron.Message {
	w.t.Helper()
	m, err := w.db.Message(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

func (w *world) accepted(id string) []string {
	p := w.machine.of(orchestron.AgentID(id))
	w.machine.mu.Lock()
	defer w.machine.mu.Unlock()
	return slices.Clone(p.accepted)
}

// TestStoreFailsAtEachStep has the store refuse one write after the other on the way of a message: what was acknowledged
// is submitted exactly once and its answer is known, wherever it was.
func TestStoreFailsAtEachStep(t *testing.T) {
	w := newWorld(t, t.TempDir(), hooked)
	a := w.spawn(agentapi.SpawnIn{Role: "specialist"})
	var want []string
	reached := false
	for n := int64(1); !reached; n++ {
		if n > 30 {
			t.Fatal("a message takes more than 30 writes")
		}
		var writes atomic.Int64
		w.store.set(func() error {
			if writes.Add(1) == n {
				return errors.New("the store fails")
			}
			return nil
		}, nil)
		text := fmt.Sprintf("message %d", n)
		var out agentapi.MessageOut
		until(t, text+" is acknowledged", func() bool {
			var err error
			out, err = w.Send(t.Context(), call(text), agentapi.SendIn{InstanceID: string(a.ID), Text: text})
			return err == nil
		})
		until(t, text+" is answered", func() bool { return w.message(out.MessageID).State == orchestron.Answered })
		if got := w.message(out.MessageID).Answer; got != "answer to "+text {
			t.Errorf("write %d fails: the answer is %q", n, got)
		}
		want = append(want, text)
		reached = writes.Load() < n
	}
	if len(want) < 4 {
		t.Errorf("a message takes %d writes: the test does not see them all", len(want)-1)
	}
	if diff := cmp.Diff(want, w.accepted(string(a.ID))); diff != "" {
		t.Errorf("what the program took (-want +got):\n%s", diff)
	}
}

// TestTerminalFailsAtEachStep does the same with the terminal.
func TestTerminalFailsAtEachStep(t *testing.T) {
	for _, can := range []orchestron.Abilities{hooked, bare} {
		w := newWorld(t, t.TempDir(), can)
		a := w.spawn(agentapi.SpawnIn{Role: "specialist"})
		for i, step := range []string{"press Editor", "press Enter", "paste"} {
			var failed atomic.Bool
			w.machine.setFault(func(what string) error {
				if what == step && failed.CompareAndSwap(false, true) {
					return errors.New("the terminal fails")
				}
				return nil
			})
			out, err := w.Send(t.Context(), call(""), agentapi.SendIn{InstanceID: string(a.ID), Text: step})
			if err != nil {
				t.Fatal(err)
			}
			until(t, step+" is done", func() bool { return w.message(out.MessageID).Settled(can) })
			m := w.message(out.MessageID)
			unsure := !can.Confirms && step == "press Enter" // nobody can know whether the key arrived
			if (m.State == orchestron.Undeliverable) != unsure {
				t.Errorf("confirms %v: %s failed, and the message is %s: %s", can.Confirms, step, m.State, m.Reason)
			}
			if n := len(w.accepted(string(a.ID))); can.Confirms && n != i+1 {
				t.Errorf("%s failed, and %d of %d messages were taken", step, n, i+1)
			}
		}
		if diff := cmp.Diff([]string{"press Editor", "paste"}, w.accepted(string(a.ID))); !can.Confirms && diff != "" {
			t.Errorf("what the program took (-want +got):\n%s", diff)
		}
		w.stop()
	}
}

// TestCutOffPasteIsNotRepeated: when the daemon is killed while it types for a program that leaves no trace of what it
// takes, the message may have been taken. It ends with that said, and is not typed once more.
func TestCutOffPasteIsNotRepeated(t *testing.T) {
	home := t.TempDir()
	w := newWorld(t, home, bare)
	a := w.spawn(agentapi.SpawnIn{Role: "specialist"})
	m := orchestron.Message{ID: "cut-off", From: "operator", Text: "do it once"}
	h := w.handles[a.ID]
	h.keys.Lock() // the daemon is killed in this moment
	err := w.change(t.Context(), h, func(tx state.Tx, st *state.State) error {
		if err := state.Enqueue(tx, st, &m); err != nil {
			return err
		}
		_, _, err := state.Attempt(tx, st, m.ID)
		return err
	})
	h.keys.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the message is settled", func() bool { return w.message(m.ID).Settled(bare) })
	got := w.message(m.ID)
	if got.State != orchestron.Undeliverable || !strings.HasPrefix(got.Reason, "unconfirmed: ") || w.machine.steps("paste") != 0 {
		t.Errorf("the message is %s (%s) after %d pastes, want it given up unconfirmed", got.State, got.Reason, w.machine.steps("paste"))
	}
	out, err := w.Send(t.Context(), call(""), agentapi.SendIn{InstanceID: string(a.ID), Text: "next"})
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the next message is typed", func() bool { return w.message(out.MessageID).State == orchestron.Submitted })
}

// TestTypedIsNotRepeatedWhenTheStoreFails: the daemon itself knows that it pressed Enter.
func TestTypedIsNotRepeatedWhenTheStoreFails(t *testing.T) {
	w := newWorld(t, t.TempDir(), bare)
	a := w.spawn(agentapi.SpawnIn{Role: "specialist"})
	var failed atomic.Bool
	w.store.set(func() error {
		if w.machine.steps("press Enter") > 0 && failed.CompareAndSwap(false, true) {
			return errors.New("the store fails")
		}
		return nil
	}, nil)
	out, err := w.Send(t.Context(), call(""), agentapi.SendIn{InstanceID: string(a.ID), Text: "do it once"})
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the message is submitted", func() bool { return w.message(out.MessageID).State == orchestron.Submitted })
	if diff := cmp.Diff([]string{"do it once"}, w.accepted(string(a.ID))); diff != "" || !failed.Load() {
		t.Errorf("what the program took, the store having failed: %v (-want +got):\n%s", failed.Load(), diff)
	}
}

// TestWaitSaysWhy: whoever waits is told what for, and so is who asks for the agent.
func TestWaitSaysWhy(t *testing.T) {
	w := newWorld(t, t.TempDir(), hooked)
	a := w.spawn(agentapi.SpawnIn{Role: "specialist"})
	id := string(a.ID)
	p := w.machine.of(a.ID)
	if err := w.machine.put(p, handoff.Record{Kind: handoff.Hooked, Event: "ask", Payload: []byte(`"Bash"`)}); err != nil {
		t.Fatal(err)
	}
	until(t, "the dialog is known", func() bool { return w.handles[a.ID].snapshot().Status == orchestron.Waiting })
	first, err := w.Send(t.Context(), call(""), agentapi.SendIn{InstanceID: id, Text: "first"})
	if err != nil {
		t.Fatal(err)
	}
	second, err := w.Send(t.Context(), call(""), agentapi.SendIn{InstanceID: id, Text: "second"})
	if err != nil {
		t.Fatal(err)
	}
	const dialog = "is in a dialog about Bash that somebody must answer"
	for _, in := range []agentapi.WaitIn{{InstanceID: id}, {InstanceID: id, MessageID: string(second.MessageID)}} {
		var told []string
		c := op.Call{Actor: operator, Report: func(p orchestron.Progress) { told = append(told, p.Message) }}
		out, err := w.wait(t.Context(), c, in)
		if err != nil || out.Done {
			t.Fatalf("wait: %+v, %v", out, err)
		}
		if len(told) != 1 || !strings.Contains(told[0], dialog) {
			t.Errorf("who waits for %q is told %q, want %q", in.MessageID, told, dialog)
		}
		if out.Message != nil && !strings.Contains(out.Message.Reason, dialog) {
			t.Errorf("the message waits because %q, want %q", out.Message.Reason, dialog)
		}
		if len(out.Agent.Inbox) != 2 || out.Agent.Inbox[0].MessageID != first.MessageID || out.Agent.Inbox[1].MessageID != second.MessageID {
			t.Errorf("the agent's inbox is %+v, want both messages in order", out.Agent.Inbox)
		}
	}
	draftOf(t, p.box)
	if err := w.machine.put(p, handoff.Record{Kind: handoff.Hooked, Event: "ready", Payload: []byte(`""`)}); err != nil {
		t.Fatal(err)
	}
	until(t, "the draft is told", func() bool {
		out, err := w.opStatus(t.Context(), call(""), agentapi.StatusIn{InstanceID: id})
		if err != nil {
			t.Fatal(err)
		}
		inbox := out.Instances[0].Inbox
		return len(inbox) == 2 && inbox[0].Reason == draft && inbox[1].Reason == fmt.Sprintf("message %s goes first: %s", first.MessageID, draft)
	})
	all, err := w.list(t.Context(), call(""), agentapi.ListIn{})
	if err != nil || len(all.Instances) != 1 || all.Instances[0].Inbox != nil {
		t.Errorf("list tells of inboxes: %+v, %v", all, err)
	}
}

// TestReset: the key that makes a blank box one for prompts is pressed only while the box is seen to be blank. Of a draft
// it would take a character.
func TestReset(t *testing.T) {
	w := newWorld(t, t.TempDir(), hooked)
	var blank atomic.Bool
	w.driver.mu.Lock()
	w.driver.blank = func(string) bool { return blank.Load() }
	w.driver.mu.Unlock()
	a := w.spawn(agentapi.SpawnIn{Role: "specialist"})
	for _, seen := range []bool{false, true} {
		blank.Store(seen)
		out, err := w.Send(t.Context(), call(""), agentapi.SendIn{InstanceID: string(a.ID), Text: fmt.Sprint("seen ", seen)})
		if err != nil {
			t.Fatal(err)
		}
		until(t, "the message is answered", func() bool { return w.message(out.MessageID).State == orchestron.Answered })
		if got := w.machine.steps("press Reset") > 0; got != seen {
			t.Errorf("the box is seen to be blank: %v; the key was pressed: %v", seen, got)
		}
	}
}

// TestPasteIntoNothing: a message that was to be typed into a terminal that is gone was not typed, however long it is.
func TestPasteIntoNothing(t *testing.T) {
	w := newWorld(t, t.TempDir(), bare)
	a := w.spawn(agentapi.SpawnIn{Role: "specialist"})
	var failed atomic.Bool
	w.machine.setFault(func(what string) error {
		if what == "paste" && failed.CompareAndSwap(false, true) {
			return orchestron.Errorf(orchestron.NotFound, "pane %%1 is gone")
		}
		return nil
	})
	out, err := w.Send(t.Context(), call(""), agentapi.SendIn{InstanceID: string(a.ID), Text: "two\nlines"})
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the message is settled", func() bool { return w.message(out.MessageID).Settled(bare) })
	if m := w.message(out.MessageID); m.State != orchestron.Submitted || !failed.Load() {
		t.Errorf("the message is %s (%s), want it submitted", m.State, m.Reason)
	}
}
