package when

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/orchestron/orchestron"
)

// Shortest is the shortest time between two slots.
const Shortest = time.Minute

// Every reads how often something comes again: 30m, 2h, 1h30m, 1d, 90 minutes. It is Invalid when the text is no such
// duration, shorter than Shortest, or longer than Furthest.
func Every(text string) (time.Duration, error) {
	plain := strings.TrimPrefix(strings.Join(strings.Fields(strings.ToLower(text)), " "), "every ")
	d, err := parseSpan(text, strings.TrimPrefix(plain, "+"))
	if err == nil && d < Shortest {
		err = orchestron.Errorf(orchestron.Invalid, "%q is too often: once a minute is the most", orchestron.Quotable(text)).Try("give 1m or more")
	}
	return d, err
}

// Span reads a length of time: 90s, 2h, 1h30m, 1d. It is Invalid when the text is none, or longer than Furthest.
func Span(text string) (time.Duration, error) {
	return parseSpan(text, strings.Join(strings.Fields(strings.ToLower(text)), " "))
}

// Days reports whether what comes again every so often does so every so many days, at a time of day.
func Days(every time.Duration) bool { return every > 0 && every%day == 0 }

var spanPart = regexp.MustCompile(`^ ?(\d{1,8}) ?([a-z]+)`)

// parseSpan reads numbers with units, the largest unit first. whole is what errors quote.
func parseSpan(whole, text string) (time.Duration, error) {
	bad := orchestron.Errorf(orchestron.Invalid, "%q is no duration", orchestron.Quotable(whole)).
		Try("write whole numbers with units, the largest first: 30m, 2h, 1h30m, 1d, 30 minutes")
	total, last := time.Duration(0), Furthest
	for text != "" {
		part := spanPart.FindStringSubmatch(text)
		if part == nil {
			return 0, bad
		}
		unit := unitOf(part[2])
		n, err := strconv.ParseInt(part[1], 10, 64)
		if unit == 0 || unit >= last || err != nil {
			return 0, bad
		}
		if n > int64((Furthest-total)/unit) {
			return 0, orchestron.Errorf(orchestron.Invalid, "%q is more than a year", orchestron.Quotable(whole)).Try("give less")
		}
		total, last, text = total+time.Duration(n)*unit, unit, text[len(part[0]):]
	}
	if last == Furthest {
		return 0, bad
	}
	return total, nil
}

// unitOf is the unit of a name, and 0 when there is none.
func unitOf(name string) time.Duration {
	switch name {
	case "s", "sec", "secs", "second", "seconds":
		return time.Second
	case "m", "min", "mins", "minute", "minutes":
		return time.Minute
	case "h", "hr", "hrs", "hour", "hours":
		return time.Hour
	case "d", "day", "days":
		return day
	}
	return 0
}
