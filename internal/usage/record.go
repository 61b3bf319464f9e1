package usage

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/usageapi"
	"github.com/orchestron/orchestron/internal/workspace"
)

const (
	unstored = 4 << 20 // bytes without a call in them that are rather read again than noted
	together = 500     // calls whose cost is counted again in one change
)

// read reads what an agent's transcripts have that was not read, and reports whether they had anything.
func (s *Service) read(ctx context.Context, r *records) (grown bool, err error) {
	for _, path := range s.agents.Transcripts(r.agent) {
		if !slices.ContainsFunc(r.cursors, func(c usageapi.Cursor) bool { return c.Path == path }) {
			r.cursors = append(r.cursors, usageapi.Cursor{Agent: r.agent.ID, Path: path})
		}
	}
	for more := true; more && ctx.Err() == nil; {
		var batches []batch
		batches, more = s.gather(r)
		grown = grown || len(batches) > 0
		if err := s.keep(ctx, r, batches); err != nil {
			return grown, err
		}
	}
	return grown, ctx.Err()
}

// gather reads on in every transcript, until there is enough for one change. It returns what it read where there was
// anything to read.
func (s *Service) gather(r *records) (batches []batch, more bool) {
	calls, parse := 0, s.agents.Parser(r.agent)
	if parse == nil {
		return nil, false
	}
	for i, c := range r.cursors {
		b, err := read(c, parse)
		if err != nil && !r.failed[c.Path] { // said once
			s.log.Warn("a transcript cannot be read", "agent", r.agent.ID, "path", c.Path, "err", err)
			if r.failed == nil {
				r.failed = map[string]bool{}
			}
			r.failed[c.Path] = true
		}
		if err != nil || b.cursor == c {
			continue
		}
		b.at = i
		batches = append(batches, b)
		if calls += len(b.calls); calls >= batchCalls {
			return batches, true
		}
		more = more || b.more
	}
	return batches, more
}

// keep stores what was read together with how far it was read: whatever happens, nothing is lost and nothing is counted
// twice.
func (s *Service) keep(ctx context.Context, r *records, batches []batch) error {
	if !slices.ContainsFunc(batches, func(b batch) bool { return b.matters(r.cursors[b.at]) }) {
		r.advance(batches)
		return nil
	}
	rec, err := s.recording(ctx, r.agent, batches)
	if err != nil {
		return err
	}
	if err := s.store.Write(ctx, func(tx Tx) error { return rec.store(tx, batches) }); err != nil {
		return err
	}
	r.advance(batches)
	s.mu.Lock()
	if len(rec.put) > 0 {
		s.totals[r.agent.ID] = rec.onto(s.totals[r.agent.ID])
	}
	for _, e := range rec.put {
		s.contexts[r.agent.ID] = later(s.contexts[r.agent.ID], e)
	}
	s.mu.Unlock()
	if rec.added != (usageapi.Amount{}) {
		s.changed.Raise()
	}
	return nil
}

// matters reports whether what was read is worth a change.
func (b batch) matters(before usageapi.Cursor) bool {
	return len(b.calls) > 0 || b.cursor.Skipped != before.Skipped || b.cursor.Offset-before.Offset > unstored
}

func (r *records) advance(batches []batch) {
	for _, b := range batches {
		r.cursors[b.at] = b.cursor
	}
}

// recording is one change under way: calls of an agent find their places, and are stored.
type recording struct {
	agent   orchestron.AgentID
	prices  *Prices
	now     time.Time
	project string
	turns   []usageapi.Turn
	holds   []usageapi.Hold
	added   usageapi.Amount
	put     []usageapi.Entry
	first   time.Time // of all calls of the agent
	last    time.Time
	byTurn  map[turnKey]usageapi.Amount
}

type turnKey struct {
	turn    int64
	message orchestron.MessageID
}

func (s *Service) recording(ctx context.Context, a orchestron.Agent, batches []batch) (*recording, error) {
	rec := &recording{agent: a.ID, prices: s.prices, now: s.now().UTC(), project: cmp.Or(a.Project, workspace.Common)}
	oldest := rec.now
	for _, b := range batches {
		for _, e := range b.calls {
			if !e.At.IsZero() && e.At.Before(oldest) {
				oldest = e.At
			}
		}
	}
	var err error
	if rec.turns, err = s.store.TurnsSince(ctx, a.ID, oldest); err != nil {
		return nil, err
	}
	rec.holds, err = s.store.Holds(ctx, a.ID, oldest)
	return rec, err
}

// store stores what was read. It gives the cursors their numbers.
func (rec *recording) store(tx Tx, batches []batch) error {
	rec.added, rec.put, rec.byTurn = usageapi.Amount{}, nil, map[turnKey]usageapi.Amount{} // a change may be begun again
	for i := range batches {
		c := &batches[i].cursor
		if err := tx.PutCursor(c); err != nil {
			return err
		}
		for _, e := range batches[i].calls {
			if err := rec.add(tx, e, c.File); err != nil {
				return err
			}
		}
	}
	var err error
	if rec.first, rec.last, err = tx.Span(rec.agent); err != nil {
		return err
	}
	return rec.tell(tx)
}

// onto is what the agent has used in all, given what it had before the change.
func (rec *recording) onto(before usageapi.Row) usageapi.Row {
	return usageapi.Row{Agent: rec.agent, First: rec.first, Last: rec.last, Amount: before.Plus(rec.added)}
}

// add stores what a transcript tells of a call. Of what was told before, the later line of a transcript counts, and of
// two transcripts the one that tells later: one that was copied when a session was resumed may have only the beginning.
func (rec *recording) add(tx Tx, e usageapi.Entry, file int64) error {
	if e.At.IsZero() {
		e.At = rec.now
	}
	old, known, err := tx.Call(rec.agent, e.Key)
	if err != nil {
		return err
	}
	if known && (old.Tokens == e.Tokens && old.Model == e.Model || old.File != file && e.At.Before(old.At)) {
		return nil
	}
	call := old // it keeps its place
	if !known {
		turn := turnOf(rec.turns, e.Prompt, e.At)
		call = usageapi.Call{Agent: rec.agent, Turn: turn.ID, Message: turn.Message, Task: taskOf(rec.holds, e.At), Project: rec.project}
	}
	call.Entry, call.File = e, file
	call.Cost, call.Priced = rec.prices.Cost(e)
	if err := tx.PutCall(call); err != nil {
		return err
	}
	rec.put = append(rec.put, e)
	more := call.Amount()
	if known {
		more = more.Minus(old.Amount())
	}
	key := turnKey{call.Turn, call.Message}
	rec.added, rec.byTurn[key] = rec.added.Plus(more), rec.byTurn[key].Plus(more)
	return nil
}

// tell writes an event for each turn that something was added to.
func (rec *recording) tell(tx Tx) error {
	keys := slices.SortedFunc(maps.Keys(rec.byTurn), func(x, y turnKey) int { return cmp.Compare(x.turn, y.turn) })
	for _, key := range keys {
		data, err := json.Marshal(struct {
			Turn    int64                `json:"turn,omitempty"`
			Message orchestron.MessageID `json:"message_id,omitempty"`
			usageapi.Amount
		}{key.turn, key.message, rec.byTurn[key]})
		if err != nil {
			return err
		}
		e := orchestron.Event{At: rec.now, Type: Recorded, Agent: rec.agent, Actor: string(orchestron.System), Data: data}
		if err := tx.AddEvent(&e); err != nil {
			return err
		}
	}
	return nil
}

// reprice counts the cost of every call again when other prices counted before. Cut off in the middle it is done again.
func (s *Service) reprice(ctx context.Context) error {
	mark, err := s.store.PriceMark(ctx)
	if err != nil || mark == s.prices.mark {
		return err
	}
	for after := int64(0); ; {
		calls, last, err := s.store.CallsFrom(ctx, after, together)
		if err != nil {
			return err
		}
		err = s.store.Write(ctx, func(tx Tx) error {
			if len(calls) == 0 {
				return tx.SetPriceMark(s.prices.mark)
			}
			return s.repriced(tx, calls)
		})
		if err != nil || len(calls) == 0 {
			return err
		}
		after = last
	}
}

func (s *Service) repriced(tx Tx, calls []usageapi.Call) error {
	for _, c := range calls {
		cost, priced := s.prices.Cost(c.Entry)
		if cost == c.Cost && priced == c.Priced {
			continue
		}
		c.Cost, c.Priced = cost, priced
		if err := tx.PutCall(c); err != nil {
			return err
		}
	}
	return nil
}
