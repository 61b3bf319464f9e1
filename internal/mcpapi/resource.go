package mcpapi

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/op"
)

const (
	maxURI   = 512
	jsonType = "application/json"
)

// addResources serves the resources whose operation the view has.
func (v *view) addResources() {
	for _, r := range v.server.cfg.Resources {
		if o, _ := v.server.cfg.Catalogue.Get(r.Operation); !v.choice.shows(o) {
			continue
		}
		v.resources = append(v.resources, r)
		if r.Template() {
			v.mcp.AddResourceTemplate(&mcp.ResourceTemplate{
				URITemplate: r.URI, Name: r.Name, Title: r.Title, Description: r.Description, MIMEType: jsonType,
			}, v.readResource)
			continue
		}
		v.mcp.AddResource(&mcp.Resource{
			URI: r.URI, Name: r.Name, Title: r.Title, Description: r.Description, MIMEType: jsonType,
		}, v.readResource)
	}
}

// serveResource is the way of what clients ask about resources. The SDK finds out which one is meant, and keeps the
// subscriptions.
func (v *view) serveResource(ctx context.Context, method string, req mcp.Request, next mcp.MethodHandler) (mcp.Result, error) {
	switch req := req.(type) {
	case *mcp.ReadResourceRequest:
		if checkURI(req.Params.URI) != nil { // the SDK's own error for it can be broken JSON, which ends the connection
			return nil, noResource(req.Params.URI)
		}
	case *mcp.SubscribeRequest:
		return v.subscribe(req, func() (mcp.Result, error) { return next(ctx, method, req) })
	case *mcp.UnsubscribeRequest:
		v.server.push.Leave(req.Session, req.Params.URI)
	case *mcp.SubscriptionsListenRequest:
		return v.listen(ctx, req, func(ctx context.Context) (mcp.Result, error) { return next(ctx, method, req) })
	}
	res, err := next(ctx, method, req)
	if err != nil {
		return nil, err
	}
	return v.listed(res, actorOf(req.GetExtra())), nil
}

// mayRead reports whether a caller may read a resource at all. Which of its subjects is the operation's rule.
func (v *view) mayRead(r op.Resource, actor orchestron.Actor) bool {
	o, ok := v.server.cfg.Catalogue.Get(r.Operation)
	return ok && o.Allows(actor)
}

// find returns the resource that a URI is of, if the caller may read it, and what stands for {id}. A fixed URI goes
// before a template.
func (v *view) find(uri string, actor orchestron.Actor) (r op.Resource, id string, ok bool) {
	for _, candidate := range v.resources {
		found, matches := candidate.Match(uri)
		if !matches || !v.mayRead(candidate, actor) {
			continue
		}
		if r, id, ok = candidate, found, true; !r.Template() {
			break
		}
	}
	return r, id, ok
}

// answer is what the resource's operation answers now.
func (v *view) answer(ctx context.Context, r op.Resource, id string, actor orchestron.Actor) (json.RawMessage, error) {
	args, err := r.Input(id)
	if err != nil {
		return nil, err
	}
	return v.server.cfg.Catalogue.Call(ctx, r.Operation, args, op.Call{Actor: actor})
}

func (v *view) readResource(ctx context.Context, req *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
	uri, actor := req.Params.URI, actorOf(req.Extra)
	r, id, ok := v.find(uri, actor)
	if !ok {
		return nil, noResource(uri)
	}
	answer, err := v.answer(ctx, r, id, actor)
	if err == nil {
		return &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{{URI: uri, MIMEType: jsonType, Text: string(answer)}}}, nil
	}
	switch orchestron.KindOf(err) {
	case orchestron.NotFound:
		return nil, noResource(uri)
	case orchestron.Invalid:
		return nil, &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: err.Error()}
	default:
		return nil, &jsonrpc.Error{Code: jsonrpc.CodeInternalError, Message: err.Error()}
	}
}

// noResource is the protocol's error for a resource that is not there, or not for the caller.
func noResource(uri string) error {
	data, _ := json.Marshal(map[string]string{"uri": uri}) // strings always have a form
	return &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "there is no such resource", Data: data}
}

// listed leaves out of a list what the caller may not read.
func (v *view) listed(res mcp.Result, actor orchestron.Actor) mcp.Result {
	hidden := func(uri string) bool {
		return slices.ContainsFunc(v.resources, func(r op.Resource) bool { return r.URI == uri && !v.mayRead(r, actor) })
	}
	switch list := res.(type) {
	case *mcp.ListResourcesResult:
		list.Resources = slices.DeleteFunc(list.Resources, func(r *mcp.Resource) bool { return hidden(r.URI) })
	case *mcp.ListResourceTemplatesResult:
		list.ResourceTemplates = slices.DeleteFunc(list.ResourceTemplates, func(r *mcp.ResourceTemplate) bool { return hidden(r.URITemplate) })
	}
	return res
}

// checkURI refuses what cannot be the URI of a resource.
func checkURI(uri string) error {
	u, err := url.Parse(uri)
	odd := strings.ContainsFunc(uri, func(c rune) bool { return c <= ' ' || c > '~' })
	if err != nil || u.Scheme == "" || odd || len(uri) > maxURI {
		return &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "this is no URI of a resource"}
	}
	return nil
}

// maySubscribe reports whether a caller is told of changes of a resource. An agent is told of what it may read; an
// operator may name what does not exist, or not yet.
func (v *view) maySubscribe(uri string, actor orchestron.Actor) bool {
	_, _, ok := v.find(uri, actor)
	return ok || actor.Kind == orchestron.Operator
}

// mayHear reports whether a subscriber may be told of a change that just happened. An agent may have subscribed to
// what it cannot see, for that may come to be.
func (v *view) mayHear(ctx context.Context, uri string, actor orchestron.Actor) bool {
	if actor.Kind == orchestron.Operator {
		return true
	}
	r, id, ok := v.find(uri, actor)
	if !ok || !r.Template() {
		return ok
	}
	_, err := v.answer(ctx, r, id, actor)
	return err == nil
}
