package mcpapi

import (
	"context"
	"encoding/json"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/sse"
)

// Changed tells the subscribers of resources that these are out of date. It waits for no client.
func (s *Server) Changed(ctx context.Context, uris ...string) {
	for _, uri := range uris {
		s.push.Changed(uri)
	}
	for _, server := range s.servers() {
		for _, uri := range uris {
			if err := server.ResourceUpdated(ctx, &mcp.ResourceUpdatedNotificationParams{URI: uri}); err != nil {
				s.log.WarnContext(ctx, "telling of a change", "uri", uri, "err", err)
			}
		}
	}
}

const updatedMethod = "notifications/resources/updated"

type ackedKey struct{}

// listen serves subscriptions/listen, which lasts as long as the client listens.
func (v *view) listen(ctx context.Context, req *mcp.SubscriptionsListenRequest, next func(context.Context) (mcp.Result, error)) (mcp.Result, error) {
	if req.Params == nil || req.Params.Notifications == nil || len(req.Params.Notifications.ResourceSubscriptions) == 0 {
		return next(ctx)
	}
	actor, p := actorOf(req.Extra), v.server.push
	var uris []string
	for _, uri := range req.Params.Notifications.ResourceSubscriptions {
		if err := checkURI(uri); err != nil {
			return nil, err
		}
		if v.maySubscribe(uri, actor) {
			uris = append(uris, uri)
		}
	}
	req.Params.Notifications.ResourceSubscriptions = uris // the client is told which of its wishes were accepted
	wish := req.Params.Notifications
	l := sse.LoanOf(ctx)
	if l != nil && len(uris) > 0 && !wish.ToolsListChanged && !wish.PromptsListChanged && !wish.ResourcesListChanged {
		return v.listenAlone(ctx, l, actor, uris, next)
	}
	b, err := p.Join(req.Session, actor, uris...)
	if err != nil {
		return nil, unsubscribed(err)
	}
	defer p.Leave(req.Session, uris...)
	release := p.Hold(b)
	defer release()
	return next(context.WithValue(ctx, ackedKey{}, func(any) { release() }))
}

// listenAlone serves subscriptions/listen to a client that wants to hear of resources only, over a connection that is
// taken over as soon as the client is told what was accepted.
func (v *view) listenAlone(ctx context.Context, l *sse.Loan, actor orchestron.Actor, uris []string, next func(context.Context) (mcp.Result, error)) (mcp.Result, error) {
	p := v.server.push
	b, err := p.Join(l, actor, uris...)
	if err != nil {
		return nil, unsubscribed(err)
	}
	release := p.Hold(b)
	var stream *sse.Stream // this and the meta data are there when nothing is held any more
	var meta mcp.Meta
	p.Reach(b, func(ctx context.Context, uri string) {
		if v.mayHear(ctx, uri, actor) {
			say(stream, updatedMethod, &mcp.ResourceUpdatedNotificationParams{URI: uri, Meta: meta})
		}
	})
	l.Settle = func(opened *sse.Stream) {
		gone := func() { p.Forget(l) }
		if stream = opened; stream == nil {
			gone()
			return
		}
		v.server.streams.Keep(stream, gone)
		release()
	}
	return next(context.WithValue(ctx, ackedKey{}, func(id any) {
		meta = mcp.Meta{mcp.MetaKeySubscriptionID: id}
		l.Take()
	}))
}

// unsubscribed is the protocol's error for a subscription that cannot be.
func unsubscribed(err error) error {
	code := int64(jsonrpc.CodeInternalError)
	if orchestron.KindOf(err) == orchestron.Limit {
		code = jsonrpc.CodeInvalidParams
	}
	return &jsonrpc.Error{Code: code, Message: err.Error()}
}

// say sends a notification. A client that cannot be told is gone.
func say(stream *sse.Stream, method string, params any) {
	message, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "method": method, "params": params})
	if err == nil {
		_ = stream.Send(message)
	}
}

// subscribe serves resources/subscribe, which lasts until the session ends or resources/unsubscribe.
func (v *view) subscribe(req *mcp.SubscribeRequest, next func() (mcp.Result, error)) (mcp.Result, error) {
	uri, actor, p := req.Params.URI, actorOf(req.Extra), v.server.push
	if err := checkURI(uri); err != nil {
		return nil, err
	}
	if !v.maySubscribe(uri, actor) {
		return nil, noResource(uri)
	}
	if err := p.JoinOnce(req.Session, actor, uri); err != nil {
		return nil, unsubscribed(err)
	}
	return next()
}

// send is the way of everything that the SDK tells clients unasked.
func (v *view) send(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
		session, _ := req.GetSession().(*mcp.ServerSession)
		switch params := req.GetParams().(type) {
		case *mcp.ResourceUpdatedNotificationParams:
			v.server.push.Post(session, params.URI, func(ctx context.Context, actor orchestron.Actor) {
				if !v.mayHear(ctx, params.URI, actor) {
					return
				}
				stream, later := v.server.sessions.stream(session.ID(), params.URI)
				if stream != nil {
					say(stream, method, params)
				} else if !later {
					_, _ = next(ctx, method, req) // a client that cannot be told has no stream open, or is gone
				}
			})
			return nil, nil
		case *mcp.ToolListChangedParams, *mcp.PromptListChangedParams, *mcp.ResourceListChangedParams:
			if stream, _ := v.server.sessions.stream(session.ID(), ""); stream != nil {
				say(stream, method, params)
				return nil, nil
			}
		case *mcp.SubscriptionsAcknowledgedParams:
			res, err := next(ctx, method, req)
			if acked, ok := ctx.Value(ackedKey{}).(func(id any)); ok {
				acked(params.Meta[mcp.MetaKeySubscriptionID])
			}
			return res, err
		}
		return next(ctx, method, req)
	}
}
