package driver

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/orchestron/orchestron"
)

// hookCall is what Claude Code tells a hook.
type hookCall struct {
	SessionID   string           `json:"session_id"`
	Transcript  string           `json:"transcript_path"`
	Event       string           `json:"hook_event_name"`
	Model       string           `json:"model"`
	Source      string           `json:"source"`
	Reason      string           `json:"reason"`
	Prompt      string           `json:"prompt"`
	PromptID    string           `json:"prompt_id"`
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

// Hook turns one call of a hook into facts. It is pure. What it does not understand gives no facts.
func (c *Claude) Hook(event string, payload json.RawMessage, at time.Time) []orchestron.Fact {
	var call hookCall
	if json.Unmarshal(payload, &call) != nil {
		return nil
	}
	if event == "" {
		event = call.Event
	}
	f := orchestron.Fact{Source: orchestron.FromHook, At: at, SessionID: call.SessionID, Transcript: call.Transcript}
	if !call.tell(event, &f) {
		return nil
	}
	return []orchestron.Fact{f}
}

// tell completes the fact that a hook gives, if it gives one.
func (call hookCall) tell(event string, f *orchestron.Fact) bool {
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
		if f.Text == "" {
			f.Text = call.Error
		}
	case "PermissionRequest":
		f.Kind, f.Detail = orchestron.FactAsked, call.Tool
		f.Question = &orchestron.Question{Tool: call.Tool, Detail: call.question(), At: f.At}
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
func (call hookCall) pending() int {
	n := 0
	for _, t := range call.Tasks {
		if t.Type == "subagent" && t.Status != "completed" && t.Status != "failed" {
			n++
		}
	}
	return n
}

// question returns the question of AskUserQuestion and the plan of ExitPlanMode in words, and any other tool's
// arguments as JSON.
func (call hookCall) question() string {
	var input struct {
		Plan      string `json:"plan"`
		Questions []struct {
			Question string `json:"question"`
		} `json:"questions"`
	}
	_ = json.Unmarshal(call.Input, &input) // arguments of another shape are shown as they are
	switch {
	case call.Tool == "ExitPlanMode" && input.Plan != "":
		return input.Plan
	case call.Tool == "AskUserQuestion" && len(input.Questions) > 0:
		var asked []string
		for _, q := range input.Questions {
			asked = append(asked, q.Question)
		}
		return strings.Join(asked, "\n")
	}
	return string(call.Input)
}
