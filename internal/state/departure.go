package state

import (
	"fmt"
	"time"

	"github.com/orchestron/orchestron"
)

// Departures are the messages under way that were submitted, and then were not in the input box any more while no hook had
// told of them. Either the program took such a message and its hook is slow, or was killed; or somebody removed it.
type Departures map[orchestron.MessageID]departure

// departure is what was known when such a message was submitted.
type departure struct {
	at         time.Time
	evidence   orchestron.Evidence
	generation int
	times      int  // in a row
	worked     bool // the program has worked on something since, and no hook told on what: it was most likely the message
}

const (
	unheard   = "the message left the input box and no hook told of it"
	lookFirst = "look at the terminal and at doctor before you send it again"
)

// Unsure is why a message waits for the end of the turn that may have taken it. It is kept with the message.
const Unsure = unheard + "; whether the agent took it shows when its turn ends"

// mostVanished is how many times in a row a message may leave the input box without a word. Somebody may have removed
// it; but a program whose hooks do not work takes it each time.
const mostVanished = 3

// Note adds a message that has left the input box. before is the agent when the message was submitted, at that time.
func (d Departures) Note(id orchestron.MessageID, before orchestron.Agent, at time.Time) {
	one := departure{at: at, evidence: before.Evidence, generation: before.Generation, times: 1}
	if o := d[id]; o.generation == one.generation {
		one.times += o.times
	}
	d[id] = one
}

// Look finds out whether the program has worked since messages left its input box. It is done before anything else is
// typed, for what is told of that would be taken for it. told reports whether a turn is known that began since a time.
func (d Departures) Look(st State, told func(since time.Time) (bool, error)) error {
	for id, one := range d {
		if m := st.Message(id); m == nil || m.State != orchestron.Attempting {
			delete(d, id)
			continue
		}
		e := st.Agent.Evidence
		if one.worked || one.generation != st.Agent.Generation || e == one.evidence || e.Source == orchestron.FromScreen || e.Source == orchestron.FromDaemon {
			continue
		}
		known, err := told(one.at)
		if err != nil {
			return err
		}
		one.worked = !known
		d[id] = one
	}
	return nil
}

// Doubt is what is said of a message that left the input box and may be in the program.
func (d Departures) Doubt(id orchestron.MessageID, a orchestron.Agent) string {
	if d[id].worked || a.Status == orchestron.Busy {
		return Unsure
	}
	return unheard
}

// Judge says what is to become of a message whose hook left no mark: it waits for what is said, or is given up for what is
// said, or is given once more. patience is how long its hook may take.
func (d Departures) Judge(m orchestron.Message, a orchestron.Agent, now time.Time, patience time.Duration) (waits, givenUp string) {
	one, known := d[m.ID]
	if !known && m.Reason == Unsure { // it left under an earlier daemon
		one, known = departure{at: now, evidence: a.Evidence, generation: a.Generation, worked: true}, true
		d[m.ID] = one
	}
	same := one.generation == a.Generation
	switch {
	case !known:
	case same && (a.Status == orchestron.Busy || now.Sub(one.at) < patience):
		return d.Doubt(m.ID, a), ""
	case one.worked:
		return "", unheard + ", and the agent worked since; " + lookFirst
	case same && one.times >= mostVanished:
		return "", fmt.Sprintf("%s, %d times; %s", unheard, one.times, lookFirst)
	}
	return "", "" // somebody removed it, or its program ended before it took anything
}
