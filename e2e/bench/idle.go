package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"time"
)

const (
	restTime = 5 * time.Second  // between the start of the agents and the measurement
	watched  = 15 * time.Second // how long the processor time is watched
)

// idleRows measures the daemon beside 50 idle agents.
func idleRows(ctx context.Context, s setting) ([]row, error) {
	memory := row{Work: "daemon with 50 idle agents, memory", Bar: "RSS <= 40 MB", Unit: "MB"}
	processor := row{Work: "daemon with 50 idle agents, processor", Bar: "<= 1 % of a core", Unit: "% "}
	if runtime.GOOS != "linux" {
		const why = "the system's /proc is needed"
		return []row{notMeasured(memory.Work, memory.Bar, why), notMeasured(processor.Work, processor.Bar, why)}, nil
	}
	return with(ctx, s.program, func(h *house) ([]row, error) {
		if _, err := h.spawn(ctx, 50, "scripted"); err != nil {
			return nil, err
		}
		pid := h.daemon.Process.Pid
		if err := sleep(ctx, restTime); err != nil {
			return nil, err
		}
		before, err := cpu(pid)
		if err != nil {
			return nil, err
		}
		if err := sleep(ctx, watched); err != nil {
			return nil, err
		}
		after, err := cpu(pid)
		if err != nil {
			return nil, err
		}
		rss, err := resident(pid)
		if err != nil {
			return nil, err
		}
		memory.N, memory.P50, memory.P99 = 1, rss, rss
		share := 100 * (after - before).Seconds() / watched.Seconds()
		processor.N, processor.P50, processor.P99 = 1, share, share
		processor.Note = fmt.Sprintf("over %s", watched)
		if own, err := resident(os.Getpid()); err == nil {
			memory.Ceiling = fmt.Sprintf("this benchmark, also Go and SQLite, %.1f MB", own)
		}
		return []row{memory.judged(rss / 40), processor.judged(share)}, nil
	})
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
