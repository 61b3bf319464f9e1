package gemini

import (
	"context"
	"regexp"
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

// Observe ends a turn that the vendor refused. Gemini CLI shows a dialog then, of which no hook and no file tells, and
// waits for ever: whether to go on trying, to take another model, or to stop. Observe notes what the dialog says and
// chooses to stop; the hook of the turn's end tells the rest. It gives no facts: hooks tell everything else.
func (g *Driver) Observe(a orchestron.Agent, _ string) ([]orchestron.Fact, error) {
	if g.term == nil || a.Status != orchestron.Busy || a.Pane.Zero() || a.Transcript == "" || time.Since(a.Evidence.At) < quiet {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookTime)
	defer cancel()
	screen, err := g.term.Screen(ctx, a.Pane, 0)
	if err != nil {
		return nil, err
	}
	said, stop := refusalDialog(screen)
	if stop == "" {
		return nil, nil
	}
	if err := bin.Write(noteFile(a.Transcript), []byte(said), 0o600); err != nil {
		return nil, err
	}
	return nil, g.term.Press(ctx, a.Pane, stop)
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
