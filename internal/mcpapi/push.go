package mcpapi

import (
	"context"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/orchestron/orchestron"
)

const maxSubscriptions = 1000 // of one session

// push tells subscribers that resources changed, each at the pace at which it reads. The SDK knows which session has
// subscribed to what; its notices come through here on their way out.
type push struct {
	ctx  context.Context //nolint:containedctx // the life of the goroutines that send, which no request's context bounds
	stop context.CancelFunc
	wait sync.WaitGroup

	mu    sync.Mutex
	boxes map[*mcp.ServerSession]*box // of sessions that have subscribed to something
}

// box is what a session is still to be told. It cannot grow by changes: a resource that changes again before the
// client was told is in it once.
type box struct {
	actor   orchestron.Actor
	uris    map[string]int    // subscribed to, and how often
	due     map[string]func() // by URI: tells the client
	held    int               // subscriptions that the client does not know to be accepted
	sending bool
	watched bool // it goes with its session
}

func newPush() *push {
	ctx, stop := context.WithCancel(context.Background())
	return &push{ctx: ctx, stop: stop, boxes: map[*mcp.ServerSession]*box{}}
}

// close tells nothing more and waits for what is being told. Sessions must be closed before.
func (p *push) close() {
	p.mu.Lock()
	p.stop()
	p.mu.Unlock()
	p.wait.Wait()
}

// join notes what a session subscribes to.
func (p *push) join(session *mcp.ServerSession, actor orchestron.Actor, uris ...string) (*box, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() != nil {
		return nil, &jsonrpc.Error{Code: jsonrpc.CodeInternalError, Message: "Orchestron is shutting down"}
	}
	b := p.boxes[session]
	if b == nil {
		b = &box{actor: actor, uris: map[string]int{}, due: map[string]func(){}}
	}
	if len(b.uris)+len(uris) > maxSubscriptions {
		return nil, &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "these are too many subscriptions for one client"}
	}
	p.boxes[session] = b
	for _, uri := range uris {
		b.uris[uri]++
	}
	return b, nil
}

// leave takes back what join noted.
func (p *push) leave(session *mcp.ServerSession, uris ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.boxes[session]
	if b == nil {
		return
	}
	for _, uri := range uris {
		if b.uris[uri]--; b.uris[uri] <= 0 {
			delete(b.uris, uri)
			delete(b.due, uri)
		}
	}
	if len(b.uris) == 0 && !b.watched {
		delete(p.boxes, session)
	}
}

// watch forgets a session's box when the session ends.
func (p *push) watch(session *mcp.ServerSession, b *box) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if b.watched || p.ctx.Err() != nil {
		return
	}
	b.watched = true
	p.wait.Go(func() {
		_ = session.Wait()
		p.mu.Lock()
		defer p.mu.Unlock()
		clear(b.due)
		delete(p.boxes, session)
	})
}

// hold keeps notices back until the client knows that its subscription is accepted.
func (p *push) hold(b *box) (release func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	b.held++
	return sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		b.held--
		p.wake(b)
	})
}

// post leaves a notice for a session. It does not wait for the client.
func (p *push) post(session *mcp.ServerSession, uri string, tell func(context.Context, orchestron.Actor)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.boxes[session]
	if b == nil || b.uris[uri] == 0 {
		return
	}
	b.due[uri] = func() { tell(p.ctx, b.actor) }
	p.wake(b)
}

// wake starts to tell what is due; p.mu is held.
func (p *push) wake(b *box) {
	if b.sending || b.held > 0 || len(b.due) == 0 || p.ctx.Err() != nil {
		return
	}
	b.sending = true
	p.wait.Go(func() {
		for tell := p.next(b); tell != nil; tell = p.next(b) {
			tell()
		}
	})
}

// next takes out something that is due, and nil when there is nothing to tell now.
func (p *push) next(b *box) func() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if b.held == 0 && p.ctx.Err() == nil {
		for uri, tell := range b.due {
			delete(b.due, uri)
			return tell
		}
	}
	b.sending = false
	return nil
}

// Changed tells the subscribers of resources that these are out of date. It waits for no client.
func (s *Server) Changed(ctx context.Context, uris ...string) {
	for _, server := range s.servers() {
		for _, uri := range uris {
			if err := server.ResourceUpdated(ctx, &mcp.ResourceUpdatedNotificationParams{URI: uri}); err != nil {
				s.log.WarnContext(ctx, "telling of a change", "uri", uri, "err", err)
			}
		}
	}
}

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
	b, err := p.join(req.Session, actor, uris...)
	if err != nil {
		return nil, err
	}
	defer p.leave(req.Session, uris...)
	release := p.hold(b)
	defer release()
	return next(context.WithValue(ctx, ackedKey{}, release))
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
	p.leave(req.Session, uri) // twice is once
	b, err := p.join(req.Session, actor, uri)
	if err != nil {
		return nil, err
	}
	p.watch(req.Session, b)
	return next()
}

// send is the way of everything that the SDK tells clients unasked.
func (v *view) send(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
		session, _ := req.GetSession().(*mcp.ServerSession)
		switch params := req.GetParams().(type) {
		case *mcp.ResourceUpdatedNotificationParams:
			v.server.push.post(session, params.URI, func(ctx context.Context, actor orchestron.Actor) {
				if v.mayHear(ctx, params.URI, actor) {
					_, _ = next(ctx, method, req) // a client that cannot be told has no stream open, or is gone
				}
			})
			return nil, nil
		case *mcp.SubscriptionsAcknowledgedParams:
			res, err := next(ctx, method, req)
			if release, ok := ctx.Value(ackedKey{}).(func()); ok {
				release()
			}
			return res, err
		}
		return next(ctx, method, req)
	}
}
