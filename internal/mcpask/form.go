package mcpask

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/approvalapi"
)

const (
	maxQuestion  = 1000 // characters of the question
	maxArguments = 4000 // characters of the arguments
	maxOption    = 200  // characters of a choice
)

// field is a property of a form. All are primitive, as the protocol demands.
type field struct {
	Type        string   `json:"type"`
	Title       string   `json:"title"`
	Description string   `json:"description,omitempty"`
	Enum        []string `json:"enum,omitempty"`
	EnumNames   []string `json:"enumNames,omitempty"`
	MaxLength   int      `json:"maxLength,omitempty"`
}

// formOf is a question as a form. What the agent wrote cannot add a line to it.
func formOf(a approvalapi.Approval) *mcp.ElicitParams {
	lines := []string{ // Claude Code 2.1.329 shows three, and hides what follows
		oneLine(a.Question, maxQuestion),
		fmt.Sprintf("%s, %s risk, with the arguments %s", oneLine(a.Tool, maxOption), a.Risk, oneLine(string(a.Arguments), maxArguments)),
		fmt.Sprintf("%s of %s, denied at %s if nobody answers", a.ID, a.Agent, a.Expires.UTC().Format(time.TimeOnly+" UTC")),
	}
	decision := field{Type: "string", Title: "Decision"}
	for _, answer := range a.Answers {
		decision.Enum = append(decision.Enum, string(answer))
		decision.EnumNames = append(decision.EnumNames, named(answer, a.Agent))
	}
	fields := map[string]field{
		"decision": decision,
		"reason":   {Type: "string", Title: "Reason", Description: "of a denial: what the agent is told", MaxLength: approvalapi.MaxReason},
	}
	for i, choice := range a.Choices {
		one := field{Type: "string", Title: oneLine(choice.Question, maxQuestion), Enum: choice.Options}
		if shown := options(choice.Options); choice.Many || !slices.Equal(shown, choice.Options) {
			one.Enum, one.Description = nil, "one of: "+strings.Join(shown, " | ")
			if choice.Many {
				one.Description = "any of these, with commas between them: " + strings.Join(shown, " | ")
			}
		}
		fields[choiceField(i)] = one
	}
	schema, err := json.Marshal(map[string]any{"type": "object", "properties": fields, "required": []string{"decision"}})
	if err != nil {
		panic(err) // it is made of texts
	}
	return &mcp.ElicitParams{Mode: "form", Message: strings.Join(lines, "\n"), RequestedSchema: json.RawMessage(schema)}
}

func choiceField(i int) string { return fmt.Sprintf("choice_%d", i+1) }

func options(all []string) []string {
	shown := make([]string, len(all))
	for i, option := range all {
		shown[i] = oneLine(option, maxOption)
	}
	return shown
}

func named(answer approvalapi.Answer, id orchestron.AgentID) string {
	switch answer {
	case approvalapi.AllowOnce:
		return "Allow once"
	case approvalapi.AllowAlways:
		return fmt.Sprintf("Allow %s exactly this always", id)
	case approvalapi.Deny:
		return "Deny"
	}
	return string(answer)
}

// answerOf reads a form that was filled in.
func answerOf(a approvalapi.Approval, content map[string]any) (approvalapi.AnswerIn, error) {
	text := func(name string) string {
		value, _ := content[name].(string)
		return value
	}
	in := approvalapi.AnswerIn{ID: string(a.ID), Decision: approvalapi.Answer(text("decision")), Reason: text("reason")}
	if !slices.Contains(a.Answers, in.Decision) {
		return in, orchestron.Errorf(orchestron.Invalid, "%s cannot be answered with %q", a.ID, orchestron.Quotable(string(in.Decision)))
	}
	if in.Decision == approvalapi.Deny {
		return in, nil
	}
	in.Reason = ""
	for i, choice := range a.Choices {
		if in.Answers == nil {
			in.Answers = map[string]string{}
		}
		in.Answers[choice.Question] = text(choiceField(i))
	}
	return in, nil
}

// oneLine makes text from an agent fit to be shown to a person: nothing in it can begin a line, move the cursor, hide or
// turn other text around, and it says so when it is cut.
func oneLine(text string, room int) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError, r == '\n', r == '\r', r == '\t', unicode.IsSpace(r):
			return ' '
		case !unicode.IsGraphic(r), unicode.Is(unicode.Cf, r):
			return '·'
		}
		return r
	}, text)
	if runes := []rune(text); len(runes) > room {
		return fmt.Sprintf("%s… (%d characters more)", string(runes[:room]), len(runes)-room)
	}
	return text
}
