// Package claudehook reads and answers the hooks of Claude Code, whose words those of other programs use, too.
package claudehook

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/refusal"
)

// Call is what Claude Code tells a hook.
type Call struct {
	SessionID   string           `json:"session_id"`
	Subagent    string           `json:"agent_id"` // whose call it is; empty when it is the conversation's own
	Transcript  string           `json:"transcript_path"`
	Event       string           `json:"hook_event_name"`
	Model       string           `json:"model"`
	Source      string           `json:"source"`
	Reason      string           `json:"reason"`
	Prompt      string           `json:"prompt"`
	PromptID    string           `json:"prompt_id"`
	Turn        string           `json:"turn_id"` // what other programs have in its place
	Error       string           `json:"error"`
	LastMessage string           `json:"last_assistant_message"`
	Tool        string           `json:"tool_name"`
	Input       json.RawMessage  `json:"tool_input"`
	Tasks       []backgroundTask `json:"background_tasks"`
}

type backgroundTask struct {
	Type   string `json:"type"`
	Status string `json:"status"`
}

// Read turns one call of a hook into facts. It is pure. What it does not understand gives no facts.
func Read(event string, payload json.RawMessage, at time.Time) []orchestron.Fact {
	call, event, understood := parse(event, payload)
	if !understood {
		return nil
	}
	return call.facts(event, at)
}

// ReadVendor turns one call of a hook that speaks as Claude Code's do into facts. It knows one hook more: Interrupt.
func ReadVendor(event string, payload json.RawMessage, at time.Time) []orchestron.Fact {
	call, event, understood := parse(event, payload)
	if !understood {
		return nil
	}
	call.PromptID = call.Turn
	if event == "Interrupt" {
		if call.Subagent != "" {
			return nil
		}
		f := call.fact(at)
		f.Kind, f.Text, f.PromptID, f.Detail = orchestron.FactTurnFailed, "interrupted", call.Turn, "interrupted in the terminal"
		return []orchestron.Fact{f}
	}
	return call.facts(event, at)
}

// parse reads what a hook was told, and the event's name where the caller does not know it.
func parse(event string, payload json.RawMessage) (call Call, name string, understood bool) {
	if json.Unmarshal(payload, &call) != nil {
		return Call{}, "", false
	}
	if event == "" {
		event = call.Event
	}
	return call, event, true
}

// fact is what every call tells. A subagent's transcript is not the conversation's.
func (call Call) fact(at time.Time) orchestron.Fact {
	f := orchestron.Fact{Source: orchestron.FromHook, At: at}
	if call.Subagent == "" {
		f.SessionID, f.Transcript = call.SessionID, call.Transcript
	}
	return f
}

// facts leaves out where a subagent's turns begin and end: Codex 0.169.0 calls the same hooks for them.
func (call Call) facts(event string, at time.Time) []orchestron.Fact {
	f := call.fact(at)
	if !call.Tell(event, &f) || call.Subagent != "" && f.Kind != orchestron.FactAsked && f.Kind != orchestron.FactWorking {
		return nil
	}
	return []orchestron.Fact{f}
}

// Tell completes the fact that a hook gives, if it gives one.
func (call Call) Tell(event string, f *orchestron.Fact) bool {
	switch event {
	case "SessionStart":
		f.Kind, f.Detail, f.Model = orchestron.FactReady, call.Source, call.Model
	case "UserPromptSubmit":
		f.Kind, f.Text, f.PromptID = orchestron.FactSubmitted, call.Prompt, call.PromptID
		if strings.HasPrefix(call.Prompt, "<task-notification>") {
			f.Detail = "synthetic" // a background task ended
		}
	case "Stop":
		f.Kind, f.Text, f.PromptID, f.Background = orchestron.FactTurnEnded, call.LastMessage, call.PromptID, call.pending()
	case "StopFailure":
		f.Kind, f.Text, f.Detail = orchestron.FactTurnFailed, call.LastMessage, call.Error
		f.Refusal = refusal.Read(refusal.Said{Kind: call.Error, Text: call.LastMessage, At: f.At})
		if f.Text == "" {
			f.Text = call.Error
		}
	case "PermissionRequest":
		f.Kind, f.Detail = orchestron.FactAsked, call.Tool
		f.Question = &orchestron.Question{Tool: call.Tool, Detail: call.question(), At: f.At}
		f.Input, f.Choices = call.Input, call.asked().choices()
	case "PreToolUse", "PostToolUse", "PostToolUseFailure":
		f.Kind, f.Detail = orchestron.FactWorking, call.Tool
	case "SessionEnd":
		if call.Reason == "clear" || call.Reason == "resume" {
			return false // another session starts in the same process
		}
		f.Kind, f.Detail = orchestron.FactGone, call.Reason
	default:
		return false
	}
	return true
}

// pending counts background work whose end starts a turn that belongs to the answer. A shell in the background may
// be a server that never ends; Claude Code's own state does not wait for it either.
func (call Call) pending() int {
	n := 0
	for _, t := range call.Tasks {
		if (t.Type == "subagent" || t.Type == "workflow") && t.Status != "completed" && t.Status != "failed" {
			n++
		}
	}
	return n
}

// question returns the question of AskUserQuestion and the plan of ExitPlanMode in words, and any other tool's
// arguments as JSON.
func (call Call) question() string {
	var input struct {
		Plan string `json:"plan"`
	}
	_ = json.Unmarshal(call.Input, &input) // arguments of another shape are shown as they are
	if call.Tool == "ExitPlanMode" && input.Plan != "" {
		return input.Plan
	}
	var asked []string
	for _, q := range call.asked().Questions {
		asked = append(asked, q.Question)
	}
	if len(asked) > 0 {
		return strings.Join(asked, "\n")
	}
	return string(call.Input)
}

// questions is the arguments of AskUserQuestion.
type questions struct {
	Questions []struct {
		Question string `json:"question"`
		Many     bool   `json:"multiSelect"`
		Options  []struct {
			Label string `json:"label"`
		} `json:"options"`
	} `json:"questions"`
}

// asked is what the tool asks a person; nothing for tools that only need permission.
func (call Call) asked() (q questions) {
	if call.Tool == "AskUserQuestion" {
		_ = json.Unmarshal(call.Input, &q) // arguments of another shape ask nothing that we can show
	}
	return q
}

func (q questions) choices() (all []orchestron.Choice) {
	for _, one := range q.Questions {
		c := orchestron.Choice{Question: one.Question, Many: one.Many}
		for _, o := range one.Options {
			c.Options = append(c.Options, o.Label)
		}
		all = append(all, c)
	}
	return all
}
