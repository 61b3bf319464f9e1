package driver

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	"github.com/orchestron/orchestron"
)

// permissionOf returns a permission mode by the name that records have it under; empty means acceptEdits. It is Invalid
// when there is none of that name.
func permissionOf(title, mode string) (string, error) {
	switch mode {
	case "":
		return "acceptEdits", nil
	case "manual":
		return "default", nil
	case "default", "acceptEdits", "dontAsk", "plan", "bypassPermissions":
		return mode, nil
	}
	return "", orchestron.Errorf(orchestron.Invalid, "%s has no permission mode %q", title, orchestron.Quotable(mode)).
		Try("use default, acceptEdits, plan, dontAsk or bypassPermissions")
}

// vendorHook turns one call of a hook that speaks as Claude Code's do into facts. It knows one hook more: Interrupt.
func vendorHook(event string, payload json.RawMessage, at time.Time) []orchestron.Fact {
	var call struct {
		hookCall
		Turn string `json:"turn_id"`
	}
	if json.Unmarshal(payload, &call) != nil {
		return nil
	}
	if event == "" {
		event = call.Event
	}
	call.PromptID = call.Turn
	f := orchestron.Fact{Source: orchestron.FromHook, At: at, SessionID: call.SessionID, Transcript: call.Transcript}
	if event == "Interrupt" {
		f.Kind, f.Text, f.PromptID, f.Detail = orchestron.FactTurnFailed, "interrupted", call.Turn, "interrupted in the terminal"
		return []orchestron.Fact{f}
	}
	if !call.tell(event, &f) {
		return nil
	}
	return []orchestron.Fact{f}
}

// hookCommand is the shell's command for our hook.
func hookCommand(self string) string { return "'" + strings.ReplaceAll(self, "'", `'\''`) + "' hook" }

// prompted returns a message as a prompt for programs that take / and ! at the beginning for a command: with a
// backslash before it. A message of nothing but white space is Invalid.
func prompted(text string) (string, error) {
	trimmed := strings.TrimSpace(text)
	if trimmed == "" {
		return "", orchestron.Errorf(orchestron.Invalid, "the message holds nothing but white space").Try("give it some text")
	}
	if !commands(trimmed) {
		return text, nil
	}
	at := strings.Index(text, trimmed)
	return text[:at] + `\` + text[at:], nil
}

// unmentioned returns a text with a space behind a mention (@file) at its end, which would open a list that takes the
// submit key.
func unmentioned(text string) string {
	words := strings.Fields(text)
	if len(words) == 0 || !strings.HasSuffix(text, words[len(words)-1]) || !strings.Contains(words[len(words)-1], "@") {
		return text
	}
	return text + " "
}

// recorded reports whether a conversation's file holds something near its beginning: that there is one to resume.
func recorded(path, mark string) bool {
	if path == "" {
		return false
	}
	data, err := head(path)
	return err == nil && bytes.Contains(data, []byte(mark))
}
