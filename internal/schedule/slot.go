package schedule

import (
	"time"

	"github.com/orchestron/orchestron/internal/scheduleapi"
	"github.com/orchestron/orchestron/internal/when"
)

// zone is whose clocks a schedule goes by.
func (s *Service) zone(sched scheduleapi.Schedule) *time.Location {
	machine := s.now().Location()
	if sched.Zone == machine.String() {
		return machine
	}
	zone, err := when.Zone(sched.Zone)
	if err != nil {
		return machine // no clock of that name is known any more
	}
	return zone
}

// series is when a schedule runs.
func (s *Service) series(sched scheduleapi.Schedule) when.Series {
	return when.Series{First: sched.First.In(s.zone(sched)), Every: time.Duration(sched.Every) * time.Second, Daily: sched.Daily}
}

// due returns the slot that is to run now, if any: the last that is not after now, unless it has run. Those before it
// have passed.
func (s *Service) due(sched scheduleapi.Schedule) (slot int64, due bool) {
	slot = s.series(sched).Last(s.now())
	return slot, sched.State == scheduleapi.Active && slot >= 0 && !sched.Ran.Has(slot)
}

// next returns when a schedule runs next, which is not after now when it is due, and the zero time when it does not.
func (s *Service) next(sched scheduleapi.Schedule) time.Time {
	slot, due := s.due(sched)
	if !due {
		slot = sched.Ran.Free(slot + 1)
	}
	if sched.State != scheduleapi.Active || slot > 0 && sched.Every == 0 {
		return time.Time{}
	}
	return s.series(sched).At(slot)
}
