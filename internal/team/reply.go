package team

import (
	"context"
	"crypto/sha256"
	"encoding/json"
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
	k := key{call: call, hash: sha256.Sum256([]byte(in.CorrelationID + "\x00" + text))}
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

// key is the idempotency key of a reply, or none.
type key struct {
	call op.Call
	hash [32]byte
}

const replying = "reply_to_caller"

// find returns the reply that the same call made before, if any.
func (k key) find(tx state.Tx) (orchestron.Reply, error) {
	if k.call.Key == "" {
		return orchestron.Reply{}, nil
	}
	subject, found, err := tx.Keyed(k.call.Actor.String(), k.call.Key, replying, k.hash)
	if err != nil || !found {
		return orchestron.Reply{}, err
	}
	return tx.Reply(orchestron.MessageID(subject))
}

func (s *Service) before(ctx context.Context, k key) (before orchestron.Reply, err error) {
	if k.call.Key == "" {
		return before, nil
	}
	err = s.store.Write(ctx, func(tx state.Tx) (err error) { before, err = k.find(tx); return err })
	return before, err
}

// post stores a reply, tells of it, and gives it to the agent that it is for. When the same call was faster, r is what
// that one made.
func (s *Service) post(ctx context.Context, k key, r *orchestron.Reply) error {
	keep := func(tx state.Tx) (bool, error) {
		before, err := k.find(tx)
		if err != nil || before.ID != "" {
			*r = before
			return false, err
		}
		if k.call.Key != "" {
			if err := tx.SetKey(k.call.Actor.String(), k.call.Key, replying, k.hash, string(r.ID)); err != nil {
				return false, err
			}
		}
		if err := tx.AddReply(*r); err != nil {
			return false, err
		}
		return true, state.AddEvent(tx, orchestron.MessageReply, r.From, string(r.From), map[string]any{
			"replyId": r.ID, "messageId": r.Message, "to": r.To, "bytes": len(r.Text),
		})
	}
	if to := orchestron.AgentID(r.To); to.Valid() {
		err := s.agents.Alter(ctx, to, func(tx state.Tx, st *state.State) error {
			if goOn, err := keep(tx); err != nil || !goOn {
				return err
			}
			text := envelope.Letter{ID: r.ID, From: r.From, ReplyTo: r.Message, Text: r.Text}.Wrap()
			return state.Enqueue(tx, st, &orchestron.Message{ID: r.ID, From: string(r.From), Text: text, Created: r.Created})
		})
		if orchestron.KindOf(err) == orchestron.Conflict && err != nil {
			return orchestron.Errorf(orchestron.Conflict, "%s cannot take your reply: %w", r.To, err).
				Try("what you say at the end of your turn is kept with its message")
		}
		return err
	}
	return s.store.Write(ctx, func(tx state.Tx) error { _, err := keep(tx); return err })
}

// most is how many replies are shown at once.
const most = 100

// replies answers get_pending_replies.
func (s *Service) replies(ctx context.Context, call op.Call, in agentapi.RepliesIn) (agentapi.RepliesOut, error) {
	id, err := s.whom(ctx, call.Actor, in.InstanceID)
	if err != nil {
		return agentapi.RepliesOut{}, err
	}
	recipient := string(id)
	if id == "" {
		recipient = call.Actor.String()
	}
	look := func() ([]orchestron.Reply, error) {
		if in.History || recipient != call.Actor.String() {
			return s.store.Replies(ctx, recipient, in.History, most)
		}
		return s.take(context.WithoutCancel(ctx), recipient)
	}
	found, err := s.await(ctx, call, time.Duration(in.WaitFor)*time.Second, look)
	return agentapi.RepliesOut{Replies: found, Count: len(found)}, err
}

// take gives a recipient its replies, once.
func (s *Service) take(ctx context.Context, recipient string) ([]orchestron.Reply, error) {
	pending, err := s.store.Replies(ctx, recipient, false, 1) // most looks find nothing and need no write
	if err != nil || len(pending) == 0 {
		return pending, err
	}
	if id := orchestron.AgentID(recipient); id.Valid() { // what is fetched is not typed any more
		err = s.agents.Alter(ctx, id, func(tx state.Tx, st *state.State) error {
			waiting, err := tx.PendingReplies(recipient)
			if err == nil {
				pending, err = state.Fetch(tx, st, waiting, s.now())
			}
			return err
		})
		return pending, err
	}
	err = s.store.Write(ctx, func(tx state.Tx) error {
		var err error
		if pending, err = tx.PendingReplies(recipient); err != nil {
			return err
		}
		now := s.now()
		for i := range pending {
			if err := tx.TakeReply(pending[i].ID, now); err != nil {
				return err
			}
			pending[i].Taken = now
		}
		return nil
	})
	return pending, err
}

// await looks until there is something, the time is over, or the caller has gone.
func (s *Service) await(ctx context.Context, call op.Call, timeout time.Duration, look func() ([]orchestron.Reply, error)) ([]orchestron.Reply, error) {
	waiting, cancel := op.Patience(ctx, timeout)
	defer cancel()
	for first := true; ; first = false {
		news := s.store.Told()
		found, err := look()
		if err != nil || len(found) > 0 || timeout == 0 {
			return found, err
		}
		if first {
			call.Report(orchestron.Progress{Message: "waiting for a reply"})
		}
		select {
		case <-news:
		case <-waiting.Done():
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return found, nil
		}
	}
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
