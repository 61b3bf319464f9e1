package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the bare commit beside ours

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
)

// sendRows measures the acknowledgement of a message, its way into the agent, and the answer's way back.
func sendRows(ctx context.Context, s setting) ([]row, error) {
	return with(ctx, s.program, func(h *house) ([]row, error) {
		acks, bare, err := h.acks(ctx, 300)
		if err != nil {
			return nil, err
		}
		rows := []row{acks.over("send acknowledged, durable", bare, "a bare FULL commit", 2, 0)}
		submits, answers, err := h.exchanges(ctx, 100, "scripted")
		if err != nil {
			return rows, err
		}
		return append(rows,
			submits.against("prompt verified as submitted, idle scripted agent", 60*time.Millisecond),
			answers.against("end of turn to the waiter's answer, scripted agent", 20*time.Millisecond),
		), nil
	})
}

// acks times acknowledgements while the agent is in a long turn, so that nothing but the acknowledgement happens, in
// turns with bare commits, so that both see the same disk.
func (h *house) acks(ctx context.Context, n int) (acks, bare times, err error) {
	commit, done, err := bareCommit(ctx, filepath.Join(h.dir, "bare.db"))
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, done()) }()
	ids, err := h.spawn(ctx, 1, "scripted")
	if err != nil {
		return nil, nil, err
	}
	busy := func(p orchestron.Progress) bool { return strings.Contains(p.Message, "the message is submitted") }
	if err := h.until(ctx, ids[0], "@@delay 5m", busy); err != nil {
		return nil, nil, err
	}
	if err := sleep(ctx, time.Second); err != nil { // until the agent and what looks after it are quiet
		return nil, nil, err
	}
	for i := range n {
		began := time.Now()
		if err := commit(); err != nil {
			return nil, nil, err
		}
		middle := time.Now()
		in := agentapi.SendIn{InstanceID: string(ids[0]), Text: fmt.Sprintf("message %d of some that nobody will read", i)}
		if err := h.call(ctx, "send", in, nil); err != nil {
			return nil, nil, err
		}
		bare, acks = append(bare, middle.Sub(began)), append(acks, time.Since(middle))
	}
	return acks, bare, h.kill(ctx, ids[0])
}

// until sends a prompt and waits for the report that is wanted of it, not for the answer.
func (h *house) until(ctx context.Context, id orchestron.AgentID, text string, enough func(orchestron.Progress) bool) error {
	waiting, stop := context.WithCancel(ctx)
	defer stop()
	seen := false
	err := h.follow(waiting, "send", agentapi.SendIn{InstanceID: string(id), Text: text, Wait: true, Timeout: 60}, nil, func(p orchestron.Progress) {
		if enough(p) {
			seen = true
			stop()
		}
	})
	if seen {
		return nil
	}
	return errors.Join(errors.New("the prompt was not seen submitted"), err)
}

// bareCommit returns a function that makes one row durable with the driver and the settings that the product uses:
// the least that durability costs on this disk.
func bareCommit(ctx context.Context, path string) (commit, done func() error, err error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		return nil, nil, err
	}
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, "CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT"); err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	insert, err := db.PrepareContext(ctx, "INSERT INTO t (text) VALUES (?)")
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	commit = func() error {
		_, err := insert.ExecContext(ctx, "one row of the size of a short message")
		return err
	}
	return commit, db.Close, nil
}

// exchanges times, from the call on, how long it takes until the caller knows that a prompt is submitted, and from
// the stop hook's record until the waiting caller has the answer.
func (h *house) exchanges(ctx context.Context, n int, driver string) (submits, answers times, err error) {
	ids, err := h.spawn(ctx, 1, driver)
	if err != nil {
		return nil, nil, err
	}
	for i := range n {
		want := fmt.Sprintf("answer %d", i)
		in := agentapi.SendIn{InstanceID: string(ids[0]), Text: "@@delay 30ms\n@@say " + want, Wait: true, Timeout: 60}
		var out agentapi.MessageOut
		var submitted time.Time
		began := time.Now()
		err := h.follow(ctx, "send", in, &out, func(p orchestron.Progress) {
			if submitted.IsZero() && strings.Contains(p.Message, "the message is submitted") {
				submitted = time.Now()
			}
		})
		now := time.Now()
		if err != nil {
			return nil, nil, err
		}
		if out.State != orchestron.Answered || !out.Confirmed || out.Response != want || submitted.IsZero() {
			return nil, nil, fmt.Errorf("message %d is %+v, seen submitted: %v", i, out, !submitted.IsZero())
		}
		submits, answers = append(submits, submitted.Sub(began)), append(answers, now.Sub(out.Answered))
	}
	return submits, answers, nil
}
