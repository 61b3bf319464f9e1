package orchestron

// ActorKind is the kind of credential that a caller showed.
type ActorKind string

// The kinds of callers.
const (
	Operator  ActorKind = "operator"   // the person whose daemon it is: the unix socket, or the operator's token
	AgentCall ActorKind = "agent"      // an agent with its own token
	System    ActorKind = "orchestron" // Orchestron itself; no caller ever is
)

// Actor is who calls. It comes from the credential only; nothing in arguments, headers or text changes it.
type Actor struct {
	Kind  ActorKind `json:"kind"`
	Agent AgentID   `json:"agent,omitempty"` // of AgentCall; of System, the agent whose text it passes on
	Level Level     `json:"level,omitempty"` // of AgentCall
	// Project is the board of AgentCall: fixed when the agent was spawned.
	Project string `json:"project,omitempty"`
	Dir     string `json:"dir,omitempty"` // where the caller works, absolute; empty when unknown. A default, never a right
}

// Trusted reports whether the actor may do everything: a person in charge, or Orchestron itself.
func (a Actor) Trusted() bool { return a.Kind == Operator || a.Kind == System }

// Author is whose a text is that the actor gives to an agent: when Orchestron passes on what an agent wrote, the agent's.
func (a Actor) Author() string {
	if a.Agent != "" {
		return string(a.Agent)
	}
	return string(a.Kind)
}

// PassingOn is Orchestron itself with a text of an actor's: it may reach whom it will, and the text stays the actor's.
func PassingOn(by Actor) Actor { return Actor{Kind: System, Agent: by.Agent} }

// Caller is the agent as whoever calls with its credential.
func (a Agent) Caller() Actor {
	return Actor{Kind: AgentCall, Agent: a.ID, Level: a.Level, Dir: a.Workspace, Project: a.Project}
}

func (a Actor) String() string {
	if a.Kind == AgentCall {
		return string(a.Agent)
	}
	return string(a.Kind)
}
