package refusal

import (
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
)

// TestRead holds what Claude Code 2.1.329 said to a scripted API that refused it in each way.
func TestRead(t *testing.T) {
	at := time.Date(2026, 11, 21, 17, 33, 13, 0, time.UTC)
	half := time.Date(2026, 11, 21, 19, 33, 13, 0, time.UTC)
	refused := func(r orchestron.RefusalReason, until time.Time) *orchestron.Refusal {
		return &orchestron.Refusal{Reason: r, Until: until}
	}
	for _, c := range []struct {
		name string
		said Said
		want *orchestron.Refusal
	}{
		{"a hook, usage limit", Said{Kind: "rate_limit", Text: "You've hit your 5-hour limit · resets 7:33pm (UTC)"}, refused(orchestron.UsageLimit, half.Truncate(time.Minute))},
		{"a transcript, usage limit", Said{Kind: "rate_limit", Status: 429, Resets: half, Text: "You've hit your 5-hour limit · resets 7:33pm (UTC)"}, refused(orchestron.UsageLimit, half)},
		{"a limit that does not say when", Said{Kind: "rate_limit", Text: "You've hit your monthly spend limit · /usage-credits to raise it"}, refused(orchestron.UsageLimit, time.Time{})},
		{"rate limit", Said{Kind: "rate_limit", Status: 429, Text: "API Error: Request rejected (429) · This request would exceed your rate limit"}, refused(orchestron.RateLimit, time.Time{})},
		{"overloaded", Said{Kind: "server_error", Text: "API Error: 529 Overloaded. This is a server-side issue, usually temporary — try again in a moment."}, refused(orchestron.Overloaded, time.Time{})},
		{"overloaded, by its name", Said{Kind: "overloaded", Text: "busy"}, refused(orchestron.Overloaded, time.Time{})},
		{"overloaded, by its status", Said{Kind: "server_error", Status: 529, Text: "busy"}, refused(orchestron.Overloaded, time.Time{})},
		{"not logged in", Said{Kind: "authentication_failed", Status: 401, Text: "Not logged in · Please run /login"}, refused(orchestron.Authentication, time.Time{})},
		{"no credit", Said{Kind: "billing_error", Text: "Credit balance is too low"}, refused(orchestron.Billing, time.Time{})},
		{"no model", Said{Kind: "model_not_found", Status: 404, Text: "There's an issue with the selected model (x)."}, refused(orchestron.NoModel, time.Time{})},
		{"another fault of the server", Said{Kind: "server_error", Status: 500, Text: "API Error: 500 Internal server error."}, nil},
		{"a wrong request", Said{Kind: "invalid_request", Status: 400, Text: "API Error: 400 bad stuff, resets 3pm"}, nil},
		{"an answer that quotes a limit", Said{Text: "You've hit your 5-hour limit · resets 7:33pm (UTC)"}, nil},
		{"nothing", Said{}, nil},
	} {
		c.said.At = at
		if diff := cmp.Diff(c.want, Read(c.said)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestResets(t *testing.T) {
	at := time.Date(2026, 11, 21, 17, 33, 13, 0, time.UTC)
	for text, want := range map[string]string{
		"resets 7:33pm (UTC)":                 "2026-11-21T19:33:00Z",
		"resets at 7pm (UTC)":                 "2026-11-21T19:00:00Z",
		"resets 5:33pm (UTC)":                 "2026-11-21T17:33:00Z", // within the minute
		"resets 5:32pm (UTC)":                 "2026-11-21T17:32:00Z", // clocks differ
		"resets 4:34pm (UTC)":                 "2026-11-21T16:34:00Z",
		"resets 4:33pm (UTC)":                 "2026-11-22T16:33:00Z",
		"resets Nov 21, 5:32pm (UTC)":         "2026-11-21T17:32:00Z",
		"resets Nov 21, 4:33pm (UTC)":         "2027-11-21T16:33:00Z",
		"resets 3am (UTC)":                    "2026-11-22T03:00:00Z",
		"resets 12am (Europe/Berlin)":         "2026-11-21T23:00:00Z",
		"resets 12pm (Asia/Tokyo)":            "2026-11-22T03:00:00Z",
		"resets Nov 24, 3pm (UTC)":            "2026-11-24T15:00:00Z",
		"resets Nov 24 at 3:05pm (UTC)":       "2026-11-24T15:05:00Z",
		"resets Jan 2, 9am (America/Lima)":    "2027-01-02T14:00:00Z",
		"resets Nov 24 (UTC)":                 "2026-11-24T00:00:00Z",
		"resets 3pm (Nowhere/Here)":           "",
		"resets soon":                         "",
		"resets in 5 minutes":                 "",
		"":                                    "",
		"resets Foo 24, 3pm (UTC)":            "",
		"it presets 3pm (UTC) as the default": "",
	} {
		got := ""
		if at := resets(text, at); !at.IsZero() {
			got = at.Format(time.RFC3339)
		}
		if got != want {
			t.Errorf("%q resets at %q, want %q", text, got, want)
		}
	}
}

// TestMidnight holds that what ended a moment ago ended, also yesterday and last year.
func TestMidnight(t *testing.T) {
	at := time.Date(2027, 1, 1, 0, 0, 30, 0, time.UTC)
	for _, text := range []string{"resets 11:59pm (UTC)", "resets Dec 31, 11:59pm (UTC)"} {
		if got, want := resets(text, at), at.Add(-90*time.Second); !got.Equal(want) {
			t.Errorf("%q at %s resets at %s, want %s", text, at, got, want)
		}
	}
}

// TestBelieved holds that no text and no record makes an agent wait for longer than a week and a day.
func TestBelieved(t *testing.T) {
	at := time.Date(2026, 11, 21, 17, 33, 13, 0, time.UTC)
	week := at.Add(7 * 24 * time.Hour)
	for _, c := range []struct {
		said Said
		want time.Time
	}{
		{Said{Text: "You've hit your limit · resets Jan 2, 9am (UTC)", At: at}, at.Add(longest)},
		{Said{Text: "You've hit your limit · resets Nov 21, 4:33pm (UTC)", At: at}, at.Add(longest)}, // a year
		{Said{Resets: at.AddDate(100, 0, 0), At: at}, at.Add(longest)},
		{Said{Resets: week, At: at}, week},
		{Said{Resets: at.Add(-time.Hour), At: at}, at.Add(-time.Hour)},
		{Said{Resets: week}, week},
	} {
		c.said.Kind = "rate_limit"
		if got := Read(c.said).Until; !got.Equal(c.want) {
			t.Errorf("%+v ends at %s, want %s", c.said, got, c.want)
		}
	}
}

func FuzzResets(f *testing.F) {
	f.Add("resets 7:33pm (UTC)", int64(1795282393))
	f.Add("resets Feb 29, 12am (Local)", int64(0))
	f.Fuzz(func(t *testing.T, text string, unix int64) {
		at := time.Unix(unix%(1<<33), 0)
		got := resets(text, at)
		if !got.IsZero() && (got.Before(at.Add(-time.Hour*25)) || got.After(at.AddDate(2, 0, 0))) {
			t.Errorf("%q at %s resets at %s", text, at, got)
		}
	})
}
