package driver

import (
	"strings"
	"testing"

	"github.com/orchestron/orchestron"
)

func TestScreen(t *testing.T) {
	is := func(status orchestron.Status) orchestron.Fact {
		return orchestron.Fact{Kind: orchestron.FactStatus, Status: status}
	}
	asked := func(part string) orchestron.Fact {
		return orchestron.Fact{Kind: orchestron.FactAsked, Question: &orchestron.Question{Detail: part}}
	}
	for name, want := range map[string]orchestron.Fact{
		"ready": is(orchestron.Idle), "ready_plan": is(orchestron.Idle), "answered": is(orchestron.Idle), "placed": is(orchestron.Idle),
		"draft": is(orchestron.Idle), "shell_mode": is(orchestron.Idle), "interrupted": is(orchestron.Idle), "api_error": is(orchestron.Idle),
		"interrupted_box": is(orchestron.Idle), "refused": is(orchestron.Idle), "cleared": is(orchestron.Idle),
		"resumed_bypass": is(orchestron.Idle), "background_shell": is(orchestron.Idle),
		"busy": is(orchestron.Busy), "queued": is(orchestron.Busy),
		"permission": asked("make deploy"), "question": asked("Which colour?"), "plan": asked("Exit plan mode?"),
		"trust": asked("Quick safety check"), "api_key": asked("API key"), "transcript_view": asked("dialog"), "help": asked("General"),
		"exited": {Kind: orchestron.FactGone},
	} {
		got := NewClaude(ClaudeSettings{}).Screen(fixture(t, "screen/"+name+".txt"))
		if len(got) != 1 || got[0].Kind != want.Kind || got[0].Status != want.Status || got[0].Source != orchestron.FromScreen {
			t.Errorf("Screen(%s) = %+v, want %s %s", name, got, want.Kind, want.Status)
			continue
		}
		if want.Question != nil && (got[0].Question == nil || !strings.Contains(got[0].Question.Detail, want.Question.Detail)) {
			t.Errorf("Screen(%s) asks %+v, want %q in it", name, got[0].Question, want.Question.Detail)
		}
	}
	for name, want := range map[string]bool{
		"ready": true, "answered": true, "busy": true, "shell_mode": true, "cleared": true, "refused": true,
		"draft": false, "placed": false, "queued": false, "permission": false, "question": false, "transcript_view": false,
	} {
		if got := blank(fixture(t, "screen/"+name+".txt")); got != want {
			t.Errorf("blank(%s) = %v", name, got)
		}
	}
	for _, text := range []string{"", "\n\n", "$ ls\nfile\n$ ", strings.Repeat("─", 80), strings.Repeat("─", 80) + "\n" + strings.Repeat("─", 80) + "\nx"} {
		if got := NewClaude(ClaudeSettings{}).Screen(text); len(got) != 0 {
			t.Errorf("Screen(%q) = %+v, want nothing", text, got)
		}
		if blank(text) {
			t.Errorf("%q shows a blank box", text)
		}
	}
}
