package gemini

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/bin"
)

// TestReadRefusal holds the errors that Gemini CLI 0.61.0 wrote into its chat when a scripted API refused it.
func TestReadRefusal(t *testing.T) {
	zone := time.Local
	time.Local = time.UTC
	t.Cleanup(func() { time.Local = zone })
	at := time.Date(2026, 11, 21, 19, 53, 3, 0, time.UTC)
	refused := func(reason orchestron.RefusalReason) *orchestron.Refusal { return &orchestron.Refusal{Reason: reason} }
	for _, c := range []struct {
		said, dialog string
		want         *orchestron.Refusal
	}{
		{`[API Error: {"error":{"code":401,"message":"Request had invalid authentication credentials.","status":"UNAUTHENTICATED"}}]`, "", refused(orchestron.Authentication)},
		{`[API Error: {"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT"}}]`, "", refused(orchestron.Authentication)},
		{`[API Error: {"error":{"code":403,"message":"Permission denied on resource project x.","status":"PERMISSION_DENIED"}}]`, "", refused(orchestron.Authentication)},
		{"[API Error: models/gemini-9 is not found for API version v1beta, or is not supported for generateContent.]", "It seems like you don't have access to gemini-2.5-pro.", refused(orchestron.NoModel)},
		{"[API Error: You have exhausted your daily quota on this model.]\nPlease wait and try again later.", "Usage limit reached for all Pro models.", refused(orchestron.UsageLimit)},
		{
			"[API Error: You have exhausted your capacity on this model.]", "Usage limit reached for all Pro models.\nAccess resets at 10:07\u202fPM UTC.\n/model to switch models.",
			&orchestron.Refusal{Reason: orchestron.UsageLimit, Until: time.Date(2026, 11, 21, 22, 7, 0, 0, time.UTC)},
		},
		{"[API Error: x]", "Usage limit reached for m.\nAccess resets at 1:30 AM UTC.", &orchestron.Refusal{Reason: orchestron.UsageLimit, Until: time.Date(2026, 11, 22, 1, 30, 0, 0, time.UTC)}},
		{`[API Error: {"error":{"code":429,"message":"Resource has been exhausted (e.g. check quota).","status":"RESOURCE_EXHAUSTED"}}]`, "", refused(orchestron.RateLimit)},
		{"[API Error: Resource has been exhausted (e.g. check quota).]", "We are currently experiencing high demand.", refused(orchestron.RateLimit)},
		{"[API Error: The model is overloaded. Please try again later.]", "", refused(orchestron.Overloaded)},
		{`[API Error: {"error":{"code":400,"message":"no such luck"}}]`, "", nil},
		{"interrupted", "Usage limit reached for m.", nil},
		{"the turn ended without an answer", "", nil},
	} {
		if got := readRefusal(c.said, c.dialog, at); !cmp.Equal(got, c.want) {
			t.Errorf("%q with %q is %v, want %v", c.said, c.dialog, got, c.want)
		}
	}
}

// TestObserveEndsLongWaits reads the log of Gemini CLI 0.61.0 while it waits without a word.
func TestObserveEndsLongWaits(t *testing.T) {
	now := time.Now()
	stamp := func(ago time.Duration) string {
		return "[" + now.Add(-ago).UTC().Format("2006-01-02T15:04:05.000Z") + "] "
	}
	const failed = "[WARN] Attempt 1 failed: You have exhausted your capacity on this model. Your quota will reset after 2h14m7s.. Retrying after "
	for name, c := range map[string]struct {
		log  string
		want []orchestron.Key
	}{
		"a long wait":          {stamp(20*time.Second) + failed + "8643428ms...\n" + stamp(0) + "[DEBUG] Memory\n", []orchestron.Key{"Escape"}},
		"a short one":          {stamp(20*time.Second) + failed + "34070ms...\n", nil},
		"of an earlier turn":   {stamp(2*time.Minute) + failed + "8643428ms...\n", nil},
		"one that is over":     {stamp(time.Minute) + failed + "8643428ms...\n" + stamp(20*time.Second) + failed + "1000ms...\n", nil},
		"what a program wrote": {"[x] " + failed + "8643428ms...\n", nil},
		"nothing":              {"", nil},
	} {
		dir := t.TempDir()
		a := orchestron.Agent{Status: orchestron.Busy, Transcript: filepath.Join(dir, "chat.jsonl"), Pane: orchestron.Pane{ID: "%1"}}
		a.Evidence.At = now.Add(-time.Minute - time.Second)
		if err := os.WriteFile(filepath.Join(dir, "gemini.log"), []byte(c.log), 0o600); err != nil {
			t.Fatal(err)
		}
		g := &glass{}
		if _, err := New(bin.Settings{}, g).Observe(a, dir); err != nil || !slices.Equal(g.pressed, c.want) {
			t.Errorf("%s: pressed %q, %v; want %q", name, g.pressed, err, c.want)
		}
		said, r := refusalOf("interrupted", a.Transcript, now)
		if c.want == nil {
			if r != nil || said != "interrupted" {
				t.Errorf("%s: the turn failed with %q, refused %v", name, said, r)
			}
			continue
		}
		if r == nil || r.Reason != orchestron.UsageLimit || r.Until.Sub(now.Add(8623*time.Second)).Abs() > time.Minute || !strings.Contains(said, "exhausted your capacity") {
			t.Errorf("%s: the turn failed with %q, refused %v; want the limit until then", name, said, r)
		}
	}
}

const quotaDialog = `
 > hello
╭──────────────────────────────────────────────╮
│                                              │
│ Usage limit reached for all Pro models.      │
│ Access resets at 10:07 PM UTC.               │
│ /model to switch models.                     │
│                                              │
│ ● 1. Switch to gemini-2.5-flash              │
│   2. Stop                                    │
│                                              │
╰──────────────────────────────────────────────╯

`

// glass is a terminal that shows a text and notes what is pressed.
type glass struct {
	text    string
	err     error
	pressed []orchestron.Key
}

func (g *glass) Screen(context.Context, orchestron.Pane, int) (string, error) { return g.text, g.err }

func (g *glass) Press(_ context.Context, _ orchestron.Pane, keys ...orchestron.Key) error {
	g.pressed = append(g.pressed, keys...)
	return nil
}

func TestObserveEndsRefusedTurns(t *testing.T) {
	busy := orchestron.Agent{Status: orchestron.Busy, Transcript: filepath.Join(t.TempDir(), "chat.jsonl"), Pane: orchestron.Pane{ID: "%1"}}
	busy.Evidence.At = time.Now().Add(-time.Minute)
	idle, fresh := busy, busy
	idle.Status, fresh.Evidence.At = orchestron.Idle, time.Now()
	for name, c := range map[string]struct {
		agent  orchestron.Agent
		screen string
		want   []orchestron.Key
	}{
		"a dialog":              {busy, quotaDialog, []orchestron.Key{"2"}},
		"of an idle agent":      {idle, quotaDialog, nil},
		"just begun":            {fresh, quotaDialog, nil},
		"no dialog":             {busy, "hello", nil},
		"an empty screen":       {busy, "", nil},
		"what a model printed":  {busy, quotaDialog + "\n ✦ that was it\n >   Type your message", nil},
		"another dialog":        {busy, strings.NewReplacer("Usage limit reached for all Pro models.", "Shall I?", "/model to switch models.", "Yes?").Replace(quotaDialog), nil},
		"a dialog without stop": {busy, strings.ReplaceAll(quotaDialog, "Stop", "Upgrade"), nil},
	} {
		g := &glass{text: c.screen}
		facts, err := New(bin.Settings{}, g).Observe(c.agent, "")
		if err != nil || len(facts) != 0 || !slices.Equal(g.pressed, c.want) {
			t.Errorf("%s: pressed %q, %v, %v; want %q", name, g.pressed, facts, err, c.want)
		}
	}
	if said, r := refusalOf("[API Error: x]", busy.Transcript, time.Now()); r == nil || r.Until.IsZero() || said != "[API Error: x]" {
		t.Errorf("with the note the refusal is %v of %q, want to know until when", r, said)
	}
	if _, r := refusalOf("[API Error: x]", busy.Transcript, time.Now().Add(time.Hour)); r != nil {
		t.Errorf("with an old note the refusal is %v, want none", r)
	}
	if _, err := New(bin.Settings{}, &glass{err: errors.New("gone")}).Observe(busy, ""); err == nil {
		t.Error("a terminal that is gone is not told")
	}
	if _, err := New(bin.Settings{}, nil).Observe(busy, ""); err != nil {
		t.Errorf("without a terminal: %v", err)
	}
}
