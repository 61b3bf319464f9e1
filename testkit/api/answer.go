package api

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/orchestron/orchestron/testkit"
)

// answer works through the directives of one prompt, from behind the tool calls already made to the next one.
type answer struct {
	server  *Server
	prompt  prompt
	session string
	model   string
	usage   testkit.Usage
	out     output
	ctx     context.Context //nolint:containedctx // an answer lives exactly as long as its request

	started bool
	said    bool // some text is out
	fixed   bool // @@usage gave the output tokens
}

// output is how an answer leaves: as a stream or whole.
type output interface {
	start(id, model string, u testkit.Usage)
	text(s string)
	call(id, name string, input json.RawMessage)
	fail(code int, text string) // instead of the rest
	cut() bool                  // break the connection; false where that cannot be
	end(reason string, u testkit.Usage)
}

func (a *answer) run() {
	todo := steps(a.prompt.text)
	for _, text := range a.prompt.within {
		todo = append(todo, steps(text)...)
	}
	made := min(a.prompt.calls, count(todo, "call"))
	calls := 0
	for i, d := range todo {
		if d.Name == "call" {
			if calls++; calls <= made {
				continue
			}
		}
		if calls < made && d.Name != "usage" {
			continue // was done before an earlier call; usage counts for every answer from there on
		}
		if done := a.step(i, d); done {
			return
		}
	}
	a.finish("end_turn")
}

func count(steps []testkit.Directive, name string) int {
	n := 0
	for _, d := range steps {
		if d.Name == name {
			n++
		}
	}
	return n
}

// steps is what a text asks for: its directives, or an echo of it.
func steps(text string) []testkit.Directive {
	if ds := testkit.Directives(text); len(ds) > 0 {
		return ds
	}
	return []testkit.Directive{{Name: "echo", Rest: text}}
}

// step does one directive and reports whether the answer ends with it.
func (a *answer) step(i int, d testkit.Directive) bool {
	switch d.Name {
	case "say":
		a.say(strings.ReplaceAll(testkit.Text(d.Rest), "{{result}}", a.prompt.result))
	case "echo":
		a.say(testkit.Echo(d.Rest))
	case "usage":
		a.fixed = a.fixed || strings.Contains(d.Rest, "out=")
		if err := a.usage.Set(d.Rest); err != nil {
			a.say(err.Error())
		}
	case "call":
		return a.call(d)
	case "hold", "delay":
		return !a.hold(d.Rest)
	case "error":
		return a.fail(i, d)
	case "cut":
		return a.cut(i, d)
	default:
		a.say("the scripted API does not know the directive @@" + d.Name)
	}
	return false
}

func (a *answer) begin() {
	if !a.started {
		a.started = true
		a.out.start(newID("msg"), a.model, a.usage)
	}
}

func (a *answer) say(text string) {
	a.begin()
	if a.said {
		text = "\n" + text
	}
	a.said = true
	a.count(text)
	a.out.text(text)
}

func (a *answer) count(output string) {
	if !a.fixed {
		a.usage.Output += (len(output) + 3) / 4
	}
}

func (a *answer) finish(reason string) {
	a.begin()
	a.out.end(reason, a.usage)
}

func (a *answer) call(d testkit.Directive) bool {
	name, input := d.Word()
	if input == "" {
		input = "{}"
	}
	if name == "" || !json.Valid([]byte(input)) {
		a.say("@@call needs a tool and its input as JSON, not: " + d.Rest)
		return false
	}
	a.begin()
	a.count(input)
	a.out.call(newID("toolu"), name, json.RawMessage(input))
	a.finish("tool_use")
	return true
}

// hold waits and reports whether the caller is still there. Without a duration it waits for Release.
func (a *answer) hold(arg string) bool {
	a.begin()
	var timeout <-chan time.Time
	if arg != "" {
		wait, err := time.ParseDuration(arg)
		if err != nil {
			a.say("@@hold needs a duration such as 500ms, not: " + arg)
			return true
		}
		timer := time.NewTimer(wait)
		defer timer.Stop()
		timeout = timer.C
	}
	select {
	case <-timeout:
	case <-a.server.held():
	case <-a.ctx.Done():
		return false
	}
	return true
}

// fail answers with an error: @@error CODE[*TIMES] [MESSAGE]. With TIMES later requests for the same prompt go on.
func (a *answer) fail(i int, d testkit.Directive) bool {
	word, text := d.Word()
	number, times, limited := strings.Cut(word, "*")
	code, err := strconv.Atoi(number)
	if err != nil || code < 400 || code > 599 {
		a.say("@@error needs a status from 400 to 599, not: " + word)
		return false
	}
	if limited && a.enough(i, times) {
		return false
	}
	if text == "" {
		text = "scripted error " + number
	}
	a.out.fail(code, text)
	return true
}

func (s *Server) again(key string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed[key]++
	return s.failed[key]
}

// cut breaks the stream: @@cut [TIMES]. With TIMES later requests for the same prompt go on.
func (a *answer) cut(i int, d testkit.Directive) bool {
	if d.Rest != "" && a.enough(i, d.Rest) {
		return false
	}
	a.begin()
	return a.out.cut()
}

// enough counts a failure that the i-th directive asks for, and reports whether there were as many as wanted.
func (a *answer) enough(i int, times string) bool {
	most, _ := strconv.Atoi(times)
	return a.server.again(fmt.Sprint(a.session, a.prompt.message, a.prompt.block, i, a.prompt.text)) > most
}
