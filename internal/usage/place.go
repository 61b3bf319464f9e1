package usage

import (
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/usageapi"
)

// turnOf is the turn that a call belongs to: the first that has the call's prompt, else the last that had begun by then.
// A prompt that waits inside the program is noted with the id of the turn that ran then, so that the first one counts.
func turnOf(turns []usageapi.Turn, prompt string, at time.Time) usageapi.Turn {
	var last usageapi.Turn
	for _, t := range turns {
		if prompt != "" && t.Prompt == prompt {
			return t
		}
		if !t.Started.After(at) {
			last = t
		}
	}
	return last
}

// taskOf is the task that was held at a time, the one taken last when there were several.
func taskOf(holds []usageapi.Hold, at time.Time) orchestron.TaskID {
	var task orchestron.TaskID
	var since time.Time
	for _, h := range holds {
		began, held := heldAt(holds, h.Task, at)
		if held && (task == "" || began.After(since)) {
			task, since = h.Task, began
		}
	}
	return task
}

// heldAt reports whether a task was held at a time, and since when. That a hold ended tells that it was held before, also
// when nothing tells when it began.
func heldAt(holds []usageapi.Hold, task orchestron.TaskID, at time.Time) (time.Time, bool) {
	var began, ended, begins, ends time.Time // the last ones by then, and the first ones after
	for _, h := range holds {
		if h.Task != task {
			continue
		}
		began, begins = around(began, begins, h.Since, at)
		ended, ends = around(ended, ends, h.Until, at)
	}
	if !began.IsZero() {
		return began, ended.Before(began)
	}
	return began, ended.IsZero() && !ends.IsZero() && (begins.IsZero() || !begins.Before(ends))
}

// around moves the last moment by a time, and the first after it, to another moment that is nearer. Zero is none.
func around(last, first, moment, at time.Time) (time.Time, time.Time) {
	switch {
	case moment.IsZero():
	case !moment.After(at):
		if moment.After(last) {
			last = moment
		}
	case first.IsZero() || moment.Before(first):
		first = moment
	}
	return last, first
}
