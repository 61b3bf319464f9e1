// Package mcpask asks people through their MCP clients what agents ask permission for: clients of the older revisions
// when a question comes, those of 2026-07-28 while a call of theirs waits for the agent.
package mcpask

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/approvalapi"
)

// Approvals is what agents ask, and who may answer.
type Approvals interface {
	// Changed returns a channel that is closed when a question comes or is settled next.
	Changed() <-chan struct{}
	// Open returns the questions that wait for an answer and that the actor may answer, oldest first, each with the
	// answers that the actor may give.
	Open(actor orchestron.Actor) []approvalapi.Approval
}

// Config is what a Service is made of. Everything is required.
type Config struct {
	Approvals Approvals
	// Within reports whether an agent is the actor or below it.
	Within func(actor orchestron.Actor, id orchestron.AgentID) bool
	// Answer answers a question in the name of an actor, and refuses what the actor may not.
	Answer func(ctx context.Context, actor orchestron.Actor, in approvalapi.AnswerIn) error
	Log    *slog.Logger
}

const (
	soon     = 50 * time.Millisecond // after which a client that could not be reached is tried again; then more and more,
	again    = 2 * time.Second       // up to this, after which also an answer is given again that Orchestron failed to take
	patience = 10 * time.Second      // with faults of Orchestron's, after which the client is asked again
	most     = 20                    // questions that one client shows at the same time

	rejected = -32005 // the SDK's own error: there is no way to the client now
)

// Service asks. It is safe for concurrent use.
type Service struct {
	Config

	ctx  context.Context //nolint:containedctx // the life of the goroutines that ask, which no request's context bounds
	stop context.CancelFunc
	wait sync.WaitGroup

	mu     sync.Mutex
	joined map[Session]bool
}

// New makes a service. Close it after the clients' sessions have ended.
func New(cfg Config) *Service {
	ctx, stop := context.WithCancel(context.Background())
	return &Service{Config: cfg, ctx: ctx, stop: stop, joined: map[Session]bool{}}
}

// Close takes back what is being asked and waits until nobody is asked any more.
func (s *Service) Close() {
	s.mu.Lock()
	s.stop()
	s.mu.Unlock()
	s.wait.Wait()
}

// Session is a client that can be asked at any time.
type Session interface {
	Elicit(ctx context.Context, params *mcp.ElicitParams) (*mcp.ElicitResult, error)
	Wait() error // until the client has gone
}

// Join has a person's client asked whatever waits for an answer, now and as it comes, until the client has gone. Twice is
// once. An agent's is not asked: the form would stand in the way in a terminal of Orchestron's own, and whoever answered it
// there would answer in the agent's name.
func (s *Service) Join(session Session, actor orchestron.Actor) {
	if actor.Kind != orchestron.Operator {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil || s.joined[session] {
		return
	}
	s.joined[session] = true
	ctx, left := context.WithCancel(s.ctx)
	s.wait.Go(func() {
		defer left()
		_ = session.Wait() // how it left is of no use to anyone
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.joined, session)
	})
	s.wait.Go(func() { s.follow(ctx, session, actor) })
}

// follow keeps a client's forms in step with what is open. It takes back what others have answered.
func (s *Service) follow(ctx context.Context, session Session, actor orchestron.Actor) {
	var forms sync.WaitGroup
	defer forms.Wait()
	shown := map[approvalapi.ID]context.CancelFunc{} // also of those that the client left to others
	for {
		news := s.Approvals.Changed()
		open := s.Approvals.Open(actor)
		still := map[approvalapi.ID]bool{}
		for _, a := range open {
			still[a.ID] = true
		}
		for id, withdraw := range shown {
			if !still[id] {
				withdraw()
				delete(shown, id)
			}
		}
		for _, a := range open {
			if shown[a.ID] != nil || len(shown) >= most {
				continue
			}
			form, withdraw := context.WithCancel(ctx)
			shown[a.ID] = withdraw
			forms.Go(func() {
				defer withdraw()
				s.ask(form, session, actor, a)
			})
		}
		select {
		case <-news:
		case <-ctx.Done():
			return
		}
	}
}

// ask shows a client one question until it says something to it, somebody else answers, or the client has gone.
func (s *Service) ask(ctx context.Context, session Session, actor orchestron.Actor, a approvalapi.Approval) {
	for pause := soon; ; pause = min(2*pause, again) {
		res, err := session.Elicit(ctx, formOf(a))
		var refused *jsonrpc.Error
		switch {
		case ctx.Err() != nil:
			return
		case errors.As(err, &refused) && refused.Code != rejected:
			s.Log.Debug("a client takes no form", "approval", a.ID, "client", actor, "err", err)
			return
		case err == nil && !s.take(ctx, actor, a, res):
			return
		}
		select { // it has no stream open, or what it said does not fit the form
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

// take takes in what a client said to a question, and reports whether it must be asked again. A client that declines
// leaves the question to others.
func (s *Service) take(ctx context.Context, actor orchestron.Actor, a approvalapi.Approval, res *mcp.ElicitResult) (again bool) {
	if res == nil || res.Action != "accept" {
		return false
	}
	in, err := answerOf(a, res.Content)
	if err == nil {
		err = s.answer(ctx, actor, in)
	}
	if err != nil { // most often somebody was faster, and then nothing is left to be said
		s.Log.Info("what a client answered does not count", "approval", a.ID, "client", actor, "err", err)
	}
	return err != nil && (faulty(err) || orchestron.KindOf(err) == orchestron.Invalid)
}

// answer answers a question, for a while again and again as long as it is Orchestron that fails.
func (s *Service) answer(ctx context.Context, actor orchestron.Actor, in approvalapi.AnswerIn) error {
	ctx, enough := context.WithTimeout(ctx, patience)
	defer enough()
	for {
		err := s.Answer(context.WithoutCancel(ctx), actor, in)
		if err == nil || !faulty(err) {
			return err
		}
		select {
		case <-time.After(again):
		case <-ctx.Done():
			return err
		}
	}
}

// faulty reports whether an error is Orchestron's own, which says nothing about the question: it may still be open.
func faulty(err error) bool {
	kind := orchestron.KindOf(err)
	return kind == orchestron.Unavailable || kind == orchestron.Internal
}
