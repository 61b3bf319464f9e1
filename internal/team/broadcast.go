package team

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/internal/state"
)

// broadcast answers broadcast_to_children.
func (s *Service) broadcast(ctx context.Context, call op.Call, in agentapi.BroadcastIn) (agentapi.BroadcastOut, error) {
	none := agentapi.BroadcastOut{}
	parent, err := s.whom(ctx, call.Actor, in.ParentID)
	if err != nil {
		return none, err
	}
	if _, _, err := orchestron.Clean(in.Message); err != nil {
		return none, err
	}
	ids, err := s.audience(ctx, key{call, "broadcast_to_children", sha256.Sum256([]byte(string(parent) + "\x00" + in.Message))}, parent)
	if err != nil {
		return none, err
	}
	if len(ids) == 0 {
		return none, orchestron.Errorf(orchestron.Conflict, "there is nobody to tell: no child is alive").Try("get_children shows them")
	}
	out := agentapi.BroadcastOut{Sent: []agentapi.Answer{}}
	for _, id := range ids {
		out.Sent = append(out.Sent, agentapi.Answer{AgentID: id})
	}
	s.send(ctx, call, in.Message, out.Sent)
	if in.Wait {
		if err := s.gather(ctx, call, time.Duration(in.Timeout)*time.Second, out.Sent); err != nil {
			return none, err
		}
	}
	return count(out), nil
}

// audience is the children of an agent that are alive. A call that is repeated with its key goes to those that it went to
// before, whoever has come or ended since.
func (s *Service) audience(ctx context.Context, k key, parent orchestron.AgentID) (ids []orchestron.AgentID, err error) {
	var names []string
	for _, id := range s.agents.Children(parent) {
		if a, known := s.agents.Agent(id); known && a.Alive() {
			ids, names = append(ids, id), append(names, string(id))
		}
	}
	if k.call.Key == "" {
		return ids, nil
	}
	err = s.store.Write(context.WithoutCancel(ctx), func(tx state.Tx) error {
		before, found, err := k.subject(tx)
		if err != nil || !found && len(ids) == 0 {
			return err
		}
		if !found {
			return k.set(tx, strings.Join(names, " "))
		}
		ids = nil
		for id := range strings.FieldsSeq(before) {
			ids = append(ids, orchestron.AgentID(id))
		}
		return nil
	})
	return ids, err
}

// send gives each of the agents the message. A call that is repeated with its key finds the messages that it made.
func (s *Service) send(ctx context.Context, call op.Call, text string, sent []agentapi.Answer) {
	var all sync.WaitGroup
	for i := range sent {
		all.Go(func() {
			each := call
			if call.Key != "" {
				each.Key = fmt.Sprintf("%s#%s", call.Key, sent[i].AgentID)
			}
			m, err := s.agents.Send(ctx, each, agentapi.SendIn{InstanceID: string(sent[i].AgentID), Text: text})
			if err != nil {
				sent[i].Error = s.visible(ctx, "sending one of several messages", err)
				return
			}
			sent[i].Message = &m
		})
	}
	all.Wait()
}

// gather waits until each of the agents has answered, or the time is over.
func (s *Service) gather(ctx context.Context, call op.Call, timeout time.Duration, sent []agentapi.Answer) error {
	waiting, cancel := op.Patience(ctx, timeout)
	defer cancel()
	for before := -1; ; {
		news, told := s.agents.Changed(), s.store.Told()
		over := 0
		for i := range sent {
			if err := s.look(context.WithoutCancel(ctx), &sent[i]); err != nil {
				return err
			}
			if sent[i].Over() {
				over++
			}
		}
		if over != before {
			before = over
			call.Report(orchestron.Progress{Done: float64(over), Total: float64(len(sent)), Message: fmt.Sprintf("%d of %d have answered", over, len(sent))})
		}
		if over == len(sent) {
			return nil
		}
		select {
		case <-news:
		case <-told:
		case <-waiting.Done():
			if err := ctx.Err(); errors.Is(err, context.Canceled) {
				return err
			}
			return nil
		}
	}
}

// look takes down what has become of one agent's part.
func (s *Service) look(ctx context.Context, a *agentapi.Answer) error {
	if a.Over() {
		return nil
	}
	child, known := s.agents.Agent(a.AgentID) // before the message: what it answered last is in the message
	m, err := s.store.Message(ctx, a.Message.MessageID)
	if err != nil {
		return err
	}
	now := agentapi.Describe(m, s.agents.Abilities(a.AgentID))
	if !now.Done && known && !child.Alive() {
		now.Done, now.Next, now.Reason = true, "", fmt.Sprintf("%s is %s", a.AgentID, child.Status)
	}
	a.Message = &now
	a.Replies, err = s.store.RepliesTo(ctx, m.ID)
	return err
}

func count(out agentapi.BroadcastOut) agentapi.BroadcastOut {
	out.Count = len(out.Sent)
	for _, a := range out.Sent {
		switch {
		case a.Failed():
			out.Failed++
		case a.Over():
			out.Answered++
		}
	}
	if out.Answered+out.Failed < out.Count {
		out.Next = "wait_for_instance with an id and its message_id; get_pending_replies has what they say through reply_to_caller"
	}
	return out
}
