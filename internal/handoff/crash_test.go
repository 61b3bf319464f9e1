package handoff

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/orchestron/orchestron"
)

// killed is what a process that is killed in the middle of a call panics with.
type killed struct{}

// world is an agent's program with its input box, the helpers it starts, a person, and a daemon that delivers
// messages one after the other. Any call may be killed before any of its changes.
type world struct {
	h        Home
	file     string // the input box
	origin   orchestron.MessageID
	texts    []string                     // of the messages, in order
	attempts int                          // for the message under way
	hooks    []prompt                     // prompts that the program took and whose hook has not run yet
	accepted map[string]int               // prompts that we placed and the program accepted, by text
	first    map[orchestron.MessageID]int // how often each was accepted as itself
}

type prompt struct {
	text string
	ours bool
}

// call runs f, killed before its n-th change of a file if there are that many. It reports whether it was.
func (w *world) call(n int, f func(h Home) error) (dead bool, err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case killed:
			dead = true
		default:
			panic(r)
		}
	}()
	h := Home{Root: w.h.Root, crash: func() {
		if n--; n == 0 {
			panic(killed{})
		}
	}}
	return false, f(h)
}

func (w *world) box() string {
	data, _ := os.ReadFile(w.file)
	return string(data)
}

func (w *world) setBox(t *rapid.T, text string) {
	if err := os.WriteFile(w.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// message is the one that the daemon is at: the first that was not submitted.
func (w *world) message(t *rapid.T) (orchestron.MessageID, string, bool) {
	for i, text := range w.texts {
		id := orchestron.MessageID(rune('A' + i))
		done, err := w.h.WasSubmitted(agent, id)
		if err != nil {
			t.Fatal(err)
		}
		if !done {
			return id, text, true
		}
	}
	return "", "", false
}

func (w *world) offer(t *rapid.T) {
	id, text, ok := w.message(t)
	if !ok {
		return
	}
	w.attempts++
	_, err := w.call(rapid.IntRange(0, 4).Draw(t, "killed before"), func(h Home) error {
		return h.Offer(agent, Intent{Message: id, Attempt: w.attempts, Text: text, Look: rapid.IntRange(0, 3).Draw(t, "look") == 0})
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) withdraw(t *rapid.T) {
	if _, err := w.h.Withdraw(agent); err != nil {
		t.Fatal(err)
	}
}

func (w *world) compose(t *rapid.T) {
	before := w.box()
	var in Intent
	offered := readJSON(w.h.intent(agent), &in) == nil
	_, err := w.call(rapid.IntRange(0, 9).Draw(t, "killed before"), func(h Home) error { return h.Compose(agent, 1, w.file) })
	if err != nil && (offered || !errors.Is(err, ErrNoIntent)) {
		t.Fatalf("Compose: %v", err)
	}
	switch after := w.box(); {
	case after == before:
	case !offered || in.Look || strings.TrimSpace(before) != "":
		t.Fatalf("the helper changed %q to %q with the intent %+v", before, after, in)
	case after != in.Text:
		t.Fatalf("the helper wrote %q for %q", after, in.Text)
	default:
		w.origin = in.Message
	}
}

func (w *world) typeText(t *rapid.T) {
	if w.box() == "" {
		w.origin = ""
		w.setBox(t, rapid.SampledFrom([]string{"mine", "go on", "x", " "}).Draw(t, "text"))
	}
}

func (w *world) submit(t *rapid.T) {
	if text := w.box(); strings.TrimSpace(text) != "" && len(w.hooks) < 3 {
		w.hooks = append(w.hooks, prompt{text, w.origin != ""})
		w.setBox(t, "")
	}
}

func (w *world) clearBox(t *rapid.T) { w.setBox(t, "") }

func (w *world) hook(t *rapid.T) {
	if len(w.hooks) == 0 {
		return
	}
	w.decide(t, rapid.IntRange(0, len(w.hooks)-1).Draw(t, "which"), rapid.IntRange(0, 3).Draw(t, "killed before"))
}

// decide runs one hook. A hook that is killed stops no prompt.
func (w *world) decide(t *rapid.T, which, killedBefore int) {
	p := w.hooks[which]
	w.hooks = append(w.hooks[:which:which], w.hooks[which+1:]...)
	var m orchestron.MessageID
	var blocked bool
	dead, err := w.call(killedBefore, func(h Home) error {
		var err error
		m, blocked, err = h.Submit(agent, p.text)
		return err
	})
	switch {
	case err != nil:
		t.Fatalf("Submit: %v", err)
	case dead: // and the daemon cannot know that the prompt was accepted
		return
	case m == "" && blocked, p.text == "mine" && m != "":
		t.Fatalf("Submit(%q) = %q, blocked %v", p.text, m, blocked)
	case m != "" && !blocked:
		if w.first[m]++; w.first[m] > 1 {
			t.Fatalf("%s was accepted twice", m)
		}
	}
	if p.ours && !blocked {
		w.accepted[p.text]++
	}
}

// check is what must be true always: no more prompts of a text reach the model than there are messages of it.
func (w *world) check(t *rapid.T) {
	for text, n := range w.accepted {
		want := 0
		for _, other := range w.texts {
			if other == text {
				want++
			}
		}
		if n > want {
			t.Fatalf("%q was accepted %d times for %d messages", text, n, want)
		}
	}
}

// finish delivers what is left without any accident, in a few attempts each.
func (w *world) finish(t *rapid.T) {
	for len(w.hooks) > 0 {
		w.decide(t, 0, 0)
	}
	w.setBox(t, "")
	for range 3 * len(w.texts) {
		id, text, ok := w.message(t)
		if !ok {
			return
		}
		if err := errors.Join(w.h.Offer(agent, Intent{Message: id, Text: text}), w.h.Compose(agent, 1, w.file)); err != nil {
			t.Fatal(err)
		}
		w.origin = id
		w.submit(t)
		w.decide(t, 0, 0)
		w.check(t)
	}
	if id, _, ok := w.message(t); ok {
		t.Fatalf("%s was never submitted", id)
	}
}

// Whatever is killed in whatever moment: a prompt is accepted once, a person's text is left alone, and in the end all
// messages have been submitted.
func TestNothingIsSubmittedTwice(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		root, err := os.MkdirTemp("", "o")
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(root)
		w := &world{
			h: Home{Root: root}, file: filepath.Join(root, "box.md"),
			texts: rapid.SliceOfN(rapid.SampledFrom([]string{"go on", "x", "long\ntext"}), 1, 5).Draw(rt, "texts"),
		}
		w.accepted, w.first = map[string]int{}, map[orchestron.MessageID]int{}
		if err := os.MkdirAll(w.h.Agent(agent), 0o700); err != nil {
			rt.Fatal(err)
		}
		rt.Repeat(map[string]func(*rapid.T){
			"offer": w.offer, "withdraw": w.withdraw, "compose": w.compose, "compose again": w.compose, "type": w.typeText,
			"submit": w.submit, "clear": w.clearBox, "hook": w.hook, "": w.check,
		})
		w.finish(rt)
	})
}
