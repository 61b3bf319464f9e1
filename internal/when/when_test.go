package when

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := Zone(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func at(t testing.TB, text string, zoned *time.Location) time.Time {
	t.Helper()
	moment, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return moment.In(zoned)
}

func TestParse(t *testing.T) {
	const saturday = "2026-11-21T15:30:00.25+01:00" // a quarter of a second past half past three
	tests := []struct{ zone, now, text, want string }{
		{"Europe/Berlin", saturday, "16:00", "2026-11-21T16:00:00+01:00"},
		{"Europe/Berlin", saturday, "15:30", "2026-11-22T15:30:00+01:00"}, // over today
		{"Europe/Berlin", saturday, "15:31", "2026-11-21T15:31:00+01:00"},
		{"Europe/Berlin", saturday, "09:45", "2026-11-22T09:45:00+01:00"},
		{"Europe/Berlin", saturday, "00:00", "2026-11-22T00:00:00+01:00"},
		{"Europe/Berlin", saturday, "0:30", "2026-11-22T00:30:00+01:00"},
		{"Europe/Berlin", saturday, "23:59:59", "2026-11-21T23:59:59+01:00"},
		{"Europe/Berlin", saturday, "3:30pm", "2026-11-22T15:30:00+01:00"},
		{"Europe/Berlin", saturday, " 3:31  PM ", "2026-11-21T15:31:00+01:00"},
		{"Europe/Berlin", saturday, "at 9 am", "2026-11-22T09:00:00+01:00"},
		{"Europe/Berlin", saturday, "12am", "2026-11-22T00:00:00+01:00"},
		{"Europe/Berlin", saturday, "12:30AM", "2026-11-22T00:30:00+01:00"},
		{"Europe/Berlin", saturday, "12pm", "2026-11-22T12:00:00+01:00"},
		{"Europe/Berlin", saturday, "12:45", "2026-11-22T12:45:00+01:00"},
		{"Europe/Berlin", saturday, "+30m", "2026-11-21T16:00:01+01:00"}, // never early
		{"Europe/Berlin", saturday, "+2h", "2026-11-21T17:30:01+01:00"},
		{"Europe/Berlin", saturday, "+1h30m", "2026-11-21T17:00:01+01:00"},
		{"Europe/Berlin", saturday, "+90s", "2026-11-21T15:31:31+01:00"},
		{"Europe/Berlin", saturday, "+ 2 h", "2026-11-21T17:30:01+01:00"},
		{"Europe/Berlin", saturday, "in 30 minutes", "2026-11-21T16:00:01+01:00"},
		{"Europe/Berlin", saturday, "In 1 hour 5 min", "2026-11-21T16:35:01+01:00"},
		{"Europe/Berlin", saturday, "in 2 days", "2026-11-23T15:30:01+01:00"},
		{"Europe/Berlin", saturday, "tomorrow 9am", "2026-11-22T09:00:00+01:00"},
		{"Europe/Berlin", saturday, "Tomorrow at 15:30", "2026-11-22T15:30:00+01:00"},
		{"Europe/Berlin", saturday, "today 4pm", "2026-11-21T16:00:00+01:00"},
		{"Europe/Berlin", saturday, "2026-12-31T15:30", "2026-12-31T15:30:00+01:00"},
		{"Europe/Berlin", saturday, "2026-12-31 09:30:05", "2026-12-31T09:30:05+01:00"},
		{"Europe/Berlin", saturday, "2026-12-31 9:30am", "2026-12-31T09:30:00+01:00"},
		{"Europe/Berlin", saturday, "2026-12-31T15:30:00Z", "2026-12-31T16:30:00+01:00"},
		{"Europe/Berlin", saturday, "2026-12-31t15:30:00.5-05:00", "2026-12-31T21:30:01+01:00"},
		{"Europe/Berlin", saturday, "2027-07-01T12:00", "2027-07-01T12:00:00+02:00"},

		// The clocks go forward: what is skipped is the first instant that exists.
		{"Europe/Berlin", "2026-03-28T20:00:00+01:00", "02:30", "2026-03-29T03:00:00+02:00"},
		{"Europe/Berlin", "2026-03-28T20:00:00+01:00", "tomorrow 2:59am", "2026-03-29T03:00:00+02:00"},
		{"Europe/Berlin", "2026-03-28T20:00:00+01:00", "01:59", "2026-03-29T01:59:00+01:00"},
		{"Europe/Berlin", "2026-03-28T20:00:00+01:00", "03:00", "2026-03-29T03:00:00+02:00"},
		{"Europe/Berlin", "2026-03-29T01:30:00+01:00", "+1h", "2026-03-29T03:30:00+02:00"},
		{"America/New_York", "2026-03-07T20:00:00-05:00", "2:30am", "2026-03-08T03:00:00-04:00"},
		{"America/New_York", "2026-01-07T20:00:00-05:00", "2026-03-08T02:30", "2026-03-08T03:00:00-04:00"},
		{"Australia/Lord_Howe", "2026-10-03T20:00:00+10:30", "2:15am", "2026-10-04T02:30:00+11:00"}, // half an hour
		{"Australia/Lord_Howe", "2026-10-03T20:00:00+10:30", "2:30am", "2026-10-04T02:30:00+11:00"},
		{"America/Santiago", "2026-09-05T20:00:00-04:00", "tomorrow 12:15am", "2026-09-06T01:00:00-03:00"}, // the day begins at one

		// They go back: the first of two.
		{"Europe/Berlin", "2026-10-24T20:00:00+02:00", "02:30", "2026-10-25T02:30:00+02:00"},
		{"Europe/Berlin", "2026-10-25T02:45:00+02:00", "02:30", "2026-10-26T02:30:00+01:00"},
		{"Europe/Berlin", "2026-10-25T02:30:00+02:00", "+1h", "2026-10-25T02:30:00+01:00"},
		{"Europe/Berlin", "2026-10-24T20:00:00+02:00", "2026-10-25T02:30:00+01:00", "2026-10-25T02:30:00+01:00"}, // said which
		{"Europe/Berlin", "2026-10-24T20:00:00+02:00", "03:00", "2026-10-25T03:00:00+01:00"},
		{"America/New_York", "2026-10-31T20:00:00-04:00", "1:30am", "2026-11-01T01:30:00-04:00"},
		{"Australia/Lord_Howe", "2026-04-04T20:00:00+11:00", "1:45am", "2026-04-05T01:45:00+11:00"},
		{"UTC", "2026-10-25T00:00:00Z", "02:30", "2026-10-25T02:30:00Z"},
		{"Europe/Berlin", "2026-12-31T23:00:00+01:00", "tomorrow 9am", "2027-01-01T09:00:00+01:00"},
		{"Europe/Berlin", "2028-02-28T23:00:00+01:00", "9am", "2028-02-29T09:00:00+01:00"},
	}
	for _, test := range tests {
		z := zone(t, test.zone)
		got, err := Parse(test.text, at(t, test.now, z))
		if err != nil || got.Format(time.RFC3339Nano) != test.want {
			t.Errorf("Parse(%q) at %s in %s = %s, %v; want %s", test.text, test.now, test.zone, got.Format(time.RFC3339Nano), err, test.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	now := time.Date(2026, 11, 21, 15, 30, 0, 0, zone(t, "Europe/Berlin"))
	tests := []struct{ text, want string }{
		{"2:30", `"2:30" is ambiguous: it could be in the morning or in the afternoon (write 2:30am or 02:30 for the morning, 2:30pm or 14:30 for the afternoon)`},
		{"tomorrow 9:45", `"9:45" is ambiguous: it could be in the morning or in the afternoon (write 9:45am or 09:45 for the morning, 9:45pm or 21:45 for the afternoon)`},
		{"25:30", `"25:30" is no time: hours are 00 to 23`},
		{"3:70pm", `"3:70pm" is no time: minutes and seconds are 00 to 59`},
		{"13pm", `"13pm" is no time: hours before pm are 1 to 12`},
		{"0:10am", `"0:10am" is no time: hours before am are 1 to 12`},
		{"15", `"15" is no time`},
		{"3:5pm", `"3:5pm" is no time`},
		{"", "the time is empty"},
		{"soon\x1b[2J", `"soon.[2j" is no time`},
		{"yesterday", "yesterday is over"},
		{"today 9am", `"today 9am" is over: it is Saturday 21 November 2026, 15:30 CET now`},
		{"2026-11-21T15:30", `"2026-11-21T15:30" is over`},
		{"2020-01-01T00:00:00Z", `"2020-01-01T00:00:00Z" is over`},
		{"2026-02-30T10:00", `there is no date "2026-02-30"`},
		{"2026-12-01", `"2026-12-01" has no time of day (write 2026-12-01 9am`},
		{"tomorrow", `"tomorrow" has no time of day (write tomorrow 9am`},
		{"2028-01-01T10:00", `"2028-01-01T10:00" is more than a year ahead`},
		{"+400d", `"+400d" is more than a year`},
		{"+99999999h", `"+99999999h" is more than a year`},
		{"+0m", `"+0m" is no time at all`},
		{"+30", `"+30" is no duration (write whole numbers with units`},
		{"+1.5h", `"+1.5h" is no duration`},
		{"+30m1h", `"+30m1h" is no duration`},
		{"+", `"+" is no duration`},
		{"in", `"in" is no duration`},
		{"in two hours", `"in two hours" is no duration`},
		{"+-5m", `"+-5m" is no duration`},
	}
	for _, test := range tests {
		got, err := Parse(test.text, now)
		if orchestron.KindOf(err) != orchestron.Invalid || err == nil || !strings.HasPrefix(err.Error(), test.want) || !strings.Contains(err.Error(), "(") {
			t.Errorf("Parse(%q) = %s, %v; want %s and a remedy", test.text, got, err, test.want)
		}
	}
}

func TestEvery(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"30m": 30 * time.Minute, "2h": 2 * time.Hour, "1h30m": 90 * time.Minute, "1d": day, "90 Minutes": 90 * time.Minute,
		"every 2 hours": 2 * time.Hour, "60s": time.Minute, "+5m": 5 * time.Minute, "366d": 366 * day,
	} {
		if got, err := Every(text); err != nil || got != want {
			t.Errorf("Every(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "0m", "59s", "1m1m", "daily", "-1h", "367d", "9223372036854775807h", "1"} {
		if got, err := Every(text); orchestron.KindOf(err) != orchestron.Invalid {
			t.Errorf("Every(%q) = %v, %v; want it refused", text, got, err)
		}
	}
}

func TestSay(t *testing.T) {
	z := zone(t, "Europe/Berlin")
	now := time.Date(2026, 11, 21, 15, 30, 0, 0, z)
	for _, test := range []struct {
		at   time.Time
		want string
	}{
		{now.Add(5 * time.Minute), "today at 15:35 CET (in 5m)"},
		{now.Add(5 * time.Second), "today at 15:30:05 CET (in 5s)"},
		{now.Add(23 * time.Hour), "tomorrow, Sunday 22 November at 14:30 CET (in 23h)"},
		{now.Add(49*time.Hour + time.Minute), "on Monday 23 November 2026 at 16:31 CET (in 2d1h)"},
		{now.Add(-time.Minute), "today at 15:29 CET (now)"},
	} {
		if got := Say(test.at, now.UTC()); got != test.want {
			t.Errorf("Say(%s) = %q, want %q", test.at, got, test.want)
		}
	}
}

// TestDaily counts days over a year in zones whose clocks are set: every date has one slot, at the time of day.
func TestDaily(t *testing.T) {
	for _, name := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"} {
		z := zone(t, name)
		s := Series{First: time.Date(2026, 1, 1, 2, 10, 0, 0, z), Every: day}
		for k := range int64(366) {
			got := s.At(k)
			if days := daysBetween(s.First, got); days != k {
				t.Fatalf("%s: slot %d is %s, %d days on", name, k, got, days)
			}
			if c := clockOf(got); c != (clock{2, 10, 0}) && c != (clock{3, 0, 0}) && c != (clock{2, 30, 0}) {
				t.Errorf("%s: slot %d is at %v", name, k, c)
			}
			if before, then := s.Last(got.Add(-1)), s.Last(got); before != k-1 || then != k {
				t.Errorf("%s: around slot %d the last are %d and %d", name, k, before, then)
			}
		}
	}
}

// TestLast holds Last against counting, in all kinds of series and also where a country skipped a day.
func TestLast(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, name := range []string{"Europe/Berlin", "Pacific/Apia", "Australia/Lord_Howe"} {
		z := zone(t, name)
		for _, every := range []time.Duration{0, time.Minute, 7 * time.Hour, day, 2 * day} {
			s := Series{First: time.Date(2011, 12, 28, 0, 30, 0, 0, z), Every: every}
			for range 300 {
				now := s.First.Add(time.Duration(random.Int64N(int64(8*day))) - day)
				k := s.Last(now)
				if k < -1 || k >= 0 && s.At(k).After(now) || k == -1 && !s.First.After(now) || every > 0 && !s.At(k+1).After(now) {
					t.Fatalf("%s every %s: Last(%s) = %d", name, every, now, k)
				}
			}
		}
	}
}

func TestSecondOfTwo(t *testing.T) {
	z := zone(t, "Europe/Berlin")
	s := Series{First: at(t, "2026-10-25T02:30:00+01:00", z)}
	if !s.At(0).Equal(s.First) || s.Last(s.First) != 0 || s.Last(s.First.Add(-time.Minute)) != -1 {
		t.Errorf("a series that begins in the second of two hours begins at %s", s.At(0))
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"15:30", "2:30", "3:30pm", "+1h30m", "in 30 minutes", "tomorrow 9am", "2026-12-31T15:30", "2027-03-28 02:30", "+99999999d"} {
		f.Add(seed, int64(1_774_000_000), "Europe/Berlin")
	}
	f.Add("1:45am", int64(1_775_000_000), "Australia/Lord_Howe")
	f.Fuzz(func(t *testing.T, text string, unix int64, name string) {
		if unix < 0 || unix > 4_000_000_000 {
			return
		}
		z, err := Zone(name)
		if err != nil {
			return
		}
		now := time.Unix(unix, 5).In(z)
		got, err := Parse(text, now)
		switch {
		case err != nil && orchestron.KindOf(err) != orchestron.Invalid:
			t.Errorf("Parse(%q) fails with %v", text, err)
		case err == nil && (!got.After(now) || got.Nanosecond() != 0 || got.Sub(now) > Furthest+time.Second || got.Location() != z):
			t.Errorf("Parse(%q) at %s = %s", text, now, got)
		}
		if d, err := Every(text); err == nil && (d < Shortest || d > Furthest || d%time.Second != 0) {
			t.Errorf("Every(%q) = %s", text, d)
		} else if again, aerr := Every(SaySpan(d)); err == nil && (aerr != nil || again != d) {
			t.Errorf("Every(%q) = %s, %v, want %s", SaySpan(d), again, aerr, d)
		}
	})
}
