// Package foresight is what a board's history says about its future: when work will be over, and what holds it up. It is
// pure functions over the tasks of one project.
package foresight

import (
	"math"
	"slices"
	"time"

	"github.com/orchestron/orchestron"
)

const (
	enough = 5  // finished tasks from which on the history says something
	alike  = 8  // finished tasks of one type from which on they speak for their type
	top    = 10 // items of a list
	// horizon bounds hours: what is further away than a century is not foreseen, and would overflow a time.Duration.
	horizon = 100 * 365 * 24
)

// Top is the weightiest of a list.
type Top[T any] struct {
	Total int `json:"total" jsonschema:"how many there are"`
	Items []T `json:"items" jsonschema:"at most ten of them, the weightiest first"`
}

// topOf cuts a list that is in order.
func topOf[T any](all []T) Top[T] {
	return Top[T]{Total: len(all), Items: append([]T{}, all[:min(top, len(all))]...)}
}

// percentile is the smallest value that a share of the sorted values does not exceed, and 0 of none.
func percentile(sorted []float64, share float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(int(math.Ceil(share*float64(len(sorted))))-1, 0)]
}

// round makes hours fit to be read.
func round(hours float64) float64 { return math.Round(hours*100) / 100 }

// since is the hours from one moment to another, and 0 when they are not in that order or the first is unknown.
func since(from, to time.Time) float64 {
	if from.IsZero() || to.Before(from) {
		return 0
	}
	return min(to.Sub(from).Hours(), horizon)
}

// estimate is a task's estimate in hours, and 0 when it has none that makes sense.
func estimate(t *orchestron.Task) float64 {
	if t.Estimate >= 1.0/3600 && t.Estimate <= horizon {
		return t.Estimate
	}
	return 0
}

// begun reports whether somebody is at work on the task or on its review.
func begun(t *orchestron.Task) bool {
	return t.Status == orchestron.InProgress || t.Status == orchestron.InReview
}

// holder is who has a task.
func holder(t *orchestron.Task) string {
	if t.Lease.Holder != "" {
		return t.Lease.Holder
	}
	return t.Assignee
}

// sorted sorts in place.
func sorted(values []float64) []float64 {
	slices.Sort(values)
	return values
}
