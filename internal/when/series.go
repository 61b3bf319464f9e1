package when

import "time"

// Series is the slots of something that happens at a time and perhaps again and again, counted from 0.
type Series struct {
	First time.Time     // of whole seconds, in the zone whose clocks count
	Every time.Duration // of whole seconds; 0 means once. Whole days keep the time of day, whatever the clocks do
	Daily string        // that time of day as ParseDaily gives it; First's when it is empty
}

// daily is the time of day of the slots after the first.
func (s Series) daily() clock {
	if t, err := time.Parse(time.TimeOnly, s.Daily); err == nil {
		return clockOf(t)
	}
	return clockOf(s.First)
}

// At is the time of a slot.
func (s Series) At(slot int64) time.Time {
	if slot == 0 {
		return s.First // also where it is the second of two
	}
	if s.Every%day == 0 {
		return s.daily().on(dayAfter(s.First, slot*int64(s.Every/day)), s.First.Location())
	}
	return time.Unix(s.First.Unix()+slot*int64(s.Every/time.Second), 0).In(s.First.Location())
}

// Last is the number of the last slot that is not after now, and -1 when there is none.
func (s Series) Last(now time.Time) int64 {
	switch {
	case now.Before(s.First):
		return -1
	case s.Every == 0:
		return 0
	case s.Every%day != 0:
		return (now.Unix() - s.First.Unix()) / int64(s.Every/time.Second)
	}
	slot := daysBetween(s.First, now.In(s.First.Location())) / int64(s.Every/day)
	for slot > 0 && s.At(slot).After(now) {
		slot--
	}
	for !s.At(slot + 1).After(now) { // a day was skipped
		slot++
	}
	return slot
}
