package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// The bar of one MCP call.
const (
	echoFactor = 1.3
	echoBar    = "p50 <= 1.3 x the SDK's echo"
)

// echoRows measures one MCP call over the bare SDK's echo. The benchmark of the package that serves MCP does it: it
// has both servers in processes of their own.
func echoRows(ctx context.Context, _ setting) ([]row, error) {
	works := map[string]string{
		"stdio": "one MCP call, echo, stdio", "http": "one MCP call, echo, HTTP", "modern": "one MCP call, echo, HTTP, revision 2026-07-28",
	}
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^BenchmarkEchoRatio$", "-benchtime", "20x",
		"github.com/orchestron/orchestron/internal/mcpapi")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) {
		return []row{notMeasured(works["stdio"], echoBar, "go is not in PATH")}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	var rows []row
	for line := range strings.Lines(string(out)) {
		name, rest, _ := strings.Cut(strings.TrimPrefix(line, "BenchmarkEchoRatio/"), "-")
		if work := works[name]; work != "" {
			r, err := echoRow(work, strings.Fields(rest))
			if err != nil {
				return nil, fmt.Errorf("reading %q: %w", line, err)
			}
			rows = append(rows, r)
		}
	}
	if len(rows) != len(works) {
		return nil, fmt.Errorf("the benchmark did not print what is needed: %s", out)
	}
	return rows, nil
}

// echoRow reads what Go prints of a benchmark after its name: the number of cores, of rounds, and pairs of a value and
// its unit.
func echoRow(work string, fields []string) (row, error) {
	value := map[string]float64{}
	for i := 2; i+1 < len(fields); i += 2 {
		v, err := strconv.ParseFloat(fields[i], 64)
		if err != nil {
			return row{}, err
		}
		value[fields[i+1]] = v
	}
	r := row{
		Work: work, Bar: echoBar, N: int(value["calls"]), P50: value["ours-p50-ms"], P99: value["ours-p99-ms"], Unit: "ms",
		Ceiling: fmt.Sprintf("the SDK's echo p50 %.3f p99 %.3f ms", value["sdk-p50-ms"], value["sdk-p99-ms"]),
	}
	r.Ratio = value["p50-ratio"] // of batches next to each other, so that a busy machine is unfair to neither
	return r.judged(r.Ratio / echoFactor), nil
}
