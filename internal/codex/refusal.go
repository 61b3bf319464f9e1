package codex

import (
	"encoding/json"
	"regexp"
	"strings"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/refusal"
)

// failure is why a turn failed, as the session's record has it.
type failure struct {
	Message string          `json:"message"`
	Info    json.RawMessage `json:"codex_error_info"` // a word, or an object with a word for what failed and the status of the answer
}

// refusal is why the vendor refused the turn, if it did. Codex says when a limit ends to the minute, in local time.
func (f failure) refusal(at time.Time) *orchestron.Refusal {
	var word string
	if json.Unmarshal(f.Info, &word) == nil {
		return f.byWord(word, at)
	}
	var failed map[string]struct {
		Status int `json:"http_status_code"`
	}
	if json.Unmarshal(f.Info, &failed) != nil {
		return nil
	}
	for _, how := range failed { // there is one
		if r := refusal.ByStatus(how.Status); r != nil {
			return r
		}
	}
	return nil
}

func (f failure) byWord(word string, at time.Time) *orchestron.Refusal {
	switch word {
	case "usage_limit_exceeded":
		if unpaid.MatchString(f.Message) {
			return &orchestron.Refusal{Reason: orchestron.Billing}
		}
		return &orchestron.Refusal{Reason: orchestron.UsageLimit, Until: refusal.Believed(again(f.Message, at), at)}
	case "server_overloaded":
		return &orchestron.Refusal{Reason: orchestron.Overloaded}
	case "unauthorized":
		return &orchestron.Refusal{Reason: orchestron.Authentication}
	case "model_not_found":
		return &orchestron.Refusal{Reason: orchestron.NoModel}
	}
	if strings.Contains(f.Message, "Rate limit reached") { // in the middle of an answer
		return &orchestron.Refusal{Reason: orchestron.RateLimit}
	}
	return nil
}

var (
	unpaid = regexp.MustCompile(`^Quota exceeded|plan, upgrade to|out of credits`)
	tryAt  = regexp.MustCompile(`\btry again at (?:([A-Z][a-z]{2} \d{1,2})(?:st|nd|rd|th), (\d{4}) )?(\d{1,2}:\d{2} [AP]M)`)
)

// again reads when a limit ends, as in "try again at 10:26 PM" and "try again at Nov 24th, 2026 7:53 PM": the next time
// after at that the clock shows so, unless it just did. It is zero when the text does not say.
func again(text string, at time.Time) time.Time {
	m := tryAt.FindStringSubmatch(text)
	if m == nil {
		return time.Time{}
	}
	if m[1] != "" {
		t, err := time.ParseInLocation("Jan 2 2006 3:04 PM", m[1]+" "+m[2]+" "+m[3], time.Local)
		if err != nil {
			return time.Time{}
		}
		return t.UTC()
	}
	clock, err := time.Parse("3:04 PM", m[3])
	if err != nil {
		return time.Time{}
	}
	return refusal.Next(clock.Hour(), clock.Minute(), at)
}
