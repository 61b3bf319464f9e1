package board

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardapi"
	"github.com/orchestron/orchestron/internal/boardfile"
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/internal/signal"
	"github.com/orchestron/orchestron/internal/workspace"
)

// Service is the use cases of boards. It is safe for concurrent use.
type Service struct {
	store     Store
	agents    Agents
	databases boardfile.Databases
	policy    boardapi.Policy
	now       func() time.Time
	log       *slog.Logger

	changed signal.Signal // a board changed
	leases  signal.Signal // a lease began or ended
	notices signal.Signal // somebody is to be told something

	imports chan struct{} // holds one while something is imported

	mu      sync.Mutex
	touched map[string]bool // URIs of resources that changed since Touched was called
}

// New makes a service. Run keeps its leases and delivers its notices.
func New(store Store, agents Agents, databases boardfile.Databases, policy boardapi.Policy, now func() time.Time, log *slog.Logger) *Service {
	return &Service{store: store, agents: agents, databases: databases, policy: policy, now: now, log: log, touched: map[string]bool{}, imports: make(chan struct{}, 1)}
}

// Ops declares what callers can do with boards.
func (s *Service) Ops() []op.Op {
	tasks, notes, all := op.In("tasks"), op.In("notes"), op.For(orchestron.Specialist)
	return []op.Op{
		op.New("orchestron_task_create", op.Write, "Put a task on the project's board.", s.create, tasks, all, op.Keyed()),
		op.New("orchestron_task_list", op.Read, "The tasks of a project, the most urgent first, then the oldest. With ready, those that could be begun now.", s.list, tasks, all),
		op.New("orchestron_task_get", op.Read, "A task with its clarifications, hand-off, lease and history.", s.get, tasks, all),
		op.New("orchestron_task_update", op.Write, "Change a task: status, progress, notes for its history, or anything else. What is left out stays.", s.update, tasks, all, op.Keyed()),
		op.New("orchestron_task_claim", op.Write, "Take the best task that is ready, or a certain one, so that nobody else does. The answer has what the one before left.", s.claim, tasks, all, op.Keyed()),
		op.New("orchestron_task_depend", op.Write, "Say that a task cannot begin before others are over, or take that back.", s.depend, tasks, all, op.Keyed()),
		op.New("orchestron_task_clarify", op.Write, "Add a clarification to a task. Whoever works on it is told at once.", s.clarify, tasks, all, op.Keyed()),
		op.New("orchestron_task_prioritize", op.Write, "Set the priority of a task.", s.prioritize, tasks, all, op.Keyed()),
		op.New("orchestron_handoff_prepare", op.Write, "Leave a task you work on to the next: what is done, what remains. It becomes ready again, and whoever claims it gets this.", s.handoff, tasks, all, op.Keyed()),
		op.New("orchestron_check_updates", op.Read, "What others changed on the board since you last asked. With timeout_seconds it waits for the first change.", s.updates, tasks, all, op.Long()),
		op.New("orchestron_sprint_create", op.Write, "Plan a sprint.", s.createSprint, tasks, all, op.Keyed()),
		op.New("orchestron_sprint_start", op.Write, "Start a sprint. One is active at a time.", s.startSprint, tasks, all, op.Keyed()),
		op.New("orchestron_sprint_close", op.Write, "Close a sprint and move on what is unfinished.", s.closeSprint, tasks, all, op.Keyed()),
		op.New("orchestron_sprint_get", op.Read, "A sprint, or the active one: how far it has come and what is open.", s.sprint, tasks, all),
		op.New("orchestron_context_save", op.Write, "Save what the next session must know: what was done, decided, and is next.", s.saveContext, notes, all, op.Keyed()),
		op.New("orchestron_context_get", op.Read, "What an earlier session saved, the tasks you hold, and what was handed over with them. Call it first.", s.context, notes, all),
		op.New("orchestron_context_history", op.Read, "The saved contexts, the newest first, without their contents.", s.contexts, notes, all),
		op.New("orchestron_context_diff", op.Read, "What changed between two saved contexts.", s.diff, notes, all),
		op.New("orchestron_predict_completion", op.Read, "When the open tasks of a project, a sprint or one task will be done, from measured cycle times (Monte Carlo). Says when there is too little to go by.", s.predict, tasks, all),
		op.New("orchestron_analyze_bottlenecks", op.Read, "What holds a project up: ageing work, blocked chains, overloaded assignees, the review queue, the critical path.", s.bottlenecks, tasks, all),
		op.New("orchestron_export", op.Read, "A board as lines of JSON, part by part.", s.export, tasks, all),
		op.New("orchestron_import", op.Write, "Take in a board that was exported, or the boards of another Orchestron's database: all of it or nothing.", s.load, tasks, op.Keyed()),
	}
}

// project is the board that a caller means: the one named, or that of the repository the caller works in. That of an
// agent is fixed when it is spawned, whatever becomes of its directory; it may name no other.
func (s *Service) project(actor orchestron.Actor, named string) (string, error) {
	own := cmp.Or(actor.Project, workspace.Project(actor.Dir), workspace.Common)
	if named == "" || named == own {
		return own, nil
	}
	if actor.Kind == orchestron.AgentCall {
		return "", orchestron.Errorf(orchestron.Forbidden, "%s belongs to the project %q and to no other", actor, own).
			Try("leave the project out")
	}
	if err := boardapi.Plain("project", named); err != nil {
		return "", err
	}
	if root := workspace.Project(named); root != "" {
		return root, nil
	}
	return named, nil
}

// visible checks that a caller may know of what belongs to a project.
func (s *Service) visible(actor orchestron.Actor, project string, missing *orchestron.Error) error {
	if actor.Kind != orchestron.AgentCall {
		return nil
	}
	if own, err := s.project(actor, ""); err != nil || own != project {
		return missing
	}
	return nil
}

func noTask(id string) *orchestron.Error {
	return orchestron.Errorf(orchestron.NotFound, "there is no task %q", orchestron.Quotable(id)).Try("orchestron_task_list shows the tasks")
}

// Changed returns a channel that is closed when a board changes next.
func (s *Service) Changed() <-chan struct{} { return s.changed.Wait() }

// Touched returns the URIs of the resources that changed since it was called last.
func (s *Service) Touched() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var uris []string
	for uri := range s.touched {
		uris = append(uris, uri)
	}
	clear(s.touched)
	return uris
}

// The resources that boards have.
const (
	CurrentURI = "orchestron://tasks/current"
	TaskURI    = "orchestron://tasks/{id}"
	SprintURI  = "orchestron://sprint/active"
	ContextURI = "orchestron://context/latest"
)

// Resources declares what clients can read and subscribe to.
func Resources() []op.Resource {
	return []op.Resource{
		{
			URI: CurrentURI, Name: "tasks-current", Title: "Current tasks", Description: "The tasks in progress, blocked or in review.",
			Operation: "orchestron_task_list", Arguments: map[string]any{"status": []any{"IN_PROGRESS", "BLOCKED", "IN_REVIEW"}},
		},
		{URI: TaskURI, Name: "task", Title: "Task", Description: "One task with its history.", Operation: "orchestron_task_get", Variable: "taskId"},
		{
			URI: SprintURI, Name: "sprint-active", Title: "Active sprint", Description: "The sprint that is active and how far it has come.",
			Operation: "orchestron_sprint_get",
		},
		{
			URI: ContextURI, Name: "context-latest", Title: "Latest context", Description: "What the last session saved for the next.",
			Operation: "orchestron_context_get",
		},
	}
}

// told wakes everybody who waits for what a change touched. It is called when the change is durable.
func (s *Service) told(e *edit) {
	s.mu.Lock()
	for _, uri := range e.uris {
		s.touched[uri] = true
	}
	s.mu.Unlock()
	s.changed.Raise()
	if e.noticed {
		s.notices.Raise()
	}
	if e.leased {
		s.leases.Raise()
	}
}

// write commits one change and then tells of it. A call that is repeated with its key changes nothing and gets again
// what it made, as repeat finds it.
func (s *Service) write(ctx context.Context, call op.Call, operation string, in any, do func(*edit) (string, error), repeat func(Tx, string) error) error {
	e := &edit{call: call, now: s.now().UTC(), agents: s.agents, policy: s.policy}
	hash, err := hashOf(in)
	if err != nil {
		return err
	}
	again := false
	err = s.store.Write(context.WithoutCancel(ctx), func(tx Tx) (err error) {
		e.reset(tx)
		if again, err = made(tx, call, operation, hash, repeat); again || err != nil {
			return err
		}
		subject, err := do(e)
		if err != nil || call.Key == "" {
			return err
		}
		return tx.SetKey(call.Actor.String(), call.Key, operation, hash, subject)
	})
	if err == nil && !again {
		s.told(e)
	}
	return err
}

// repeated reports whether a call was made before with its key, and gets what it made if so.
func (s *Service) repeated(ctx context.Context, call op.Call, operation string, in any, repeat func(Tx, string) error) (again bool, err error) {
	hash, err := hashOf(in)
	if err != nil || call.Key == "" {
		return false, err
	}
	err = s.store.Write(ctx, func(tx Tx) (err error) {
		again, err = made(tx, call, operation, hash, repeat)
		return err
	})
	return again, err
}

func made(tx Tx, call op.Call, operation string, hash [32]byte, repeat func(Tx, string) error) (again bool, err error) {
	if call.Key == "" {
		return false, nil
	}
	subject, again, err := tx.Keyed(call.Actor.String(), call.Key, operation, hash)
	if err == nil && again {
		err = repeat(tx, subject)
	}
	return again, err
}
