// Package permission is the table of who may call what, as people read it. Who calls comes from the credential alone;
// every row is held against the running program by a test, and an operation without a row fails it.
package permission

import (
	_ "embed"
	"slices"
	"strings"

	"github.com/orchestron/orchestron"
)

// Reach is what an agent may do an operation to. For an operator it is always everything.
type Reach string

// How far agents reach.
const (
	Nothing Reach = "-"       // no agent may call it
	Self    Reach = "self"    // itself
	Below   Reach = "below"   // those below it
	Tree    Reach = "tree"    // itself and those below it
	Project Reach = "project" // its own project
)

// Say is the reach in words.
func (r Reach) Say() string {
	switch r {
	case Nothing:
		return ""
	case Self:
		return "itself"
	case Below:
		return "the agents below it"
	case Tree:
		return "itself and the agents below it"
	case Project:
		return "its own project"
	}
	return string(r)
}

// Row says who may call an operation.
type Row struct {
	Operation string           `json:"operation"`
	Lowest    orchestron.Level `json:"lowest,omitempty"` // of agents that may; empty when only operators may
	Reach     Reach            `json:"reach"`
}

// Allows reports whether agents of a level may call the operation at all.
func (r Row) Allows(level orchestron.Level) bool {
	return r.Lowest != "" && level.Prefix() != "" && level.Rank() <= r.Lowest.Rank()
}

//go:embed table.txt
var text string

// Table returns all rows, by name.
func Table() []Row {
	var rows []Row
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		if words := strings.Fields(line); len(words) == 3 {
			lowest := orchestron.Level(words[1])
			if words[1] == "operator" {
				lowest = ""
			}
			rows = append(rows, Row{Operation: words[0], Lowest: lowest, Reach: Reach(words[2])})
		}
	}
	slices.SortFunc(rows, func(a, b Row) int { return strings.Compare(a.Operation, b.Operation) })
	return rows
}
