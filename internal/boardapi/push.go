package boardapi

import (
	"maps"
	"slices"
	"strings"

	"github.com/orchestron/orchestron"
)

// Occasion is why an agent is told something.
type Occasion string

// The occasions.
const (
	Assigned    Occasion = "assigned"    // a task became the agent's
	Unassigned  Occasion = "unassigned"  // a task is the agent's no longer
	Clarified   Occasion = "clarified"   // somebody added a clarification
	Withdrawn   Occasion = "cancelled"   // the task was cancelled
	Prioritized Occasion = "prioritized" // its priority changed
	Waits       Occasion = "waits"       // it now depends on something that is not over
	Freed       Occasion = "ready"       // all that it depended on is over
	Edited      Occasion = "changed"     // anything else
)

// Push is how an agent is told.
type Push string

// The ways of telling.
const (
	Urgent Push = "urgent" // in the midst of its turn
	Queue  Push = "queue"  // when it has time
	Off    Push = "off"    // not at all
)

// Policy says how agents are told, by occasion.
type Policy map[Occasion]Push

// With is p with what another says in its place. It is Invalid when that has an unknown occasion or way.
func (p Policy) With(other map[string]string) (Policy, error) {
	all := maps.Clone(p)
	for occasion, push := range other {
		if _, known := p[Occasion(occasion)]; !known {
			return nil, orchestron.Errorf(orchestron.Invalid, "there is no occasion %q", orchestron.Quotable(occasion)).
				Try("choose from %s", strings.Join(p.occasions(), ", "))
		}
		switch Push(push) {
		case Urgent, Queue, Off:
			all[Occasion(occasion)] = Push(push)
		default:
			return nil, orchestron.Errorf(orchestron.Invalid, "%s: nobody can be told %q", occasion, orchestron.Quotable(push)).
				Try("choose from %s, %s and %s", Urgent, Queue, Off)
		}
	}
	return all, nil
}

func (p Policy) occasions() []string {
	var names []string
	for o := range p {
		names = append(names, string(o))
	}
	slices.Sort(names)
	return names
}

// DefaultPolicy interrupts for what changes the work at hand.
func DefaultPolicy() Policy {
	return Policy{
		Assigned: Queue, Unassigned: Urgent, Clarified: Urgent, Withdrawn: Urgent,
		Prioritized: Queue, Waits: Urgent, Freed: Queue, Edited: Queue,
	}
}
