package board_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/board"
	"github.com/orchestron/orchestron/internal/boardapi"
	"github.com/orchestron/orchestron/internal/boardstore"
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/internal/sqlite"
)

// listeners are agents of two boards that remember what they are told.
type listeners struct {
	*agents
	homes map[orchestron.AgentID]string

	told sync.Mutex
	got  []string
}

func (l *listeners) Project(id orchestron.AgentID) (string, bool) {
	home, known := l.homes[id]
	return home, known
}

func (l *listeners) Post(_ context.Context, id orchestron.AgentID, _, text string, _ bool) error {
	if !l.Alive(id) {
		return orchestron.Errorf(orchestron.Conflict, "%s does not run", id)
	}
	l.told.Lock()
	defer l.told.Unlock()
	l.got = append(l.got, string(id)+": "+text)
	return nil
}

func (l *listeners) heard() string {
	l.told.Lock()
	defer l.told.Unlock()
	return strings.Join(l.got, "\n---\n")
}

type scene struct {
	*listeners
	t       *testing.T
	service *board.Service
	all     *op.Catalogue
}

func newScene(t *testing.T) *scene {
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "orchestron.db"), quiet)
	if err != nil {
		t.Fatal(err)
	}
	l := &listeners{
		agents: &agents{alive: map[orchestron.AgentID]bool{"exec_1": true, "exec_2": true}},
		homes:  map[orchestron.AgentID]string{"exec_1": "default", "exec_2": "elsewhere"},
	}
	service := board.New(boards{boardstore.In(db)}, l, nil, boardapi.DefaultPolicy(), time.Now, quiet)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { service.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return &scene{l, t, service, op.NewCatalogue(db, quiet, service.Ops()...)}
}

func (s *scene) call(name, args string) (json.RawMessage, error) {
	return s.all.Call(s.t.Context(), name, json.RawMessage(args), op.Call{Actor: orchestron.Actor{Kind: orchestron.Operator}})
}

func (s *scene) must(name, args string) json.RawMessage {
	s.t.Helper()
	answer, err := s.call(name, args)
	if err != nil {
		s.t.Fatalf("%s %s: %v", name, args, err)
	}
	return answer
}

func (s *scene) eventually(what string, is func() bool) {
	s.t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if is() {
			return
		}
	}
	s.t.Fatalf("still not after 20 s: %s; told:\n%s", what, s.heard())
}

// An agent that does not run is told when it runs again, that it lost its task and what was said meanwhile.
func TestStoppedAgentsAreToldLater(t *testing.T) {
	s := newScene(t)
	s.must("orchestron_task_create", `{"title":"a","type":"TASK"}`)
	s.must("orchestron_task_create", `{"title":"b","type":"TASK","assignee":"exec_1"}`)
	s.must("orchestron_task_claim", `{"taskId":"TASK-1","assignee":"exec_1"}`)
	s.eventually("told of both", func() bool { return strings.Count(s.heard(), "was given to you") == 2 })
	s.set("exec_1", false)
	s.eventually("the task is back", func() bool {
		return strings.Contains(string(s.must("orchestron_task_get", `{"taskId":"TASK-1"}`)), `"status":"TODO"`)
	})
	s.must("orchestron_task_clarify", `{"taskId":"TASK-2","text":"use OAuth2"}`)
	before := s.heard()
	if strings.Contains(before, "OAuth2") || strings.Contains(before, "no longer yours") {
		t.Fatalf("told while it did not run:\n%s", before)
	}
	s.set("exec_1", true)
	s.eventually("told of the loss and the clarification", func() bool {
		return strings.Count(s.heard(), "TASK-1 (a) is no longer yours") == 1 && strings.Count(s.heard(), "use OAuth2") == 1
	})
}

func TestAgentsOfOtherBoardsGetNoTasks(t *testing.T) {
	s := newScene(t)
	s.must("orchestron_task_create", `{"title":"a","type":"TASK"}`)
	for name, args := range map[string]string{
		"orchestron_task_create": `{"title":"b","type":"TASK","assignee":"exec_2"}`,
		"orchestron_task_update": `{"taskId":"TASK-1","assignee":"exec_2"}`,
		"orchestron_task_claim":  `{"taskId":"TASK-1","assignee":"exec_2"}`,
	} {
		if _, err := s.call(name, args); orchestron.KindOf(err) != orchestron.Invalid {
			t.Errorf("%s %s = %v, want Invalid", name, args, err)
		}
	}
}

// What follows from a change is a change of a resource, too.
func TestTouchedResources(t *testing.T) {
	s := newScene(t)
	s.must("orchestron_sprint_create", `{"name":"one"}`)
	s.must("orchestron_task_create", `{"title":"parent","type":"EPIC"}`)
	s.must("orchestron_task_create", `{"title":"child","type":"TASK","parentId":"TASK-1","sprint":"one"}`)
	s.must("orchestron_task_create", `{"title":"later","type":"TASK","dependsOn":["TASK-2"]}`)
	for _, c := range []struct{ args, want string }{
		{`{"taskId":"TASK-2","status":"IN_PROGRESS","progress":50}`, "orchestron://tasks/TASK-1"},
		{`{"taskId":"TASK-2","sprint":""}`, "orchestron://sprint/active"},
		{`{"taskId":"TASK-2","status":"DONE"}`, "orchestron://tasks/TASK-3"},
	} {
		s.service.Touched()
		s.must("orchestron_task_update", c.args)
		if uris := s.service.Touched(); !slices.Contains(uris, c.want) {
			t.Errorf("%s touched %v, want %s among them", c.args, uris, c.want)
		}
	}
}

// A task that is made between two pages of an export is not in it, nor is anything said of it.
func TestExportDuringWork(t *testing.T) {
	s := newScene(t)
	for range 3 {
		s.must("orchestron_task_create", `{"title":"a","type":"TASK"}`)
	}
	var lines []string
	for args := `{"limit":5}`; ; {
		var out boardapi.ExportOut
		if err := json.Unmarshal(s.must("orchestron_export", args), &out); err != nil {
			t.Fatal(err)
		}
		for _, l := range out.Lines {
			lines = append(lines, string(l))
		}
		if out.Cursor == "" {
			break
		}
		s.must("orchestron_task_create", `{"title":"meanwhile","type":"TASK"}`)
		args = `{"limit":5,"cursor":"` + out.Cursor + `"}`
	}
	if all := strings.Join(lines, "\n"); len(lines) != 7 || strings.Contains(all, "meanwhile") {
		t.Errorf("the export has %d lines, want 7 of the three tasks:\n%s", len(lines), all)
	}
}

func TestNumbersHaveAnEnd(t *testing.T) {
	for id, want := range map[orchestron.TaskID]bool{"TASK-1": true, "TASK-999999999999": true, "TASK-1000000000000": false, "TASK-0": false} {
		if id.Valid() != want {
			t.Errorf("%s is valid = %v, want %v", id, id.Valid(), want)
		}
	}
}
