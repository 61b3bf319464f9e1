package crew

import (
	"context"
	"log/slog"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/crewapi"
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/internal/quota"
	"github.com/orchestron/orchestron/internal/role"
)

// Agents is what teams are made of.
type Agents interface {
	Ready() <-chan struct{}   // closed when every agent is known
	Changed() <-chan struct{} // closed at the next change of any
	Agent(id orchestron.AgentID) (orchestron.Agent, bool)
	All() []orchestron.Agent
	// Within reports whether the actor may know of the agent.
	Within(actor orchestron.Actor, id orchestron.AgentID) bool
	// Made reports whether the actor's call of spawn with the key has made an agent before.
	Made(ctx context.Context, actor orchestron.Actor, key string) (bool, error)
	// Do calls an operation as the actor, and decodes its answer. The key may be empty.
	Do(ctx context.Context, actor orchestron.Actor, key, operation string, in map[string]any, out any) error
}

// Settings is what is configured.
type Settings struct {
	Dir   string   // where a person's templates are
	Roles role.Set // what members are made from
	Caps  quota.Caps
	// Startable is nil when agents of a driver can be started. An empty name is the driver of those who name none.
	Startable func(ctx context.Context, driver string) error
}

// Service is the use cases of teams from templates. It keeps nothing: what a team is made of has keys that are derived
// from the call's key, so that a call that is repeated finds what it made before. It is safe for concurrent use.
type Service struct {
	agents Agents
	set    Settings
	ours   Set
	now    func() time.Time
	log    *slog.Logger
}

// New makes a service. It says in the log which templates cannot be used.
func New(agents Agents, set Settings, now func() time.Time, log *slog.Logger) *Service {
	s := &Service{agents: agents, set: set, ours: Embedded(set.Roles), now: now, log: log}
	_, broken := s.load().All()
	for _, b := range broken {
		log.Warn("a team template cannot be used", "file", b.File, "err", b.Error)
	}
	return s
}

// load reads the templates. They are small, and whoever changes one need not restart anything.
func (s *Service) load() Set { return s.ours.With(s.set.Dir, s.set.Roles) }

// Ops declares what callers can do with teams from templates.
func (s *Service) Ops() []op.Op {
	in, lead := op.In("agents"), op.For(orchestron.Manager)
	return []op.Op{
		op.New("list_team_templates", op.Read, "The templates that teams can be started from: who is in the team, who leads whom, what each is told, and what the template asks for.",
			s.list, in, lead),
		op.New("spawn_team_from_template", op.Write, "Start a whole team from a template: the member that leads it and all below, each briefed with who is in the team, and asked what the template says. When one cannot be started, those that were are ended again.",
			s.spawn, in, lead, op.Long()),
	}
}

func (s *Service) list(_ context.Context, _ op.Call, in crewapi.ListIn) (crewapi.ListOut, error) {
	set := s.load()
	if in.Template != "" {
		t, err := set.Get(in.Template)
		return crewapi.ListOut{Templates: []crewapi.Template{t}, Count: 1, Broken: []crewapi.Broken{}}, err
	}
	all, broken := set.All()
	return crewapi.ListOut{Templates: all, Count: len(all), Broken: broken}, nil
}

// running waits until every agent is known.
func (s *Service) running(ctx context.Context) error {
	select {
	case <-s.agents.Ready():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
