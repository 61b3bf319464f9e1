// Command bench measures the program's speed and memory against its bars, each beside the bare ceiling in the same
// run, and prints a table or JSON. Agents are scripted unless the row says otherwise. Real Claude Code is measured
// when ORCHESTRON_CLAUDE names it, against a scripted model API on this machine.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

const limit = 10 * time.Minute // for all measurements together

func main() {
	program := flag.String("program", "bin/orchestron", "the orchestron program")
	asJSON := flag.Bool("json", false, "print JSON")
	only := flag.String("only", "", "run the measurements whose name contains this: "+strings.Join(names(), ", "))
	flag.Parse()
	if err := run(*program, *only, *asJSON); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run measures and prints. What could be measured is printed also when something else could not.
func run(program, only string, asJSON bool) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	program, err := filepath.Abs(program)
	if err != nil {
		return err
	}
	rows, err := measure(ctx, setting{program: program, claude: os.Getenv("ORCHESTRON_CLAUDE")}, only)
	if asJSON {
		return errors.Join(err, json.NewEncoder(os.Stdout).Encode(map[string]any{
			"cores": runtime.NumCPU(), "system": runtime.GOOS + "/" + runtime.GOARCH, "at": time.Now(), "rows": rows,
		}))
	}
	return errors.Join(err, printTable(rows))
}

// setting is what the measurements are made of.
type setting struct {
	program string // absolute path of orchestron
	claude  string // absolute path of the real Claude Code; empty when it is not measured
}

// measurement is one part of the table.
type measurement struct {
	name string
	run  func(context.Context, setting) ([]row, error)
}

func measurements() []measurement {
	return []measurement{
		{"send", sendRows}, {"list", listRows}, {"spawn", spawnRows}, {"echo", echoRows}, {"idle", idleRows}, {"crowd", crowdRows}, {"usage", usageRows}, {"board", boardRows}, {"claude", claudeRows},
	}
}

func names() []string {
	var names []string
	for _, m := range measurements() {
		names = append(names, m.name)
	}
	return names
}

// measure runs one measurement after the other. One that fails does not keep the others from running.
func measure(ctx context.Context, s setting, only string) ([]row, error) {
	rows := []row{}
	var failed error
	for _, m := range measurements() {
		if !strings.Contains(m.name, only) {
			continue
		}
		fmt.Fprintf(os.Stderr, "measuring %s\n", m.name)
		got, err := m.run(ctx, s)
		rows = append(rows, got...)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", m.name, err))
		}
	}
	return rows, failed
}
