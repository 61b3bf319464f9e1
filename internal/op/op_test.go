package op

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/orchestron/orchestron"
)

type addIn struct {
	A    int      `json:"a" jsonschema:"the first number"`
	B    int      `json:"b,omitempty"`
	Tags []string `json:"tags,omitempty"`
}

func (addIn) Amend(s *jsonschema.Schema) { s.Properties["b"].Default = json.RawMessage("10") }

type addOut struct {
	Sum int `json:"sum"`
}

// memory is a Ledger in memory.
type memory struct {
	mu      sync.Mutex
	hashes  map[string][32]byte
	answers map[string]json.RawMessage
}

func (m *memory) Begin(_ context.Context, actor, key, _ string, hash [32]byte) (json.RawMessage, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if known, ok := m.hashes[actor+key]; ok && known != hash {
		return nil, orchestron.Errorf(orchestron.Conflict, "key used")
	}
	m.hashes[actor+key] = hash
	return m.answers[actor+key], nil
}

func (m *memory) End(ctx context.Context, actor, key string, answer json.RawMessage) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.answers[actor+key] = answer
	return nil
}

func catalogue(ops ...Op) *Catalogue {
	ledger := &memory{hashes: map[string][32]byte{}, answers: map[string]json.RawMessage{}}
	return NewCatalogue(ledger, slog.New(slog.DiscardHandler), ops...)
}

var operator = Call{Actor: orchestron.Actor{Kind: orchestron.Operator}} //nolint:gochecknoglobals // a constant in all but name

func add(_ context.Context, _ Call, in addIn) (addOut, error) { return addOut{Sum: in.A + in.B}, nil }

func TestCallValidates(t *testing.T) {
	c := catalogue(New("add", Read, "Add two numbers.", add))
	got, err := c.Call(t.Context(), "add", json.RawMessage(`{"a":1}`), operator)
	if err != nil || string(got) != `{"sum":11}` {
		t.Errorf("add(1) = %s, %v, want the default filled in", got, err)
	}
	for _, bad := range []string{
		`{}`, `{"a":"1"}`, `{"a":1,"c":2}`, `{"A":1}`, `{"a":1,"a":2}`, `[1]`, `{"a":1`, `{"a":1} {"a":2}`, `{"a":1,"tags":null}`,
		`{"a":1,"tags":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`,
	} {
		if _, err := c.Call(t.Context(), "add", json.RawMessage(bad), operator); orchestron.KindOf(err) != orchestron.Invalid {
			t.Errorf("add(%.40s) gives %v, want an invalid error", bad, err)
		}
	}
	if _, err := c.Call(t.Context(), "sub", nil, operator); orchestron.KindOf(err) != orchestron.NotFound {
		t.Errorf("an unknown operation gives %v", err)
	}
}

func TestAllows(t *testing.T) {
	agent := func(l orchestron.Level) orchestron.Actor {
		return orchestron.Actor{Kind: orchestron.AgentCall, Agent: "x", Level: l}
	}
	tests := []struct {
		lowest orchestron.Level
		actor  orchestron.Actor
		want   bool
	}{
		{"", orchestron.Actor{Kind: orchestron.Operator}, true},
		{"", agent(orchestron.Executive), false},
		{orchestron.Manager, agent(orchestron.Executive), true},
		{orchestron.Manager, agent(orchestron.Manager), true},
		{orchestron.Manager, agent(orchestron.Specialist), false},
		{orchestron.Specialist, agent(orchestron.Specialist), true},
		{orchestron.Specialist, orchestron.Actor{}, false},
		{orchestron.Specialist, agent("emperor"), false},
	}
	for _, tt := range tests {
		if got := (Op{Lowest: tt.lowest}).Allows(tt.actor); got != tt.want {
			t.Errorf("an operation for %q allows %+v: %v, want %v", tt.lowest, tt.actor, got, tt.want)
		}
	}
}

func TestKeyMeansOnce(t *testing.T) {
	var runs atomic.Int64
	count := func(_ context.Context, _ Call, in addIn) (addOut, error) {
		return addOut{Sum: int(runs.Add(1)) + in.A}, nil
	}
	c := catalogue(New("count", Write, "Count.", count))
	call := operator
	call.Key = "k1"
	var g sync.WaitGroup
	answers := make([]string, 20)
	for i := range answers {
		g.Go(func() {
			got, err := c.Call(t.Context(), "count", json.RawMessage(`{"a":1}`), call)
			answers[i] = fmt.Sprint(string(got), err)
		})
	}
	g.Wait()
	for _, a := range answers {
		if a != answers[0] {
			t.Errorf("calls with one key answer %q and %q", a, answers[0])
		}
	}
	if runs.Load() != 1 {
		t.Errorf("20 calls with one key ran %d times", runs.Load())
	}
	if _, err := c.Call(t.Context(), "count", json.RawMessage(`{"a":2}`), call); orchestron.KindOf(err) != orchestron.Conflict {
		t.Errorf("the key with other arguments gives %v, want a conflict", err)
	}
}

func TestFailureIsNotRemembered(t *testing.T) {
	failing := true
	c := catalogue(New("try", Write, "Try.", func(context.Context, Call, addIn) (addOut, error) {
		if failing {
			return addOut{}, errors.New("the password is hunter2")
		}
		return addOut{Sum: 7}, nil
	}))
	call := operator
	call.Key = "k"
	_, err := c.Call(t.Context(), "try", json.RawMessage(`{"a":1}`), call)
	if orchestron.KindOf(err) != orchestron.Internal || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("an internal failure shows %v", err)
	}
	failing = false
	if got, err := c.Call(t.Context(), "try", json.RawMessage(`{"a":1}`), call); err != nil || string(got) != `{"sum":7}` {
		t.Errorf("the second try gives %s, %v", got, err)
	}
}

// TestPanicIsAnAnswer: what panics fails for its caller, in whatever goroutine it is called, and can be called again.
func TestPanicIsAnAnswer(t *testing.T) {
	var log strings.Builder
	ledger := &memory{hashes: map[string][32]byte{}, answers: map[string]json.RawMessage{}}
	broken := true
	c := NewCatalogue(ledger, slog.New(slog.NewTextHandler(&log, nil)), New("try", Write, "Try.", func(context.Context, Call, addIn) (addOut, error) {
		if broken {
			panic("hunter2")
		}
		return addOut{Sum: 7}, nil
	}))
	for _, key := range []string{"", "k"} {
		call := operator
		call.Key = key
		if _, err := c.Call(t.Context(), "try", json.RawMessage(`{"a":1}`), call); orchestron.KindOf(err) != orchestron.Internal || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("with the key %q a panic shows %v", key, err)
		}
	}
	if said := log.String(); !strings.Contains(said, "op=try") || !strings.Contains(said, "hunter2") || !strings.Contains(said, "op_test.go") {
		t.Errorf("the log does not say what panicked where: %s", said)
	}
	broken = false
	call := operator
	call.Key = "k"
	if got, err := c.Call(t.Context(), "try", json.RawMessage(`{"a":1}`), call); err != nil || string(got) != `{"sum":7}` {
		t.Errorf("the second try gives %s, %v", got, err)
	}
}

// TestAnswerOutlivesCaller lets the caller go away while its call succeeds: the same call again gets that answer.
func TestAnswerOutlivesCaller(t *testing.T) {
	ctx, leave := context.WithCancel(t.Context())
	runs := 0
	c := catalogue(New("count", Write, "Count.", func(context.Context, Call, addIn) (addOut, error) {
		leave()
		runs++
		return addOut{Sum: runs}, nil
	}))
	call := operator
	call.Key = "k"
	for _, ctx := range []context.Context{ctx, t.Context()} {
		if got, err := c.Call(ctx, "count", json.RawMessage(`{"a":1}`), call); err != nil || string(got) != `{"sum":1}` {
			t.Errorf("the call answers %s, %v, want the first run's answer", got, err)
		}
	}
}

// TestFollowerOutlivesLeader makes a call twice at a time, and lets the first caller go away.
func TestFollowerOutlivesLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := 0
		c := catalogue(New("hold", Write, "Wait, the first time.", func(ctx context.Context, _ Call, _ addIn) (addOut, error) {
			if runs++; runs == 1 {
				<-ctx.Done()
				return addOut{}, ctx.Err()
			}
			return addOut{Sum: runs}, nil
		}))
		call := operator
		call.Key = "k"
		ctx, leave := context.WithCancel(t.Context())
		led := make(chan error, 1)
		go func() {
			_, err := c.Call(ctx, "hold", json.RawMessage(`{"a":1}`), call)
			led <- err
		}()
		synctest.Wait()
		followed := make(chan string, 1)
		go func() {
			got, err := c.Call(t.Context(), "hold", json.RawMessage(`{"a":1}`), call)
			followed <- fmt.Sprint(string(got), err)
		}()
		synctest.Wait()
		leave()
		if err := <-led; err == nil {
			t.Error("the call of a caller that left succeeds")
		}
		if got := <-followed; got != `{"sum":2}<nil>` {
			t.Errorf("the call beside it answers %s, want a run of its own", got)
		}
	})
}

func FuzzCheck(f *testing.F) {
	o := New("add", Read, "Add two numbers.", add)
	f.Add([]byte(`{"a":1,"tags":["x"]}`))
	f.Fuzz(func(t *testing.T, args []byte) {
		checked, err := o.check(args)
		if err != nil {
			return
		}
		var in addIn
		if err := json.Unmarshal(checked, &in); err != nil {
			t.Errorf("check passes %q, which does not decode: %v", args, err)
		}
	})
}
