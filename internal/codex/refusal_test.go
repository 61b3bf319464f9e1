package codex

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
)

// TestRefusals holds how Codex 0.169.0 ended turns that a scripted API refused, on a machine whose clock shows UTC.
func TestRefusals(t *testing.T) {
	zone := time.Local
	time.Local = time.UTC
	t.Cleanup(func() { time.Local = zone })
	data, err := os.ReadFile("testdata/refusals.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	refused := func(reason orchestron.RefusalReason) *orchestron.Refusal { return &orchestron.Refusal{Reason: reason} }
	limited := func(year int, month time.Month, day, hour, minute int) *orchestron.Refusal {
		return &orchestron.Refusal{Reason: orchestron.UsageLimit, Until: time.Date(year, month, day, hour, minute, 0, 0, time.UTC)}
	}
	want := []*orchestron.Refusal{
		limited(2026, time.November, 21, 22, 26),
		refused(orchestron.RateLimit),
		refused(orchestron.Billing), // an API key without quota
		refused(orchestron.Authentication),
		refused(orchestron.NoModel), refused(orchestron.NoModel), refused(orchestron.NoModel), // with 403, 404 and 400
		refused(orchestron.Overloaded), refused(orchestron.Overloaded), refused(orchestron.Overloaded), // by its word, with 503 and 529
		nil,                         // 500
		refused(orchestron.Billing), // a plan without Codex
		limited(2026, time.November, 24, 19, 53),
		refused(orchestron.UsageLimit), // of a team, which is not told when
		limited(2026, time.November, 24, 19, 53),
		refused(orchestron.Billing), // 402
		refused(orchestron.Authentication),
		nil, // a stream that broke
	}
	lines := bytes.Split(bytes.TrimSpace(data), []byte("\n"))
	if len(lines) != len(want) {
		t.Fatalf("%d turns ended, want %d", len(lines), len(want))
	}
	for i, line := range lines {
		facts := lastTurn([][]byte{line}, "/t")
		if len(facts) != 1 || facts[0].Kind != orchestron.FactTurnFailed || facts[0].Text == "" || !cmp.Equal(facts[0].Refusal, want[i]) {
			t.Errorf("%s\ngives %+v, want the refusal %v", line, facts, want[i])
		}
	}
}

func TestAgain(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	zone := time.Local
	time.Local = berlin
	t.Cleanup(func() { time.Local = zone })
	at := time.Date(2026, 11, 21, 17, 33, 13, 0, time.UTC) // 18:33 in Berlin
	for text, want := range map[string]string{
		"or try again at 7:00 PM.":              "2026-11-21T18:00:00Z",
		"or try again at 6:33 PM.":              "2026-11-21T17:33:00Z", // within the minute
		"or try again at 5:40 PM.":              "2026-11-21T16:40:00Z", // it just ended
		"or try again at 5:32 PM.":              "2026-11-22T16:32:00Z",
		"try again at 12:05 AM.":                "2026-11-21T23:05:00Z",
		"try again at Nov 1st, 2026 9:00 AM.":   "2026-11-01T08:00:00Z",
		"try again at Dec 22nd, 2026 12:00 PM.": "2026-12-22T11:00:00Z",
		"try again at Feb 31st, 2026 12:00 PM.": "",
		"try again at 25:00 PM":                 "",
		"try again later":                       "",
		strings.Repeat("try again at ", 1000):   "",
	} {
		got := ""
		if until := again(text, at); !until.IsZero() {
			got = until.Format(time.RFC3339)
		}
		if got != want {
			t.Errorf("%.50q is %q, want %q", text, got, want)
		}
	}
}
