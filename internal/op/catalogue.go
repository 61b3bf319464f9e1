package op

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/orchestron/orchestron"
)

// Ledger remembers the answers of calls that carried an idempotency key, for 24 hours. Keys belong to the actor.
type Ledger interface {
	// Begin notes durably that a call begins. It returns the answer when the same call has ended before, and a
	// Conflict when the key was used for another operation or other arguments.
	Begin(ctx context.Context, actor, key, operation string, hash [32]byte) (json.RawMessage, error)
	// End stores the answer of a call that succeeded.
	End(ctx context.Context, actor, key string, answer json.RawMessage) error
}

// Catalogue is all operations of a daemon. It is safe for concurrent use.
type Catalogue struct {
	ops    map[string]Op
	names  []string
	ledger Ledger
	log    *slog.Logger
	notice func(orchestron.Actor) string // may be nil

	mu    sync.Mutex
	calls map[string]*flight // calls with a key that are under way
}

type flight struct {
	done   chan struct{}
	hash   [32]byte
	answer json.RawMessage
	err    error
	left   bool // it failed and its caller had gone away
}

// NewCatalogue makes a catalogue. Two operations of one name are a fault of the program and panic.
func NewCatalogue(ledger Ledger, log *slog.Logger, ops ...Op) *Catalogue {
	c := &Catalogue{ops: map[string]Op{}, ledger: ledger, log: log, calls: map[string]*flight{}}
	for _, o := range ops {
		if _, twice := c.ops[o.Name]; twice {
			panic("operation " + o.Name + " is declared twice")
		}
		c.ops[o.Name] = o
		c.names = append(c.names, o.Name)
	}
	slices.Sort(c.names)
	return c
}

// Noticing has the catalogue know what waits for a caller besides an answer: notice says it in a line of ASCII, and
// nothing when nothing does. It is called before the first transport.
func (c *Catalogue) Noticing(notice func(orchestron.Actor) string) *Catalogue {
	c.notice = notice
	return c
}

// Notice is what a caller should know besides the answer of what it called. Transports put it beside the answer; it is
// no part of it, and is not stored with it.
func (c *Catalogue) Notice(actor orchestron.Actor) string {
	if c.notice == nil {
		return ""
	}
	return c.notice(actor)
}

// All returns the operations sorted by name.
func (c *Catalogue) All() []Op {
	all := make([]Op, 0, len(c.names))
	for _, name := range c.names {
		all = append(all, c.ops[name])
	}
	return all
}

// Get returns the operation of a name.
func (c *Catalogue) Get(name string) (Op, bool) {
	o, ok := c.ops[name]
	return o, ok
}

// Call checks the caller and the arguments, runs the operation, and returns its result as JSON. Every error it
// returns may be shown to the caller; what may not was logged.
func (c *Catalogue) Call(ctx context.Context, name string, args json.RawMessage, call Call) (json.RawMessage, error) {
	o, ok := c.ops[name]
	if !ok {
		return nil, orchestron.Errorf(orchestron.NotFound, "there is no operation %q", name).
			Try("orchestron tools lists them")
	}
	if !o.Allows(call.Actor) {
		return nil, o.forbidden(call.Actor)
	}
	args, err := o.check(args)
	if err != nil {
		return nil, err
	}
	if call.Report == nil {
		call.Report = func(orchestron.Progress) {}
	}
	if call.Key == "" || o.Access == Read || o.Keyed {
		return c.run(ctx, o, args, call)
	}
	return c.once(ctx, o, args, call)
}

// run does an operation. One that panics fails: it may be called in any goroutine, and must not end the daemon.
func (c *Catalogue) run(ctx context.Context, o Op, args json.RawMessage, call Call) (answer json.RawMessage, err error) {
	defer func() {
		if p := recover(); p != nil {
			c.log.ErrorContext(ctx, "operation panicked", "op", o.Name, "panic", p, "stack", string(debug.Stack()))
			answer, err = nil, broken(o)
		}
	}()
	out, err := o.run(ctx, call, args)
	if err != nil {
		return nil, c.visible(ctx, o.Name, err)
	}
	if answer, err = json.Marshal(out); err != nil {
		return nil, c.visible(ctx, o.Name, err)
	}
	return answer, nil
}

func broken(o Op) error {
	return orchestron.Errorf(orchestron.Internal, "%s failed inside Orchestron", o.Name).Try("the daemon's log says more")
}

// once runs a call with a key: calls at the same time share one run, later ones get the stored answer.
func (c *Catalogue) once(ctx context.Context, o Op, args json.RawMessage, call Call) (json.RawMessage, error) {
	actor := call.Actor.String()
	id := actor + "\x00" + call.Key
	hash := sha256.Sum256(append([]byte(o.Name+"\x00"), args...))
	f := &flight{done: make(chan struct{}), hash: hash}
	for {
		other := c.lead(id, f)
		if other == nil {
			break
		}
		if other.hash != hash {
			return nil, keyReused(call.Key)
		}
		select {
		case <-other.done:
		case <-ctx.Done():
			return nil, c.visible(ctx, o.Name, ctx.Err())
		}
		if !other.left { // else its caller went away, which is no answer to this one
			return other.answer, other.err
		}
	}
	f.err = broken(o) // until it is known better, also in a panic
	defer func() {
		f.left = f.err != nil && ctx.Err() != nil
		c.mu.Lock()
		delete(c.calls, id)
		c.mu.Unlock()
		close(f.done)
	}()
	saved, err := c.ledger.Begin(ctx, actor, call.Key, o.Name, hash)
	if err != nil {
		f.err = c.visible(ctx, o.Name, err)
		return nil, f.err
	}
	if saved != nil {
		f.answer, f.err = saved, nil
		return saved, nil
	}
	if f.answer, f.err = c.run(ctx, o, args, call); f.err != nil {
		return nil, f.err
	}
	// What was done is remembered also when the caller has gone.
	if err := c.ledger.End(context.WithoutCancel(ctx), actor, call.Key, f.answer); err != nil {
		f.err = c.visible(ctx, o.Name, err)
		return nil, f.err
	}
	return f.answer, nil
}

// lead makes f the call of that id, or returns the one that is under way.
func (c *Catalogue) lead(id string, f *flight) *flight {
	c.mu.Lock()
	defer c.mu.Unlock()
	if other, under := c.calls[id]; under {
		return other
	}
	c.calls[id] = f
	return nil
}

func keyReused(key string) error {
	return orchestron.Errorf(orchestron.Conflict, "the idempotency key %q was used for another call", key).
		Try("use a new key for a new call")
}

// visible is what the caller may see of an error; what it may not is logged.
func (c *Catalogue) visible(ctx context.Context, name string, err error) error {
	seen := orchestron.Visible(err)
	if seen.Kind == orchestron.Internal {
		c.log.ErrorContext(ctx, "operation failed", "op", name, "err", err)
	}
	return seen
}

// check returns the arguments with defaults filled in, or an Invalid error that names the field.
func (o Op) check(args json.RawMessage) (json.RawMessage, error) {
	if len(bytes.TrimSpace(args)) == 0 || string(args) == "null" {
		args = json.RawMessage("{}")
	}
	if !utf8.Valid(args) { // the decoder would put something else in its place
		return nil, o.invalid(errors.New("the arguments are not UTF-8"))
	}
	if err := noDuplicates(args); err != nil {
		return nil, o.invalid(err)
	}
	var v map[string]any
	if err := json.Unmarshal(args, &v); err != nil {
		return nil, o.invalid(errors.New("the arguments are not a JSON object"))
	}
	if err := o.schema.ApplyDefaults(&v); err != nil {
		return nil, o.invalid(err)
	}
	if err := o.schema.Validate(v); err != nil {
		return nil, o.invalid(err)
	}
	return json.Marshal(v)
}

// invalid says which argument is wrong; the validator says where it is in the schema.
func (o Op) invalid(err error) error {
	where, text := o.Name, err.Error()
	for {
		place, rest, found := strings.Cut(text, ": ")
		path, ok := strings.CutPrefix(place, "validating ")
		if !found || !ok {
			break
		}
		if at := strings.LastIndex(path, "/properties/"); at >= 0 {
			where = o.Name + ": " + path[at+len("/properties/"):]
		}
		text = rest
	}
	text = strings.NewReplacer("/1 is", " is", ".000000", "").Replace(text) // its numbers are fractions
	return orchestron.Errorf(orchestron.Invalid, "%s: %s", where, text).
		Try("orchestron tools %s shows the arguments", o.Name)
}

// noDuplicates refuses an object that has a key twice: parsers disagree on which one counts.
func noDuplicates(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	return scanValue(dec, 0)
}

const maxDepth = 100

func scanValue(dec *json.Decoder, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("the arguments are nested more than %d deep", maxDepth)
	}
	token, err := dec.Token()
	if err != nil {
		return errors.New("the arguments are not valid JSON")
	}
	delim, ok := token.(json.Delim)
	if !ok {
		return nil
	}
	seen := map[string]bool{}
	for dec.More() {
		if delim == '{' {
			token, err := dec.Token()
			if err != nil {
				return errors.New("the arguments are not valid JSON")
			}
			key, _ := token.(string)
			if seen[key] {
				return fmt.Errorf("the key %q is given twice", key)
			}
			seen[key] = true
		}
		if err := scanValue(dec, depth+1); err != nil {
			return err
		}
	}
	_, err = dec.Token()
	return err
}
