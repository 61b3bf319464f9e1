package team

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/internal/state"
)

// TestInVain is the rule that no message ends unheard of, played at random: agents send to those below them and reply to
// those above, are given messages, crash, are ended, wait too long and run again; Orchestron starts again. In the end
// every message was read or is undeliverable with a reason, and each agent has read exactly once of each that it sent in
// vain.
func TestInVain(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := &vainPlay{t: t, rt: rt}
		p.s, p.c = house(t)
		p.begin()
		rt.Repeat(map[string]func(*rapid.T){
			"":        func(*rapid.T) {},
			"send":    func(*rapid.T) { p.send() },
			"nobody":  func(*rapid.T) { p.nobody() },
			"read":    func(*rapid.T) { p.read(p.one()) },
			"crash":   func(*rapid.T) { p.crash(p.one()) },
			"end":     func(*rapid.T) { p.end(p.one()) },
			"expire":  func(*rapid.T) { p.expire(p.one()) },
			"back":    func(*rapid.T) { p.back(p.one()) },
			"run":     func(*rapid.T) { p.run(p.one()) },
			"restart": func(*rapid.T) { p.begin() },
			"tell":    func(*rapid.T) { p.tell() },
		})
		p.finish()
		p.check()
	})
}

type vainPlay struct {
	t      *testing.T
	rt     *rapid.T
	s      *Service
	c      *crew
	teller teller
	cursor int64
}

// must ends the check when a step fails.
func (p *vainPlay) must(err error) {
	if err != nil {
		p.rt.Fatal(err)
	}
}

func (p *vainPlay) one() orchestron.AgentID { return rapid.SampledFrom(p.c.order).Draw(p.rt, "agent") }

func (p *vainPlay) alive(id orchestron.AgentID) bool {
	a, _ := p.c.Agent(id)
	return a.Alive()
}

// begin is a start of Orchestron: it knows nothing but what is stored.
func (p *vainPlay) begin() {
	p.teller, p.cursor = teller{Service: p.s, vain: map[orchestron.AgentID][]vain{}}, 0
}

func (p *vainPlay) tell() {
	for {
		next, err := p.teller.tellAll(p.t.Context(), p.cursor)
		p.must(err)
		if next == p.cursor {
			return
		}
		p.cursor = next
	}
}

// send sends a message: one that is alive and above or below writes, or a person does.
func (p *vainPlay) send() {
	from, to := p.one(), p.one()
	actor := operator().Actor
	if rapid.IntRange(0, 3).Draw(p.rt, "who") > 0 && p.alive(from) && from != to {
		actor = as(from).Actor
	}
	_, err := p.c.Send(p.t.Context(), op.Call{Actor: actor}, agentapi.SendIn{InstanceID: string(to), Text: "a letter"})
	if refused := orchestron.KindOf(err) == orchestron.Conflict && err != nil; refused == p.alive(to) {
		p.rt.Fatalf("a message to %s, alive %v, gives %v", to, p.alive(to), err)
	}
}

// nobody replies to a message that there is not.
func (p *vainPlay) nobody() {
	me := p.one()
	_, err := p.s.reply(p.t.Context(), as(me), agentapi.ReplyIn{ReplyMessage: "hello?", CorrelationID: "01a1ff87-0000-7000-8000-000000000000"})
	if orchestron.KindOf(err) != orchestron.NotFound {
		p.rt.Fatalf("a reply to nobody gives %v", err)
	}
}

// change alters an agent that is as it must be for that.
func (p *vainPlay) change(id orchestron.AgentID, alive bool, do func(tx state.Tx, st *state.State) error) {
	if p.alive(id) == alive {
		p.must(p.c.change(p.t.Context(), id, do))
	}
}

// read gives an agent its next message and ends its turn.
func (p *vainPlay) read(id orchestron.AgentID) {
	p.change(id, true, func(tx state.Tx, st *state.State) error {
		i := slices.IndexFunc(st.Inbox, state.Unsent)
		if i < 0 {
			return nil
		}
		st.Inbox[i].State = orchestron.Attempting
		now := time.Now()
		if err := state.BeginTurn(tx, st, orchestron.Fact{Message: st.Inbox[i].ID, At: now}); err != nil {
			return err
		}
		return state.EndTurns(tx, st, orchestron.Fact{At: now}, state.Outcome{Answer: "thanks"})
	})
}

func (p *vainPlay) crash(id orchestron.AgentID) {
	p.change(id, true, func(tx state.Tx, st *state.State) error {
		return state.Exited(tx, st, orchestron.Exit{Code: 1, At: time.Now()}, func(orchestron.Message) (bool, error) { return false, nil })
	})
}

func (p *vainPlay) end(id orchestron.AgentID) {
	if p.alive(id) {
		p.must(p.c.end(p.t.Context(), id))
	}
}

// expire gives up what waited too long for an agent that does not run.
func (p *vainPlay) expire(id orchestron.AgentID) {
	p.change(id, false, func(tx state.Tx, st *state.State) error {
		return state.GiveUp(tx, st, "it has not run for long", state.Unsent)
	})
}

// back gives up an agent's messages for whoever sent them, as a run does that was cancelled.
func (p *vainPlay) back(id orchestron.AgentID) {
	p.must(p.c.change(p.t.Context(), id, func(tx state.Tx, st *state.State) error {
		for i := range st.Inbox {
			m := &st.Inbox[i]
			if m.State != orchestron.Queued || m.From == string(orchestron.System) {
				continue
			}
			m.State, m.Reason = orchestron.Undeliverable, takenBack
			data := map[string]any{"messageId": m.ID, "state": m.State, "withdrawn": true}
			if err := errors.Join(tx.PutMessage(*m), state.AddEvent(tx, orchestron.MessageState, id, "", data)); err != nil {
				return err
			}
		}
		return nil
	}))
}

const takenBack = "its run was cancelled"

func (p *vainPlay) run(id orchestron.AgentID) {
	p.change(id, false, func(tx state.Tx, st *state.State) error {
		st.Agent.Status = orchestron.Idle
		return state.AddEvent(tx, orchestron.AgentRestarted, id, "operator", nil)
	})
}

// finish has all that is dead expire, everybody run, and everything read.
func (p *vainPlay) finish() {
	for _, id := range p.c.order {
		p.expire(id)
		p.run(id)
	}
	p.tell()
	for _, id := range p.c.order {
		for slices.ContainsFunc(p.c.Inbox(id), state.Unsent) {
			p.read(id)
		}
	}
	p.tell()
}

func (p *vainPlay) check() {
	var lost []orchestron.Message
	told := map[string]int{} // by agent and message
	for n := 1; n <= p.c.n; n++ {
		m, err := p.c.Message(p.t.Context(), messageID(n))
		if orchestron.KindOf(err) == orchestron.NotFound && err != nil {
			continue // it was refused
		}
		p.must(err)
		switch {
		case m.State == orchestron.Answered && m.From == string(orchestron.System):
			words := strings.Fields(m.Text)
			told[fmt.Sprint(m.Agent, words[2])]++
		case m.State == orchestron.Answered:
		case m.State == orchestron.Undeliverable && m.Reason == takenBack:
		case m.State == orchestron.Undeliverable && m.Reason != "":
			if orchestron.AgentID(m.From).Valid() {
				lost = append(lost, m)
			}
		default:
			p.rt.Errorf("message %s to %s ends %s: %q", m.ID, m.Agent, m.State, m.Reason)
		}
	}
	for _, m := range lost {
		key := m.From + string(m.ID)
		if told[key] != 1 {
			p.rt.Errorf("%s has read %d times that its message %s to %s was not delivered", m.From, told[key], m.ID, m.Agent)
		}
		delete(told, key)
	}
	if len(told) > 0 {
		p.rt.Errorf("agents have read of messages that were delivered: %v", told)
	}
}

// TestAReplyToAFullInbox: it is refused, and its sender is told where the answer is kept all the same.
func TestAReplyToAFullInbox(t *testing.T) {
	s, c := house(t)
	big := strings.Repeat("x", orchestron.MaxMessage)
	for n := 0; ; n++ {
		_, err := c.Send(t.Context(), operator(), agentapi.SendIn{InstanceID: "mgr_1_1", Text: big})
		if orchestron.KindOf(err) == orchestron.Limit && err != nil {
			break
		}
		if err != nil || n > 100 {
			t.Fatalf("message %d to a busy agent: %v", n, err)
		}
	}
	c.sent(t, as("mgr_1_1"), "spec_1_1_1")
	_, err := s.reply(t.Context(), as("spec_1_1_1"), agentapi.ReplyIn{ReplyMessage: big})
	wantKind(t, "a reply to a full inbox", err, orchestron.Limit)
	if got := orchestron.Visible(err); got.Remedy != instead || !strings.HasPrefix(got.Message, "mgr_1_1 cannot take your reply: ") {
		t.Errorf("the one who replies is told %v", err)
	}
}
