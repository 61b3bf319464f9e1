package board

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardapi"
	"github.com/orchestron/orchestron/internal/boardfile"
	"github.com/orchestron/orchestron/internal/op"
)

// load answers orchestron_import. One import runs at a time.
func (s *Service) load(ctx context.Context, call op.Call, in boardapi.ImportIn) (out boardapi.ImportOut, err error) {
	none := boardapi.ImportOut{Projects: []string{}}
	if call.Actor.Kind == orchestron.AgentCall {
		return none, orchestron.Errorf(orchestron.Forbidden, "only operators import boards").Try("ask a person")
	}
	if err := boardapi.Plain("project", in.Project); err != nil {
		return none, err
	}
	const operation = "orchestron_import"
	again := func(_ Tx, made string) error { return json.Unmarshal([]byte(made), &out) }
	err = s.alone(ctx, func() error {
		if done, err := s.repeated(ctx, call, operation, in, again); done || err != nil {
			return err
		}
		if err := s.store.Unstage(ctx); err != nil {
			return err
		}
		im := boardfile.New(in, call.Actor.String(), s.now().UTC(), func(ctx context.Context, change func(boardfile.Tx) error) error {
			return s.store.Stage(ctx, func(tx Tx) error { return change(tx) })
		})
		err := im.Stage(ctx, s.databases)
		if err == nil {
			err = s.write(ctx, call, operation, in, func(e *edit) (string, error) {
				out, err = im.Land(e.tx)
				return e.imported(out, err)
			}, again)
		}
		if err != nil {
			return errors.Join(err, s.store.Unstage(context.WithoutCancel(ctx)))
		}
		return nil
	})
	if err != nil {
		return none, err
	}
	return out, nil
}

// alone does something with imports while nobody else does.
func (s *Service) alone(ctx context.Context, do func() error) error {
	select {
	case s.imports <- struct{}{}:
		defer func() { <-s.imports }()
		return do()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// imported tells of an import that landed.
func (e *edit) imported(out boardapi.ImportOut, err error) (string, error) {
	if err != nil {
		return "", err
	}
	e.uris, e.leased = append(e.uris, CurrentURI, SprintURI, ContextURI), true
	raw, err := json.Marshal(out)
	if err != nil {
		return "", err
	}
	return string(raw), e.event(orchestron.BoardImported, map[string]any{"tasks": out.Tasks, "contexts": out.Contexts, "projects": out.Projects})
}

// clear removes what an import left behind that was cut off.
func (s *Service) clear(ctx context.Context) {
	if err := s.alone(ctx, func() error { return s.store.Unstage(ctx) }); err != nil && ctx.Err() == nil {
		s.log.Error("removing what was left of an import", "err", err)
	}
}
