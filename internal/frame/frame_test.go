package frame

import (
	"strings"
	"testing"
)

func TestInspect(t *testing.T) {
	deep := strings.Repeat("[", 200) + strings.Repeat("]", 200)
	for _, c := range []struct {
		name, in, trouble string
	}{
		{"a call", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"A":1,"a":2}}}`, ""},
		{"a call in another order", ` {"method":"ping" , "params" : {} , "jsonrpc":"2.0","id":"x y"} `, ""},
		{"a reply", `{"jsonrpc":"2.0","id":1,"result":{}}`, ""},
		{"escaped quotes", `{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":"\\\"}{","b":"\\"}}`, ""},
		{"an escaped slash in a key", `{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{"a\/b":1,"c":2}}}`, ""},
		{"not JSON", `hello`, "not valid JSON"},
		{"nothing", ``, "not valid JSON"},
		{"cut off", `{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":`, "not valid JSON"},
		{"trailing text", `{"jsonrpc":"2.0","id":1,"method":"m"} {}`, "not valid JSON"},
		{"a missing value", `{"jsonrpc":"2.0","id":,"method":"m"}`, "not valid JSON"},
		{"no version", `{"id":1,"method":"m"}`, `lacks "jsonrpc"`},
		{"a batch", ` [{"jsonrpc":"2.0","id":1,"method":"m"}]`, "batches"},
		{"two methods", `{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}`, "twice"},
		{"a method in two spellings", `{"jsonrpc":"2.0","id":1,"method":"a","Method":"b"}`, "twice"},
		{"a method spelled with an escape", `{"jsonrpc":"2.0","id":1,"method":"a","\u006dethod":"b"}`, "twice"},
		{"a name in two spellings", `{"jsonrpc":"2.0","id":1,"method":"m","params":{"name":"echo","Name":"spawn"}}`, "twice"},
		{"a zero byte in a key", `{"jsonrpc":"2.0","id":1,"method":"m","params":{"na\u0000me":"echo"}}`, "control character"},
		{"two keys in _meta", `{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{"a":1,"A":2}}}`, "twice"},
		{"a method with an escape", `{"jsonrpc":"2.0","id":1,"method":"tools\u002fcall"}`, "plain string"},
		{"not UTF-8", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\xff\"}", "UTF-8"},
		{"too deep", `{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":` + deep + `}}`, "nested"},
	} {
		_, err := Inspect([]byte(c.in))
		switch {
		case c.trouble == "" && err != nil:
			t.Errorf("%s: refused: %v", c.name, err)
		case c.trouble != "" && err == nil:
			t.Errorf("%s: accepted, want %q", c.name, c.trouble)
		case c.trouble != "" && !strings.Contains(err.Error(), c.trouble):
			t.Errorf("%s: %v, want %q", c.name, err, c.trouble)
		}
	}
}

func TestPeek(t *testing.T) {
	for _, c := range []struct {
		in, id, method string
		reply, bad     bool
	}{
		{in: `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":`, id: "1", method: "tools/call"}, // stops early
		{in: `{"method":"m","params":{"id":9},"jsonrpc":"2.0","id":"a"}`, id: `"a"`, method: "m"},
		{in: `{"jsonrpc":"2.0","method":"notifications/x"}`, method: "notifications/x"},
		{in: `{"jsonrpc":"2.0","id":7,"result":{"id":8}}`, id: "7", reply: true},
		{in: `{"jsonrpc":"2.0","id":null,"error":{}}`, id: "null", reply: true},
		{in: `x`, bad: true},
	} {
		f, err := Peek([]byte(c.in))
		if string(f.ID) != c.id || string(f.Method) != c.method || f.Reply != c.reply || (err != nil) != c.bad {
			t.Errorf("Peek(%s) = id %s method %s reply %v err %v", c.in, f.ID, f.Method, f.Reply, err)
		}
	}
}

func FuzzInspect(f *testing.F) {
	f.Add([]byte(`{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{"a":1}}}`))
	f.Add([]byte(`{"jsonrpc":"2.0","id":1,"result":[{"a":"\\"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		whole, err := Inspect(data)
		if err != nil {
			return
		}
		part, err := Peek(data)
		if err != nil {
			t.Fatalf("inspect accepts %q, peek says %v", data, err)
		}
		if string(part.ID) != string(whole.ID) && part.ID != nil || string(part.Method) != string(whole.Method) && part.Method != nil {
			t.Errorf("%q: peek sees %s %s, inspect %s %s", data, part.ID, part.Method, whole.ID, whole.Method)
		}
	})
}
