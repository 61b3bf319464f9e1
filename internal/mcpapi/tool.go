package mcpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/internal/progress"
)

const (
	keyMeta   = "orchestron/idempotencyKey" // in a call's _meta
	keyHeader = "Idempotency-Key"
	maxKey    = 200 // bytes of an idempotency key
)

// failureSchema is what a failed call's structured content looks like.
const failureSchema = `{"type":"object","properties":{"kind":{"type":"string"},"message":{"type":"string"},` +
	`"remedy":{"type":"string"}},"required":["kind","message"],"additionalProperties":false}`

// tool is an operation as clients see it.
func tool(o op.Op) *mcp.Tool {
	no := false
	destructive := o.Destructive
	t := &mcp.Tool{
		Name:        o.Name,
		Title:       title(o.Name),
		Description: o.Summary,
		InputSchema: o.Input,
		Annotations: &mcp.ToolAnnotations{
			Title:         title(o.Name),
			ReadOnlyHint:  o.Access == op.Read,
			OpenWorldHint: &no,
		},
	}
	if o.Access == op.Write {
		t.Annotations.DestructiveHint = &destructive
		t.Annotations.IdempotentHint = o.Keyed
	}
	if len(o.Output) > 0 {
		// Some clients hold failures against the schema too.
		t.OutputSchema = json.RawMessage(`{"type":"object","anyOf":[` + string(withNotice(o.Output)) + `,` + failureSchema + `]}`)
	}
	if long(o) {
		t.Meta = mcp.Meta{"anthropic/maxResultSizeChars": 500_000}
	}
	return t
}

// long reports whether an operation's result may exceed what clients take by default.
func long(o op.Op) bool { return o.Name == "read" || o.Name == "get_instance_output" }

// title makes "Send message" of send_message.
func title(name string) string {
	words := strings.ReplaceAll(name, "_", " ")
	return strings.ToUpper(words[:1]) + words[1:]
}

// handler calls an operation for a client that waits for the result.
func (v *view) handler(o op.Op) mcp.ToolHandler {
	return func(ctx context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		key, err := keyOf(req)
		if err != nil {
			return failure(err), nil
		}
		asking, asks := v.server.asking(o, req, actorOf(req.Extra), key, takesForms(req))
		if asks {
			if key, err = bounded(asking.Key()); err != nil { // the client may have given it back
				return failure(err), nil
			}
		}
		if o.Long {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, v.server.cfg.Patience)
			defer cancel()
			defer context.AfterFunc(v.server.tasks.ctx, cancel)() //nolint:contextcheck // Close ends the call too
		}
		if asks {
			asking.Take(ctx, req.Params.InputResponses) // may take a while
		}
		progress := progress.New(notifier(ctx, req), o.Long)
		defer progress.Stop()
		call := op.Call{Actor: actorOf(req.Extra), Key: key, Report: progress.Report}
		do := func(ctx context.Context) *mcp.CallToolResult {
			answer, err := v.server.cfg.Catalogue.Call(ctx, o.Name, req.Params.Arguments, call)
			return result(v.server.noted(call.Actor, answer), err)
		}
		if asks {
			return interrupted(ctx, asking, do), nil
		}
		return do(ctx), nil
	}
}

// notifier tells a client how far its call has come; it is nil when the client did not ask.
func notifier(ctx context.Context, req *mcp.CallToolRequest) func(orchestron.Progress) {
	token := req.Params.GetProgressToken()
	if token == nil {
		return nil
	}
	return func(at orchestron.Progress) {
		// A client that cannot be told is told nothing; its call ends with its connection.
		_ = req.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{
			ProgressToken: token, Progress: at.Done, Total: at.Total, Message: at.Message,
		})
	}
}

// result is an operation's outcome as a tool's.
func result(answer json.RawMessage, err error) *mcp.CallToolResult {
	if err != nil {
		return failure(err)
	}
	return &mcp.CallToolResult{
		Content:           []mcp.Content{&mcp.TextContent{Text: string(answer)}},
		StructuredContent: answer,
	}
}

// answered is the result of a call that succeeded. It encodes a long answer itself: the SDK goes over it many times.
type answered struct {
	*mcp.CallToolResult                 // everything but what is below
	answer              json.RawMessage // the structured content, and as text the content
	park                func([]byte) []byte
}

// swift makes a result quicker to encode, if it is one of ours that succeeded.
func swift(res mcp.Result, extra *mcp.RequestExtra) mcp.Result {
	done, ok := res.(*mcp.CallToolResult)
	if !ok || done.IsError || len(done.Content) != 1 {
		return res
	}
	text, ok := done.Content[0].(*mcp.TextContent)
	answer, raw := done.StructuredContent.(json.RawMessage)
	if !ok || !raw || text.Text != string(answer) {
		return res
	}
	rest := *done
	rest.Content, rest.StructuredContent = nil, nil
	park := func(result []byte) []byte { return result }
	if extra != nil && extra.TokenInfo != nil {
		if c, ok := extra.TokenInfo.Extra["conn"].(*conn); ok {
			park = c.park
		}
	}
	return &answered{CallToolResult: &rest, answer: answer, park: park}
}

// MarshalJSON returns what the SDK would make of the whole result, or what stands for it on our own connections.
func (r *answered) MarshalJSON() ([]byte, error) {
	members, err := json.Marshal(r.CallToolResult)
	if err != nil {
		return nil, err
	}
	var rest map[string]json.RawMessage
	if err := json.Unmarshal(members, &rest); err != nil {
		return nil, err
	}
	delete(rest, "content")
	out := make([]byte, 0, 5*len(r.answer)/2+len(members)+64)
	out = append(quote(append(out, `{"content":[{"type":"text","text":`...), r.answer), `}],"structuredContent":`...)
	out = append(out, r.answer...)
	for _, name := range slices.Sorted(maps.Keys(rest)) {
		out = append(fmt.Appendf(out, ",%q:", name), rest[name]...)
	}
	return r.park(append(out, '}')), nil
}

// quote appends JSON as json.Marshal wrote it, as a JSON string: there are no control characters in it.
func quote(out []byte, text json.RawMessage) []byte {
	out = append(out, '"')
	done := 0
	for i, c := range text {
		if c == '"' || c == '\\' {
			out = append(append(out, text[done:i]...), '\\')
			done = i
		}
	}
	return append(append(out, text[done:]...), '"')
}

// failure is an error as the model reads it: what happened, and what to do about it.
func failure(err error) *mcp.CallToolResult {
	var e *orchestron.Error
	if !errors.As(err, &e) {
		e = orchestron.Errorf(orchestron.KindOf(err), "%v", err)
	}
	return &mcp.CallToolResult{
		IsError:           true,
		Content:           []mcp.Content{&mcp.TextContent{Text: e.Error()}},
		StructuredContent: e,
	}
}

// tokenOf carries an actor through the SDK.
func tokenOf(actor orchestron.Actor) *auth.TokenInfo {
	return &auth.TokenInfo{UserID: actor.String(), Extra: map[string]any{"actor": actor}}
}

// actorOf returns who made a request. The zero Actor may do nothing.
func actorOf(extra *mcp.RequestExtra) orchestron.Actor {
	if extra == nil || extra.TokenInfo == nil {
		return orchestron.Actor{}
	}
	actor, _ := extra.TokenInfo.Extra["actor"].(orchestron.Actor)
	return actor
}

// keyOf returns a call's idempotency key: the one in _meta, or else the one the transport knows.
func keyOf(req *mcp.CallToolRequest) (string, error) {
	var header http.Header
	if req.Extra != nil {
		header = req.Extra.Header
	}
	key := header.Get(keyHeader)
	if given, ok := req.Params.Meta[keyMeta]; ok {
		if key, ok = given.(string); !ok {
			return "", orchestron.Errorf(orchestron.Invalid, "the idempotency key in _meta is not a string")
		}
	}
	return bounded(key)
}

func bounded(key string) (string, error) {
	if len(key) > maxKey {
		return "", orchestron.Errorf(orchestron.Invalid, "the idempotency key has %d bytes, more than the %d allowed", len(key), maxKey)
	}
	return key, nil
}
