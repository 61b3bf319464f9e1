package gemini

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/bin"
	"github.com/orchestron/orchestron/internal/refusal"
)

// noted is how long a note tells of the end of a turn.
const noted = time.Minute

// refusalOf returns why a turn failed and why the vendor refused it, if it did: by its error in the chat, and by what was
// noted when it was stopped.
func refusalOf(failed, transcript string, at time.Time) (string, *orchestron.Refusal) {
	var said note
	if info, err := os.Stat(noteFile(transcript)); err == nil && at.Sub(info.ModTime()).Abs() < noted {
		data, _ := bin.Head(noteFile(transcript))
		_ = json.Unmarshal(data, &said) // what cannot be read says nothing
	}
	if said.Logged == "" {
		return failed, readRefusal(failed, said.Dialog, at)
	}
	failed = "[API Error: " + said.Logged + "]"
	r := readRefusal(failed, "", at)
	if r == nil {
		r = &orchestron.Refusal{Reason: orchestron.RateLimit}
	}
	r.Until = refusal.Believed(said.Until, at)
	return failed, r
}

var (
	badKey     = regexp.MustCompile(`API_KEY_INVALID|API key not valid|API key expired`)
	noModel    = regexp.MustCompile(`is not found for API version|was not found or is invalid|don't have access to`)
	usedUp     = regexp.MustCompile(`(?i)usage limit reached|exhausted your (daily )?(quota|capacity)|exceeded your current quota`)
	overloaded = regexp.MustCompile(`(?i)overloaded|UNAVAILABLE|high demand`)
	tooMany    = regexp.MustCompile(`(?i)resource has been exhausted|RESOURCE_EXHAUSTED|rate limit`)
	resets     = regexp.MustCompile(`Access resets at (\d{1,2}:\d{2}[\s\x{202f}][AP]M)`)
)

// readRefusal reads an error as Gemini CLI writes it: the vendor's answer, or the message in it.
func readRefusal(failed, dialog string, at time.Time) *orchestron.Refusal {
	var answer struct {
		Error struct {
			Code int `json:"code"`
		} `json:"error"`
	}
	said, isError := strings.CutPrefix(failed, "[API Error: ")
	if !isError {
		return nil
	}
	_ = json.Unmarshal([]byte(strings.TrimSuffix(said, "]")), &answer) // what is no object is a message
	both := said + "\n" + dialog
	switch {
	case badKey.MatchString(said):
		return &orchestron.Refusal{Reason: orchestron.Authentication}
	case noModel.MatchString(both):
		return &orchestron.Refusal{Reason: orchestron.NoModel}
	case usedUp.MatchString(both):
		return &orchestron.Refusal{Reason: orchestron.UsageLimit, Until: until(dialog, at)}
	case answer.Error.Code != 0:
		return refusal.ByStatus(answer.Error.Code)
	case tooMany.MatchString(said):
		return &orchestron.Refusal{Reason: orchestron.RateLimit}
	case overloaded.MatchString(both):
		return &orchestron.Refusal{Reason: orchestron.Overloaded}
	}
	return nil
}

// until reads when a limit ends, as in "Access resets at 10:26 PM UTC": the next time after at that the local clock shows
// so. It is zero when the dialog does not say.
func until(dialog string, at time.Time) time.Time {
	m := resets.FindStringSubmatch(dialog)
	if m == nil {
		return time.Time{}
	}
	clock, err := time.Parse("3:04 PM", strings.Join(strings.Fields(m[1]), " "))
	if err != nil {
		return time.Time{}
	}
	return refusal.Next(clock.Hour(), clock.Minute(), at)
}
