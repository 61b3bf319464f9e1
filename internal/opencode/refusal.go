package opencode

import (
	"encoding/json"
	"regexp"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/refusal"
)

// failure is what the plugin tells of a turn that failed.
type failure struct {
	Error   string `json:"error"` // what the person in front of the terminal sees
	Refusal *struct {
		Status int    `json:"status"` // of the vendor's answer; 0 when OpenCode would have gone on trying
		Body   string `json:"body"`
		Name   string `json:"name"`
		Until  int64  `json:"until"` // milliseconds; when OpenCode would have tried again, if the vendor told it to wait
	} `json:"refusal"`
}

var (
	unpaid     = regexp.MustCompile(`insufficient_quota|insufficient_credit|billing_error|credit balance`)
	usage      = regexp.MustCompile(`(?i)quota|usage limit|\b(daily|weekly|monthly|hour) limit|limit exhausted`)
	overloaded = regexp.MustCompile(`(?i)overloaded|unavailable|high demand|capacity|server`)
)

// readRefusal is why the vendor refused a turn, if it did. OpenCode speaks with many vendors, which share little but the
// status of their answers.
func readRefusal(payload json.RawMessage, at time.Time) *orchestron.Refusal {
	var f failure
	if json.Unmarshal(payload, &f) != nil || f.Refusal == nil {
		return nil
	}
	switch {
	case f.Refusal.Name == "ProviderAuthError":
		return &orchestron.Refusal{Reason: orchestron.Authentication}
	case f.Refusal.Name == "ProviderModelNotFoundError":
		return &orchestron.Refusal{Reason: orchestron.NoModel}
	case f.Refusal.Status == 0 && f.Refusal.Name != "":
		return nil // nothing was answered
	case unpaid.MatchString(f.Refusal.Body):
		return &orchestron.Refusal{Reason: orchestron.Billing}
	case f.Refusal.Status != 0:
		return refusal.ByStatus(f.Refusal.Status)
	}
	r := orchestron.Refusal{Reason: orchestron.RateLimit}
	switch {
	case usage.MatchString(f.Error):
		r.Reason = orchestron.UsageLimit
	case overloaded.MatchString(f.Error):
		r.Reason = orchestron.Overloaded
	}
	if f.Refusal.Until > 0 {
		r.Until = refusal.Believed(time.UnixMilli(f.Refusal.Until).UTC(), at)
	}
	return &r
}
