package mcpapi

import (
	"context"
	"encoding/json"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/op"
)

// Asker knows what people are to be asked through their clients.
type Asker interface {
	// Join has a client of the older revisions asked until it has gone.
	Join(client *mcp.ServerSession, actor orchestron.Actor)
	// Call returns what is to be asked during a call if there may be something. key is the call's idempotency key; state
	// is what Asking.State said when the client made the call before.
	Call(actor orchestron.Actor, operation string, args json.RawMessage, key, state string) (Asking, bool)
}

// Asking is what is to be asked during a call. It is safe for concurrent use.
type Asking interface {
	// Key is the idempotency key under which the call is made, however often.
	Key() string
	// State is what the client gives back with its answers.
	State() string
	// Next waits until what is to be asked has changed, and returns all of it. It is nil when ctx ends.
	Next(ctx context.Context) mcp.InputRequestMap
	// Take takes in answers.
	Take(ctx context.Context, answers mcp.InputResponseMap)
}

// join has a client of the older revisions asked, if it shows forms.
func (s *Server) join(req mcp.Request) {
	session, ok := req.GetSession().(*mcp.ServerSession)
	if !ok || s.cfg.Asker == nil || !asked(session) {
		return
	}
	s.cfg.Asker.Join(session, actorOf(req.GetExtra()))
}

func showsForms(c *mcp.ClientCapabilities) bool {
	return c != nil && c.Elicitation != nil && (c.Elicitation.Form != nil || c.Elicitation.URL == nil)
}

// takesForms reports whether a call may be answered with questions: not before the revision 2026-07-28, whose clients are
// not asked in any other way.
func takesForms(req *mcp.CallToolRequest) bool {
	return req.ProtocolVersion() >= tasksSince && showsForms(req.ClientCapabilities())
}

func (s *Server) asking(o op.Op, req *mcp.CallToolRequest, actor orchestron.Actor, key string, forms bool) (Asking, bool) {
	if s.cfg.Asker == nil || !o.Long || !forms {
		return nil, false
	}
	return s.cfg.Asker.Call(actor, o.Name, req.Params.Arguments, key, req.Params.RequestState)
}

// interrupted does a call until there is something to be asked first. Then the client makes it again, with the answers;
// what the call has done by then it does not do again, for it has its key.
func interrupted(ctx context.Context, asking Asking, do func(context.Context) *mcp.CallToolResult) *mcp.CallToolResult {
	call, cut := context.WithCancel(ctx)
	defer cut()
	done := make(chan *mcp.CallToolResult, 1)
	go func() { done <- do(call) }()
	watch, stop := context.WithCancel(ctx)
	asks := make(chan mcp.InputRequestMap, 1)
	go func() {
		defer close(asks)
		if due := asking.Next(watch); len(due) > 0 {
			asks <- due
		}
	}()
	defer func() { stop(); <-asks }()
	begun := time.After(taskGrace) // what the call changes, it has changed by then
	select {
	case res := <-done:
		return res
	case due, any := <-asks:
		select {
		case res := <-done:
			return res
		case <-begun:
		}
		if any {
			cut()
		}
		if res := <-done; !any || !res.IsError {
			return res
		}
		return &mcp.CallToolResult{InputRequests: due, RequestState: asking.State()}
	}
}

// poseWhile asks the client of a task what is to be asked, until the function that it returns is called.
func (s *Server) poseWhile(ctx context.Context, r *run, o op.Op, args json.RawMessage, call op.Call) (stop func()) {
	if !r.rec.Forms || s.cfg.Asker == nil {
		return func() {}
	}
	asking, asks := s.cfg.Asker.Call(call.Actor, o.Name, args, call.Key, "")
	if !asks {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	told := func(raw map[string]json.RawMessage) {
		answers := mcp.InputResponseMap{}
		for id, one := range raw {
			if res := new(mcp.ElicitResult); json.Unmarshal(one, res) == nil {
				answers[id] = res
			}
		}
		asking.Take(ctx, answers)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer r.pose(nil, nil)
		for due := asking.Next(ctx); due != nil; due = asking.Next(ctx) {
			r.pose(due, told)
		}
	}()
	return func() { cancel(); <-done }
}

// pose shows the client what it is asked now, in place of what it was asked before. Nothing may change asks any more. told gets
// what the client says.
func (r *run) pose(asks mcp.InputRequestMap, told func(map[string]json.RawMessage)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked, r.told = asks, told
	if r.rec.Status.ended() {
		return
	}
	r.rec.Status, r.rec.Updated = working, time.Now().UTC()
	if len(asks) > 0 {
		r.rec.Status = inputRequired
	}
}
