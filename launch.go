package orchestron

import "time"

// Launch is what a driver needs to know to start an agent's program.
type Launch struct {
	Agent   Agent
	Dir     string   // the agent's own directory beside its workspace: absolute, 0700, kept across restarts
	Context string   // Markdown that the agent must know from the start: its role and what its creator wrote
	Resume  bool     // continue Agent.SessionID instead of starting a conversation
	Self    string   // absolute path of the orchestron program
	Environ []string // KEY=value of the daemon's environment that agents may see
	MCPURL  string   // where the agent reaches Orchestron
	Token   string   // the agent's own token for it; a secret
}

// Command is what the shim runs. It is complete: nothing is inherited.
type Command struct {
	Argv    []string `json:"argv"` // Argv[0] is an absolute path
	Dir     string   `json:"dir"`
	Env     []string `json:"env"` // without secrets
	Secrets []string `json:"-"`   // KEY=value, given to the agent and written only to a 0600 file that is removed when read
}

// Channel is how prompts reach an agent's program. With Editor keys the program runs our helper on its input box,
// which proves that the box has the focus and holds no draft, and keeps every byte. Without them the text is pasted.
type Channel struct {
	Editor    []Key         // open the input box in the helper; empty means paste
	Reset     []Key         // before Editor while the box is seen to be blank: make it one for prompts; they would harm a draft
	Submit    []Key         // submit the input box, and do nothing anywhere else where the program allows it
	Clear     []Key         // empty the input box
	Interrupt []Key         // stop the running turn
	Settle    time.Duration // how long the program may drop keys after the helper; a key that is lost costs a second look
	Hook      time.Duration // how long the program waits for the hook of a prompt before it goes on without

	Blank func(screen string) bool // whether the input box is seen and nothing is in it; nil where there is nothing to reset
}

// Abilities is what a driver can know and do. What it cannot is shown to callers and never guessed at.
type Abilities struct {
	Confirms   bool `json:"confirms"`   // the program's records show that a prompt was submitted
	Answers    bool `json:"answers"`    // they show the end of a turn and the exact answer
	Resumes    bool `json:"resumes"`    // a conversation outlives its process
	Interrupts bool `json:"interrupts"` // a running turn can be stopped
	Tools      bool `json:"tools"`      // the program is given Orchestron's own tools
}
