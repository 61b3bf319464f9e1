package approval

import (
	"context"
	"encoding/json"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/approvalapi"
	"github.com/orchestron/orchestron/internal/op"
)

// revoke answers revoke_approval. Who may deny may revoke.
func (s *Service) revoke(ctx context.Context, call op.Call, in approvalapi.RevokeIn) (approvalapi.Approval, error) {
	c, err := s.visible(ctx, call.Actor, approvalapi.ID(in.ID))
	if err != nil {
		return approvalapi.Approval{}, err
	}
	if err := s.may(call.Actor, c, approvalapi.Deny); err != nil {
		return approvalapi.Approval{}, err
	}
	err = s.store.Write(context.WithoutCancel(ctx), func(tx Tx) error {
		if c, err = tx.Approval(c.ID); err != nil || !c.Revoked.IsZero() {
			return err
		}
		if !c.Always() {
			return orchestron.Errorf(orchestron.Conflict, "%s is nothing that was allowed always: it %s", c.ID, c.Outcome()).
				Try("list_approvals with the state always shows what is")
		}
		c.Revoked, c.RevokedBy = s.now(), call.Actor.String()
		if err := tx.PutApproval(c); err != nil {
			return err
		}
		data, err := json.Marshal(map[string]any{"approvalId": c.ID, "tool": c.Tool, "subject": cut(c.Subject, 200)})
		if err != nil {
			return err
		}
		return tx.AddEvent(&orchestron.Event{At: c.Revoked, Type: approvalapi.Revoked, Agent: c.Agent, Actor: c.RevokedBy, Data: data})
	})
	if err != nil {
		return approvalapi.Approval{}, err
	}
	s.changed.Raise()
	return c.Approval, nil
}
