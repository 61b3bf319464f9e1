// Package op declares operations: what each is called, takes, gives, changes and demands of its caller. Every
// transport serves the same catalogue and adds no rule of its own.
package op

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/orchestron/orchestron"
)

// Access says whether an operation changes anything.
type Access string

// The kinds of access.
const (
	Read  Access = "read"
	Write Access = "write"
)

// Call is what comes with an operation's arguments: who calls, under which idempotency key, and whom to tell of
// progress.
type Call struct {
	Actor  orchestron.Actor
	Key    string                    // the same key and arguments mean the same effect, once; empty means no key
	Report func(orchestron.Progress) // never nil inside a handler; safe for concurrent use
}

// Handler does an operation. The arguments are valid when it runs.
type Handler[In, Out any] func(ctx context.Context, call Call, in In) (Out, error)

// Amender is implemented by argument types whose schema says more than their Go type does: enums, defaults, bounds.
type Amender interface{ Amend(*jsonschema.Schema) }

// Op is one operation. It is immutable.
type Op struct {
	Name        string
	Summary     string // under 300 characters; what the operation does and when to use it
	Access      Access
	Toolset     string           // the group that clients choose by
	Lowest      orchestron.Level // the lowest level of agent that may call; trusted callers always may
	Long        bool             // may take longer than a client waits: reports progress, can run as a task
	Keyed       bool             // the subject stores the idempotency key together with the effect
	Destructive bool             // ends or removes something
	Input       json.RawMessage  // JSON Schema of the arguments
	Output      json.RawMessage  // JSON Schema of the result

	schema *jsonschema.Resolved
	run    func(ctx context.Context, call Call, args json.RawMessage) (any, error)
}

// Option says one more thing about an operation.
type Option func(*Op)

// In puts the operation into a toolset.
func In(toolset string) Option { return func(o *Op) { o.Toolset = toolset } }

// For names the lowest level of agent that may call the operation. Without it only operators may.
func For(level orchestron.Level) Option { return func(o *Op) { o.Lowest = level } }

// Long marks an operation that reports progress and may outlast its caller's patience.
func Long() Option { return func(o *Op) { o.Long = true } }

// Keyed marks an operation whose handler makes the call's key durable together with its effect.
func Keyed() Option { return func(o *Op) { o.Keyed = true } }

// Destructive marks an operation that ends or removes something.
func Destructive() Option { return func(o *Op) { o.Destructive = true } }

// New declares an operation. It panics when the types have no schema, which is a fault of the program.
func New[In, Out any](name string, access Access, summary string, h Handler[In, Out], options ...Option) Op {
	o := Op{Name: name, Summary: summary, Access: access}
	for _, option := range options {
		option(&o)
	}
	in, out := schemaOf[In](name), schemaOf[Out](name)
	resolved, err := in.Resolve(&jsonschema.ResolveOptions{ValidateDefaults: true})
	if err != nil {
		panic(fmt.Sprintf("operation %s: %v", name, err))
	}
	o.schema, o.Input, o.Output = resolved, mustJSON(in), mustJSON(out)
	o.run = func(ctx context.Context, call Call, args json.RawMessage) (any, error) {
		var v In
		if err := json.Unmarshal(args, &v); err != nil {
			return nil, orchestron.Errorf(orchestron.Invalid, "%s: %w", name, err)
		}
		return h(ctx, call, v)
	}
	return o
}

// Allows reports whether the actor may call the operation at all. What it may do it to is the subject's rule.
func (o Op) Allows(a orchestron.Actor) bool {
	if a.Kind == orchestron.AgentCall {
		return o.Lowest != "" && a.Level.Rank() <= o.Lowest.Rank()
	}
	return a.Trusted()
}

// forbidden says why an actor may not call the operation.
func (o Op) forbidden(a orchestron.Actor) *orchestron.Error {
	who := "operators only"
	if o.Lowest != "" {
		who = "agents from the level " + string(o.Lowest) + " upwards"
	}
	return orchestron.Errorf(orchestron.Forbidden, "%s (%s) may not call %s, which is for %s", a, a.Level, o.Name, who).
		Try("ask the agent that leads you, in your answer or with reply_to_caller")
}

func schemaOf[T any](name string) *jsonschema.Schema {
	anything := map[reflect.Type]*jsonschema.Schema{reflect.TypeFor[json.RawMessage](): {}}
	s, err := jsonschema.For[T](&jsonschema.ForOptions{TypeSchemas: anything})
	if err != nil {
		panic(fmt.Sprintf("operation %s: %v", name, err))
	}
	var zero T
	if a, ok := any(zero).(Amender); ok {
		a.Amend(s)
	}
	plain(s)
	return s
}

// plain drops what Go types imply and no caller should send: null for a slice or a map.
func plain(s *jsonschema.Schema) {
	if s == nil {
		return
	}
	if len(s.Types) == 2 && s.Types[0] == "null" {
		s.Type, s.Types = s.Types[1], nil
	}
	for _, p := range s.Properties {
		plain(p)
	}
	plain(s.Items)
	plain(s.AdditionalProperties)
}

func mustJSON(v any) json.RawMessage {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return data
}
