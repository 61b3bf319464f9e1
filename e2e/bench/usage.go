package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/usageapi"
)

const (
	bookSize  = 50 << 20 // bytes of the transcript
	bookTurns = 60       // that are measured
	turnCalls = 10       // calls of a model in a turn
	turnTime  = 5 * time.Millisecond
	bookTime  = time.Minute // for all that was there before
)

// usageRows measures how long after a turn was written to a transcript of 50 MB it is counted, durably, and shown.
func usageRows(ctx context.Context, s setting) ([]row, error) {
	return with(ctx, s.program, func(h *house) ([]row, error) {
		b, err := h.book(ctx)
		if err != nil {
			return nil, err
		}
		defer b.file.Close()
		took, bare, asked, err := h.turns(ctx, b)
		if err != nil {
			return nil, err
		}
		r := took.against("a turn at the end of 50 MB counted and shown", turnTime)
		r.beside(bare, "stat, and reading what is new")
		r.Note = fmt.Sprintf("of that the call that shows it p50 %.3f ms; %.1f MB, %d calls", ms(asked.quantile(0.5)), float64(b.size)/(1<<20), b.calls)
		return []row{r}, nil
	})
}

// book is an agent's transcript that the benchmark writes to.
type book struct {
	agent orchestron.AgentID
	file  *os.File
	size  int64
	turn  int
	calls int64
}

// book starts an agent and makes its transcript long.
func (h *house) book(ctx context.Context) (*book, error) {
	ids, err := h.spawn(ctx, 1, "scripted")
	if err != nil {
		return nil, err
	}
	b := &book{agent: ids[0]}
	in := agentapi.SendIn{InstanceID: string(b.agent), Text: "@@say hello", Wait: true, Timeout: 60}
	if err := h.call(ctx, "send", in, nil); err != nil { // from then on it has a transcript
		return nil, err
	}
	var now agentapi.ListOut
	if err := h.call(ctx, "get_instance_status", agentapi.StatusIn{InstanceID: string(b.agent)}, &now); err != nil {
		return nil, err
	}
	if b.file, err = os.OpenFile(now.Instances[0].Transcript, os.O_RDWR|os.O_APPEND, 0); err != nil {
		return nil, err
	}
	if err := sleep(ctx, 2*time.Second); err != nil { // until the turn before is counted
		return nil, err
	}
	if b.calls, err = h.counted(ctx, b.agent); err != nil {
		return nil, err
	}
	for b.size < bookSize && err == nil {
		err = b.add()
	}
	deadline := time.Now().Add(bookTime)
	for err == nil {
		var calls int64
		if calls, err = h.counted(ctx, b.agent); calls == b.calls {
			return b, sleep(ctx, 2*time.Second) // until nothing is left to look at
		}
		if time.Now().After(deadline) {
			err = fmt.Errorf("%d of %d calls were counted", calls, b.calls)
		}
		err = errors.Join(err, sleep(ctx, 20*time.Millisecond))
	}
	return nil, err
}

// turns times turns from the moment on at which they are written.
func (h *house) turns(ctx context.Context, b *book) (took, bare, asked times, err error) {
	reader, err := os.Open(b.file.Name())
	if err != nil {
		return nil, nil, nil, err
	}
	defer reader.Close()
	for range bookTurns {
		from, err := reader.Seek(0, io.SeekEnd)
		if err != nil {
			return nil, nil, nil, err
		}
		if err := b.add(); err != nil {
			return nil, nil, nil, err
		}
		began := time.Now()
		for calls := int64(0); calls != b.calls; {
			ask := time.Now()
			if calls, err = h.counted(ctx, b.agent); err != nil {
				return nil, nil, nil, err
			}
			asked = append(asked, time.Since(ask))
			if time.Since(began) > bookTime {
				return nil, nil, nil, fmt.Errorf("%d of %d calls were counted", calls, b.calls)
			}
		}
		took = append(took, time.Since(began))
		began = time.Now()
		if _, err := os.Stat(b.file.Name()); err != nil {
			return nil, nil, nil, err
		}
		if n, err := io.Copy(io.Discard, reader); err != nil || n == 0 {
			return nil, nil, nil, errors.Join(err, fmt.Errorf("%d bytes are new after %d", n, from))
		}
		bare = append(bare, time.Since(began))
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return nil, nil, nil, err
		}
	}
	return took, bare, asked, nil
}

// counted is how many calls of a model the agent is known to have made.
func (h *house) counted(ctx context.Context, id orchestron.AgentID) (int64, error) {
	var out usageapi.Out
	err := h.call(ctx, "get_usage", usageapi.In{InstanceID: string(id), Limit: 1}, &out)
	return out.Total.Calls, err
}

// add writes a turn: a prompt, ten replies with the results of tools, and the program's own books, about 90 KB.
func (b *book) add() error {
	b.turn++
	var text strings.Builder
	fmt.Fprintf(&text, `{"type":"user","promptId":"bench%d","message":{"content":"go on"}}`+"\n", b.turn)
	at := time.Now().UTC().Format(time.RFC3339)
	for i := range turnCalls {
		fmt.Fprintf(&text, `{"type":"assistant","timestamp":%q,"sessionId":"s","requestId":"req_%d_%d","message":{"id":"msg_%d_%d",`+
			`"model":"claude-opus-5-5","usage":{"input_tokens":5,"output_tokens":50}}}`+"\n", at, b.turn, i, b.turn, i)
		fmt.Fprintf(&text, `{"type":"user","promptId":"bench%d","message":{"content":[{"type":"tool_result","content":%q}]}}`+"\n",
			b.turn, strings.Repeat("result ", 500))
	}
	fmt.Fprintf(&text, `{"type":"api-request-blob","message":%q}`+"\n", strings.Repeat(`{"usage":"x"}`, 4000))
	b.size += int64(text.Len())
	b.calls += turnCalls
	_, err := b.file.WriteString(text.String())
	return err
}
