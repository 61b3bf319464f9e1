package board_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardapi"
	"github.com/orchestron/orchestron/internal/boardstore"
)

const home = "default" // the board of those who work in no repository

func words(text string) []string { return strings.Fields(text) }

// play is a house and the model of it, and what was last seen of the house.
type play struct {
	*house
	model
	dir     string
	seen    map[id]orchestron.Task
	whole   string // everything that is stored, as text
	change  int64  // the last one that was read
	told    map[id]map[string]json.RawMessage
	parents map[id]bool // that ever had a child: their progress does not stand in the history
	copies  int
}

// TestBoard does random operations on a board and its model. After each one both must agree, and nothing may be left of
// what was refused.
func TestBoard(t *testing.T) {
	dir, round := t.TempDir(), 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		p := &play{
			dir: filepath.Join(dir, fmt.Sprint(round)), seen: map[id]orchestron.Task{}, told: map[id]map[string]json.RawMessage{}, parents: map[id]bool{},
			model: model{sprints: map[string]map[string]orchestron.SprintState{}, alive: map[string]bool{}, now: start},
		}
		h, err := open(p.dir)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := p.close(); err != nil {
				t.Error(err)
			}
		}()
		p.house = h
		for _, id := range workers {
			p.alive[string(id)] = true
		}
		p.check(rt)
		for range 10 { // so that there is something to do things with
			p.createTask(rt)
			p.check(rt)
		}
		rt.Repeat(map[string]func(*rapid.T){
			"create": p.createTask, "create more": p.createTask, "update": p.updateTask, "update more": p.updateTask,
			"move": p.moveTask, "move on": p.moveTask, "move further": p.moveTask,
			"claim": p.claimTask, "claim more": p.claimTask, "depend": p.dependTask, "depend more": p.dependTask,
			"reparent": p.reparent, "hand off": p.handOffTask,
			"agent dies":  p.dies,
			"time passes": p.timePasses, "sprint": p.sprintChanges, "import": p.importCopy, "": p.check,
		})
		p.again(rt)
	})
}

// agree checks that the house and the model accept the same, and that nothing is left of what was refused.
func (p *play) agree(t *rapid.T, what string, got, want error) bool {
	if (got == nil) != (want == nil) {
		t.Fatalf("%s = %v, the model says %v", what, got, want)
	}
	if got == nil {
		p.settle()
		return true
	}
	if kind := orchestron.KindOf(got); kind == orchestron.Internal {
		t.Fatalf("%s = %v, which says nothing", what, got)
	}
	if whole := p.dump(t); whole != p.whole {
		t.Fatalf("%s was refused (%v) and changed something (-before +after):\n%s", what, got, cmp.Diff(p.whole, whole))
	}
	return false
}

// dump is everything that is stored, as text.
func (p *play) dump(t *rapid.T) string {
	lines, err := p.export("", 1000)
	if err != nil {
		t.Fatalf("export: %v", err)
	}
	last, err := p.db.LastEvent(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(append(lines, fmt.Sprint(last)), "\n")
}

// by is somebody who can act now.
func (p *play) by(t *rapid.T) string {
	all := []string{"operator"}
	for _, id := range workers {
		if p.alive[string(id)] {
			all = append(all, string(id))
		}
	}
	return rapid.SampledFrom(all).Draw(t, "by")
}

// aTask is mostly the id of a task that is there.
func (p *play) aTask(t *rapid.T, what string) string {
	n := rapid.IntRange(1, max(len(p.tasks), 1)).Draw(t, what)
	if rapid.IntRange(0, 19).Draw(t, "not there") == 19 {
		n = len(p.tasks) + 1
	}
	return string(orchestron.TaskIDOf(int64(n)))
}

// maybe draws something once in a while.
func maybe[T any](t *rapid.T, what string, g *rapid.Generator[T]) (v T, drawn bool) {
	if rapid.IntRange(0, 3).Draw(t, what+"?") == 0 {
		return g.Draw(t, what), true
	}
	return v, false
}

func some[T any](t *rapid.T, what string, g *rapid.Generator[T]) *T {
	if v, drawn := maybe(t, what, g); drawn {
		return &v
	}
	return nil
}

var (
	aTitle    = rapid.SampledFrom(words("parse lex emit check"))
	aPriority = rapid.SampledFrom(words("CRITICAL HIGH MEDIUM LOW"))
	aType     = rapid.SampledFrom(words("EPIC STORY TASK SUBTASK TODO"))
	aStatus   = rapid.SampledFrom(words("TODO IN_PROGRESS BLOCKED IN_REVIEW DONE CANCELLED IN_PROGRESS DONE"))
	aName     = rapid.SampledFrom([]string{"", "ann", "exec_1", "spec_1_1", "spec_1_2"})
	aSprint   = rapid.SampledFrom([]string{"", "one", "two"})
	someLabel = rapid.SampledFrom([][]string{{}, {"db"}, {"ui"}, {"db", "ui"}})
	aLabel    = rapid.SampledFrom([]string{"", "", "ui"})
)

// project is the board that somebody names: agents have their own only.
func project(t *rapid.T, by string) string {
	if by == "operator" {
		return rapid.SampledFrom([]string{home, home, home, "other"}).Draw(t, "project")
	}
	return home
}

func (p *play) createTask(t *rapid.T) {
	by := p.by(t)
	in := boardapi.TaskCreateIn{
		Project: project(t, by), Title: aTitle.Draw(t, "title"), Type: aType.Draw(t, "type"), Priority: aPriority.Draw(t, "priority"),
		Labels: someLabel.Draw(t, "labels"),
	}
	in.Assignee, _ = maybe(t, "assignee", aName)
	in.Sprint, _ = maybe(t, "sprint", aSprint)
	if rapid.IntRange(0, 2).Draw(t, "is a part") == 0 {
		in.ParentID = p.aTask(t, "parent")
	}
	for range rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, "needs") {
		in.DependsOn = append(in.DependsOn, p.aTask(t, "need"))
	}
	key := ""
	if rapid.Bool().Draw(t, "with a key") {
		key = fmt.Sprint("key-", len(p.tasks), "-", p.change)
	}
	want, refused := p.create(in)
	var got, again orchestron.Task
	if !p.agree(t, fmt.Sprintf("%s creates %+v", by, in), p.call(by, key, "orchestron_task_create", in, &got), refused) {
		return
	}
	if got.ID != want.id || got.CreatedBy != by {
		t.Fatalf("%s created %s as %s, want %s", by, got.ID, got.CreatedBy, want.id)
	}
	if key != "" {
		if err := p.call(by, key, "orchestron_task_create", in, &again); err != nil || again.ID != got.ID {
			t.Fatalf("creating %s again with its key = %s, %v", got.ID, again.ID, err)
		}
	}
}

// change does an operation on a task in both.
func (p *play) updateBoth(t *rapid.T, by string, in boardapi.TaskUpdateIn) {
	var got orchestron.Task
	refused := p.update(by, in)
	raw, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	if p.agree(t, fmt.Sprintf("%s updates %s", by, raw), p.call(by, "", "orchestron_task_update", in, &got), refused) {
		p.bury()
		p.settleLeases(t)
	}
}

func (p *play) updateTask(t *rapid.T) {
	in := boardapi.TaskUpdateIn{
		TaskID: p.aTask(t, "task"), Progress: some(t, "progress", rapid.IntRange(0, 100)), Assignee: some(t, "assignee", aName),
		Labels: some(t, "labels", someLabel), Sprint: some(t, "sprint", aSprint),
	}
	in.Status, _ = maybe(t, "status", aStatus)
	in.Title, _ = maybe(t, "title", aTitle)
	in.Priority, _ = maybe(t, "priority", aPriority)
	if rapid.IntRange(0, 9).Draw(t, "shows a lease") == 0 {
		in.Lease = rapid.Int64Range(1, 2).Draw(t, "lease")
	}
	in.Notes, _ = maybe(t, "notes", aTitle)
	if rapid.IntRange(0, 5).Draw(t, "moves") == 0 {
		parent := p.aTask(t, "parent")
		in.ParentID = &parent
	}
	p.updateBoth(t, p.by(t), in)
}

func (p *play) moveTask(t *rapid.T) {
	p.updateBoth(t, p.by(t), boardapi.TaskUpdateIn{TaskID: p.aTask(t, "task"), Status: aStatus.Draw(t, "status")})
}

func (p *play) reparent(t *rapid.T) {
	parent := ""
	if rapid.IntRange(0, 3).Draw(t, "is a part") > 0 {
		parent = p.aTask(t, "parent")
	}
	p.updateBoth(t, p.by(t), boardapi.TaskUpdateIn{TaskID: p.aTask(t, "task"), ParentID: &parent})
}

func (p *play) claimTask(t *rapid.T) {
	by := p.by(t)
	in := boardapi.TaskClaimIn{Project: project(t, by), Label: aLabel.Draw(t, "label"), Minutes: rapid.SampledFrom([]int{0, 30, 300}).Draw(t, "minutes")}
	in.Assignee, _ = maybe(t, "for", aName)
	if one, drawn := maybe(t, "a certain one", rapid.Just(true)); drawn && one {
		in.TaskID, in.Label = p.aTask(t, "task"), ""
	}
	want, refused := p.claim(by, in)
	var got orchestron.Task
	if p.agree(t, fmt.Sprintf("%s claims %+v", by, in), p.call(by, "", "orchestron_task_claim", in, &got), refused) && got.ID != want.id {
		t.Fatalf("%s claims %+v and gets %s, want %s", by, in, got.ID, want.id)
	}
}

func (p *play) dependTask(t *rapid.T) {
	by := p.by(t)
	in := boardapi.TaskDependIn{TaskID: p.aTask(t, "task"), Remove: rapid.IntRange(0, 3).Draw(t, "remove") == 0}
	if task := p.find("operator", id(in.TaskID)); in.Remove && task != nil && len(task.needs) > 0 {
		in.On = []string{string(task.needs[0])}
	} else {
		in.On = []string{p.aTask(t, "on")}
	}
	var got orchestron.Task
	refused := p.depend(by, in)
	p.agree(t, fmt.Sprintf("%s says %+v", by, in), p.call(by, "", "orchestron_task_depend", in, &got), refused)
}

func (p *play) handOffTask(t *rapid.T) {
	by, of := p.by(t), p.aTask(t, "task")
	var got orchestron.Task
	refused := p.handOff(by, id(of))
	in := boardapi.HandoffIn{TaskID: of, RemainingWork: []string{"all"}}
	p.agree(t, fmt.Sprintf("%s hands off %s", by, of), p.call(by, "", "orchestron_handoff_prepare", in, &got), refused)
}

// dies ends an agent, or starts it again. What it held goes back.
func (p *play) dies(t *rapid.T) {
	who := rapid.SampledFrom(workers).Draw(t, "who")
	name := string(who)
	p.alive[name] = !p.alive[name]
	p.agents.set(who, p.alive[name])
	if p.alive[name] {
		return
	}
	p.bury()
	p.settleLeases(t)
}

// timePasses lets leases run out that no agent has.
func (p *play) timePasses(t *rapid.T) {
	p.now = p.now.Add(time.Hour)
	p.pass(time.Hour)
	for _, task := range p.tasks {
		if !task.until.IsZero() && !p.now.Before(task.until) {
			task.abandon()
		}
	}
	p.settleLeases(t)
}

// settleLeases waits until nobody holds a task who should not.
func (p *play) settleLeases(t *rapid.T) {
	p.settle()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		held, err := boardstore.In(p.db).Leased(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(held, func(h orchestron.Task) bool { return p.find("operator", h.ID).holder != h.Lease.Holder }) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("tasks are still held: %+v", held)
		}
	}
}

func (p *play) sprintChanges(t *rapid.T) {
	name, board := rapid.SampledFrom([]string{"one", "two"}).Draw(t, "name"), project(t, "operator")
	if p.sprints[board] == nil {
		p.sprints[board] = map[string]orchestron.SprintState{}
	}
	all := p.sprints[board]
	active := slices.Contains([]orchestron.SprintState{all["one"], all["two"]}, orchestron.Active)
	var refused error
	var out json.RawMessage
	switch rapid.SampledFrom([]int{0, 0, 0, 1, 1, 2}).Draw(t, "create, start, close") {
	case 0:
		if all[name] != "" {
			refused = errRefused
		} else {
			all[name] = orchestron.Planned
		}
		p.agree(t, "creating the sprint "+name, p.call("operator", "", "orchestron_sprint_create", boardapi.SprintCreateIn{Name: name, Project: board}, &out), refused)
	case 1:
		if all[name] != orchestron.Planned || active {
			refused = errRefused
		} else {
			all[name] = orchestron.Active
		}
		p.agree(t, "starting the sprint "+name, p.call("operator", "", "orchestron_sprint_start", boardapi.SprintRef{Name: name, Project: board}, &out), refused)
	default:
		if all[name] == "" || all[name] == orchestron.Closed {
			refused = errRefused
		} else {
			all[name] = orchestron.Closed
			for _, task := range p.tasks {
				if task.project == board && task.sprint == name && !over(task) {
					task.sprint = ""
				}
			}
		}
		p.agree(t, "closing the sprint "+name, p.call("operator", "", "orchestron_sprint_close", boardapi.SprintCloseIn{Name: name, Project: board}, &out), refused)
	}
}

// importCopy takes in what was exported as another project under new ids; and once more, cut short, which is refused.
func (p *play) importCopy(t *rapid.T) {
	if p.copies == 1 || len(p.tasks) < 12 {
		t.Skip("enough copies")
	}
	lines, err := p.export(home, 7)
	if err != nil {
		t.Fatalf("export: %v", err)
	}
	file := filepath.Join(p.dir, "export.jsonl")
	in := boardapi.ImportIn{Path: file, Project: fmt.Sprint("copy ", p.copies), Renumber: true}
	broken := strings.Join(lines, "\n") + "\n" + `{"task":{"id":"TASK-1"}}`
	var out boardapi.ImportOut
	p.write(t, file, broken)
	p.agree(t, "importing nonsense", p.call("operator", "", "orchestron_import", in, &out), errRefused)
	p.write(t, file, strings.Join(lines, "\n"))
	p.copies++
	ids := map[id]id{"": ""}
	var copies []*task
	for _, one := range p.tasks {
		if one.project == home {
			c := *one
			c.id, c.project = orchestron.TaskIDOf(int64(len(p.tasks)+len(copies)+1)), in.Project
			ids[one.id] = c.id
			p.orphan(&c, len(p.children(one.id)))
			copies = append(copies, &c)
		}
	}
	for _, c := range copies {
		c.parent, c.needs = ids[c.parent], slices.Clone(c.needs)
		for i, need := range c.needs {
			c.needs[i] = ids[need]
		}
	}
	p.tasks = append(p.tasks, copies...)
	p.sprints[in.Project] = maps.Clone(p.sprints[home])
	p.agree(t, "importing a copy", p.call("operator", "", "orchestron_import", in, &out), nil)
	if out.Tasks != len(copies) {
		t.Fatalf("%d tasks were imported, want %d", out.Tasks, len(copies))
	}
}

func (p *play) write(t *rapid.T, file, text string) {
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// freeAll takes what is open from the agents: whoever imports the board has others.
func (p *play) freeAll(t *rapid.T) {
	nobody := ""
	for _, task := range p.tasks {
		if !over(task) && orchestron.AgentID(task.assignee).Valid() {
			p.updateBoth(t, "operator", boardapi.TaskUpdateIn{TaskID: string(task.id), Assignee: &nobody})
		}
	}
}

// again exports everything and imports it into an empty house, which must then export the same.
func (p *play) again(t *rapid.T) {
	p.check(t)
	p.freeAll(t)
	lines, err := p.export("", 7)
	if err != nil {
		t.Fatalf("export: %v", err)
	}
	other, err := open(filepath.Join(p.dir, "other"))
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range workers { // or it would take back what those held who are dead there
		if !p.alive[string(id)] {
			other.agents.set(id, false)
		}
	}
	other.pass(p.now.Sub(start))
	defer func() {
		if err := other.close(); err != nil {
			t.Error(err)
		}
	}()
	file := filepath.Join(p.dir, "all.jsonl")
	p.write(t, file, strings.Join(lines, "\n"))
	var out boardapi.ImportOut
	if err := other.call("operator", "", "orchestron_import", boardapi.ImportIn{Path: file}, &out); err != nil {
		t.Fatalf("importing everything: %v", err)
	}
	got, err := other.export("", 9)
	if err != nil {
		t.Fatalf("export: %v", err)
	}
	if diff := cmp.Diff(lines, got); diff != "" {
		t.Fatalf("exported again (-first +second):\n%s", diff)
	}
	var next orchestron.Task
	in := boardapi.TaskCreateIn{Title: "next", Type: "TASK", Priority: "LOW"}
	if err := other.call("operator", "", "orchestron_task_create", in, &next); err != nil || next.ID != orchestron.TaskIDOf(int64(len(p.tasks)+1)) {
		t.Fatalf("the first task after %d that were imported = %s, %v", len(p.tasks), next.ID, err)
	}
}

// check compares everything with the model, and with what was seen before.
func (p *play) check(t *rapid.T) {
	p.whole = p.dump(t)
	stored, err := boardstore.In(p.db).Tasks(context.Background(), boardapi.Filter{ByNumber: true})
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, s := range stored {
		got = append(got, line(s))
		if s.Ready() != (p.find("operator", s.ID) != nil && p.ready(p.find("operator", s.ID))) {
			t.Fatalf("%s is ready: %t", s.ID, s.Ready())
		}
	}
	for _, m := range p.tasks {
		want = append(want, line(p.task(m)))
		if len(p.children(m.id)) > 0 {
			p.parents[m.id] = true
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("tasks (-model +board):\n%s", diff)
	}
	p.checkQueue(t, stored)
	p.checkHistory(t, stored)
}

// task is a task as the model says it should be stored.
func (p *play) task(m *task) orchestron.Task {
	return orchestron.Task{
		ID: m.id, Project: m.project, Title: m.title, Type: m.kind, Status: m.status, Priority: m.priority, Progress: m.progress, Parent: m.parent,
		Children: len(p.children(m.id)), Assignee: m.assignee, Labels: m.labels, Sprint: m.sprint, DependsOn: m.needs, Waits: p.waits(m),
		Lease: orchestron.Lease{Number: m.lease, Holder: m.holder, Until: m.until, Last: m.last},
	}
}

// line is what both sides know of a task.
func line(t orchestron.Task) string {
	until := ""
	if !t.Lease.Until.IsZero() {
		until = t.Lease.Until.UTC().Format(time.RFC3339)
	}
	return fmt.Sprintf("%s %s %s %s %s %s %d%% parent=%s children=%d assignee=%s labels=%v sprint=%s needs=%v waits=%d lease=%d %s %s",
		t.ID, t.Project, t.Title, t.Type, t.Status, t.Priority, t.Progress, t.Parent, t.Children, t.Assignee, t.Labels, t.Sprint, t.DependsOn, t.Waits,
		t.Lease.Number, t.Lease.Holder, until)
}

// checkQueue checks that what is ready is listed in the order in which it is given away.
func (p *play) checkQueue(t *rapid.T, stored []orchestron.Task) {
	want := []id{}
	for _, priority := range orchestron.Priorities {
		for _, s := range stored {
			if s.Project == home && s.Priority == priority && s.Ready() {
				want = append(want, s.ID)
			}
		}
	}
	got := []id{}
	in := map[string]any{"ready": true, "limit": 3}
	for {
		var out boardapi.TaskListOut
		if err := p.call("operator", "", "orchestron_task_list", in, &out); err != nil {
			t.Fatalf("listing what is ready: %v", err)
		}
		for _, task := range out.Tasks {
			got = append(got, task.ID)
		}
		if in["cursor"] = out.Cursor; out.Cursor == "" {
			break
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("the queue (-want +got):\n%s", diff)
	}
}

// untold are the fields that follow from other tasks or are told in words.
var untold = words("version updatedAt children waitsFor clarifications handoff")

// checkHistory tells the story of each task from its changes, and compares its end with the task.
func (p *play) checkHistory(t *rapid.T, stored []orchestron.Task) {
	changes, err := boardstore.In(p.db).Changes(context.Background(), boardapi.ChangeFilter{After: p.change})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range changes {
		p.change = c.Seq
		var fields map[string]json.RawMessage
		if len(c.Fields) > 0 {
			if err := json.Unmarshal(c.Fields, &fields); err != nil {
				t.Fatalf("change %d: %v", c.Seq, err)
			}
		}
		for name, value := range fields {
			if p.told[c.Task] != nil { // else it was made or copied just now, and is told as it is
				p.told[c.Task][name] = value
			}
		}
		if c.By == "" || c.At.IsZero() || c.Project == "" {
			t.Fatalf("change %d does not say who, when and where: %+v", c.Seq, c)
		}
	}
	for _, s := range stored {
		raw, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		now := map[string]json.RawMessage{}
		if err := json.Unmarshal(raw, &now); err != nil {
			t.Fatal(err)
		}
		if before, known := p.seen[s.ID]; known {
			p.checkVersion(t, before, s)
			p.checkTold(t, s.ID, now)
		} else {
			p.told[s.ID] = now
		}
		p.seen[s.ID] = s
	}
}

// checkVersion checks that the version grows when a task changes, and only then.
func (p *play) checkVersion(t *rapid.T, before, after orchestron.Task) {
	changed := cmp.Diff(before, after) != ""
	if changed != (after.Version > before.Version) || after.Version < before.Version {
		t.Fatalf("%s went from version %d to %d; it changed: %t", after.ID, before.Version, after.Version, changed)
	}
}

func (p *play) checkTold(t *rapid.T, of id, now map[string]json.RawMessage) {
	told := p.told[of]
	for name := range told {
		if _, has := now[name]; !has && !empty(told[name]) && !slices.Contains(untold, name) {
			t.Fatalf("the history of %s says that %s is %s, and it is empty", of, name, told[name])
		}
	}
	for name, value := range now {
		if slices.Contains(untold, name) || name == "progress" && p.parents[of] {
			continue
		}
		if !bytes.Equal(told[name], value) {
			t.Fatalf("the history of %s says that %s is %s, and it is %s", of, name, told[name], value)
		}
	}
}

func empty(raw json.RawMessage) bool {
	return slices.Contains([]string{"", `""`, "0", "null", `"0001-01-01T00:00:00Z"`}, string(raw))
}

// TestParallelClaims lets many claim at the same time: each task has one holder.
func TestParallelClaims(t *testing.T) {
	h, err := open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	const tasks = 60
	for n := range tasks {
		in := boardapi.TaskCreateIn{Title: fmt.Sprint("task ", n), Type: "TASK", Priority: "LOW"}
		if err := h.call("operator", "", "orchestron_task_create", in, &orchestron.Task{}); err != nil {
			t.Fatal(err)
		}
	}
	var mu sync.Mutex
	holders := map[id][]string{}
	var all sync.WaitGroup
	for n := range 12 {
		by := string(workers[n%len(workers)])
		all.Go(func() {
			for {
				var got orchestron.Task
				err := h.call(by, "", "orchestron_task_claim", boardapi.TaskClaimIn{Minutes: 60}, &got)
				if orchestron.KindOf(err) == orchestron.NotFound {
					return
				}
				mu.Lock()
				holders[got.ID] = append(holders[got.ID], by)
				mu.Unlock()
				if err != nil || got.Lease.Holder != by || got.Lease.Number != 1 {
					t.Errorf("%s claims %s, held by %s under lease %d: %v", by, got.ID, got.Lease.Holder, got.Lease.Number, err)
					return
				}
			}
		})
	}
	all.Wait()
	if len(holders) != tasks {
		t.Errorf("%d tasks were claimed, want %d", len(holders), tasks)
	}
	for of, by := range holders {
		if len(by) != 1 {
			t.Errorf("%s was claimed by %v", of, by)
		}
	}
	if err := h.close(); err != nil {
		t.Error(err)
	}
}
