package crew

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardapi"
	"github.com/orchestron/orchestron/internal/crewapi"
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/internal/quota"
)

// plan checks what is asked for and returns the template as it will be started. It changes nothing.
func (s *Service) plan(ctx context.Context, call op.Call, in crewapi.SpawnIn) (crewapi.Template, error) {
	t, err := s.load().Get(in.Template)
	if err != nil {
		return t, err
	}
	given, err := parametersOf(t, in.Parameters)
	if err != nil {
		return t, err
	}
	told := values{Task: in.Task, Parameters: given}
	if t, err = filled(t, told, told.by(call.Actor, in)); err != nil {
		return t, err
	}
	if err := s.adapt(&t, in); err != nil {
		return t, err
	}
	if err := checkFilled(t); err != nil {
		return t, err
	}
	parent := leaderOf(call.Actor, in)
	if parent != "" && !s.agents.Within(call.Actor, parent) {
		return t, orchestron.Errorf(orchestron.NotFound, "there is no agent %q", orchestron.Quotable(string(parent))).Try("list shows the agents")
	}
	if call.Key != "" { // then there was room for all, and those that are there would count twice
		if made, err := s.agents.Made(ctx, call.Actor, keyOf(call, t.Members[0].Name)); made || err != nil {
			return t, err
		}
	}
	return t, s.room(call.Actor, t, parent)
}

// checkFilled refuses, before anybody is started, what the board or an inbox would refuse of the filled-in texts.
func checkFilled(t crewapi.Template) error {
	wrong := func(what string, err error) error {
		return orchestron.Errorf(orchestron.Invalid, "the team template %s with what you say in it: %s: %w", t.Name, what, err).
			Try("say it shorter; orchestron team show %s shows where it goes", t.Name)
	}
	for _, one := range t.Tasks {
		if err := fits(one); err != nil {
			return wrong("the task "+one.Name, err)
		}
	}
	ids := placeholders(t)
	for i, m := range t.Members {
		if _, _, err := orchestron.Clean(opening(t, i, ids)); err != nil {
			return wrong("the first message to "+m.Name, err)
		}
	}
	return nil
}

// fits is nil when a board takes the texts of a task.
func fits(one crewapi.Item) error {
	switch {
	case one.Title == "":
		return errors.New("its title is empty")
	case strings.ContainsFunc(one.Title, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return errors.New("its title is no line of text")
	case utf8.RuneCountInString(one.Title) > boardapi.MaxTitle || len(one.Title) > 4*boardapi.MaxName:
		return fmt.Errorf("its title has %d characters, more than %d", utf8.RuneCountInString(one.Title), boardapi.MaxTitle)
	case utf8.RuneCountInString(one.Description) > boardapi.MaxText:
		return fmt.Errorf("its description has %d characters, more than %d", utf8.RuneCountInString(one.Description), boardapi.MaxText)
	}
	return nil
}

// leaderOf is who leads the team: whom the caller names, else the caller itself if it is an agent.
func leaderOf(actor orchestron.Actor, in crewapi.SpawnIn) orchestron.AgentID {
	if in.Parent == "" {
		return actor.Agent
	}
	return orchestron.AgentID(in.Parent)
}

// adapt puts what the caller says in place of what the template says.
func (s *Service) adapt(t *crewapi.Template, in crewapi.SpawnIn) error {
	for i := range t.Members {
		if in.Driver != "" {
			t.Members[i].Driver = in.Driver
		}
		if in.Model != "" {
			t.Members[i].Model = in.Model
		}
	}
	if in.SupervisorRole == "" {
		return nil
	}
	r, err := s.set.Roles.Get(in.SupervisorRole)
	if err != nil {
		return err
	}
	root := &t.Members[0]
	for _, m := range t.Members {
		if m.Parent == root.Name && !r.Level.Leads(m.Level) {
			return orchestron.Errorf(orchestron.Invalid, "supervisor_role: %s is a %s and cannot lead %s, a %s", r.Name, r.Level, m.Name, m.Level).
				Try("name a role of a higher level, such as executive")
		}
	}
	root.Role, root.Level = r.Name, r.Level
	return nil
}

// room is nil when there may be as many agents more as the team has, where it is to be.
func (s *Service) room(actor orchestron.Actor, t crewapi.Template, parent orchestron.AgentID) error {
	team := quota.Team{All: append([]orchestron.Agent{}, s.agents.All()...), Actor: actor, Now: s.now()}
	for i, m := range t.Members {
		team.Parent = parent
		if m.Parent != "" {
			team.Parent = orchestron.AgentID(m.Parent) // stands for the id that it will have: no id is made of a name
		}
		if err := s.set.Caps.Spawn(team); err != nil {
			why := orchestron.Visible(err)
			return orchestron.Errorf(orchestron.Limit, "the team %s has %d members, and there is room for %d of them: with those, %s",
				t.Name, len(t.Members), i, why.Message).Try("%s", why.Remedy)
		}
		team.All = append(team.All, orchestron.Agent{ID: orchestron.AgentID(m.Name), Parent: team.Parent, Status: orchestron.Starting, Created: team.Now})
	}
	return nil
}

// keyOf is the key of one part of a call that makes a team, or none when the call has none.
func keyOf(call op.Call, part string) string {
	if call.Key == "" {
		return ""
	}
	return call.Key + "#" + part
}
