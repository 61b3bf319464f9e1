package team

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/internal/state"
)

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
	look := func() (agentapi.RepliesOut, error) { return s.show(ctx, recipient, in.History) }
	if !in.History && recipient == call.Actor.String() {
		f := fetch{Service: s, key: key{call, fetching, sha256.Sum256([]byte(recipient))}, recipient: recipient}
		look = func() (agentapi.RepliesOut, error) { return f.take(ctx) }
	}
	out, err := s.await(ctx, call, time.Duration(in.WaitFor)*time.Second, look)
	if out.Replies == nil {
		out.Replies = []orchestron.Reply{}
	}
	out.Count = len(out.Replies)
	return out, err
}

// show takes nothing.
func (s *Service) show(ctx context.Context, recipient string, history bool) (out agentapi.RepliesOut, err error) {
	out.Replies, err = s.store.Replies(ctx, recipient, history, orchestron.MaxReplies+1)
	if extra := len(out.Replies) - orchestron.MaxReplies; extra > 0 {
		out.Replies, out.More = out.Replies[extra:], true
	}
	return out, err
}

const fetching = "get_pending_replies"

// fetch gives a recipient its replies, once. A call that is repeated with its key is given the same again: whoever calls
// so lost the answer.
type fetch struct {
	*Service
	key       key
	recipient string
}

func (f fetch) take(ctx context.Context) (out agentapi.RepliesOut, err error) {
	pending, err := f.store.Replies(ctx, f.recipient, false, 1) // most looks find nothing and need no write
	if err != nil {
		return out, err
	}
	given := false
	if f.key.call.Key != "" {
		_, given, err = f.store.Keyed(ctx, f.key.call.Actor.String(), f.key.call.Key, f.key.operation, f.key.hash)
	}
	if err != nil || len(pending) == 0 && !given {
		return out, err
	}
	if err := ctx.Err(); err != nil { // nobody is there any more to be given anything
		return out, err
	}
	ctx = context.WithoutCancel(ctx)
	if id := orchestron.AgentID(f.recipient); id.Valid() { // what is fetched is not typed any more
		err = f.agents.Alter(ctx, id, func(tx state.Tx, st *state.State) (err error) { out, err = f.give(tx, st); return err })
	} else {
		err = f.store.Write(ctx, func(tx state.Tx) (err error) { out, err = f.give(tx, nil); return err })
	}
	return out, err
}

// give takes what is pending, or finds what the same call took before. st is nil when the recipient is no agent.
func (f fetch) give(tx state.Tx, st *state.State) (out agentapi.RepliesOut, err error) {
	before, found, err := f.key.subject(tx)
	if err != nil {
		return out, err
	}
	if found {
		for id := range strings.FieldsSeq(before) {
			r, err := tx.Reply(orchestron.MessageID(id))
			if err != nil {
				return out, fmt.Errorf("giving replies once more: %w", err)
			}
			out.Replies = append(out.Replies, r)
		}
		return out, nil
	}
	waiting, err := tx.PendingReplies(f.recipient)
	if err != nil {
		return out, err
	}
	n := fitting(waiting)
	out.More, waiting = n < len(waiting), waiting[:n]
	if st != nil {
		out.Replies, err = state.Fetch(tx, st, waiting, f.now())
	} else {
		out.Replies, err = waiting, takeAll(tx, waiting, f.now())
	}
	if err != nil || len(out.Replies) == 0 {
		return out, err
	}
	var ids []string
	for _, r := range out.Replies {
		ids = append(ids, string(r.ID))
	}
	return out, f.key.set(tx, strings.Join(ids, " "))
}

// fitting is how many replies are given at once.
func fitting(waiting []orchestron.Reply) int {
	size := 0
	for i, r := range waiting {
		if size += len(r.Text); i == orchestron.MaxReplies || i > 0 && size > orchestron.MaxReplyText {
			return i
		}
	}
	return len(waiting)
}

func takeAll(tx state.Tx, waiting []orchestron.Reply, now time.Time) error {
	for i := range waiting {
		if err := tx.TakeReply(waiting[i].ID, now); err != nil {
			return err
		}
		waiting[i].Taken = now
	}
	return nil
}

// await looks until there is something, the time is over, or the caller has gone.
func (s *Service) await(ctx context.Context, call op.Call, timeout time.Duration, look func() (agentapi.RepliesOut, error)) (agentapi.RepliesOut, error) {
	waiting, cancel := op.Patience(ctx, timeout)
	defer cancel()
	for first := true; ; first = false {
		news := s.store.Told()
		out, err := look()
		if err != nil || len(out.Replies) > 0 || timeout == 0 {
			return out, err
		}
		if first {
			call.Report(orchestron.Progress{Message: "waiting for a reply"})
		}
		select {
		case <-news:
		case <-waiting.Done():
			return out, ctx.Err()
		}
	}
}
