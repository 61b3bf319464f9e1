package shim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/handoff"
)

// refuse is the exit code by which a hook makes the agent's program drop the prompt.
const refuse = 2

// Hook records what the agent's program says of itself on stdin, and refuses a prompt that it has accepted before.
// event names the hook; empty means that the input does. If it cannot do its work it says so on stderr, and does not
// stand in the agent's way but for one case: a message of which no evidence can be left is refused, because it would be
// given again. It writes nothing to stdout, where the program would read answers. Signals that ask it to end, as when the
// terminal goes, are not heard: it has milliseconds to do, and the program may take the prompt all the same.
func Hook(home handoff.Home, id orchestron.AgentID, generation int, event string, stdin io.Reader, _, stderr io.Writer) int {
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, unix.SIGHUP, unix.SIGINT, unix.SIGTERM)
	defer signal.Stop(heard)
	r := handoff.Record{Agent: id, Generation: generation, Kind: handoff.Hooked, Event: event}
	unheard := hear(home, &r, stdin)
	unkept := keep(home, r)
	if err := errors.Join(unheard, unkept); err != nil {
		fmt.Fprintf(stderr, "orchestron: hook %s of %s: %v\n", r.Event, id, err)
	}
	if unheard != nil && unkept != nil && r.Message != "" {
		fmt.Fprintln(stderr, "Orchestron cannot note that this prompt was given, so it is not taken; see the fault above.")
		return refuse
	}
	if r.Blocked {
		fmt.Fprintf(stderr, "Orchestron has delivered this prompt already (message %s).\n", r.Message)
		return refuse
	}
	return 0
}

// hear fills the record from what the program said.
func hear(home handoff.Home, r *handoff.Record, stdin io.Reader) error {
	payload, err := io.ReadAll(io.LimitReader(stdin, handoff.MaxPayload+1))
	if err != nil {
		return fmt.Errorf("reading: %w", err)
	}
	if len(payload) > handoff.MaxPayload {
		_, _ = io.Copy(io.Discard, stdin) // the program may wait until all is read
		return fmt.Errorf("the input is longer than %d bytes", handoff.MaxPayload)
	}
	var said struct {
		Event    string `json:"hook_event_name"`
		Prompt   string `json:"prompt"`
		Subagent string `json:"agent_id"` // whose prompt it is; empty when it is the conversation's
	}
	if err := json.Unmarshal(payload, &said); err != nil {
		return fmt.Errorf("the input is not JSON: %w", err)
	}
	r.Payload = payload
	if r.Event == "" {
		r.Event = said.Event
	}
	if r.Event == "UserPromptSubmit" && r.Agent.Valid() && said.Subagent == "" {
		r.Message, r.Blocked, err = home.Submit(r.Agent, said.Prompt)
	}
	return err
}

// keep records what is known, if that is anything.
func keep(home handoff.Home, r handoff.Record) error {
	if !r.Agent.Valid() {
		return fmt.Errorf("%q is no agent's id", r.Agent)
	}
	if r.Event == "" {
		return errors.New("the hook has no name")
	}
	return home.Put(r)
}
