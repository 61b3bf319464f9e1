package handoff

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
)

const agent = orchestron.AgentID("exec_1")

// tempHome is a home with the directory of one agent.
func tempHome(t *testing.T) Home {
	t.Helper()
	h := Home{Root: t.TempDir()}
	if err := errors.Join(os.MkdirAll(h.Agent(agent), 0o700), os.Mkdir(h.Spool(), 0o700)); err != nil {
		t.Fatal(err)
	}
	return h
}

func spooled(t *testing.T, h Home) []Record {
	t.Helper()
	var out []Record
	in := intake{Home: h, handle: func(rs []Record) error { out = append(out, rs...); return nil }, bad: func(file string, err error) { t.Errorf("%s: %v", file, err) }, now: time.Now}
	if err := in.drain(); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestCompose(t *testing.T) {
	for name, test := range map[string]struct {
		content string // of the input box
		in      Intent
		box     Box
		after   string
	}{
		"empty":            {"", Intent{Text: "do it"}, BoxPlaced, "do it"},
		"white space":      {" \n\n", Intent{Text: "do it\n"}, BoxPlaced, "do it\n"},
		"held":             {"do it\n", Intent{Text: "do it"}, BoxHeld, "do it\n"},
		"draft":            {"half a li", Intent{Text: "do it"}, BoxDraft, "half a li"},
		"draft of a part":  {"do", Intent{Text: "do it"}, BoxDraft, "do"},
		"look, empty":      {"\n", Intent{Text: "do it", Look: true}, BoxEmpty, "\n"},
		"look, held":       {"do it", Intent{Text: "do it", Look: true}, BoxHeld, "do it"},
		"look, draft":      {"else", Intent{Text: "do it", Look: true}, BoxDraft, "else"},
		"look for nothing": {"", Intent{Look: true}, BoxEmpty, ""},
		"long":             {"", Intent{Text: strings.Repeat("ü\n", 1<<18)}, BoxPlaced, strings.Repeat("ü\n", 1<<18)},
	} {
		t.Run(name, func(t *testing.T) {
			h := tempHome(t)
			file := filepath.Join(t.TempDir(), "box.md")
			if err := os.WriteFile(file, []byte(test.content), 0o600); err != nil {
				t.Fatal(err)
			}
			test.in.Message, test.in.Attempt = "m1", 2
			if err := errors.Join(h.Offer(agent, test.in), h.Compose(agent, 7, file)); err != nil {
				t.Fatal(err)
			}
			after, _ := os.ReadFile(file)
			if string(after) != test.after {
				t.Errorf("the box holds %.40q, want %.40q", after, test.after)
			}
			got := spooled(t, h)
			if len(got) != 1 || got[0].Kind != Composed || got[0].Box != test.box || got[0].Message != "m1" || got[0].Attempt != 2 || got[0].Generation != 7 {
				t.Errorf("recorded %+v, want one with the box %s", got, test.box)
			}
			if err := h.Compose(agent, 7, file); !errors.Is(err, ErrNoIntent) {
				t.Errorf("the second Compose = %v, want ErrNoIntent", err)
			}
			if left, _ := filepath.Glob(filepath.Join(h.Agent(agent), "claimed*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestComposeLeavesAMissingBoxAlone(t *testing.T) {
	h := tempHome(t)
	file := filepath.Join(t.TempDir(), "box.md")
	if err := errors.Join(h.Offer(agent, Intent{Message: "m1", Text: "x"}), h.Compose(agent, 1, file)); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(file); string(got) != "x" {
		t.Errorf("the box holds %q, want x", got)
	}
}

// Many helpers and a daemon that takes its intents back: each intent is claimed or withdrawn, once.
func TestAnIntentIsClaimedOnce(t *testing.T) {
	h := tempHome(t)
	const rounds, helpers = 30, 4
	placed := 0
	for round := range rounds {
		if err := h.Offer(agent, Intent{Message: "m1", Text: "x", Look: true}); err != nil {
			t.Fatal(err)
		}
		results := make([]error, helpers)
		var back bool
		var all sync.WaitGroup
		for i := range helpers {
			all.Go(func() { results[i] = h.Compose(agent, 1, "/no/such/file") })
		}
		if round%2 == 0 {
			all.Go(func() { back, _ = h.Withdraw(agent) })
		}
		all.Wait()
		claims := 0
		for _, err := range results {
			switch {
			case err == nil:
				claims++
			case !errors.Is(err, ErrNoIntent):
				t.Fatal(err)
			}
		}
		if claims > 1 || (claims == 1) == back {
			t.Fatalf("%d helpers claimed the intent, withdrawn: %v", claims, back)
		}
		placed += claims
	}
	if got := len(spooled(t, h)); got != placed || placed < rounds/2 {
		t.Errorf("%d records of %d claims in %d rounds", got, placed, rounds)
	}
}

func TestANewRunHasNoIntent(t *testing.T) {
	h := tempHome(t)
	if err := errors.Join(h.Offer(agent, Intent{Message: "m1", Text: "x"}), h.WriteRun(Run{Agent: agent, Generation: 2})); err != nil {
		t.Fatal(err)
	}
	if err := h.Compose(agent, 2, "/no/such/file"); !errors.Is(err, ErrNoIntent) {
		t.Errorf("Compose = %v, want ErrNoIntent", err)
	}
}

func TestWhatWasSubmittedIsNotPlacedAgain(t *testing.T) {
	h := tempHome(t)
	file := filepath.Join(t.TempDir(), "box.md")
	in := Intent{Message: "m1", Attempt: 1, Text: "x"}
	if err := h.Place(agent, in); err != nil {
		t.Fatal(err)
	}
	submit(t, h, "x", "m1", false)
	if err := errors.Join(h.Offer(agent, in), h.Compose(agent, 1, file)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); !missing(err) {
		t.Errorf("the box was written: %v", err)
	}
	if got := spooled(t, h); len(got) != 1 || got[0].Box != BoxEmpty {
		t.Errorf("recorded %+v, want an empty box", got)
	}
}

func submit(t *testing.T, h Home, prompt string, message orchestron.MessageID, blocked bool) {
	t.Helper()
	m, b, err := h.Submit(agent, prompt)
	if err != nil || m != message || b != blocked {
		t.Errorf("Submit(%q) = %q, blocked %v, %v; want %q, %v", prompt, m, b, err, message, blocked)
	}
}

func place(t *testing.T, h Home, message orchestron.MessageID, text string) {
	t.Helper()
	if err := h.Place(agent, Intent{Message: message, Text: text}); err != nil {
		t.Fatal(err)
	}
}

func TestSubmit(t *testing.T) {
	h := tempHome(t)
	submit(t, h, "go on", "", false) // a person's own
	place(t, h, "m1", "go on")
	if done, err := h.WasSubmitted(agent, "m1"); done || err != nil {
		t.Errorf("WasSubmitted before = %v, %v", done, err)
	}
	submit(t, h, "go on, please", "", false)
	submit(t, h, " go on\n", "m1", false)
	if done, err := h.WasSubmitted(agent, "m1"); !done || err != nil {
		t.Errorf("WasSubmitted after = %v, %v", done, err)
	}
	submit(t, h, "go on", "", false) // placed once only: a person's own
	place(t, h, "m1", "go on")
	submit(t, h, "go on", "m1", true)
	submit(t, h, "go on", "", false)
}

// The program may be slow to say that it accepts a prompt, when the next is in the box already.
func TestSubmitOfAnEarlierMessage(t *testing.T) {
	h := tempHome(t)
	place(t, h, "m1", "one")
	place(t, h, "m1", "one") // no evidence came in time
	submit(t, h, "one", "m1", false)
	place(t, h, "m2", "two")
	submit(t, h, "one", "m1", true)
	submit(t, h, "two", "m2", false)
	for i := range remembered { // long ago
		place(t, h, orchestron.MessageID(rune('a'+i)), "three")
	}
	submit(t, h, "one", "", false)
	if marks, _ := os.ReadDir(h.submitted(agent)); len(marks) != 0 {
		t.Errorf("%d marks of forgotten messages", len(marks))
	}
}

// Two messages with the same text are two prompts.
func TestSubmitOfEqualTexts(t *testing.T) {
	h := tempHome(t)
	for _, m := range []orchestron.MessageID{"m1", "m2", "m3"} {
		place(t, h, m, "go on")
		submit(t, h, "go on", m, false)
	}
	submit(t, h, "go on", "", false)
}

func TestSubmitDecidesOnce(t *testing.T) {
	h := tempHome(t)
	const prompts, times = 50, 50
	for range times {
		place(t, h, "m1", "x")
	}
	type answer struct {
		Message orchestron.MessageID
		Blocked bool
	}
	got := make([]answer, prompts)
	var all sync.WaitGroup
	for i := range prompts {
		all.Go(func() {
			m, blocked, err := h.Submit(agent, "x")
			if err != nil {
				t.Error(err)
			}
			got[i] = answer{m, blocked}
		})
	}
	all.Wait()
	count := map[answer]int{}
	for _, a := range got {
		count[a]++
	}
	if diff := cmp.Diff(map[answer]int{{"m1", false}: 1, {"m1", true}: prompts - 1}, count); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}

func TestRunAndSecrets(t *testing.T) {
	h := Home{Root: t.TempDir()}
	want := Run{Agent: agent, Generation: 2, Command: orchestron.Command{
		Argv: []string{"/bin/x", "", "a\nb", "<&>", "é"}, Dir: "/d", Env: []string{"A=1"}, Secrets: []string{"KEY=s3cret"},
	}}
	if err := h.WriteRun(want); err != nil {
		t.Fatal(err)
	}
	if data, _ := os.ReadFile(filepath.Join(h.Agent(agent), "run.json")); strings.Contains(string(data), "s3cret") {
		t.Errorf("run.json holds the secret: %s", data)
	}
	for _, name := range []string{"run.json", "secrets.json"} {
		if info, err := os.Stat(filepath.Join(h.Agent(agent), name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v, want mode 0600", name, info, err)
		}
	}
	got, err := h.ReadRun(agent)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("run (-want +got):\n%s", diff)
	}
	if again, err := h.ReadRun(agent); err == nil || again.Generation != 2 {
		t.Errorf("the second ReadRun = %+v, %v, want an error and the generation", again, err)
	}
}

// A program puts a prompt that it was refused back into the box. It is not a person's draft.
func TestARefusedPromptIsTakenOutOfTheBox(t *testing.T) {
	h := tempHome(t)
	file := filepath.Join(t.TempDir(), "box.md")
	compose := func(in Intent, content string, box Box, after string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(h.Offer(agent, in), h.Compose(agent, 7, file)); err != nil {
			t.Fatal(err)
		}
		got, _ := os.ReadFile(file)
		if found := spooled(t, h); len(found) != 1 || found[0].Box != box || string(got) != after {
			t.Errorf("with %q: recorded %+v and left %q, want the box %s and %q", content, found, got, box, after)
		}
	}
	place(t, h, "m1", "one")
	submit(t, h, "one", "m1", false)
	compose(Intent{Message: "m2", Text: "two"}, "one", BoxDraft, "one") // accepted only: a person asks it again
	place(t, h, "m1", "one")
	compose(Intent{Message: "m2", Text: "two"}, "one", BoxDraft, "one") // not refused yet
	submit(t, h, "one", "m1", true)
	compose(Intent{Message: "m2", Text: "two"}, "one more", BoxDraft, "one more")
	compose(Intent{Message: "m2", Text: "two"}, "one\n", BoxPlaced, "two")
	submit(t, h, "two", "m2", false)
	compose(Intent{Message: "m3", Text: "three"}, "one", BoxDraft, "one") // once more is a person's
	place(t, h, "m2", "two")
	submit(t, h, "two", "m2", true)
	compose(Intent{Message: "m3", Text: "three", Look: true}, "two", BoxEmpty, "")
}

// TestOffered: an editor that is opened right behind an offer is not a person's; nor is a clock that was set back a reason
// to keep a person from theirs.
func TestOffered(t *testing.T) {
	h := Home{Root: t.TempDir()}
	if err := os.MkdirAll(h.Agent(agent), 0o700); err != nil {
		t.Fatal(err)
	}
	if h.Offered(agent, time.Minute) {
		t.Error("something was offered before anything was")
	}
	if err := h.Offer(agent, Intent{Message: "m", Text: "text"}); err != nil {
		t.Fatal(err)
	}
	if !h.Offered(agent, time.Minute) {
		t.Error("what was offered a moment ago is not known")
	}
	for _, by := range []time.Duration{-time.Hour, time.Hour} {
		if err := os.Chtimes(h.offered(agent), time.Time{}, time.Now().Add(by)); err != nil {
			t.Fatal(err)
		}
		if h.Offered(agent, time.Minute) {
			t.Errorf("an offer of %s from now is still one of this minute", by)
		}
	}
}
