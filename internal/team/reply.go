package team

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/envelope"
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/internal/state"
)

// reply answers reply_to_caller.
func (s *Service) reply(ctx context.Context, call op.Call, in agentapi.ReplyIn) (agentapi.ReplyOut, error) {
	none := agentapi.ReplyOut{}
	if err := s.running(ctx); err != nil {
		return none, err
	}
	me := call.Actor.Agent
	switch {
	case call.Actor.Kind != orchestron.AgentCall:
		return none, orchestron.Errorf(orchestron.Invalid, "only an agent has a caller to reply to").Try("send gives an agent a prompt")
	case in.InstanceID != "" && in.InstanceID != string(me):
		return none, orchestron.Errorf(orchestron.Forbidden, "you are %s and cannot reply as %q", me, orchestron.Quotable(in.InstanceID)).
			Try("leave instance_id out")
	}
	text, _, err := orchestron.Clean(in.ReplyMessage)
	if err != nil {
		return none, err
	}
	ctx = context.WithoutCancel(ctx)
	k := key{call: call, operation: "reply_to_caller", hash: sha256.Sum256([]byte(in.CorrelationID + "\x00" + text))}
	if before, err := s.before(ctx, k); err != nil || before.ID != "" {
		return told(before), err
	}
	m, err := s.caller(ctx, me, orchestron.MessageID(in.CorrelationID))
	if err != nil {
		return none, err
	}
	if m.From == string(me) {
		return none, orchestron.Errorf(orchestron.Invalid, "message %s is your own: nobody else waits for an answer", m.ID).
			Try("name the message that you answer with correlation_id")
	}
	id, err := uuid.NewV7()
	if err != nil {
		return none, fmt.Errorf("making a reply's id: %w", err)
	}
	r := orchestron.Reply{ID: orchestron.MessageID(id.String()), Message: m.ID, From: me, To: m.From, Text: text, Created: s.now()}
	err = s.post(ctx, k, &r)
	return told(r), err
}

func told(r orchestron.Reply) agentapi.ReplyOut {
	return agentapi.ReplyOut{ReplyID: r.ID, CorrelationID: r.Message, To: r.To}
}

// caller returns the message that an agent replies to: the one named, or the one whose turn is open.
func (s *Service) caller(ctx context.Context, me orchestron.AgentID, named orchestron.MessageID) (orchestron.Message, error) {
	if named != "" {
		m, err := s.store.Message(ctx, named)
		if err == nil && m.Agent != me || orchestron.KindOf(err) == orchestron.NotFound && err != nil {
			return m, orchestron.Errorf(orchestron.NotFound, "no message %q was sent to you", orchestron.Quotable(string(named))).
				Try("leave correlation_id out to answer the message that you work on")
		}
		if err == nil && m.From == string(orchestron.System) {
			return m, orchestron.Errorf(orchestron.Invalid, "message %s is a notice of Orchestron's own, and nobody waits for an answer", named)
		}
		return m, err
	}
	open := s.open(ctx, me)
	if len(open) == 0 {
		return orchestron.Message{}, orchestron.Errorf(orchestron.Conflict, "you work on no message at the moment").
			Try("name the message that you answer with correlation_id")
	}
	last := open[len(open)-1]
	for _, m := range open {
		if m.From != last.From {
			return m, orchestron.Errorf(orchestron.Conflict, "you work on message %s from %s and on message %s from %s", m.ID, m.From, last.ID, last.From).
				Try("name the one that you answer with correlation_id")
		}
	}
	return last, nil
}

// hookTime is how long the word may be on its way that an agent was given a message.
const hookTime = 5 * time.Second

// open returns the messages that an agent works on. One that was typed and not yet told of is waited for: the agent may
// be quicker than the word that it has it.
func (s *Service) open(ctx context.Context, me orchestron.AgentID) []orchestron.Message {
	ctx, cancel := context.WithTimeout(ctx, hookTime)
	defer cancel()
	for {
		news := s.agents.Changed()
		inbox := s.agents.Inbox(me)
		open := slices.DeleteFunc(slices.Clone(inbox), func(m orchestron.Message) bool {
			return m.State != orchestron.Submitted || m.From == string(orchestron.System)
		})
		if len(open) > 0 || !slices.ContainsFunc(inbox, func(m orchestron.Message) bool { return m.State == orchestron.Attempting }) {
			return open
		}
		select {
		case <-news:
		case <-ctx.Done():
			return nil
		}
	}
}

// madeBy returns the reply that the same call made before, if any.
func madeBy(tx state.Tx, k key) (orchestron.Reply, error) {
	subject, found, err := k.subject(tx)
	if err != nil || !found {
		return orchestron.Reply{}, err
	}
	return tx.Reply(orchestron.MessageID(subject))
}

func (s *Service) before(ctx context.Context, k key) (before orchestron.Reply, err error) {
	if k.call.Key == "" {
		return before, nil
	}
	err = s.store.Write(ctx, func(tx state.Tx) (err error) { before, err = madeBy(tx, k); return err })
	return before, err
}

// post stores a reply, tells of it, and gives it to the agent that it is for. When the same call was faster, r is what
// that one made.
func (s *Service) post(ctx context.Context, k key, r *orchestron.Reply) error {
	to := orchestron.AgentID(r.To)
	if !to.Valid() {
		return s.store.Write(ctx, func(tx state.Tx) error { _, err := keep(tx, k, r); return err })
	}
	err := s.agents.Alter(ctx, to, func(tx state.Tx, st *state.State) error {
		if goOn, err := keep(tx, k, r); err != nil || !goOn {
			return err
		}
		text := envelope.Letter{ID: r.ID, From: r.From, ReplyTo: r.Message, Text: r.Text}.Wrap()
		return state.Enqueue(tx, st, &orchestron.Message{ID: r.ID, From: string(r.From), Text: text, Created: r.Created})
	})
	if err == nil {
		return nil
	}
	if kind := orchestron.KindOf(err); kind == orchestron.Conflict || kind == orchestron.Limit {
		return orchestron.Errorf(kind, "%s cannot take your reply: %w", r.To, err).Try(instead)
	}
	return err
}

const instead = "what you say at the end of your turn is kept with its message"

// keep stores a reply that is new, and reports whether it is.
func keep(tx state.Tx, k key, r *orchestron.Reply) (bool, error) {
	before, err := madeBy(tx, k)
	if err != nil || before.ID != "" {
		*r = before
		return false, err
	}
	open, err := tx.OpenReplies(r.From, r.To)
	if err != nil {
		return false, err
	}
	if open >= orchestron.MaxOpenReplies {
		return false, orchestron.Errorf(orchestron.Limit, "%d replies of yours wait for %s already", open, r.To).Try(instead)
	}
	if err := errors.Join(k.set(tx, string(r.ID)), tx.AddReply(*r)); err != nil {
		return false, err
	}
	return true, state.AddEvent(tx, orchestron.MessageReply, r.From, string(r.From), map[string]any{
		"replyId": r.ID, "messageId": r.Message, "to": r.To, "bytes": len(r.Text),
	})
}

// Notice says in a line what waits for an agent, and is empty when nothing does.
func (s *Service) Notice(actor orchestron.Actor) string {
	if actor.Kind != orchestron.AgentCall {
		return ""
	}
	var from []string
	n := 0
	for _, m := range s.agents.Inbox(actor.Agent) {
		if m.State != orchestron.Queued {
			continue
		}
		n++
		if !slices.Contains(from, m.From) {
			from = append(from, m.From)
		}
	}
	if n == 0 {
		return ""
	}
	noun := "messages wait"
	if n == 1 {
		noun = "message waits"
	}
	return fmt.Sprintf("%d %s for you from %s; you are given them when your turn has ended, and get_pending_replies has the replies among them now",
		n, noun, strings.Join(from, ", "))
}

// reading is what an event of a message tells.
type reading struct {
	Message orchestron.MessageID `json:"messageId"`
	State   orchestron.Delivery  `json:"state"`
	// Withdrawn says that it was given up for whoever sent it, who knows.
	Withdrawn bool `json:"withdrawn"`
}

func readingOf(e orchestron.Event) (r reading) {
	if e.Type == orchestron.MessageState {
		_ = json.Unmarshal(e.Data, &r) // what cannot be read tells nothing
	}
	return r
}
