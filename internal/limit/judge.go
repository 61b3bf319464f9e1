package limit

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/orchestron/orchestron/internal/limitapi"
)

// verdict is what a limit says of what was used.
type verdict string

const (
	ok     verdict = "ok"
	warned verdict = "warned" // 80 percent are used
	over   verdict = "over"   // nothing is left
)

// finding is one limit of a scope, and how much of it is used.
type finding struct {
	scope         limitapi.Scope
	what          limitapi.What
	used, ceiling int64 // tokens, millionths of a dollar, nanoseconds, agents
}

// judge says of each limit how much of it is used.
func judge(l limitapi.Limit, spent limitapi.Spent) []finding {
	var all []finding
	for _, f := range []finding{
		{l.Scope, limitapi.Tokens, spent.Tokens, l.Tokens},
		{l.Scope, limitapi.Cost, spent.Micro, l.Micro},
		{l.Scope, limitapi.Time, int64(spent.Time), l.Minutes * int64(time.Minute)},
		{l.Scope, limitapi.Instances, spent.Instances, l.Instances},
	} {
		if f.ceiling > 0 {
			all = append(all, f)
		}
	}
	return all
}

// verdict is over from the limit itself on. Agents that run are never too many: no more are started.
func (f finding) verdict() verdict {
	switch {
	case f.what == limitapi.Instances:
		return ok
	case f.used >= f.ceiling:
		return over
	case f.used >= f.ceiling-f.ceiling/5: // 80 percent, rounded up
		return warned
	}
	return ok
}

// worst is the limit that is over, if one is.
func worst(all []finding) (finding, bool) {
	for _, f := range all {
		if f.verdict() == over {
			return f, true
		}
	}
	return finding{}, false
}

func (f finding) String() string {
	return fmt.Sprintf("%s of %s: %s of %s used", f.what, f.scope, figure(f.what, f.used), figure(f.what, f.ceiling))
}

// figure is a number in words.
func figure(what limitapi.What, n int64) string {
	switch what {
	case limitapi.Cost:
		return "$" + strconv.FormatFloat(value(what, n), 'f', -1, 64)
	case limitapi.Time:
		return time.Duration(n).Round(time.Second).String()
	case limitapi.Tokens:
		return strconv.FormatInt(n, 10) + " tokens"
	case limitapi.Instances:
		return strconv.FormatInt(n, 10) + " agents"
	}
	return strconv.FormatInt(n, 10)
}

// value is a number in the unit that people give it in.
func value(what limitapi.What, n int64) float64 {
	switch what {
	case limitapi.Cost:
		return float64(n) / 1e6
	case limitapi.Time:
		return time.Duration(n).Minutes()
	case limitapi.Tokens, limitapi.Instances:
	}
	return float64(n)
}

// view is what is set for a scope, and how much of it is used.
func view(l limitapi.Limit, spent limitapi.Spent) limitapi.View {
	v := limitapi.View{Scope: l.Scope, Figures: []limitapi.Figure{}, By: l.By.String(), Set: l.Set}
	for _, f := range judge(l, spent) {
		v.Figures = append(v.Figures, limitapi.Figure{
			What: f.what, Used: value(f.what, f.used), Ceiling: value(f.what, f.ceiling),
			Percent: math.Round(float64(f.used)/float64(f.ceiling)*1000) / 10, Warned: wasWarned(l, f) != nil,
		})
		if f.what == limitapi.Cost {
			v.Unpriced = spent.Unpriced
		}
	}
	return v
}

// wasWarned returns the warning of a limit as it is now, or nil.
func wasWarned(l limitapi.Limit, f finding) *limitapi.Warning {
	for i, w := range l.Warned {
		if w.What == f.what && w.Ceiling == f.ceiling {
			return &l.Warned[i]
		}
	}
	return nil
}
