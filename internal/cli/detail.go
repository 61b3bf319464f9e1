package cli

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/console"
)

// detail is what is shown of one agent.
type detail struct {
	view
	Inbox []queuedMessage `json:"inbox"`
}

// queuedMessage is a message that an agent has not been given.
type queuedMessage struct {
	ID      orchestron.MessageID `json:"message_id"`
	From    string               `json:"from"`
	Urgent  bool                 `json:"urgent"`
	Created time.Time            `json:"created"`
	Reason  string               `json:"reason"`
}

// statusOf shows one agent and its inbox.
func (a *app) statusOf(ctx context.Context, id string) error {
	got, raw, err := console.Ask[struct{ Instances []detail }](ctx, a.App, "get_instance_status", console.Args{"instance_id": id})
	if err != nil {
		return err
	}
	return a.Show(raw, func() error {
		for _, v := range got.Instances {
			a.describe(v)
		}
		return nil
	})
}

func (a *app) describe(v detail) {
	a.field("agent", "%s %s (%s)", v.ID, v.Name, v.Role)
	status := string(v.Status)
	if !v.Evidence.At.IsZero() {
		status += fmt.Sprintf(", known for %s: %s", a.Since(v.Evidence.At), cmp.Or(v.Evidence.Detail, string(v.Evidence.Source)))
	}
	a.field("status", "%s", status)
	if v.Question != nil {
		a.field("asks", "%s", asked(v.view))
	}
	if v.Refusal != nil {
		a.field("refused", "%s", a.refused(*v.Refusal))
	}
	if v.Exit != nil && !v.Alive() {
		a.field("ended", "%s", *v.Exit)
	}
	if v.Parent != "" {
		a.field("parent", "%s", v.Parent)
	}
	a.field("program", "%s %s", v.Driver, v.Model)
	a.field("works", "in %s", v.Workspace)
	for _, m := range v.Inbox {
		how := ""
		if m.Urgent {
			how = ", urgent"
		}
		if m.Reason != "" {
			how += fmt.Sprintf(": %s", m.Reason)
		}
		a.field("queued", "%s by %s, %s ago%s", m.ID, m.From, a.Since(m.Created), how)
	}
}
