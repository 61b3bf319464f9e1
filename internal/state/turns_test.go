package state

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
)

// books keeps turns as a store does; messages stand in the state.
type books struct {
	Tx
	turns []orchestron.Turn
}

func (b *books) AddTurn(t *orchestron.Turn) error {
	t.ID = int64(len(b.turns) + 1)
	b.turns = append(b.turns, *t)
	return nil
}

func (b *books) PutTurn(t orchestron.Turn) error {
	b.turns[t.ID-1] = t
	return nil
}

func (b *books) OpenTurns(orchestron.AgentID) ([]orchestron.Turn, error) {
	return slices.DeleteFunc(slices.Clone(b.turns), func(t orchestron.Turn) bool { return !t.Ended.IsZero() }), nil
}

func (b *books) PutMessage(orchestron.Message) error { return nil }
func (b *books) AddEvent(*orchestron.Event) error    { return nil }

// TestTurns gives a prompt and, while it runs, an urgent one, and then ends turns in every way the program can. A step
// is what the program tells: "stop ID ANSWER", "fail REASON"; or what is done to it: "interrupt", "exit".
func TestTurns(t *testing.T) {
	for name, test := range map[string]struct {
		steps []string
		want  [2]string // what became of the two prompts
	}{
		"one turn for both":                  {[]string{"stop p1 both"}, [2]string{"both", "open: both"}},
		"a turn each":                        {[]string{"stop p1 first", "stop p2 second"}, [2]string{"first", "second"}},
		"an interrupt, and the other runs":   {[]string{"interrupt", "stop p2 second"}, [2]string{"!interrupted by a person", "second"}},
		"the other ends before the word":     {[]string{"stop p2 second", "interrupt"}, [2]string{"!interrupted; the agent went on to the next prompt", "second"}},
		"the first ended before the key":     {[]string{"stop p1 first", "interrupt"}, [2]string{"first", "!interrupted by a person"}},
		"a failure, and the other runs":      {[]string{"fail overloaded", "stop p2 second"}, [2]string{"!overloaded", "second"}},
		"an interrupt and nothing more":      {[]string{"interrupt"}, [2]string{"!interrupted by a person", "open: "}},
		"the program ends":                   {[]string{"exit"}, [2]string{"!gone", "!gone"}},
		"the program ends after an answer":   {[]string{"stop p1 first", "exit"}, [2]string{"first", "first"}},
		"two interrupts":                     {[]string{"interrupt", "interrupt"}, [2]string{"!interrupted by a person", "!interrupted by a person"}},
		"a program without ids of its turns": {[]string{"stop - first", "stop - second"}, [2]string{"first", "second"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := &books{}
			st := &State{Agent: orchestron.Agent{ID: "spec_1", Status: orchestron.Idle}, Inbox: []orchestron.Message{{ID: "m1", State: orchestron.Queued}, {ID: "m2", State: orchestron.Queued, Urgent: true}}}
			now := time.Unix(1e9, 0)
			for _, id := range []orchestron.MessageID{"m1", "m2"} {
				now = now.Add(time.Second)
				f := orchestron.Fact{Kind: orchestron.FactSubmitted, Source: orchestron.FromHook, At: now, Message: id, PromptID: "p1"}
				if err := Take(b, st, []orchestron.Fact{f}); err != nil {
					t.Fatal(err)
				}
			}
			for _, step := range test.steps {
				now = now.Add(time.Second)
				if err := take(b, st, now, strings.Fields(step)); err != nil {
					t.Fatal(err)
				}
			}
			var got [2]string
			for i, turn := range b.turns {
				got[i] = turn.Answer
				if turn.Failure != "" {
					got[i] = "!" + turn.Failure
				}
				if turn.Ended.IsZero() {
					got[i] = "open: " + got[i]
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("the prompts (-want +got):\n%s", diff)
			}
		})
	}
}

func take(b *books, st *State, now time.Time, step []string) error {
	f := orchestron.Fact{Source: orchestron.FromHook, At: now}
	switch step[0] {
	case "stop":
		f.Kind, f.PromptID, f.Text = orchestron.FactTurnEnded, strings.Trim(step[1], "-"), step[2]
	case "fail":
		f.Kind, f.Text = orchestron.FactTurnFailed, step[1]
	case "exit":
		return EndTurns(b, st, f, Outcome{Failure: "gone", Gone: true})
	case "interrupt":
		open, err := b.OpenTurns(st.Agent.ID)
		if err != nil {
			return err
		}
		return Interrupt(b, st, Running(st, open), now, "a person")
	}
	return Take(b, st, []orchestron.Fact{f})
}
