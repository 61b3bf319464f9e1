package state

import (
	"strings"
	"time"

	"github.com/orchestron/orchestron"
)

// Accepted reports whether there is evidence that an agent's program accepted a message of which no hook came to tell.
type Accepted func(orchestron.Message) (bool, error)

// Exited notes that the agent's program ended, and ends what was going on with it.
func Exited(tx Tx, st *State, exit orchestron.Exit, accepted Accepted) error {
	a := &st.Agent
	if !a.Alive() {
		return nil
	}
	a.Exit, a.Ended, a.Question, a.Refusal = &exit, exit.At, nil, nil
	a.Status = orchestron.Failed
	if a.Wanted == orchestron.WantStopped {
		a.Status = orchestron.Stopped
	}
	a.Evidence = orchestron.Evidence{Source: orchestron.FromProcess, At: exit.At, Detail: exit.String()}
	if err := recoverSubmitted(tx, st, exit.At, accepted); err != nil {
		return err
	}
	died := orchestron.Fact{At: exit.At}
	if err := EndTurns(tx, st, died, Outcome{Failure: "the agent ended during the turn: " + exit.String(), Gone: true}); err != nil {
		return err
	}
	return AddEvent(tx, orchestron.AgentExited, a.ID, "", map[string]any{
		"code": exit.Code, "signal": exit.Signal, "reason": exit.Reason, "generation": a.Generation,
	})
}

// StoppedBy notes what stopped an agent that is stopped. What its program's exit tells stays.
func StoppedBy(a *orchestron.Agent, why string) {
	if a.Status != orchestron.Stopped || a.Exit == nil || strings.HasPrefix(a.Exit.Reason, why) {
		return
	}
	exit := *a.Exit // others may hold the one before
	exit.Reason = strings.TrimSuffix(why+"; "+exit.Reason, "; ")
	a.Exit, a.Evidence.Detail = &exit, exit.String()
}

// recoverSubmitted notes the messages that the agent's program accepted although no hook came to tell.
func recoverSubmitted(tx Tx, st *State, at time.Time, accepted Accepted) error {
	for _, m := range st.Inbox {
		if m.State != orchestron.Attempting {
			continue
		}
		was, err := accepted(m)
		if err != nil {
			return err
		}
		if !was {
			continue
		}
		if err := BeginTurn(tx, st, orchestron.Fact{At: at, Message: m.ID}); err != nil {
			return err
		}
	}
	return nil
}
