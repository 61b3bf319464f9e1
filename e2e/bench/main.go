// Command bench measures the program's speed and memory against its bars, each beside the bare ceiling in the same
// run, and prints a table or JSON. Agents are scripted unless the row says otherwise.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

func main() {
	program := flag.String("program", "bin/orchestron", "the orchestron program")
	asJSON := flag.Bool("json", false, "print JSON")
	only := flag.String("only", "", "run the measurements whose name contains this")
	flag.Parse()
	rows, err := measure(*program, *only)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	if *asJSON {
		err = json.NewEncoder(os.Stdout).Encode(map[string]any{"cores": runtime.NumCPU(), "at": time.Now(), "rows": rows})
	} else {
		err = printTable(rows)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// row is one line of the table. Times are in milliseconds.
type row struct {
	Work    string  `json:"work"`
	N       int     `json:"n"`
	P50     float64 `json:"p50"`
	P99     float64 `json:"p99"`
	Unit    string  `json:"unit"`
	Bar     string  `json:"bar"`
	Ceiling string  `json:"ceiling,omitempty"` // what the bare parts need in this run
	Ratio   float64 `json:"ratio,omitempty"`   // measured over bar: up to 1 it holds
	Note    string  `json:"note,omitempty"`
}

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

// against makes a row of a series whose median has a bar.
func (t times) against(work string, bar time.Duration) row {
	return row{
		Work: work, N: len(t), P50: ms(t.quantile(0.5)), P99: ms(t.quantile(0.99)), Unit: "ms", Bar: fmt.Sprintf("p50 <= %g ms", ms(bar)),
		Ratio: ms(t.quantile(0.5)) / ms(bar),
	}
}

// over makes a row of a series whose median may be so many times that of a bare one.
func (t times) over(work string, bare times, bareName string, factor float64) row {
	ratio := ms(t.quantile(0.5)) / ms(bare.quantile(0.5))
	return row{
		Work: work, N: len(t), P50: ms(t.quantile(0.5)), P99: ms(t.quantile(0.99)), Unit: "ms",
		Bar:     fmt.Sprintf("<= %g x %s", factor, bareName),
		Ceiling: fmt.Sprintf("%s p50 %.3f p99 %.3f ms", bareName, ms(bare.quantile(0.5)), ms(bare.quantile(0.99))),
		Ratio:   ratio / factor, Note: fmt.Sprintf("%.2f x", ratio),
	}
}

func printTable(rows []row) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%-58s %6s %10s %10s  %-30s %-6s %s\n", "work", "n", "p50", "p99", "bar", "holds", "beside it")
	missed := 0
	for _, r := range rows {
		holds := "yes"
		if r.Ratio > 1 {
			holds = "NO"
			missed++
		}
		fmt.Fprintf(&b, "%-58s %6d %8.3f %s %8.3f %s  %-28s %-6s %s\n", r.Work, r.N, r.P50, r.Unit, r.P99, r.Unit, r.Bar,
			fmt.Sprintf("%s %.2f", holds, r.Ratio), strings.TrimSpace(r.Ceiling+"  "+r.Note))
	}
	fmt.Fprintf(&b, "%d of %d bars hold\n", len(rows)-missed, len(rows))
	_, err := os.Stdout.WriteString(b.String())
	return err
}
