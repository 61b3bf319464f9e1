package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/orchestron/orchestron/internal/agentapi"
)

// spawnRows measures how long a spawn takes until the pane runs and all is durable, alone and twenty at once. The
// programs are ready, and so quiet, before the next spawn begins.
func spawnRows(ctx context.Context, s setting) ([]row, error) {
	return with(ctx, s.program, func(h *house) ([]row, error) {
		if _, err := h.spawn(ctx, 1, "scripted"); err != nil { // what only the first costs
			return nil, err
		}
		var one, many times
		for i := range 30 {
			var v agentapi.View
			began := time.Now()
			err := h.call(ctx, "spawn", agentapi.SpawnIn{Role: "specialist", WorkspaceMode: "isolated", Driver: "scripted", Name: "one " + strconv.Itoa(i)}, &v)
			if err != nil {
				return nil, err
			}
			one = append(one, time.Since(began))
			if err := h.settle(ctx, v); err != nil {
				return nil, err
			}
		}
		for range 5 {
			took, err := h.twenty(ctx)
			if err != nil {
				return nil, err
			}
			many = append(many, took)
		}
		return []row{
			one.against("spawn to pane running, durable", 60*time.Millisecond),
			many.most("20 spawns at once", 600*time.Millisecond),
		}, nil
	})
}

// settle waits until agents are ready.
func (h *house) settle(ctx context.Context, views ...agentapi.View) error {
	for _, v := range views {
		if v.Pane.Process.PID == 0 {
			return fmt.Errorf("%s was spawned without a pane", v.ID)
		}
		var out agentapi.WaitOut
		if err := h.call(ctx, "wait_for_instance", agentapi.WaitIn{InstanceID: string(v.ID), Timeout: 60}, &out); err != nil {
			return err
		}
		if !out.Done {
			return fmt.Errorf("%s did not become ready", v.ID)
		}
	}
	return nil
}

func (h *house) twenty(ctx context.Context) (time.Duration, error) {
	var in agentapi.SpawnManyIn
	for range 20 {
		in.Instances = append(in.Instances, agentapi.SpawnClaudeIn{Name: "one of twenty", Role: "general", Driver: "scripted"})
	}
	var out agentapi.SpawnManyOut
	began := time.Now()
	if err := h.call(ctx, "spawn_multiple_instances", in, &out); err != nil {
		return 0, err
	}
	took := time.Since(began)
	var views []agentapi.View
	for _, r := range out.Instances {
		if r.Agent == nil {
			return 0, fmt.Errorf("one of twenty agents was not spawned: %w", r.Error)
		}
		views = append(views, *r.Agent)
	}
	return took, h.settle(ctx, views...)
}
