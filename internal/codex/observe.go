package codex

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/bin"
)

// Watch returns the log of Codex's terminal interface, and the session's record once that is known.
func (c *Driver) Watch(a orchestron.Agent, dir string) []string {
	files := []string{logFile(dir)}
	if a.Transcript != "" {
		files = append(files, a.Transcript)
	}
	return files
}

// Observe reads what no hook tells: that the input box is there, that a person answered a dialog, and how the last turn
// ended. Facts come in the order in which they happened. Files that are missing or not understood give no facts.
func (c *Driver) Observe(a orchestron.Agent, dir string) ([]orchestron.Fact, error) {
	lines, _ := bin.Tail(logFile(dir)) // missing until Codex runs
	facts := told(lines)
	if a.Status != orchestron.Idle && a.Transcript != "" {
		lines, _ := bin.Tail(a.Transcript) // written with the first prompt
		facts = append(facts, lastTurn(lines, a.Transcript)...)
	}
	slices.SortStableFunc(facts, func(x, y orchestron.Fact) int { return x.At.Compare(y.At) })
	return facts, nil
}

// logged is a line of the terminal interface's log.
type logged struct {
	Time    time.Time       `json:"ts"`
	Dir     string          `json:"dir"`
	Variant string          `json:"variant"`
	Payload json.RawMessage `json:"payload"`
}

// ready reports whether the interface has its session: a new one, or one that it has shown again.
func (e logged) ready() bool {
	return e.Variant == "StartupThreadStarted" || e.Variant == "EndInitialHistoryReplayBuffer" || bytes.HasPrefix(e.Payload, []byte(`{"ListSkills"`))
}

// answers is what the interface hands on when a person has answered a dialog, as in ExecApproval.
var answers = regexp.MustCompile(`^\{"\w*(Approval|Answer|Response|Elicitation)\w*"`)

// told returns the last word that the log has on the start and on a dialog.
func told(lines [][]byte) []orchestron.Fact {
	var ready, answered orchestron.Fact
	for _, line := range lines {
		var e logged
		if json.Unmarshal(line, &e) != nil || e.Time.IsZero() {
			continue
		}
		switch {
		case ready.At.IsZero() && e.ready():
			ready = orchestron.Fact{Kind: orchestron.FactReady, Source: orchestron.FromStateFile, At: e.Time, Detail: "the input box is there"}
		case e.Dir == "from_tui" && answers.Match(e.Payload):
			answered = orchestron.Fact{Kind: orchestron.FactWorking, Source: orchestron.FromStateFile, At: e.Time, Detail: "the dialog was answered"}
		}
	}
	return slices.DeleteFunc([]orchestron.Fact{ready, answered}, func(f orchestron.Fact) bool { return f.At.IsZero() })
}

// record is a line of a session's record.
type record struct {
	Time    time.Time `json:"timestamp"`
	Type    string    `json:"type"`
	Payload struct {
		Type  string  `json:"type"`
		Turn  string  `json:"turn_id"`
		Last  string  `json:"last_agent_message"`
		Error failure `json:"error"`
	} `json:"payload"`
}

// lastTurn returns how the last turn in a session's record ended, if it did.
func lastTurn(lines [][]byte, transcript string) []orchestron.Fact {
	for _, line := range slices.Backward(lines) {
		var l record
		if !bytes.Contains(line, []byte(`"event_msg"`)) || json.Unmarshal(line, &l) != nil || l.Type != "event_msg" || l.Time.IsZero() {
			continue
		}
		f := orchestron.Fact{Source: orchestron.FromTranscript, At: l.Time, Transcript: transcript, PromptID: l.Payload.Turn}
		switch l.Payload.Type {
		case "task_started":
			return nil
		case "turn_aborted":
			f.Kind, f.Text, f.Detail = orchestron.FactTurnFailed, "interrupted", "interrupted in the terminal"
		case "task_complete":
			f.Kind, f.Text = orchestron.FactTurnEnded, l.Payload.Last
			if failed := strings.TrimSpace(l.Payload.Error.Message); failed != "" {
				f.Kind, f.Text, f.Refusal = orchestron.FactTurnFailed, failed, l.Payload.Error.refusal(l.Time)
			}
		default:
			continue
		}
		return []orchestron.Fact{f}
	}
	return nil
}

// dialog is how the last line of Codex's dialogs begins.
var dialog = regexp.MustCompile(`(?i)^\s*(press enter to|enter continue|enter to submit|enter (select|confirm))\b.*`)

// Screen says that a dialog is open, for when nothing better is known: Codex asks about folders and accounts before it
// calls any hook. Any other screen gives no facts. It is pure.
func (c *Driver) Screen(text string) []orchestron.Fact {
	lines := slices.DeleteFunc(strings.Split(text, "\n"), func(l string) bool { return strings.TrimSpace(l) == "" })
	if len(lines) == 0 || !dialog.MatchString(lines[len(lines)-1]) {
		return nil
	}
	var said []string
	for _, l := range lines[max(0, len(lines)-20):] {
		said = append(said, strings.TrimSpace(l))
	}
	return []orchestron.Fact{{
		Kind: orchestron.FactAsked, Source: orchestron.FromScreen, Detail: "the screen shows a dialog",
		Question: &orchestron.Question{Detail: strings.Join(said, "\n")},
	}}
}
