package e2e

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite" // to look at what is stored, when nobody else does

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/envelope"
)

// TestUndeliverable: agents of a team die, are ended and started again, and the daemon is killed, while messages
// are sent to the dead and the living, to unknown ids and from agents below that have no leader any more. Every message
// ends: its agent has it once, or it is undeliverable with a reason, of which its sender is told once. None is left that
// waits for nothing.
func TestUndeliverable(t *testing.T) {
	const steps, ttl = 100, 3 * time.Second
	h := newHouse(t, program)
	h.configure(fmt.Sprintf("message_ttl: %s\nmax_spawns_per_minute: 1000\n", ttl))
	h.start()
	p := &post{house: h, random: rand.New(rand.NewPCG(seed(t), 20)), sent: map[orchestron.MessageID]posted{}, tokens: map[orchestron.AgentID]string{}}
	p.hire()
	for range steps {
		p.step()
	}
	p.settle()
	refused, ended := p.check()
	t.Logf("%d messages, %d of them undeliverable; %d calls were refused", len(p.sent), ended, refused)
	if len(p.sent) < 100 || ended < 20 || refused == 0 {
		t.Error("that is too little of something for the test to mean anything")
	}
}

// post is a team whose members write to each other, and die.
type post struct {
	*house
	random  *rand.Rand
	all     []orchestron.AgentID
	tokens  map[orchestron.AgentID]string
	sent    map[orchestron.MessageID]posted
	got     []orchestron.MessageID // of those, what specialists were sent: they can reply to it
	n       int
	refused int
}

// posted is a message that was acknowledged.
type posted struct {
	from string // an agent, or operator
	to   orchestron.AgentID
	text string
}

// hire starts an executive, two managers, and two specialists below each.
func (p *post) hire() {
	p.t.Helper()
	below := func(role string, parent orchestron.AgentID) orchestron.AgentID {
		v := p.spawn("scripted", func(in *agentapi.SpawnIn) { in.Role, in.ParentID = role, string(parent) })
		p.all, p.tokens[v.ID] = append(p.all, v.ID), p.token(v)
		return v.ID
	}
	top := below("executive", "")
	for range 2 {
		manager := below("manager", top)
		below("specialist", manager)
		below("specialist", manager)
	}
}

// some is any agent that meets a condition, and "" when none does.
func (p *post) some(meets func(agentapi.View) bool) orchestron.AgentID {
	p.t.Helper()
	all := slices.DeleteFunc(p.list(), func(v agentapi.View) bool { return !meets(v) })
	if len(all) == 0 {
		return ""
	}
	return all[p.random.IntN(len(all))].ID
}

func alive(v agentapi.View) bool { return v.Status.Alive() }
func dead(v agentapi.View) bool  { return !v.Status.Alive() }

// step does one thing.
func (p *post) step() {
	p.t.Helper()
	switch n := p.random.IntN(20); {
	case n < 8:
		p.write()
	case n < 10:
		p.reply()
	case n == 10:
		p.fails("send", agentapi.SendIn{InstanceID: "spec_1_1_99", Text: "to nobody"}, "", orchestron.NotFound)
	case n < 13:
		if id := p.some(alive); id != "" {
			p.crash(id)
		}
	case n == 13:
		if id := p.some(func(v agentapi.View) bool { return alive(v) && v.Parent != "" }); id != "" {
			p.mustCall("terminate_instance", agentapi.TerminateInstanceIn{InstanceID: string(id), Force: true, Cascade: true}, nil)
		}
	case n < 19:
		if id := p.some(dead); id != "" {
			p.revive(id)
			p.tokens[id] = p.token(p.status(id))
		}
	default:
		p.kill()
		p.start()
	}
}

// write sends a few messages from the operator or an agent to one below it. The first keeps its agent busy.
func (p *post) write() {
	p.t.Helper()
	to := p.some(func(agentapi.View) bool { return true })
	from, token := "operator", ""
	if by := p.some(func(v agentapi.View) bool { return alive(v) && v.ID != to && p.leads(v.ID, to) }); by != "" && p.random.IntN(4) > 0 {
		from, token = string(by), p.tokens[by]
	}
	for i := range 1 + p.random.IntN(20) {
		p.n++
		text := fmt.Sprintf("letter %d", p.n)
		if i == 0 {
			text += "\n@@delay 1s"
		}
		in := agentapi.SendIn{InstanceID: string(to), Text: text}
		if !p.status(to).Status.Alive() {
			p.fails("send", in, token, orchestron.Conflict)
			continue
		}
		var out agentapi.MessageOut
		if err := p.callAs(token, "send", in, &out); err != nil {
			p.t.Fatalf("%s to %s: %v", from, to, err)
		}
		p.sent[out.MessageID] = posted{from, to, text}
		if from != "operator" && strings.HasPrefix(string(to), "spec") {
			p.got = append(p.got, out.MessageID)
		}
	}
}

// leads reports whether one agent is above another.
func (p *post) leads(above, id orchestron.AgentID) bool {
	for parent := p.status(id).Parent; parent != ""; parent = p.status(parent).Parent {
		if parent == above {
			return true
		}
	}
	return false
}

// reply has a specialist answer something that it was sent, whether who sent it is alive or not.
func (p *post) reply() {
	p.t.Helper()
	if len(p.got) == 0 {
		return
	}
	to := p.got[p.random.IntN(len(p.got))]
	me, leader := p.sent[to].to, orchestron.AgentID(p.sent[to].from)
	if dead(p.status(me)) {
		return
	}
	p.n++
	text := fmt.Sprintf("reply %d", p.n)
	in := agentapi.ReplyIn{ReplyMessage: text, CorrelationID: string(to)}
	if dead(p.status(leader)) {
		p.fails("reply_to_caller", in, p.tokens[me], orchestron.Conflict)
		return
	}
	var out agentapi.ReplyOut
	if err := p.callAs(p.tokens[me], "reply_to_caller", in, &out); err != nil {
		p.t.Fatalf("%s to %s: %v", me, leader, err)
	}
	p.sent[out.ReplyID] = posted{string(me), leader, text}
}

// fails makes a call that is refused at once, so that its sender knows.
func (p *post) fails(op string, in any, token string, kind orchestron.Kind) {
	p.t.Helper()
	if err := p.callAs(token, op, in, nil); orchestron.KindOf(err) != kind {
		p.t.Errorf("%s %+v gives %v, want %s", op, in, err, kind)
	}
	p.refused++
}

// settle waits until every message has ended, and then until the dead know what became of theirs.
func (p *post) settle() {
	p.t.Helper()
	for id, m := range p.sent {
		eventually(p.t, fmt.Sprintf("%s to %s has ended", id, m.to), 90*time.Second, func() bool { return p.waited(m.to, id, 0).Done })
	}
	for _, id := range p.all {
		if dead(p.status(id)) {
			p.revive(id)
		}
	}
	for _, id := range p.all {
		eventually(p.t, string(id)+" has read everything", 90*time.Second, func() bool {
			v := p.status(id)
			return v.Status == orchestron.Idle && v.Queued == 0
		})
	}
}

// row is a message as it is stored.
type row struct{ id, agent, sender, text, state, reason string }

// check compares what is stored with what was sent and what the agents have.
func (p *post) check() (refused, ended int) {
	p.t.Helper()
	p.kill()
	rows := p.stored()
	notices := map[string][]row{} // by what they tell of
	for _, r := range rows {
		if r.sender == string(orchestron.System) {
			for id := range p.sent {
				if strings.Contains(r.text, string(id)) {
					notices[string(id)] = append(notices[string(id)], r)
				}
			}
		}
		if !orchestron.Delivery(r.state).Done() {
			p.t.Errorf("message %s from %s to %s waits for ever: %s %s", r.id, r.sender, r.agent, r.state, r.reason)
		}
	}
	had := map[orchestron.AgentID]map[string]int{}
	for _, id := range p.all {
		had[id] = map[string]int{}
		for _, prompt := range p.accepted(id) {
			if l, err := envelope.Parse(prompt); err == nil {
				prompt = l.Text
			}
			had[id][prompt]++
		}
	}
	for id, m := range p.sent {
		r, n := rows[string(id)], had[m.to][m.text]
		switch {
		case r.state == string(orchestron.Answered) && n == 1:
		case r.state == string(orchestron.Answered) && n == 0 && strings.Contains(r.reason, "the agent ended"): // its program had just taken it
		case r.state == string(orchestron.Undeliverable) && n == 0 && r.reason != "":
			ended++
			p.checkTold(id, m, notices[string(id)])
		default:
			p.t.Errorf("%s (%s) from %s to %s is %q because of %q, and was accepted %d times", id, m.text, m.from, m.to, r.state, r.reason, n)
		}
	}
	return p.refused, ended
}

// checkTold holds that an agent has read once of what it sent in vain. A notice that it ended before it read was sent anew.
func (p *post) checkTold(id orchestron.MessageID, m posted, notices []row) {
	p.t.Helper()
	notices = slices.DeleteFunc(notices, func(r row) bool { return r.state == string(orchestron.Undeliverable) })
	want := 1
	if !orchestron.AgentID(m.from).Valid() {
		want = 0 // a person looks at the message
	}
	if len(notices) != want || want == 1 && notices[0].agent != m.from {
		p.t.Errorf("%s from %s to %s was not delivered, and %d notices of that were read: %+v", id, m.from, m.to, len(notices), notices)
	}
}

// stored is all messages in the database, by id. The daemon does not run.
func (p *post) stored() map[string]row {
	p.t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(p.root, "orchestron.db"))
	if err != nil {
		p.t.Fatal(err)
	}
	defer db.Close()
	found, err := db.QueryContext(p.t.Context(), "SELECT id, agent, sender, text, state, reason || failure FROM messages")
	if err != nil {
		p.t.Fatal(err)
	}
	defer found.Close()
	rows := map[string]row{}
	for found.Next() {
		var r row
		if err := found.Scan(&r.id, &r.agent, &r.sender, &r.text, &r.state, &r.reason); err != nil {
			p.t.Fatal(err)
		}
		rows[r.id] = r
	}
	if err := found.Err(); err != nil {
		p.t.Fatal(err)
	}
	return rows
}
