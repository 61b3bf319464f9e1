package coordinate

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/coordinateapi"
)

func TestShare(t *testing.T) {
	for _, c := range []struct {
		strategy coordinateapi.Strategy
		tasks    int
		loads    []int
		want     [][]int
		left     []int
	}{
		{coordinateapi.RoundRobin, 5, []int{9, 0}, [][]int{{0, 2, 4}, {1, 3}}, nil},
		{coordinateapi.RoundRobin, 1, []int{0, 0, 0}, [][]int{{0}, nil, nil}, nil},
		{coordinateapi.LeastLoaded, 4, []int{2, 0}, [][]int{{2}, {0, 1, 3}}, nil},
		{coordinateapi.LeastLoaded, 3, []int{9, 9}, [][]int{{0, 2}, {1}}, nil},
		{coordinateapi.CapacityAware, 4, []int{2, 0}, [][]int{{2}, {0, 1, 3}}, nil},
		{coordinateapi.CapacityAware, 6, []int{2, 1}, [][]int{{1}, {0, 2}}, []int{3, 4, 5}},
		{coordinateapi.CapacityAware, 2, []int{3, 7}, [][]int{nil, nil}, []int{0, 1}},
		{coordinateapi.LeastLoaded, 2, nil, [][]int{}, []int{0, 1}},
		{coordinateapi.LeastLoaded, 4, []int{-1, 5, 7}, [][]int{nil, {0, 1, 2}, {3}}, nil},
		{coordinateapi.LeastLoaded, 3, []int{-2, -1}, [][]int{{1}, {0, 2}}, nil},
		{coordinateapi.CapacityAware, 3, []int{-1, 2}, [][]int{nil, {0}}, []int{1, 2}},
		{coordinateapi.RoundRobin, 2, []int{-1, 2}, [][]int{{0}, {1}}, nil},
		{coordinateapi.RoundRobin, 0, []int{0}, [][]int{nil}, nil},
	} {
		var tasks []int
		for i := range c.tasks {
			tasks = append(tasks, i)
		}
		given, left := share(c.strategy, tasks, having(c.loads), 3)
		if !cmp.Equal(c.want, given) || !cmp.Equal(c.left, left) {
			t.Errorf("%s of %d tasks to %v = %v and %v left, want %v and %v", c.strategy, c.tasks, c.loads, given, left, c.want, c.left)
		}
	}
}

// having is managers with so much to do; those with a negative load are away with as much.
func having(loads []int) []manager {
	var all []manager
	for _, load := range loads {
		all = append(all, manager{load: max(load, -load), away: load < 0})
	}
	return all
}

func TestShareLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		strategy := rapid.SampledFrom([]coordinateapi.Strategy{coordinateapi.RoundRobin, coordinateapi.LeastLoaded, coordinateapi.CapacityAware}).Draw(t, "strategy")
		loads := rapid.SliceOfN(rapid.IntRange(0, 6), 1, 6).Draw(t, "loads")
		n := rapid.IntRange(0, 30).Draw(t, "tasks")
		var tasks []int
		for i := range n {
			tasks = append(tasks, i)
		}
		given, left := share(strategy, tasks, having(loads), 3)
		seen := map[int]bool{}
		for i, some := range append(given, left) {
			for _, task := range some {
				if seen[task] {
					t.Fatalf("task %d is given twice", task)
				}
				seen[task] = true
			}
			if i < len(given) && strategy == coordinateapi.CapacityAware && len(some) > 0 && loads[i]+len(some) > 3 {
				t.Fatalf("one with %d gets %d more", loads[i], len(some))
			}
		}
		if len(seen) != n || strategy != coordinateapi.CapacityAware && len(left) > 0 {
			t.Fatalf("%d of %d are given, %d left", len(seen), n, len(left))
		}
	})
}

func TestVoted(t *testing.T) {
	for answer, want := range map[string]int{
		"VOTE: A":                     2,
		"I like it.\nVOTE: B\n":       0,
		"VOTE: B\r\nbecause":          0,
		"VOTE: A\nVOTE: A":            2,
		"VOTE: C":                     -1, // there are two
		"VOTE: A\nVOTE: B":            -1,
		"**VOTE: A**":                 -1,
		"vote: a":                     -1,
		"my VOTE: A":                  -1,
		"VOTE: AB":                    -1,
		"VOTE:A":                      -1,
		"":                            -1,
		"I would say VOTE: A or so\n": -1,
	} {
		option, _, ok := voted(coordinateapi.Step{State: coordinateapi.Answered, Answer: answer, Ballot: []int{2, 0}})
		if !ok {
			option = -1
		}
		if option != want {
			t.Errorf("voted(%q) = %d, want %d", answer, option, want)
		}
	}
	if _, _, ok := voted(coordinateapi.Step{State: coordinateapi.Stopped, Answer: "VOTE: A", Ballot: []int{0}}); ok {
		t.Error("a vote of a turn that failed counts")
	}
}

func TestParts(t *testing.T) {
	for answer, want := range map[string]bool{
		`{"parts": ["a", "b"]}`:                          true,
		"Sure:\n```json\n{\"parts\":[\"a\",\"b\"]}\n```": true,
		`{"parts": ["a"]}`:                               false,
		`{"parts": ["a", "b", "c"]}`:                     false,
		`{"parts": ["a", " "]}`:                          false,
		`{"parts": [1, 2]}`:                              false,
		`} {`:                                            false,
		``:                                               false,
		`{"parts": ["a", "` + strings.Repeat("b", coordinateapi.MaxTask+1) + `"]}`: false,
	} {
		if got, err := parts(answer, 2); (err == nil) != want || want && !cmp.Equal(got, []string{"a", "b"}) {
			t.Errorf("parts(%s) = %v, %v, want it to succeed: %t", cut(answer, 60), got, err, want)
		}
	}
}

func TestCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text, room := rapid.String().Draw(t, "text"), rapid.IntRange(-5, 50).Draw(t, "room")
		got := cut(text, room)
		kept, _, shorter := strings.Cut(got, "\n[")
		if !utf8.ValidString(got) || len(text) <= room && got != text || len(text) > max(room, 0) && (!shorter || len(kept) > max(room, 0)) && !strings.Contains(text, "\n[") {
			t.Fatalf("cut(%q, %d) = %q", text, room, got)
		}
	})
}

// TestPromptsFit makes the largest prompts that can be.
func TestPromptsFit(t *testing.T) {
	huge := strings.Repeat("ü`\n", 15_000)
	r := &coordinateapi.Run{ID: "RUN-1", Task: strings.Repeat("x", coordinateapi.MaxTask)}
	var done, votes []coordinateapi.Step
	var all []int
	for i := range coordinateapi.MaxAgents {
		id := orchestron.AgentID(fmt.Sprintf("spec_1_1_%d", i+1))
		r.Participants = append(r.Participants, id)
		r.Options = append(r.Options, coordinateapi.Option{Text: huge})
		all = append(all, i)
		done = append(done, coordinateapi.Step{Agent: id, State: coordinateapi.Answered, Answer: huge})
	}
	for range r.Options {
		votes = append(votes, coordinateapi.Step{State: coordinateapi.Answered, Answer: huge + "\nVOTE: A", Ballot: all})
	}
	for name, text := range map[string]string{
		"split": splitPrompt(r), "piece": piecePrompt(r, 25, r.Task), "link": linkPrompt(r, 25, strings.Repeat(huge, 20)), "merge": mergePrompt(r, done),
		"proposal": proposalPrompt(r), "vote": votePrompt(r, 3, all, votes),
	} {
		if len(text) > orchestron.MaxMessage {
			t.Errorf("%s has %d bytes, more than %d", name, len(text), orchestron.MaxMessage)
		}
		if !utf8.ValidString(text) {
			t.Errorf("%s is not UTF-8", name)
		}
	}
}

func TestFenceCannotBeEnded(t *testing.T) {
	inner := fence("first", 1000)
	outer := fence(inner, 1000)
	begin, _, _ := strings.Cut(outer, "\n")
	end := strings.Replace(begin, "BEGIN", "END", 1)
	if strings.Count(outer, end) != 1 || !strings.HasSuffix(outer, end) || !strings.Contains(outer, "\n"+inner+"\n") {
		t.Errorf("fence = %q", outer)
	}
}
