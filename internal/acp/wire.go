package acp

import (
	"encoding/json"
	"strings"
	"unicode"
)

// version is the version of the protocol.
const version = 1

type object = map[string]any

// greeting is what we say first: files and terminals are the agent's own business.
func greeting() object {
	return object{
		"protocolVersion":    version,
		"clientCapabilities": object{"fs": object{"readTextFile": false, "writeTextFile": false}, "terminal": false},
		"clientInfo":         object{"name": "orchestron", "title": "Orchestron", "version": "1"},
	}
}

// welcome is what the agent says first.
type welcome struct {
	Version int `json:"protocolVersion"`
	Agent   struct {
		Name    string `json:"name"`
		Title   string `json:"title"`
		Version string `json:"version"`
	} `json:"agentInfo"`
	Can struct {
		Load bool `json:"loadSession"`
		MCP  struct {
			HTTP bool `json:"http"`
		} `json:"mcpCapabilities"`
	} `json:"agentCapabilities"`
	Logins []struct {
		ID string `json:"id"`
	} `json:"authMethods"`
}

// logins are the ways to log in, for people.
func (w welcome) logins() string {
	var ids []string
	for _, l := range w.Logins {
		ids = append(ids, l.ID)
	}
	return strings.Join(ids, ", ")
}

// setup is what the agent says of a session that begins or goes on.
type setup struct {
	ID     string `json:"sessionId"`
	Models *struct {
		Current string `json:"currentModelId"`
	} `json:"models"`
	Modes *struct {
		Current string `json:"currentModeId"`
	} `json:"modes"`
	Options []option `json:"configOptions"`
}

type option struct {
	ID       string `json:"id"`
	Category string `json:"category"`
	Current  any    `json:"currentValue"`
}

// option returns the id of the option of a category, and its value.
func (s setup) option(category string) (id, value string) {
	for _, o := range s.Options {
		if o.Category == category {
			value, _ = o.Current.(string)
			return o.ID, value
		}
	}
	return "", ""
}

// model is the model's name, as far as it is told.
func (s setup) model() string {
	if _, value := s.option("model"); value != "" {
		return value
	}
	if s.Models != nil {
		return s.Models.Current
	}
	return ""
}

// updated is a notice of what happens in a session.
type updated struct {
	Session string `json:"sessionId"`
	Update  struct {
		Kind    string          `json:"sessionUpdate"`
		Message string          `json:"messageId"`
		Content json.RawMessage `json:"content"`
		Title   string          `json:"title"`
		Status  string          `json:"status"`
		Entries []step          `json:"entries"`
	} `json:"update"`
}

// text is the text of a chunk; other content has none.
func (u updated) text() string {
	var block struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	_ = json.Unmarshal(u.Update.Content, &block)
	if block.Type != "text" {
		return ""
	}
	return block.Text
}

// step is an entry of the agent's plan.
type step struct {
	Content  string `json:"content"`
	Status   string `json:"status"`
	Priority string `json:"priority,omitempty"`
}

// request is what the agent asks permission for.
type request struct {
	Session string   `json:"sessionId"`
	Call    toolCall `json:"toolCall"`
	Options []choice `json:"options"`
}

type choice struct {
	ID   string `json:"optionId"`
	Name string `json:"name"`
	Kind string `json:"kind"`
}

type toolCall struct {
	Title     string            `json:"title"`
	Kind      string            `json:"kind"`
	Input     json.RawMessage   `json:"rawInput"`
	Content   []json.RawMessage `json:"content"`
	Locations []json.RawMessage `json:"locations"`
}

// tool is what rules and people know the call by: its kind, which is all that the protocol has for a name.
func (t toolCall) tool() string {
	if t.Kind == "" || len(t.Kind) > 64 || strings.ContainsFunc(t.Kind, func(r rune) bool { return !unicode.IsLetter(r) && r != '_' }) {
		return "other"
	}
	return t.Kind
}

// input is the call's arguments as they are, where the agent tells them, and all that it shows of the call besides: people
// and rules decide about everything or about nothing. What is shown never takes the place of an argument.
func (t toolCall) input() object {
	args := map[string]json.RawMessage{} // numbers and texts as they are
	shown := object{}
	if len(t.Input) > 0 && json.Unmarshal(t.Input, &args) != nil {
		shown["input"] = t.Input // arguments that are no object
	}
	if t.Title != "" {
		shown["title"] = t.Title
	}
	if len(t.Content) > 0 {
		shown["content"] = texts(t.Content)
	}
	if len(t.Locations) > 0 {
		shown["locations"] = t.Locations
	}
	in := object{}
	for name, value := range args {
		in[name] = value
	}
	for name, value := range shown {
		for args[name] != nil {
			name = "shown_" + name
		}
		in[name] = value
	}
	return in
}

// texts are contents of a call, of which plain texts are shown without their wrapping.
func texts(contents []json.RawMessage) []any {
	all := make([]any, len(contents))
	for i, raw := range contents {
		var c struct {
			Type  string `json:"type"`
			Block struct {
				Type string `json:"type"`
				Text string `json:"text"`
			} `json:"content"`
		}
		all[i] = raw
		if json.Unmarshal(raw, &c) == nil && c.Type == "content" && c.Block.Type == "text" {
			all[i] = c.Block.Text
		}
	}
	return all
}

// ended is the answer to a prompt.
type ended struct {
	Reason string `json:"stopReason"`
	Meta   struct {
		Quota struct {
			Models []struct {
				Model  string `json:"model"`
				Tokens struct {
					Input  int64 `json:"input_tokens"`
					Output int64 `json:"output_tokens"`
				} `json:"token_count"`
			} `json:"model_usage"`
		} `json:"quota"`
	} `json:"_meta"`
}
