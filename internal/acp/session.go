package acp

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"github.com/orchestron/orchestron/internal/bin"
)

// begin makes the agent ready for prompts. What goes wrong ends the host: an agent that is not what was asked for must
// not work.
func (h *host) begin() {
	source, err := h.introduce()
	if err != nil {
		if !errors.Is(err, errOver) { // its end says more
			h.do(func() { h.quit(1, "the agent cannot start: "+err.Error()) })
		}
		return
	}
	h.tell("SessionStart", object{"source": source, "model": h.model})
	h.do(func() {
		h.ready = true
		h.screen.Print("ready\n")
	})
}

// introduce greets the agent and opens the session. It returns how that began.
func (h *host) introduce() (source string, err error) {
	var w welcome
	if err := h.conn.call("initialize", greeting(), &w); err != nil {
		return "", err
	}
	if w.Version != version {
		return "", fmt.Errorf("it speaks version %d of the protocol, and not %d", w.Version, version)
	}
	h.do(func() {
		h.screen.Print(clean(strings.TrimSpace(w.Agent.Name+" "+w.Agent.Version)) + " in " + clean(h.cwd))
	})
	if h.set.Login != "" {
		if err := h.conn.call("authenticate", object{"methodId": h.set.Login}, &object{}); err != nil {
			return "", fmt.Errorf("the login %s: %w", h.set.Login, err)
		}
	}
	s, source, err := h.openSession(w)
	if err != nil {
		return "", err
	}
	return source, h.choose(s)
}

// openSession goes on with a session where that was asked for and the agent can, and else begins one.
func (h *host) openSession(w welcome) (setup, string, error) {
	in := object{"cwd": h.cwd, "mcpServers": h.servers(w.Can.MCP.HTTP)}
	if h.set.Resume != "" && w.Can.Load {
		h.do(func() { h.opened(h.set.Resume) })
		in["sessionId"] = h.set.Resume
		var s setup
		if err := h.conn.call("session/load", in, &s); err != nil {
			return s, "", fmt.Errorf("going on with session %s: %w", clean(h.set.Resume), err)
		}
		h.calm()
		h.do(func() { h.flush(); h.briefed = true })
		return s, "resume", nil
	}
	if h.set.Resume != "" {
		h.mutter("this agent cannot go on with an earlier session, and begins a new one")
	}
	var s setup
	err := h.conn.call("session/new", in, &s)
	if err != nil && len(w.Logins) > 0 && h.set.Login == "" {
		return s, "", fmt.Errorf("a new session: %w (it may want a login, which the configuration can name: %s)", err, clean(w.logins()))
	}
	if err != nil {
		return s, "", fmt.Errorf("a new session: %w", err)
	}
	if s.ID == "" || len(s.ID) > 200 || strings.ContainsFunc(s.ID, func(r rune) bool { return !unicode.IsGraphic(r) }) {
		return s, "", fmt.Errorf("the session's name %.200q cannot be used", s.ID)
	}
	h.do(func() { h.opened(s.ID) })
	return s, "startup", nil
}

// quiet is for how long an agent says nothing that has told all of an earlier conversation.
const quiet = 300 * time.Millisecond

// calm waits until the agent has told the conversation that goes on, for a while at most. The protocol has it do so before
// it answers; Gemini CLI 0.61.0 goes on behind its answer, and what it says then must not be taken for an answer.
func (h *host) calm() {
	tick := time.NewTicker(quiet / 6)
	defer tick.Stop()
	for end := time.Now().Add(20 * quiet); time.Now().Before(end); {
		<-tick.C
		over := true // also when all is
		h.do(func() { over = time.Since(h.heard) > quiet })
		if over {
			return
		}
	}
}

func (h *host) opened(session string) {
	h.session, h.records, h.heard = session, recordsOf(h.set.Dir, session), time.Now()
}

// servers is how the agent reaches Orchestron: in the way that it understands, with its own token.
func (h *host) servers(http bool) []object {
	env := bin.Environ(h.Environ)
	token := env.Get(bin.EnvToken)
	switch {
	case h.set.MCPURL == "" || token == "":
		return []object{}
	case http:
		return []object{{
			"type": "http", "name": "orchestron", "url": h.set.MCPURL,
			"headers": []object{{"name": "Authorization", "value": "Bearer " + token}},
		}}
	}
	var vars []object
	for _, name := range []string{"HOME", "PATH", "ORCHESTRON_HOME", "ORCHESTRON_AGENT", "ORCHESTRON_GENERATION", bin.EnvToken} {
		vars = append(vars, object{"name": name, "value": env.Get(name)})
	}
	return []object{{"name": "orchestron", "command": h.Self, "args": []string{"mcp"}, "env": vars}}
}

// choose sets the mode and the model that were asked for. One that cannot be had is an error.
func (h *host) choose(s setup) error {
	if h.model != "" {
		if err := h.adjust(s, "model", h.model, s.Models != nil, "session/set_model", "modelId"); err != nil {
			return err
		}
	} else {
		h.do(func() { h.model = s.model() })
	}
	if h.set.Mode == "" {
		return nil
	}
	return h.adjust(s, "mode", h.set.Mode, s.Modes != nil, "session/set_mode", "modeId")
}

// adjust sets an option of a category, or what older agents have in its place.
func (h *host) adjust(s setup, category, value string, older bool, method, name string) error {
	id, _ := s.option(category)
	in := object{"sessionId": h.session, name: value}
	switch {
	case id != "":
		method, in = "session/set_config_option", object{"sessionId": h.session, "configId": id, "value": value}
	case !older:
		return fmt.Errorf("it does not let its %s be set", category)
	}
	if err := h.conn.call(method, in, &object{}); err != nil {
		return fmt.Errorf("the %s %s: %w", category, value, err)
	}
	return nil
}

// plan keeps the agent's plan where Orchestron finds it.
func (h *host) plan(steps []step) {
	if steps == nil {
		steps = []step{}
	}
	if err := bin.WriteJSON(PlanFile(h.set.Dir), steps); err != nil {
		h.notice = err.Error()
	}
}

// PlanFile is where the plan of the agent is that keeps its records in a directory.
func PlanFile(dir string) string { return filepath.Join(dir, "plan.json") }

func sum(text string) string {
	s := sha256.Sum256([]byte(text))
	return hex.EncodeToString(s[:8])
}

// record is a line of the records. Its type comes first: it is looked for near the beginning of the file.
type record struct {
	Type      string    `json:"type"`
	Prompt    string    `json:"promptId"`
	Session   string    `json:"sessionId"`
	At        time.Time `json:"timestamp"`
	Sidechain bool      `json:"isSidechain"` // always: the tokens of a whole turn say nothing of how full the context is
	Message   object    `json:"message"`
}

// write adds a line to the records of the session, in the form of Claude Code's. What cannot be written is shown: nothing
// depends on the records but what is counted, and that an agent is seen to work.
func (h *host) write(t *turn, by string, said object) {
	line, err := json.Marshal(record{by, t.id, h.session, time.Now().UTC(), true, said})
	f, openErr := os.OpenFile(h.records, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err = errors.Join(err, openErr); err == nil {
		_, err = f.Write(append(line, '\n'))
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		h.notice = err.Error()
	}
}
