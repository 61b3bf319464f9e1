package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// row is one line of the table.
type row struct {
	Work    string  `json:"work"`
	Bar     string  `json:"bar"`
	Holds   verdict `json:"holds"`
	N       int     `json:"n"` // how many times it was measured
	P50     float64 `json:"p50"`
	P99     float64 `json:"p99"`
	Unit    string  `json:"unit"`
	Ceiling string  `json:"ceiling,omitempty"` // what the bare parts need in the same run
	Ratio   float64 `json:"ratio,omitempty"`   // over the ceiling
	Used    float64 `json:"used"`              // measured over bar: up to 1 it holds
	Note    string  `json:"note,omitempty"`
}

// verdict says whether a bar holds.
type verdict string

const (
	holds      verdict = "yes"
	misses     verdict = "NO"
	unmeasured verdict = "not measured"
)

// times is a series of measurements.
type times []time.Duration

func (t times) quantile(q float64) time.Duration {
	if len(t) == 0 {
		return 0
	}
	sorted := slices.Clone(t)
	slices.Sort(sorted)
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// row makes a row without a bar.
func (t times) row(work string) row {
	return row{Work: work, N: len(t), P50: ms(t.quantile(0.5)), P99: ms(t.quantile(0.99)), Unit: "ms"}
}

// against makes a row of a series whose median has a bar.
func (t times) against(work string, bar time.Duration) row {
	r := t.row(work)
	r.Bar = fmt.Sprintf("p50 <= %g ms", ms(bar))
	return r.judged(r.P50 / ms(bar))
}

// most makes a row of a series of which none may be over the bar.
func (t times) most(work string, bar time.Duration) row {
	r := t.row(work)
	r.Bar = fmt.Sprintf("<= %g ms", ms(bar))
	return r.judged(r.P99 / ms(bar))
}

// over makes a row of a series whose median may be so many times that of a bare one, and so much more.
func (t times) over(work string, bare times, bareName string, factor float64, more time.Duration) row {
	r := t.row(work)
	r.beside(bare, bareName)
	r.Bar = fmt.Sprintf("p50 <= %g x %s", factor, bareName)
	if more > 0 {
		r.Bar = fmt.Sprintf("p50 <= %s + %g ms", bareName, ms(more))
	}
	return r.judged(r.P50 / (factor*ms(bare.quantile(0.5)) + ms(more)))
}

// beside notes what the bare parts needed in the same run.
func (r *row) beside(bare times, name string) {
	r.Ceiling = fmt.Sprintf("%s p50 %.3f p99 %.3f ms", name, ms(bare.quantile(0.5)), ms(bare.quantile(0.99)))
	r.Ratio = r.P50 / ms(bare.quantile(0.5))
}

func (r row) judged(used float64) row {
	r.Used, r.Holds = used, holds
	if !(used <= 1) { // also when it is no number
		r.Holds = misses
	}
	return r
}

func notMeasured(work, bar, why string) row {
	return row{Work: work, Bar: bar, Holds: unmeasured, Unit: "ms", Note: "not measured: " + why}
}

func printTable(rows []row) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%-54s %-38s %5s %11s %11s  %-12s %5s  %s\n", "work", "bar", "n", "p50", "p99", "holds", "ratio", "beside it, in the same run")
	held, measured := 0, 0
	for _, r := range rows {
		if r.Holds == unmeasured {
			fmt.Fprintf(&b, "%-54s %-38s %s\n", r.Work, r.Bar, r.Note)
			continue
		}
		measured++
		if r.Holds == holds {
			held++
		}
		ratio := ""
		if r.Ratio > 0 {
			ratio = fmt.Sprintf("%.2f", r.Ratio)
		}
		rest := strings.Join(slices.DeleteFunc([]string{r.Ceiling, r.Note}, func(s string) bool { return s == "" }), "; ")
		fmt.Fprintf(&b, "%-54s %-38s %5d %8.3f %-2s %8.3f %-2s  %-3s (%3.0f %%)  %5s  %s\n", r.Work, r.Bar, r.N, r.P50, r.Unit, r.P99, r.Unit,
			r.Holds, 100*r.Used, ratio, rest)
	}
	fmt.Fprintf(&b, "%d of %d bars hold; %d not measured. (%%: how much of the bar is used)\n", held, measured, len(rows)-measured)
	_, err := os.Stdout.WriteString(b.String())
	return err
}
