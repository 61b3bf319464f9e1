package health

import (
	"fmt"
	"strings"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/healthapi"
)

// facts is what is known of an agent at a time.
type facts struct {
	agent    orchestron.Agent
	stuck    bool
	idleFor  time.Duration // nothing moved
	inState  time.Duration // since its state changed
	tree     Tree
	failures int // turns, in the last hour
	restarts int // by ourselves, in the last ten minutes
	gaveUp   bool
	limit    string // that has stopped it
	held     string // what keeps it from the messages that wait
	context  int    // how full it is, in percent
}

const (
	startTime  = 2 * time.Minute // that a start may take
	waitTime   = 5 * time.Minute // that a question may wait for its answer
	queueTime  = 2 * time.Minute // that a message may wait for an idle agent
	muchMemory = 4 << 30
	mostFilled = 90 // percent of the context
)

// score is how an agent is: 100 without the points of all that is wrong, and the reasons.
func score(f facts) (int, []healthapi.Reason) {
	reasons := []healthapi.Reason{}
	lose := func(holds bool, points int, format string, args ...any) {
		if holds && points > 0 {
			reasons = append(reasons, healthapi.Reason{Points: points, What: fmt.Sprintf(format, args...)})
		}
	}
	a := f.agent
	lose(!a.Alive() && a.Wanted == orchestron.WantRunning, 100, "it does not run: %s", a.Evidence.Detail)
	lose(f.limit != "", 30, "a limit has stopped it: %s", f.limit)
	lose(f.gaveUp, 100, "it ended %d times within ten minutes and is not started again", most+1)
	lose(f.stuck, 60, "it is busy, and nothing has moved for %s", round(f.idleFor))
	lose(a.Status == orchestron.Starting && f.inState > startTime, 40, "it has been starting for %s", round(f.inState))
	lose(a.Status == orchestron.Limited, 30, "its vendor refuses it: %s", a.Evidence.Detail)
	lose(a.Status == orchestron.Waiting && f.inState > waitTime, 20, "a question has waited for an answer for %s", round(f.inState))
	lose(f.neglected(), 20, "%s", strings.TrimSuffix(fmt.Sprintf("it is idle, and %s: %s", count(a.Queued, "message waits", "messages wait"), f.held), ": "))
	lose(true, min(40, 10*f.failures), "%s in the last hour", count(f.failures, "turn failed", "turns failed"))
	lose(true, min(30, 10*f.restarts), "it was started again %s in the last ten minutes", count(f.restarts, "time", "times"))
	lose(f.tree.Memory > muchMemory, 20, "it takes %.1f GB of memory", float64(f.tree.Memory)/1e9)
	lose(f.context >= mostFilled, 10, "its context is %d %% full", f.context)
	left := 100
	for _, r := range reasons {
		left -= r.Points
	}
	return max(0, left), reasons
}

// neglected reports whether messages have waited too long for an agent that is idle.
func (f facts) neglected() bool {
	return f.agent.Status == orchestron.Idle && f.agent.Queued > 0 && f.inState > queueTime
}

func count(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

func round(d time.Duration) time.Duration { return d.Round(time.Second) }

// The rules of starting again after crashes.
const (
	most      = 5 // starts within window
	window    = 10 * time.Minute
	firstWait = time.Second
	mostWait  = time.Minute
)

// crashed reports whether an agent ended although nobody wanted it. A program that ended without an error did what it was
// told in its terminal.
func crashed(a orchestron.Agent) bool {
	ended := a.Status == orchestron.Failed || a.Status == orchestron.Lost
	fine := a.Exit != nil && a.Exit.Code == 0 && a.Exit.Signal == ""
	return ended && a.Wanted == orchestron.WantRunning && !fine
}

// backOff is how long after a crash an agent is started again: 1 s, then twice as long after each that comes soon after.
func backOff(streak int) time.Duration {
	if streak > 6 {
		return mostWait
	}
	return min(firstWait<<max(streak, 0), mostWait)
}

// recent is the times within the last ten minutes.
func recent(times []time.Time, now time.Time) (left []time.Time) {
	for _, t := range times {
		if now.Sub(t) < window {
			left = append(left, t)
		}
	}
	return left
}

// streak is how many crashes in a row came soon after the start before them, the last one not counted.
func streak(r healthapi.Recovery, a orchestron.Agent) int {
	if r.Restarting == 0 || !a.Started.IsZero() && a.Ended.Sub(a.Started) >= window {
		return 0
	}
	return r.Streak + 1
}
