// Package when reads times and durations as people write them, and counts the slots of what comes again. The clocks of
// a time zone are set forward and back: a time of day that a day skips is the first instant that exists after it, and
// one that a day has twice is the first of the two.
package when

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // zones mean the same on every machine

	"github.com/orchestron/orchestron"
)

// Forms is how times can be written, for help and for errors.
const Forms = "15:30, 3:30pm, +30m, +2h, +1h30m, in 30 minutes, tomorrow 9am or 2026-12-31T15:30"

// Furthest is how far ahead a time can be.
const Furthest = 366 * 24 * time.Hour

// Parse returns the time that a text means, in whole seconds, after now, and in the zone of now. A time of day alone
// is the next one: today's, or tomorrow's when that is over. It is Invalid when the text is no such time, could mean
// two, is over, or is further ahead than Furthest.
func Parse(text string, now time.Time) (time.Time, error) {
	at, _, err := ParseDaily(text, now)
	return at, err
}

// ParseDaily is Parse, and returns also the time of day that the text asks for, as in 02:30:00: on a day that skips it the
// time is later.
func ParseDaily(text string, now time.Time) (at time.Time, daily string, err error) {
	now = now.Round(0)
	at, c, err := parse(strings.Join(strings.Fields(strings.ToLower(text)), " "), now)
	switch {
	case err != nil:
		return time.Time{}, "", err
	case !at.After(now):
		return time.Time{}, "", orchestron.Errorf(orchestron.Invalid, "%q is over: it is %s now", orchestron.Quotable(text), stamp(now)).
			Try("give a time that is still to come, as in %s", Forms)
	case at.Sub(now) > Furthest:
		return time.Time{}, "", orchestron.Errorf(orchestron.Invalid, "%q is more than a year ahead", orchestron.Quotable(text)).
			Try("give an earlier time")
	}
	at = whole(at)
	if c == nil {
		return at, clockOf(at).String(), nil
	}
	return at, c.String(), nil
}

// After is the first time of what comes again every so often and begins that long from now, and the time of day of the
// others: that of now when it is every so many days, whatever the clocks do.
func After(every time.Duration, now time.Time) (at time.Time, daily string) {
	now = whole(now.Round(0))
	if every%day != 0 {
		at = now.Add(every)
		return at, clockOf(at).String()
	}
	c := clockOf(now)
	return c.on(dayAfter(now, int64(every/day)), now.Location()), c.String()
}

// whole moves a time to the next whole second.
func whole(t time.Time) time.Time {
	if t.Nanosecond() > 0 {
		t = t.Add(time.Second - time.Duration(t.Nanosecond()))
	}
	return t
}

// parse returns also the time of day that the text names, if it names one.
func parse(text string, now time.Time) (at time.Time, c *clock, err error) {
	first, rest, _ := strings.Cut(text, " ")
	switch {
	case text == "":
		err = orchestron.Errorf(orchestron.Invalid, "the time is empty").Try("write %s", Forms)
		return at, nil, err
	case strings.HasPrefix(text, "+"):
		at, err = ahead(text, text[1:], now)
		return at, nil, err
	case first == "in":
		at, err = ahead(text, rest, now)
		return at, nil, err
	case first == "today":
		return onDay(first, rest, now, now.Location())
	case first == "tomorrow":
		return onDay(first, rest, dayAfter(now, 1), now.Location())
	case first == "yesterday":
		return at, nil, orchestron.Errorf(orchestron.Invalid, "yesterday is over").Try("write %s", Forms)
	case isoDate.MatchString(text):
		return iso(text, now)
	}
	daily, err := parseClock(strings.TrimPrefix(text, "at "))
	if err != nil {
		return at, nil, err
	}
	if at = daily.on(now, now.Location()); !at.After(now) {
		at = daily.on(dayAfter(now, 1), now.Location())
	}
	return at, &daily, nil
}

// ahead is a time from now, by the clock on no wall: an hour is an hour also when the clocks are set.
func ahead(text, span string, now time.Time) (time.Time, error) {
	d, err := parseSpan(text, span)
	if err == nil && d == 0 {
		err = orchestron.Errorf(orchestron.Invalid, "%q is no time at all", orchestron.Quotable(text)).Try("send says something at once")
	}
	return now.Add(d), err
}

// onDay is a time of day on a certain day.
func onDay(day, rest string, date time.Time, zone *time.Location) (time.Time, *clock, error) {
	rest = strings.TrimPrefix(rest, "at ")
	if rest == "" || rest == "at" {
		return time.Time{}, nil, orchestron.Errorf(orchestron.Invalid, "%q has no time of day", orchestron.Quotable(day)).Try("write %s 9am or %s 15:30", day, day)
	}
	c, err := parseClock(rest)
	if err != nil {
		return time.Time{}, nil, err
	}
	return c.on(date, zone), &c, nil
}

var isoDate = regexp.MustCompile(`^\d{4}-\d{1,2}-\d{1,2}`)

// iso is a date and a time of day: with an offset an instant, without one in the zone of now.
func iso(text string, now time.Time) (time.Time, *clock, error) {
	exact := strings.ToUpper(text)
	for _, layout := range []string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04Z07:00", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04Z07:00"} {
		if at, err := time.Parse(layout, exact); err == nil {
			return at.In(now.Location()), nil, nil
		}
	}
	day := isoDate.FindString(text)
	date, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return time.Time{}, nil, orchestron.Errorf(orchestron.Invalid, "there is no date %q", day).Try("write it as in 2026-12-31")
	}
	rest := strings.TrimPrefix(strings.TrimPrefix(text[len(day):], "t"), " ")
	return onDay(day, rest, date, now.Location())
}

// clock is a time of day.
type clock struct{ hour, minute, second int }

func (c clock) String() string { return fmt.Sprintf("%02d:%02d:%02d", c.hour, c.minute, c.second) }

var clockForm = regexp.MustCompile(`^(\d{1,3})(?::(\d{2}))?(?::(\d{2}))? ?(am|pm)?$`)

// parseClock reads 15:30, 3:30pm and 3pm. Two digits before the colon are the hour of a day of 24 hours; with one, and
// neither am nor pm, nobody can know which half of the day is meant.
func parseClock(text string) (clock, error) {
	part := clockForm.FindStringSubmatch(text)
	if part == nil || part[2] == "" && part[4] == "" {
		return clock{}, orchestron.Errorf(orchestron.Invalid, "%q is no time", orchestron.Quotable(text)).Try("write %s", Forms)
	}
	var c clock
	for i, into := range []*int{&c.hour, &c.minute, &c.second} {
		*into, _ = strconv.Atoi(part[i+1]) // three digits at most, or none
	}
	half := part[4]
	switch {
	case c.minute > 59 || c.second > 59:
		return clock{}, orchestron.Errorf(orchestron.Invalid, "%q is no time: minutes and seconds are 00 to 59", text).Try("write %s", Forms)
	case half != "" && (c.hour < 1 || c.hour > 12):
		return clock{}, orchestron.Errorf(orchestron.Invalid, "%q is no time: hours before %s are 1 to 12", text, half).Try("write %s", Forms)
	case half == "" && c.hour > 23:
		return clock{}, orchestron.Errorf(orchestron.Invalid, "%q is no time: hours are 00 to 23", text).Try("write %s", Forms)
	case half == "" && len(part[1]) == 1 && c.hour > 0:
		return clock{}, ambiguous(text, c)
	}
	if half != "" {
		c.hour %= 12
	}
	if half == "pm" {
		c.hour += 12
	}
	return c, nil
}

func ambiguous(text string, c clock) *orchestron.Error {
	return orchestron.Errorf(orchestron.Invalid, "%q is ambiguous: it could be in the morning or in the afternoon", text).
		Try("write %sam or 0%s for the morning, %spm or %d%s for the afternoon", text, text, text, c.hour+12, text[1:])
}
