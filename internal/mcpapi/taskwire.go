package mcpapi

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/op"
)

// The tasks extension (SEP-2663): the server decides that a call becomes a task, and the client asks for it.
const (
	tasksExtension = "io.modelcontextprotocol/tasks"
	tasksSince     = "2026-07-28" // the protocol revision from which clients can declare it
)

// taskParams are the parameters of tasks/get, tasks/update and tasks/cancel.
type taskParams struct {
	mcp.ParamsBase
	TaskID         string                     `json:"taskId"`
	InputResponses map[string]json.RawMessage `json:"inputResponses"`
}

type taskRequest = mcp.ServerRequest[*taskParams]

// taskResult is a task on the wire, with what its status adds.
type taskResult struct {
	mcp.ResultBase
	ResultType     string              `json:"resultType"` // task when just created, otherwise complete
	TaskID         string              `json:"taskId"`
	Status         status              `json:"status"`
	StatusMessage  string              `json:"statusMessage,omitempty"`
	CreatedAt      time.Time           `json:"createdAt"`
	LastUpdatedAt  time.Time           `json:"lastUpdatedAt"`
	TTLMs          int64               `json:"ttlMs"`
	PollIntervalMs int64               `json:"pollIntervalMs"`
	InputRequests  mcp.InputRequestMap `json:"inputRequests,omitempty"`
	Result         json.RawMessage     `json:"result,omitempty"`
	Error          json.RawMessage     `json:"error,omitempty"`
}

// taskAck answers tasks/update and tasks/cancel.
type taskAck struct {
	mcp.ResultBase
	ResultType string `json:"resultType"`
}

func (v *view) addTaskMethods() {
	for _, method := range []string{"tasks/get", "tasks/update", "tasks/cancel"} {
		err := mcp.AddReceivingCustomMethod(v.mcp, method,
			func(context.Context, *mcp.ServerSession, *taskParams) (*taskAck, error) {
				return nil, &jsonrpc.Error{Code: jsonrpc.CodeInternalError, Message: "not reached: receive serves tasks"}
			})
		if err != nil {
			panic(err) // the SDK has a method of that name now
		}
	}
}

// knowsTasks reports whether the client declared the extension on this request.
func knowsTasks[P mcp.Params](req *mcp.ServerRequest[P]) bool {
	c := req.ClientCapabilities()
	if c == nil || req.ProtocolVersion() < tasksSince {
		return false
	}
	_, declared := c.Extensions[tasksExtension]
	return declared
}

// begin runs a long operation as a task.
func (v *view) begin(ctx context.Context, o op.Op, req *mcp.CallToolRequest) (mcp.Result, error) {
	key, err := keyOf(req)
	if err != nil {
		return &completeResult{failure(err)}, nil
	}
	call := op.Call{Actor: actorOf(req.Extra), Key: key}
	rec := record{Actor: call.Actor, Operation: o.Name, Arguments: req.Params.Arguments, Key: key, Forms: takesForms(req)}
	res, err := v.server.tasks.begin(ctx, rec, v.server.job(o, rec.Arguments, call))
	var visible *orchestron.Error
	if errors.As(err, &visible) {
		return &completeResult{failure(visible)}, nil
	}
	if plain, ok := res.(*mcp.CallToolResult); ok {
		return &completeResult{plain}, err
	}
	return res, err
}

// job is an operation's work as a task.
func (s *Server) job(o op.Op, args json.RawMessage, call op.Call) job {
	return func(ctx context.Context, r *run) (*mcp.CallToolResult, error) {
		call.Key = r.rec.Key
		call.Report = func(p orchestron.Progress) { r.tell(p.Message) }
		defer s.poseWhile(ctx, r, o, args, call)()
		answer, err := s.cfg.Catalogue.Call(ctx, o.Name, args, call)
		return result(s.noted(call.Actor, answer), err), nil
	}
}

// completeResult is a tool's result that did not pass through the SDK, which marks the others.
type completeResult struct{ *mcp.CallToolResult }

// MarshalJSON implements json.Marshaler.
func (c *completeResult) MarshalJSON() ([]byte, error) {
	data, err := json.Marshal(c.CallToolResult)
	if err != nil {
		return nil, err
	}
	return append([]byte(`{"resultType":"complete",`), data[1:]...), nil
}

// serveTask answers the methods of the extension. Tasks of other actors do not exist for the caller.
func (v *view) serveTask(ctx context.Context, method string, req *taskRequest) (mcp.Result, error) {
	if !knowsTasks(req) {
		return nil, missingTasks()
	}
	if req.Params == nil || req.Params.TaskID == "" {
		return nil, &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "taskId is missing"}
	}
	r, rec, err := v.server.tasks.find(ctx, req.Params.TaskID, actorOf(req.Extra))
	if err != nil {
		return nil, err
	}
	if method == "tasks/get" {
		if r != nil {
			return r.view("complete"), nil
		}
		return rec.view("complete"), nil
	}
	if r != nil && method == "tasks/update" {
		r.hear(req.Params.InputResponses)
	}
	if r != nil && method == "tasks/cancel" {
		err = r.stopTask(ctx)
	}
	return &taskAck{ResultType: "complete"}, err
}

// missingTasks refuses a client that did not declare the extension.
func missingTasks() error {
	data, _ := json.Marshal(map[string]any{
		"requiredCapabilities": map[string]any{"extensions": map[string]any{tasksExtension: struct{}{}}},
	})
	return &jsonrpc.Error{
		Code:    mcp.CodeMissingRequiredClientCapabilities,
		Message: "the client did not declare the extension " + tasksExtension,
		Data:    data,
	}
}

// view is the task as its client sees it now. A new task shows nothing of its outcome.
func (r *run) view(resultType string) *taskResult {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.rec.view(resultType)
	if resultType == "complete" {
		out.InputRequests = r.asked
	}
	return out
}

func (rec record) view(resultType string) *taskResult {
	out := &taskResult{
		ResultType:     resultType,
		TaskID:         rec.ID,
		Status:         rec.Status,
		StatusMessage:  rec.Message,
		CreatedAt:      rec.Created,
		LastUpdatedAt:  rec.Updated,
		TTLMs:          taskTTL.Milliseconds(),
		PollIntervalMs: taskPoll.Milliseconds(),
	}
	if resultType == "complete" {
		out.Result, out.Error = rec.Result, rec.Error
	}
	return out
}
