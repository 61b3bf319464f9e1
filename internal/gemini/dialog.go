package gemini

import (
	"context"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/bin"
)

// Terminal is where the agents' programs run.
type Terminal interface {
	Screen(ctx context.Context, p orchestron.Pane, history int) (string, error)
	Press(ctx context.Context, p orchestron.Pane, keys ...orchestron.Key) error
}

const (
	quiet    = 3 * time.Second // after a turn's beginning, before the screen is looked at
	lookTime = 5 * time.Second
)

// Observe ends a turn that the vendor refused, of which no hook tells. Either Gemini CLI waits without a word for as long as
// its vendor says, which may be hours; only its log tells. Or it shows a dialog that waits for ever: whether to go on trying,
// to take another model, or to stop; only the screen tells. Observe notes what was said and stops the turn, whose end a hook
// tells. It gives no facts.
func (g *Driver) Observe(a orchestron.Agent, dir string) ([]orchestron.Fact, error) {
	if g.term == nil || a.Status != orchestron.Busy || a.Pane.Zero() || a.Transcript == "" || time.Since(a.Evidence.At) < quiet {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookTime)
	defer cancel()
	lines, _ := bin.Tail(logFile(dir)) // missing until Gemini CLI runs
	said, stop := longWait(lines, a.Evidence.At, time.Now()), orchestron.Key("Escape")
	if said == (note{}) {
		screen, err := g.term.Screen(ctx, a.Pane, 0)
		if err != nil {
			return nil, err
		}
		said.Dialog, stop = refusalDialog(screen)
	}
	if said == (note{}) {
		return nil, nil
	}
	if err := bin.WriteJSON(noteFile(a.Transcript), said); err != nil {
		return nil, err
	}
	return nil, g.term.Press(ctx, a.Pane, stop)
}

// note is what was said when a turn was stopped: in a dialog, or in the log.
type note struct {
	Dialog string    `json:"dialog,omitempty"`
	Logged string    `json:"logged,omitempty"`
	Until  time.Time `json:"until,omitzero"` // of Logged
}

// logFile is where Gemini CLI tells what it does.
func logFile(dir string) string { return filepath.Join(dir, "gemini.log") }

// patience is how long Gemini CLI may wait before it asks its vendor again.
const patience = time.Minute

var retrying = regexp.MustCompile(`^\[(\S+)\] \[WARN\] Attempt \d+ failed: (.*)\. Retrying after (\d{1,12})ms\.\.\.$`)

// longWait returns what a log says of a wait that began in a turn, and nothing when Gemini CLI does not wait for long.
func longWait(lines [][]byte, began, now time.Time) note {
	for _, line := range slices.Backward(lines) {
		m := retrying.FindSubmatch(line)
		if m == nil {
			continue
		}
		at, wrong := time.Parse(time.RFC3339, string(m[1]))
		millis, err := strconv.ParseInt(string(m[3]), 10, 64)
		wait := time.Duration(millis) * time.Millisecond
		if wrong != nil || err != nil || at.Before(began) || wait < patience || at.Add(wait).Before(now) {
			return note{}
		}
		return note{Logged: string(m[2]), Until: at.Add(wait).UTC()}
	}
	return note{}
}

// noteFile is where the last dialog about a refusal is noted, beside the chat.
func noteFile(transcript string) string { return transcript + ".refused" }

var (
	stopping = regexp.MustCompile(`^(?:● )?\s*(\d)\. Stop$`)
	refusing = regexp.MustCompile(`/model to switch models|Usage limit reached for|you don't have access to|experiencing high demand|was not found or is invalid`)
)

// refusalDialog returns what a dialog about a refusal says and the key that stops the turn, and nothing when the screen
// ends with anything else. The dialog stands in a box where the input box is otherwise.
func refusalDialog(screen string) (said string, stop orchestron.Key) {
	lines := strings.Split(strings.TrimRight(screen, " \n"), "\n")
	if len(lines) == 0 || !strings.HasPrefix(strings.TrimSpace(lines[len(lines)-1]), "╰") {
		return "", ""
	}
	var texts []string
	for i := len(lines) - 2; i >= 0; i-- {
		line := strings.TrimSpace(lines[i])
		if !strings.HasPrefix(line, "│") {
			break
		}
		line = strings.TrimSpace(strings.Trim(line, "│"))
		if m := stopping.FindStringSubmatch(line); m != nil {
			stop = orchestron.Key(m[1])
		}
		if line != "" {
			texts = append([]string{line}, texts...)
		}
	}
	said = strings.Join(texts, "\n")
	if stop == "" || !refusing.MatchString(said) {
		return "", ""
	}
	return said, stop
}
