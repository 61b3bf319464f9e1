package mcpapi

import (
	"context"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/op"
)

func TestProgressOnTheWire(t *testing.T) {
	s := newServer(catalogue(op.New("work", op.Read, "Works.", func(_ context.Context, call op.Call, _ none) (none, error) {
		call.Report(orchestron.Progress{Done: 1, Total: 2, Message: "half"})
		time.Sleep(50 * time.Millisecond) // the notification is on its way
		return none{}, nil
	})), nil)
	t.Cleanup(s.Close)
	w := connect(t, s, operator).initialize()
	got := w.ask(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"work","arguments":{},"_meta":{"progressToken":"p"}}}`)
	want(t, got, "p", "params", "progressToken")
	want(t, got, "half", "params", "message")
	want(t, w.read(), float64(1), "id")
	want(t, w.ask(callLine(2, "work", `{}`)), float64(2), "id") // nobody asked
}
