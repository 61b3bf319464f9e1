package state

import (
	"strings"
	"time"

	"github.com/orchestron/orchestron"
)

// Spawn notes an agent that is to be started.
func Spawn(tx Tx, a orchestron.Agent, who string) error {
	if err := tx.PutAgent(a); err != nil {
		return err
	}
	return AddEvent(tx, orchestron.AgentSpawned, a.ID, who, map[string]any{
		"name": a.Name, "role": a.Role, "parentId": a.Parent, "driver": a.Driver, "workspace": a.Workspace,
	})
}

// Restart begins another run of an agent that has ended, and with fresh another conversation.
func Restart(tx Tx, st *State, who string, fresh bool, at time.Time) error {
	a := &st.Agent
	if err := Ended(*a); err != nil {
		return err
	}
	a.Generation++
	a.Wanted, a.Status, a.Exit, a.Ended = orchestron.WantRunning, orchestron.Starting, nil, time.Time{}
	a.Pane, a.Process = orchestron.Pane{}, orchestron.Process{}
	a.Evidence = orchestron.Evidence{Source: orchestron.FromDaemon, At: at, Detail: "restarted"}
	if fresh {
		a.SessionID, a.Transcript = "", ""
	}
	return AddEvent(tx, orchestron.AgentRestarted, a.ID, who, map[string]any{"generation": a.Generation, "fresh": fresh})
}

// Ended is nil when the agent has ended, and otherwise says what to do before it can be started again.
func Ended(a orchestron.Agent) error {
	if !a.Alive() {
		return nil
	}
	return orchestron.Errorf(orchestron.Conflict, "%s is %s", a.ID, a.Status).
		Try("terminate it first; its conversation and workspace are kept")
}

const notStarted = "could not be started: "

// NotStarted notes that the agent's program could not be started.
func NotStarted(tx Tx, st *State, cause error, at time.Time, accepted Accepted) error {
	return Exited(tx, st, orchestron.Exit{Code: -1, Reason: notStarted + orchestron.Visible(cause).Message, At: at}, accepted)
}

// FailedToStart reports whether the last start of an agent's program came to nothing.
func FailedToStart(a orchestron.Agent) bool {
	return a.Exit != nil && strings.HasPrefix(a.Exit.Reason, notStarted)
}

// Doom makes it the wish that an agent ends. When Orchestron itself has ended it, a person's wish is told, too.
func Doom(tx Tx, st *State, who string) error {
	if st.Agent.Wanted == orchestron.WantStopped && who == string(orchestron.System) {
		return nil
	}
	st.Agent.Wanted = orchestron.WantStopped
	return AddEvent(tx, orchestron.AgentTerminated, st.Agent.ID, who, nil)
}

// Opened notes the terminal of an agent's run.
func Opened(st *State, pane orchestron.Pane) error {
	if !st.Agent.Alive() && st.Agent.Wanted == orchestron.WantStopped {
		return orchestron.Errorf(orchestron.Conflict, "%s was ended while it started", st.Agent.ID)
	}
	st.Agent.Pane = pane
	return nil
}

// Lost notes that an agent's terminal is gone without a word of its program's exit.
func Lost(tx Tx, st *State, pane orchestron.Pane, why string, at time.Time, accepted Accepted) error {
	if !st.Agent.Alive() || st.Agent.Pane != pane {
		return nil
	}
	if err := Exited(tx, st, orchestron.Exit{Code: -1, Reason: why, At: at}, accepted); err != nil {
		return err
	}
	if st.Agent.Status == orchestron.Failed {
		st.Agent.Status = orchestron.Lost
	}
	return nil
}

// Release has an agent that its vendor refused take prompts again. One that is not refused is left alone.
func Release(st *State, at time.Time) {
	if st.Agent.Status == orchestron.Limited {
		Apply(&st.Agent, orchestron.Fact{
			Kind: orchestron.FactStatus, Source: orchestron.FromDaemon, Status: orchestron.Idle, At: at, Detail: "its vendor is asked again",
		})
	}
}

// News reports whether facts would change what is known of an agent.
func News(a orchestron.Agent, facts []orchestron.Fact) bool {
	news := false
	for _, f := range facts {
		news = Apply(&a, f) || news
	}
	return news
}
