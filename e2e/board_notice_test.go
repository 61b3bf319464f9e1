package e2e

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardapi"
)

// TestClarifiedOnce has a person clarify a task again and again while the daemon is killed at random moments: the agent
// that works on it is told each of them once, however they are put together.
func TestClarifiedOnce(t *testing.T) {
	const clarifications, kills = 50, 10
	h := newHouse(t, program)
	h.start()
	random := rand.New(rand.NewPCG(seed(t), 4))
	project := h.repository("shop")
	id := h.spawn("scripted", at(project)).ID
	task := h.create(project, "what people talk about")
	h.checkClaims(id, task)
	var said []string
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range clarifications {
			text := fmt.Sprintf("clarification %d <%s>", i, uuid.NewString())
			if err := h.persist("orchestron_task_clarify", boardapi.TaskClarifyIn{TaskID: string(task), Text: text}); err != nil {
				t.Errorf("clarifying: %v", err)
				return
			}
			said = append(said, text)
			time.Sleep(time.Duration(i%5) * 40 * time.Millisecond) // people pause, so that there are batches
		}
	}()
	for range kills {
		time.Sleep(time.Duration(100+random.IntN(600)) * time.Millisecond)
		h.kill()
		h.start()
	}
	<-done
	told := func(text string) int { return strings.Count(strings.Join(h.accepted(id), "\n"), text) }
	settled := within(time.Minute, func() bool {
		v := h.status(id)
		return told(said[len(said)-1]) > 0 && v.Queued == 0 && v.Status == orchestron.Idle
	})
	if v := h.status(id); !settled {
		t.Errorf("the agent is not told the last clarification; it is %s (%+v), its inbox is %+v", v.Status, v.Evidence, v.Inbox)
	}
	for _, text := range said {
		if n := told(text); n != 1 {
			t.Errorf("the agent was told %q %d times", text, n)
		}
	}
	if got := h.task(task); len(got.Clarifications) != clarifications || len(history(got, orchestron.TaskClarified)) != clarifications {
		t.Errorf("%s has %d clarifications, and %d in its history", task, len(got.Clarifications), len(history(got, orchestron.TaskClarified)))
	}
	t.Logf("%d clarifications came in %d prompts", len(said), len(h.accepted(id))-1)
}
