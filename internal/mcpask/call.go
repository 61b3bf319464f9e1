package mcpask

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"maps"
	"slices"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/approvalapi"
	"github.com/orchestron/orchestron/internal/signal"
)

// Call is a call under way that waits for an agent, and whose caller can be asked meanwhile.
type Call struct {
	service *Service
	actor   orchestron.Actor
	agent   orchestron.Actor // it, and those below it
	key     string
	heard   signal.Signal // the caller said something

	mu   sync.Mutex
	left map[approvalapi.ID]bool // what the caller is not asked again
	last map[approvalapi.ID]bool // what was asked last
}

// state is what a client gives back with its answers. It may hold anything: all of it the client could say by itself.
type state struct {
	Key  string           `json:"key"`
	Left []approvalapi.ID `json:"left,omitempty"`
}

// Call is a person's call of an operation if that waits for an agent. state is what Call.State said when the call was
// made before; key is the idempotency key that it has now, if any: on some connections each request has one of its own.
func (s *Service) Call(actor orchestron.Actor, operation string, args json.RawMessage, key, given string) (*Call, bool) {
	agent := waitsFor(operation, args)
	if agent == "" || actor.Kind != orchestron.Operator {
		return nil, false
	}
	var before state
	if given != "" && json.Unmarshal([]byte(given), &before) != nil {
		before = state{}
	}
	c := &Call{
		service: s, actor: actor, agent: orchestron.Actor{Kind: orchestron.AgentCall, Agent: agent},
		key: cmp.Or(before.Key, key, "asked-"+rand.Text()), left: map[approvalapi.ID]bool{},
	}
	for _, id := range before.Left {
		c.left[id] = true
	}
	return c, true
}

// waitsFor is the agent for which a call of an operation waits, or empty when it waits for none. Calls that change
// something are only cut off where they can be made again under their key.
func waitsFor(operation string, args json.RawMessage) orchestron.AgentID {
	var in struct {
		Snake   orchestron.AgentID `json:"instance_id"`
		Camel   orchestron.AgentID `json:"instanceId"`
		Wait    bool               `json:"wait"`
		Respond *bool              `json:"wait_for_response"`
	}
	if json.Unmarshal(args, &in) != nil {
		return ""
	}
	switch operation {
	case "wait_for_instance":
		return in.Snake
	case "send_to_instance":
		if in.Respond == nil || *in.Respond {
			return in.Snake
		}
	case "send":
		if in.Wait {
			return in.Camel
		}
	}
	return ""
}

// Key is the call's idempotency key: the same when it is made again with its state.
func (c *Call) Key() string { return c.key }

// State is what the client must give back when it makes the call again.
func (c *Call) State() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	raw, err := json.Marshal(state{Key: c.key, Left: slices.Sorted(maps.Keys(c.left))})
	if err != nil {
		panic(err) // it is made of texts
	}
	return string(raw)
}

// Next waits until what the caller is to be asked is not what Next said last, at first nothing. It is nil when ctx ends.
func (c *Call) Next(ctx context.Context) mcp.InputRequestMap {
	for {
		news, heard := c.service.Approvals.Changed(), c.heard.Wait()
		if asks, differ := c.asks(); differ {
			return asks
		}
		select {
		case <-news:
		case <-heard:
		case <-ctx.Done():
			return nil
		}
	}
}

// asks is what the caller is to be asked, and whether that is not what it was last.
func (c *Call) asks() (mcp.InputRequestMap, bool) {
	asks, ids := mcp.InputRequestMap{}, map[approvalapi.ID]bool{}
	for _, a := range c.open() {
		asks[string(a.ID)] = formOf(a)
		ids[a.ID] = true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if maps.Equal(ids, c.last) {
		return nil, false
	}
	c.last = ids
	return asks, true
}

// open is what the caller can be asked: it may answer, it has not left it to others, and the call waits for it.
func (c *Call) open() []approvalapi.Approval {
	open := c.service.Approvals.Open(c.actor)
	c.mu.Lock()
	defer c.mu.Unlock()
	open = slices.DeleteFunc(open, func(a approvalapi.Approval) bool {
		return c.left[a.ID] || !c.service.Within(c.agent, a.Agent)
	})
	return open[:min(len(open), most)]
}

// Take takes in what the client said to what it was asked, by the ids of Next. What is settled already it ignores, and what
// Orchestron fails to take is asked again.
func (c *Call) Take(ctx context.Context, answers mcp.InputResponseMap) {
	ctx, enough := context.WithTimeout(ctx, patience) // for all of them: the client waits
	defer enough()
	for _, a := range c.open() {
		res, answered := answers[string(a.ID)].(*mcp.ElicitResult)
		if !answered {
			continue
		}
		again := c.service.take(ctx, c.actor, a, res)
		c.mu.Lock()
		if again {
			c.last = nil // the same is asked once more
		} else {
			c.left[a.ID] = true
		}
		c.mu.Unlock()
	}
	c.heard.Raise()
}
