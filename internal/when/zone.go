package when

import (
	"fmt"
	"strings"
	"time"

	"github.com/orchestron/orchestron"
)

const day = 24 * time.Hour

// Zone returns the time zone of a name, as in Europe/Berlin; Local and nothing are the machine's own. It is Invalid
// when there is none.
func Zone(name string) (*time.Location, error) {
	if name == "" {
		return time.Local, nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, orchestron.Errorf(orchestron.Invalid, "there is no time zone %q", orchestron.Quotable(name)).
			Try("name one as in Europe/Berlin or America/New_York, or leave it out")
	}
	return zone, nil
}

// on is when a day's clock shows c. On a day that skips c it is the first instant after it; on a day that has c twice
// it is the first.
func (c clock) on(date time.Time, zone *time.Location) time.Time {
	y, m, d := date.Date()
	shown := time.Date(y, m, d, c.hour, c.minute, c.second, 0, time.UTC) // as if there were no offset
	guess := time.Date(y, m, d, c.hour, c.minute, c.second, 0, zone)
	begin, end := guess.ZoneBounds()
	around := []time.Time{guess}
	if !begin.IsZero() {
		around = append(around, begin.Add(-1))
	}
	if !end.IsZero() {
		around = append(around, end)
	}
	var first time.Time
	for _, t := range around {
		at := shown.Add(-offset(t)).In(zone)
		if offset(at) == offset(t) && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	if !first.IsZero() {
		return first
	}
	for _, change := range []time.Time{begin, end} { // one of them skips c
		if change.IsZero() {
			continue
		}
		from, to := change.UTC().Add(offset(change.Add(-1))), change.UTC().Add(offset(change))
		if !shown.Before(from) && shown.Before(to) {
			return change
		}
	}
	return guess
}

// offset is how far the clocks of t's zone are ahead of UTC then.
func offset(t time.Time) time.Duration {
	_, seconds := t.Zone()
	return time.Duration(seconds) * time.Second
}

// clockOf is what the clocks of t's zone show.
func clockOf(t time.Time) clock {
	h, m, s := t.Clock()
	return clock{h, m, s}
}

// dayAfter is a date so many days after that of t. It is in UTC, where every day exists.
func dayAfter(t time.Time, days int64) time.Time {
	y, m, d := t.Date()
	return time.Date(y, m, d+int(days), 12, 0, 0, 0, time.UTC)
}

// daysBetween is how many dates b is after a.
func daysBetween(a, b time.Time) int64 {
	return (dayAfter(b, 0).Unix() - dayAfter(a, 0).Unix()) / int64(day/time.Second)
}

// stamp is a time for people.
func stamp(t time.Time) string {
	layout := "15:04"
	if t.Second() != 0 {
		layout = "15:04:05"
	}
	return t.Format("Monday 2 January 2006, " + layout + " MST")
}

// Say tells people when something will be, seen from now: the day, the time with its zone, and how long that is.
func Say(at, now time.Time) string {
	now = now.In(at.Location()).Round(0)
	layout := "15:04 MST"
	if at.Second() != 0 {
		layout = "15:04:05 MST"
	}
	words := at.Format("on Monday 2 January 2006")
	switch daysBetween(now, at) {
	case 0:
		words = "today"
	case 1:
		words = "tomorrow, " + at.Format("Monday 2 January")
	}
	return fmt.Sprintf("%s at %s (%s)", words, at.Format(layout), Away(at.Sub(now)))
}

// Away is how far ahead something is, for people, without what does not matter yet: in 2d, in 1h30m, in 45s.
func Away(d time.Duration) string {
	unit := time.Second
	switch {
	case d <= 0:
		return "now"
	case d >= 2*day:
		unit = time.Hour
	case d >= time.Hour:
		unit = time.Minute
	}
	return "in " + SaySpan(max(d.Round(unit), time.Second))
}

// SaySpan is a duration as Every reads it: 1d, 1h30m, 45s.
func SaySpan(d time.Duration) string {
	var b strings.Builder
	for _, unit := range []struct {
		length time.Duration
		name   string
	}{{day, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if n := d / unit.length; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, unit.name)
		}
		d %= unit.length
	}
	return b.String()
}
