package agents

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/state"
)

// draftOf puts a person's own text into an input box.
func draftOf(t *testing.T, box string) {
	t.Helper()
	if err := os.WriteFile(box, []byte("a person's own"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestStartThatFailsLeavesNothing: neither an agent nor files, and no lock is held while what it left is ended.
func TestStartThatFailsLeavesNothing(t *testing.T) {
	home := t.TempDir()
	w := newWorld(t, home, hooked)
	failed := errors.New("it fails")
	in := agentapi.SpawnIn{Role: "specialist", WorkspaceMode: string(orchestron.Isolated)}
	faults := map[string]func(){
		"the driver":   func() { w.driver.fail(failed, nil) },
		"the terminal": func() { w.machine.setFault(func(what string) error { return is(what, "new", failed) }) },
	}
	for n := range 5 { // those before the terminal is open
		faults[fmt.Sprintf("write %d", n+1)] = func() { w.store.set(failAt(n+1, failed), nil) }
	}
	for name, fault := range faults {
		fault()
		if _, err := w.opSpawn(t.Context(), call("key"), in); !errors.Is(err, failed) {
			t.Errorf("%s fails: spawn says %v", name, err)
		}
		w.driver.fail(nil, nil)
		w.machine.setFault(nil)
		w.store.set(nil, nil)
		stored, err := w.db.Agents(t.Context())
		if err != nil || len(stored)+len(w.All()) != 0 {
			t.Errorf("%s failed, and there are agents: %v, %v", name, stored, err)
		}
		for _, dir := range []string{"agents", "work"} {
			if left, _ := os.ReadDir(filepath.Join(home, dir)); len(left) > 0 {
				t.Errorf("%s failed, and in %s there is %v", name, dir, left)
			}
		}
	}
	v, err := w.opSpawn(t.Context(), call("key"), in)
	if err != nil || len(w.All()) != 1 {
		t.Errorf("the next spawn with the same key gives %s, %v, and %d agents", v.ID, err, len(w.All()))
	}
}

// TestFailedStartKeepsWhatWasAcknowledged: an agent that was given a message while it started stays, as failed, and what
// its start left is ended once, before anybody is locked out.
func TestFailedStartKeepsWhatWasAcknowledged(t *testing.T) {
	w := newWorld(t, t.TempDir(), hooked)
	var sent agentapi.MessageOut
	w.machine.setFault(func(what string) (err error) {
		if what != "new" {
			return nil
		}
		id := string(w.All()[0].ID)
		sent, err = w.Send(t.Context(), call(""), agentapi.SendIn{InstanceID: id, Text: "wait for me"})
		return errors.Join(err, errors.New("it fails"))
	})
	if _, err := w.opSpawn(t.Context(), call(""), agentapi.SpawnIn{Role: "specialist", WorkspaceMode: string(orchestron.Isolated)}); err == nil {
		t.Fatal("a spawn succeeds without a terminal")
	}
	w.machine.setFault(nil)
	all := w.All()
	if len(all) != 1 || all[0].Status != orchestron.Failed || w.machine.steps("list") != 1+1 { // one at the start of the service
		t.Fatalf("the agents are %+v, after %d looks for what is left", all, w.machine.steps("list"))
	}
	if _, err := w.restart(t.Context(), call(""), agentapi.RestartIn{InstanceID: string(all[0].ID)}); err != nil {
		t.Fatal(err)
	}
	until(t, "the message is answered", func() bool { return w.message(sent.MessageID).State == orchestron.Answered })
}

func is(what, step string, err error) error {
	if what == step {
		return err
	}
	return nil
}

// failAt fails the n-th time it is called.
func failAt(n int, err error) func() error {
	return func() error {
		if n--; n == 0 {
			return err
		}
		return nil
	}
}

// TestFilesAreMadeOutsideChanges: a change that is rolled back, or waits for others, makes no files.
func TestFilesAreMadeOutsideChanges(t *testing.T) {
	home := t.TempDir()
	w := newWorld(t, home, hooked)
	files := func() (all []string) {
		for _, dir := range []string{"agents", "work"} {
			_ = filepath.WalkDir(filepath.Join(home, dir), func(path string, _ os.DirEntry, _ error) error {
				all = append(all, path)
				return nil
			})
		}
		return all
	}
	changes := 0
	w.store.set(nil, func() func() {
		before := files()
		return func() {
			changes++
			if diff := cmp.Diff(before, files()); diff != "" {
				t.Errorf("change %d makes files:\n%s", changes, diff)
			}
		}
	})
	in := agentapi.SpawnIn{Role: "specialist", WorkspaceMode: string(orchestron.Isolated)}
	p, err := w.plan(t.Context(), operator, request{SpawnIn: in})
	if err != nil {
		t.Fatal(err)
	}
	h, _, err := w.create(t.Context(), call("key"), p)
	w.store.set(nil, nil)
	if err != nil || changes < 2 {
		t.Fatalf("create: %v, after %d changes", err, changes)
	}
	if _, err := os.Stat(w.home.Context(h.id())); err != nil {
		t.Errorf("the agent has a row and no context: %v", err)
	}
}

// TestSweep: a start that was cut off before the row leaves nothing for ever, and nothing else is taken away.
func TestSweep(t *testing.T) {
	home := t.TempDir()
	for _, file := range []string{"spec_7/context.md", "spec_8/context.md", "spec_8/settings.json", "mine/context.md"} {
		path := filepath.Join(home, "agents", file)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	newWorld(t, home, hooked)
	left, err := os.ReadDir(filepath.Join(home, "agents"))
	if err != nil || len(left) != 2 || left[0].Name() != "mine" || left[1].Name() != "spec_8" {
		t.Errorf("left are %v, %v, want mine and spec_8", left, err)
	}
}

// TestCascade ends those that have the same parent side by side, children before parents, and kills what does not end
// in time for all.
func TestCascade(t *testing.T) {
	w := newWorld(t, t.TempDir(), hooked)
	top := w.spawn(agentapi.SpawnIn{Role: "executive"})
	var leaves []string
	for range 2 {
		m := w.spawn(agentapi.SpawnIn{Role: "manager", ParentID: string(top.ID)})
		for range 3 {
			leaves = append(leaves, string(w.spawn(agentapi.SpawnIn{Role: "specialist", ParentID: string(m.ID)}).ID))
		}
	}
	w.machine.mu.Lock()
	w.machine.stubborn, w.machine.log = true, nil
	w.machine.mu.Unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
	defer cancel()
	began := time.Now()
	if _, err := w.Terminate(ctx, call(""), agentapi.TerminateInstanceIn{InstanceID: string(top.ID), Cascade: true}); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 7*time.Second {
		t.Errorf("it took %s", took)
	}
	killed := map[string]int{}
	asked := 0
	for i, step := range w.machine.order() {
		if id, kill := strings.CutPrefix(step, "kill "); kill {
			killed[id] = i
		}
		if id, term := strings.CutPrefix(step, "term "); term && slices.Contains(leaves, id) && len(killed) == 0 {
			asked++
		}
	}
	if asked != len(leaves) {
		t.Errorf("%d of %d siblings were asked to end before the first was killed", asked, len(leaves))
	}
	for _, a := range w.All() {
		if a.Alive() || killed[string(a.ID)] == 0 {
			t.Errorf("%s is %s, killed %v", a.ID, a.Status, killed)
		}
		if a.Parent != "" && killed[string(a.ID)] > killed[string(a.Parent)] {
			t.Errorf("%s ended after its parent %s", a.ID, a.Parent)
		}
	}
}

// TestRestartHoldsNobodyUp: while what is left of an earlier run ends, others are started.
func TestRestartHoldsNobodyUp(t *testing.T) {
	w := newWorld(t, t.TempDir(), hooked)
	a := w.spawn(agentapi.SpawnIn{Role: "specialist"})
	if _, err := w.Terminate(t.Context(), call(""), agentapi.TerminateInstanceIn{InstanceID: string(a.ID)}); err != nil {
		t.Fatal(err)
	}
	h := w.handles[a.ID]
	ending, release := make(chan struct{}), make(chan struct{})
	w.machine.setFault(func(what string) error {
		if what == "wait" {
			select {
			case ending <- struct{}{}:
				<-release
			default:
			}
		}
		return nil
	})
	restarted := make(chan error, 1)
	go func() {
		_, err := w.restart(context.Background(), call(""), agentapi.RestartIn{InstanceID: string(a.ID)})
		restarted <- err
	}()
	<-ending
	spawned := make(chan error, 1)
	go func() {
		_, err := w.opSpawn(context.Background(), call(""), agentapi.SpawnIn{Role: "specialist", WorkspaceMode: string(orchestron.Isolated)})
		spawned <- err
	}()
	select {
	case err := <-spawned:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("a spawn waits for another agent's restart")
	}
	close(release)
	if err := <-restarted; err != nil || h.snapshot().Generation != 2 {
		t.Errorf("restart: %v, run %d", err, h.snapshot().Generation)
	}
}

// TestLossIsNoticed: an agent whose terminal is gone does not stay busy, also when whoever watches over it has failed.
func TestLossIsNoticed(t *testing.T) {
	w := newWorld(t, t.TempDir(), hooked)
	w.machine.setFault(func(what string) error { return is(what, "wait", errors.New("too many open files")) })
	a := w.spawn(agentapi.SpawnIn{Role: "specialist"})
	h := w.handles[a.ID]
	p := w.machine.of(a.ID)
	if err := w.reconcileOne(t.Context(), h, time.Now()); err != nil || !h.snapshot().Alive() {
		t.Fatalf("an agent that lives is %s, %v", h.snapshot().Status, err)
	}
	w.machine.mu.Lock()
	w.machine.end(p.pane.Process)
	w.machine.end(p.process)
	w.machine.mu.Unlock()
	if err := w.reconcileOne(t.Context(), h, time.Now()); err != nil {
		t.Fatal(err)
	}
	until(t, "the loss is known", func() bool { return h.snapshot().Status == orchestron.Lost })
}

// TestOldScreenIsForgotten: what an earlier run showed is not shown for a later one.
func TestOldScreenIsForgotten(t *testing.T) {
	w := newWorld(t, t.TempDir(), hooked)
	a := w.spawn(agentapi.SpawnIn{Role: "specialist"})
	id := string(a.ID)
	end := func() {
		if _, err := w.Terminate(t.Context(), call(""), agentapi.TerminateInstanceIn{InstanceID: id}); err != nil {
			t.Fatal(err)
		}
	}
	end()
	out, err := w.read(t.Context(), call(""), agentapi.ReadIn{InstanceID: id, Lines: 5})
	if want := "screen of " + id + ", run 1"; err != nil || out.Text != want {
		t.Fatalf("read gives %q, %v, want %q", out.Text, err, want)
	}
	if _, err := w.restart(t.Context(), call(""), agentapi.RestartIn{InstanceID: id}); err != nil {
		t.Fatal(err)
	}
	w.machine.setFault(func(what string) error { return is(what, "screen", errors.New("no screen")) })
	end()
	if out, err := w.read(t.Context(), call(""), agentapi.ReadIn{InstanceID: id, Lines: 5}); err == nil {
		t.Errorf("the second run kept nothing, and read gives %q", out.Text)
	}
}

// TestOwnerOf: a process is an agent's when it is the very process, not one that got its number later.
func TestOwnerOf(t *testing.T) {
	w := newWorld(t, t.TempDir(), hooked)
	a := w.spawn(agentapi.SpawnIn{Role: "manager"})
	h := w.handles[a.ID]
	stranger := orchestron.Process{PID: 7, Start: 7}
	for _, p := range []orchestron.Process{h.snapshot().Process, h.snapshot().Pane.Process} {
		if actor, found := w.OwnerOf([]orchestron.Process{stranger, p}); !found || actor.Agent != a.ID || actor.Level != orchestron.Manager {
			t.Errorf("%+v is %+v, %v, want %s", p, actor, found, a.ID)
		}
		p.Start++
		if actor, found := w.OwnerOf([]orchestron.Process{stranger, p}); found {
			t.Errorf("a process that got the number later is %s", actor)
		}
	}
	if _, err := w.Terminate(t.Context(), call(""), agentapi.TerminateInstanceIn{InstanceID: string(a.ID)}); err != nil {
		t.Fatal(err)
	}
	if actor, found := w.OwnerOf([]orchestron.Process{h.snapshot().Process}); found {
		t.Errorf("a process of an agent that has ended is %s", actor)
	}
}

// TestDriverFails: what a driver cannot do is said, changes nothing, and may be tried again.
func TestDriverFails(t *testing.T) {
	w := newWorld(t, t.TempDir(), hooked)
	a := w.spawn(agentapi.SpawnIn{Role: "specialist"})
	id, h := string(a.ID), w.handles[a.ID]
	if _, err := w.Send(t.Context(), call("key"), agentapi.SendIn{InstanceID: id, Text: "/quit"}); orchestron.KindOf(err) != orchestron.Invalid || len(h.current().Inbox) != 0 {
		t.Errorf("a text that cannot be a prompt: %v, and the inbox is %v", err, h.current().Inbox)
	}
	fails := errors.New("it fails")
	w.driver.fail(nil, fails)
	h.mu.Lock()
	h.state.Agent.Status = orchestron.Busy // as with a turn under way
	h.mu.Unlock()
	if err := w.reconcileOne(t.Context(), h, time.Now()); !errors.Is(err, fails) || h.snapshot().Status != orchestron.Busy {
		t.Errorf("files that cannot be read: %v, and the agent is %s", err, h.snapshot().Status)
	}
	if _, err := w.Terminate(t.Context(), call(""), agentapi.TerminateInstanceIn{InstanceID: id}); err != nil {
		t.Fatal(err)
	}
	w.driver.fail(fails, nil)
	for range 2 { // the same call with the same key, because it did not start
		if _, err := w.restart(t.Context(), call("again"), agentapi.RestartIn{InstanceID: id}); !errors.Is(err, fails) || h.snapshot().Status != orchestron.Failed {
			t.Errorf("a restart that fails: %v, and the agent is %s", err, h.snapshot().Status)
		}
	}
	w.driver.fail(nil, nil)
	for range 2 { // the same call with the same key, because its answer was lost
		if v, err := w.restart(t.Context(), call("again"), agentapi.RestartIn{InstanceID: id}); err != nil || v.Generation != 4 {
			t.Errorf("restart: run %d, %v", v.Generation, err)
		}
	}
}

// TestClockSetBack: evidence from a time to come, which a clock that was set back leaves, does not outdate what comes.
func TestClockSetBack(t *testing.T) {
	w := newWorld(t, t.TempDir(), hooked)
	a := w.spawn(agentapi.SpawnIn{Role: "specialist"})
	h := w.handles[a.ID]
	err := w.change(t.Context(), h, func(_ state.Tx, st *state.State) error {
		st.Agent.Evidence.At = time.Now().Add(time.Hour)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.reconcileOne(t.Context(), h, time.Now()); err != nil {
		t.Fatal(err)
	}
	if at := h.snapshot().Evidence.At; at.After(time.Now()) {
		t.Errorf("the evidence is still of %s", at)
	}
}

// TestScreenIsLookedAtAgain: what a person opened in the terminal, which no hook tells of, is over when the screen says so.
func TestScreenIsLookedAtAgain(t *testing.T) {
	w := newWorld(t, t.TempDir(), hooked)
	a := w.spawn(agentapi.SpawnIn{Role: "specialist"})
	h := w.handles[a.ID]
	show := func(f orchestron.Fact) {
		w.driver.mu.Lock()
		defer w.driver.mu.Unlock()
		w.driver.shows = []orchestron.Fact{f}
	}
	show(orchestron.Fact{Kind: orchestron.FactAsked, Question: &orchestron.Question{Detail: "help"}})
	if err := w.lookAtScreen(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	out, err := w.Send(t.Context(), call(""), agentapi.SendIn{InstanceID: string(a.ID), Text: "go on"})
	if err != nil {
		t.Fatal(err)
	}
	before := h.snapshot()
	if err := w.reconcileOne(t.Context(), h, time.Now()); err != nil || before.Status != orchestron.Waiting || h.snapshot() != before {
		t.Fatalf("the agent was %s since %s and is %+v: %v", before.Status, before.Evidence.At, h.snapshot(), err)
	}
	show(orchestron.Fact{Kind: orchestron.FactStatus, Status: orchestron.Idle})
	if err := w.reconcileOne(t.Context(), h, time.Now()); err != nil {
		t.Fatal(err)
	}
	until(t, "the message is answered", func() bool { return w.message(out.MessageID).State == orchestron.Answered })
}
