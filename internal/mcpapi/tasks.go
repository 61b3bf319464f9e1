package mcpapi

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/orchestron/orchestron"
)

const (
	taskTTL   = 24 * time.Hour         // how long a task's result can be fetched, from its creation
	taskPoll  = time.Second            // how often clients should ask
	taskGrace = 200 * time.Millisecond // what ends this soon is answered at once, without a task
	maxTasks  = 200                    // tasks of one actor at a time
)

// status is how far a task has come, in the words of the tasks extension.
type status string

const (
	working       status = "working"
	inputRequired status = "input_required"
	completed     status = "completed"
	failed        status = "failed"
	cancelled     status = "cancelled"
)

func (s status) ended() bool { return s == completed || s == failed || s == cancelled }

// record is what is kept of a task.
type record struct {
	ID        string           `json:"id"` // 130 random bits; no credential, so Actor is checked on every use
	Actor     orchestron.Actor `json:"actor"`
	Operation string           `json:"operation"`
	Arguments json.RawMessage  `json:"arguments,omitempty"`
	Key       string           `json:"key"`             // idempotency key of the operation
	Forms     bool             `json:"forms,omitempty"` // the client shows forms
	Status    status           `json:"status"`
	Message   string           `json:"message,omitempty"`
	Result    json.RawMessage  `json:"result,omitempty"` // of completed
	Error     json.RawMessage  `json:"error,omitempty"`  // of failed
	Created   time.Time        `json:"created"`
	Updated   time.Time        `json:"updated"`
}

func (r record) expires() time.Time { return r.Created.Add(taskTTL) }

// job is the work of a task. What it returns as an error makes the task fail; a tool's own failure is a result.
type job func(ctx context.Context, r *run) (*mcp.CallToolResult, error)

// tasks runs jobs that outlast the request that began them, and keeps their records.
type tasks struct {
	store TaskStore
	log   *slog.Logger
	ctx   context.Context //nolint:containedctx // the life of every run, which no request's context bounds
	stop  context.CancelFunc
	wait  sync.WaitGroup

	mu   sync.Mutex
	runs map[string]*run
}

// run is a task under way.
type run struct {
	tasks  *tasks
	cancel context.CancelFunc
	done   chan struct{} // closed when the job has ended

	mu     sync.Mutex
	rec    record
	stored bool
	result *mcp.CallToolResult // of a job that ended
	err    error
	asked  mcp.InputRequestMap              // what the client is asked
	told   func(map[string]json.RawMessage) // gets what the client says to it
}

func newTasks(store TaskStore, log *slog.Logger) *tasks {
	ctx, stop := context.WithCancel(context.Background())
	return &tasks{store: store, log: log, ctx: ctx, stop: stop, runs: map[string]*run{}}
}

func (t *tasks) close() {
	t.mu.Lock()
	t.stop()
	t.mu.Unlock()
	t.wait.Wait()
}

// begin starts a job. It returns the job's result when that comes at once, and otherwise a task that is durable. Its
// errors are for the caller to see.
func (t *tasks) begin(ctx context.Context, rec record, do job) (mcp.Result, error) {
	now := time.Now().UTC()
	rec.ID, rec.Status, rec.Created, rec.Updated = rand.Text(), working, now, now
	if rec.Key == "" {
		rec.Key = rec.ID
	}
	r, err := t.start(rec, do, maxTasks) //nolint:contextcheck // a task outlives its request
	if err != nil {
		return nil, err
	}
	grace := time.NewTimer(taskGrace)
	defer grace.Stop()
	select {
	case <-r.done:
		return r.outcome()
	case <-ctx.Done():
		r.cancel()
		<-r.done
		return nil, ctx.Err()
	case <-grace.C:
	}
	if err := t.store.DropTasks(ctx, now); err != nil {
		t.log.WarnContext(ctx, "dropping expired tasks", "err", err)
	}
	if err := r.store(ctx); err != nil {
		r.cancel()
		t.log.ErrorContext(ctx, "a task is not stored", "op", rec.Operation, "err", err)
		return nil, orchestron.Errorf(orchestron.Internal, "the task could not be stored").Try("orchestron doctor says more")
	}
	return r.view("task"), nil
}

// same reports whether two calls are of one caller, wherever that works.
func same(a, b orchestron.Actor) bool { return a.Kind == b.Kind && a.Agent == b.Agent }

// start runs a job in a goroutine that close waits for, unless its actor has as many under way as it may.
func (t *tasks) start(rec record, do job, most int) (*run, error) {
	ctx, cancel := context.WithCancel(t.ctx)
	r := &run{tasks: t, cancel: cancel, done: make(chan struct{}), rec: rec}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ctx.Err() != nil {
		cancel()
		return nil, orchestron.Errorf(orchestron.Unavailable, "Orchestron is shutting down").Try("try again in a moment")
	}
	mine := 0
	for _, other := range t.runs {
		if same(other.rec.Actor, rec.Actor) {
			mine++
		}
	}
	if mine >= most {
		cancel()
		return nil, orchestron.Errorf(orchestron.Limit, "%s has %d tasks under way, and no caller may have more", rec.Actor, mine).
			Try("wait until some have ended, or cancel some with tasks/cancel")
	}
	t.runs[rec.ID] = r
	t.wait.Go(func() {
		defer cancel()
		result, err := do(ctx, r)
		r.finish(result, err)
	})
	return r, nil
}

// finish notes how the job ended. What ends because the daemon stops has not ended: it is resumed.
func (r *run) finish(result *mcp.CallToolResult, err error) {
	defer close(r.done)
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.tasks.forget(r.rec.ID)
	r.result, r.err = result, err
	if r.tasks.ctx.Err() != nil || r.rec.Status.ended() {
		return
	}
	r.end(result, err)
	if !r.stored {
		return
	}
	if err := r.put(r.tasks.ctx); err != nil {
		r.tasks.log.Error("a task's end is not stored; it will run again", "task", r.rec.ID, "err", err)
	}
}

// end writes the outcome into the record.
func (r *run) end(result *mcp.CallToolResult, err error) {
	r.rec.Status, r.rec.Message, r.rec.Updated = completed, "", time.Now().UTC()
	if err == nil {
		r.rec.Result, err = json.Marshal(result)
	}
	if err != nil {
		r.rec.Status = failed
		r.rec.Error, _ = json.Marshal(&jsonrpc.Error{Code: jsonrpc.CodeInternalError, Message: err.Error()})
	}
}

func (t *tasks) forget(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.runs, id)
}

// outcome is the result of a run that is done.
func (r *run) outcome() (mcp.Result, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return nil, &jsonrpc.Error{Code: jsonrpc.CodeInternalError, Message: r.err.Error()}
	}
	return r.result, nil
}

// store makes the run durable.
func (r *run) store(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stored = true
	return r.put(ctx)
}

func (r *run) put(ctx context.Context) error {
	data, err := json.Marshal(r.rec)
	if err != nil {
		return err
	}
	return r.tasks.store.PutTask(context.WithoutCancel(ctx), r.rec.ID, data, !r.rec.Status.ended(), r.rec.expires())
}

// tell notes what the job is doing, for whoever asks.
func (r *run) tell(message string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.rec.Status.ended() {
		r.rec.Message, r.rec.Updated = message, time.Now().UTC()
	}
}

// stopTask cancels the job and makes the task cancelled at once.
func (r *run) stopTask(ctx context.Context) error {
	defer r.cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rec.Status.ended() {
		return nil
	}
	r.rec.Status, r.rec.Message, r.rec.Updated = cancelled, "", time.Now().UTC()
	return r.put(ctx)
}

// hear takes the client's answers to what it is asked. When nothing is, nobody hears them.
func (r *run) hear(answers map[string]json.RawMessage) {
	r.mu.Lock()
	told := r.told
	r.mu.Unlock()
	if told != nil {
		told(answers)
	}
}

// resume starts the unfinished tasks of an earlier daemon again.
func (t *tasks) resume(ctx context.Context, jobOf func(record) (job, bool)) error {
	if err := t.store.DropTasks(ctx, time.Now()); err != nil {
		return fmt.Errorf("dropping expired tasks: %w", err)
	}
	live, err := t.store.LiveTasks(ctx)
	if err != nil {
		return fmt.Errorf("reading unfinished tasks: %w", err)
	}
	for _, data := range live {
		var rec record
		if err := json.Unmarshal(data, &rec); err != nil {
			return fmt.Errorf("reading an unfinished task: %w", err)
		}
		rec.Status = working
		do, ok := jobOf(rec)
		if !ok {
			do = func(context.Context, *run) (*mcp.CallToolResult, error) {
				return nil, fmt.Errorf("there is no operation %q any more", rec.Operation)
			}
		}
		if err := t.again(rec, do); err != nil { //nolint:contextcheck // a task outlives whoever resumes it
			return err
		}
	}
	return nil
}

// again starts a job whose record is stored.
func (t *tasks) again(rec record, do job) error {
	ready := make(chan struct{})
	r, err := t.start(rec, func(ctx context.Context, r *run) (*mcp.CallToolResult, error) {
		<-ready
		return do(ctx, r)
	}, math.MaxInt) // what was accepted is not refused now
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.stored = true
	r.mu.Unlock()
	close(ready)
	return nil
}

// find returns an actor's task: the run, when it is under way, and what is known of it.
func (t *tasks) find(ctx context.Context, id string, actor orchestron.Actor) (*run, record, error) {
	unknown := &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "there is no such task"}
	t.mu.Lock()
	r := t.runs[id]
	t.mu.Unlock()
	if r != nil {
		if !same(r.rec.Actor, actor) { // Actor never changes
			return nil, record{}, unknown
		}
		return r, record{}, nil
	}
	data, err := t.store.GetTask(ctx, id)
	switch {
	case orchestron.KindOf(err) == orchestron.NotFound:
		return nil, record{}, unknown
	case err != nil:
		return nil, record{}, fmt.Errorf("reading task: %w", err)
	}
	var rec record
	if err := json.Unmarshal(data, &rec); err != nil {
		return nil, record{}, fmt.Errorf("reading task: %w", err)
	}
	if !same(rec.Actor, actor) || rec.expires().Before(time.Now()) {
		return nil, record{}, unknown
	}
	return nil, rec, nil
}
