package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
)

// TestClaudeInterrupt interrupts turns before and after their first output. Nothing of them is left in the input box.
func TestClaudeInterrupt(t *testing.T) {
	h := newClaudeHouse(t, program)
	h.start()
	v := h.claude()
	var want []string
	for i, prompt := range []string{
		"@@hold\nno output", "@@say some output\\n\\nand more of it\\n\\nand a third paragraph\n@@hold", "!no output, like a command\n@@hold", "@@say some output again\\n\\nand more of it\\n\\nand a third paragraph\n@@hold", "@@hold\nat last",
	} {
		var sent agentapi.MessageOut
		h.mustCall("send", agentapi.SendIn{InstanceID: string(v.ID), Text: prompt}, &sent)
		told := prompt
		if prompt[0] == '!' {
			told = `\` + prompt
		}
		eventually(t, "the model is asked", 30*time.Second, func() bool { return slices.Contains(h.prompts(v.SessionID), told) })
		if shown, ok := strings.CutPrefix(strings.Split(prompt, `\n`)[0], "@@say "); ok {
			eventually(t, "the output is shown", 30*time.Second, func() bool { return strings.Contains(h.screen(v), "● "+shown) })
		}
		var after agentapi.View
		began := time.Now()
		h.mustCall("interrupt_instance", agentapi.InstanceRef{InstanceID: string(v.ID)}, &after)
		t.Logf("interrupt %d took %s", i, time.Since(began).Round(time.Millisecond))
		if after.Status != orchestron.Idle {
			t.Errorf("after interrupt %d the agent is %s: %+v", i, after.Status, after.Evidence)
		}
		var out agentapi.WaitOut
		h.mustCall("wait_for_instance", agentapi.WaitIn{InstanceID: string(v.ID), MessageID: string(sent.MessageID)}, &out)
		if m := out.Message; m.State != orchestron.Answered || !strings.HasPrefix(m.Failure, "interrupted") {
			t.Errorf("message %d is %s, failure %q, want interrupted", i, m.State, m.Failure)
		}
		eventually(t, "the input box is empty", 10*time.Second, func() bool { return h.box(v) == "" })
		next := fmt.Sprintf("the next prompt, %d", i)
		began = time.Now()
		h.checkAsk(v, next)
		t.Logf("the next prompt was answered after %s", time.Since(began).Round(time.Millisecond))
		want = append(want, told, next)
	}
	// A turn without output is erased: what came after it is then told as if it had come first.
	var got []string
	for _, p := range h.prompts(v.SessionID) {
		if !slices.Contains(got, p) {
			got = append(got, p)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("the model was told %q, want %q", got, want)
	}
}

// TestClaudeInterruptPassesOn interrupts a turn while an urgent prompt waits inside the program, which goes on to it:
// the turn failed, the prompt is answered.
func TestClaudeInterruptPassesOn(t *testing.T) {
	h := newClaudeHouse(t, program)
	h.start()
	v := h.claude()
	answered := func(id orchestron.MessageID) *agentapi.MessageOut {
		var out agentapi.WaitOut
		h.mustCall("wait_for_instance", agentapi.WaitIn{InstanceID: string(v.ID), MessageID: string(id), Timeout: 60}, &out)
		return out.Message
	}
	for i := range 3 {
		first, urgent := fmt.Sprintf("@@hold\nthe first of round %d", i), fmt.Sprintf("@@say answer %d", i)
		var one, two agentapi.MessageOut
		h.mustCall("send", agentapi.SendIn{InstanceID: string(v.ID), Text: first}, &one)
		eventually(t, "the model is asked", 30*time.Second, func() bool { return slices.Contains(h.prompts(v.SessionID), first) })
		h.mustCall("send", agentapi.SendIn{InstanceID: string(v.ID), Text: urgent, Urgent: true}, &two)
		eventually(t, "the program has the urgent prompt", 30*time.Second, func() bool {
			return h.message(v.ID, two.MessageID).State == orchestron.Submitted
		})
		h.mustCall("interrupt_instance", agentapi.InstanceRef{InstanceID: string(v.ID)}, nil)
		if m := answered(one.MessageID); !strings.HasPrefix(m.Failure, "interrupted") {
			t.Errorf("round %d: the first prompt: answer %q, failure %q, want interrupted", i, m.Response, m.Failure)
		}
		if m := answered(two.MessageID); m.Response != fmt.Sprintf("answer %d", i) {
			t.Errorf("round %d: the urgent prompt: %+v\n%s", i, *m, h.screen(v))
		}
		h.checkAsk(v, fmt.Sprintf("the next prompt, %d", i))
	}
}

// box is what the input box on the screen holds.
func (h *claudeHouse) box(v agentapi.View) string {
	h.t.Helper()
	lines := strings.Split(h.screen(v), "\n")
	for i, line := range slices.Backward(lines) {
		if rest, ok := strings.CutPrefix(line, "❯"); ok && i > 0 && strings.HasPrefix(lines[i-1], "────") {
			return strings.TrimSpace(rest)
		}
	}
	return "there is no input box"
}
