// Package refusal reads what agents' programs say when their vendors refuse them.
package refusal

import (
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/orchestron/orchestron"
)

// Said is what a program wrote down of a call that its vendor refused. What it does not know is empty.
type Said struct {
	Kind   string    // the program's own word for it, as Claude Code's StopFailure hook and its transcript have it
	Status int       // of the HTTP answer
	Resets time.Time // when the limit ends
	Text   string    // what the person in front of the terminal sees
	At     time.Time // when it was said
}

// Read tells refusals from other failures: nil is one that the next prompt may not meet.
func Read(s Said) *orchestron.Refusal {
	switch s.Kind {
	case "rate_limit":
		r := orchestron.Refusal{Reason: orchestron.RateLimit, Until: s.Resets}
		if r.Until.IsZero() {
			r.Until = resets(s.Text, s.At)
		}
		r.Until = Believed(r.Until, s.At)
		if !r.Until.IsZero() || usage.MatchString(s.Text) {
			r.Reason = orchestron.UsageLimit
		}
		return &r
	case "overloaded":
		return &orchestron.Refusal{Reason: orchestron.Overloaded}
	case "authentication_failed", "oauth_org_not_allowed", "account_on_hold", "verification_required", "cloud_credential_error":
		return &orchestron.Refusal{Reason: orchestron.Authentication}
	case "billing_error":
		return &orchestron.Refusal{Reason: orchestron.Billing}
	case "model_not_found":
		return &orchestron.Refusal{Reason: orchestron.NoModel}
	case "server_error", "":
		if s.Status == 529 || overloaded.MatchString(s.Text) {
			return &orchestron.Refusal{Reason: orchestron.Overloaded}
		}
	}
	return nil
}

var (
	usage      = regexp.MustCompile(`(?i)you've hit your .*limit|usage limit reached|out of usage credits`)
	overloaded = regexp.MustCompile(`^API Error: 529\b`)
	reset      = regexp.MustCompile(`\bresets (?:at )?(?:([A-Z][a-z]{2}) (\d{1,2})(?:, | at )?)?(?:(\d{1,2})(?::(\d{2}))?([ap]m))?(?: ?\(([A-Za-z0-9_+/-]+)\))?`)
)

// resets reads when a limit ends, as in "resets 7:33pm (UTC)" and "resets Nov 24, 3pm (Europe/Berlin)": the next time
// after at that the clock shows so, unless it just did. It is zero when the text does not say.
func resets(text string, at time.Time) time.Time {
	m := reset.FindStringSubmatch(text)
	if m == nil || m[1] == "" && m[3] == "" {
		return time.Time{}
	}
	zone := time.Local
	if m[6] != "" {
		named, err := time.LoadLocation(m[6])
		if err != nil {
			return time.Time{}
		}
		zone = named
	}
	now := at.In(zone)
	year, month, day := now.Date()
	if m[1] != "" {
		named, err := time.Parse("Jan", m[1])
		if err != nil {
			return time.Time{}
		}
		month, day = named.Month(), number(m[2])
	}
	hour := number(m[3]) % 12
	if m[5] == "pm" {
		hour += 12
	}
	shown := time.Date(year, month, day, hour, number(m[4]), 0, 0, zone)
	if m[1] != "" {
		return soon(at, shown.AddDate(-1, 0, 0), shown, shown.AddDate(1, 0, 0))
	}
	return soon(at, shown.AddDate(0, 0, -1), shown, shown.AddDate(0, 0, 1))
}

// past is how long ago a limit may have ended that a text tells of: clocks differ, and texts have no seconds.
const past = time.Hour

// soon is the first of some times that was not long ago at a time.
func soon(at time.Time, times ...time.Time) time.Time {
	i := slices.IndexFunc(times, func(t time.Time) bool { return !t.Before(at.Add(-past)) })
	if i < 0 {
		i = len(times) - 1
	}
	return times[i].UTC()
}

// longest is how long a vendor is believed that its limit lasts: a week, and a day for whatever is wrong with clocks.
const longest = 8 * 24 * time.Hour

// Believed is when a limit ends that is said at a time to end at another, and zero when that is not known.
func Believed(until, at time.Time) time.Time {
	if most := at.Add(longest); !at.IsZero() && until.After(most) {
		return most.UTC()
	}
	return until
}

// number is a number of digits only, and 0 when there are none.
func number(digits string) int {
	n, err := strconv.Atoi(strings.TrimSpace(digits))
	if err != nil {
		return 0
	}
	return n
}

// Next is the next time after at that the local clock shows an hour and a minute, unless it just did.
func Next(hour, minute int, at time.Time) time.Time {
	local := at.In(time.Local)
	t := time.Date(local.Year(), local.Month(), local.Day(), hour, minute, 0, 0, time.Local)
	return soon(at, t.AddDate(0, 0, -1), t, t.AddDate(0, 0, 1))
}

// ByStatus tells refusals from other failures by the status of the vendor's HTTP answer alone, as vendors share them.
func ByStatus(status int) *orchestron.Refusal {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return &orchestron.Refusal{Reason: orchestron.Authentication}
	case http.StatusPaymentRequired:
		return &orchestron.Refusal{Reason: orchestron.Billing}
	case http.StatusNotFound:
		return &orchestron.Refusal{Reason: orchestron.NoModel}
	case http.StatusTooManyRequests:
		return &orchestron.Refusal{Reason: orchestron.RateLimit}
	case http.StatusServiceUnavailable, 529:
		return &orchestron.Refusal{Reason: orchestron.Overloaded}
	}
	return nil
}
