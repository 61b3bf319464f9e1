package claudefile

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron/internal/usageapi"
)

func TestParseUsage(t *testing.T) {
	at := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	entry := func(key, model string, tokens usageapi.Tokens) usageapi.Entry {
		return usageapi.Entry{Key: key, Model: model, Tokens: tokens, At: at, Session: "s"}
	}
	const head = `{"type":"assistant","timestamp":"2026-11-21T10:00:00Z","sessionId":"s","unknown":{"a":[1,{}]},`
	for name, c := range map[string]struct {
		text string
		want usageapi.Entry
	}{
		"all kinds": {
			head + `"requestId":"r","message":{"id":"m","model":"x","usage":{"input_tokens":1,"output_tokens":2,"cache_read_input_tokens":3,
				"cache_creation_input_tokens":30,"cache_creation":{"ephemeral_5m_input_tokens":10,"ephemeral_1h_input_tokens":20},"new":{"input_tokens":9}}}}`,
			entry("m r", "x", usageapi.Tokens{Input: 1, Output: 2, CacheRead: 3, CacheWrite5m: 10, CacheWrite1h: 20}),
		},
		"a cache for an unknown time": {
			head + `"message":{"id":"m","model":"x","usage":{"cache_creation_input_tokens":30,"cache_creation":null}}}`,
			entry("m ", "x", usageapi.Tokens{CacheWrite5m: 30}),
		},
		"no id of a message": {
			head + `"uuid":"u","message":{"model":"x","usage":{"input_tokens":null}}}`, entry("line u", "x", usageapi.Tokens{}),
		},
		"another price": {
			head + `"message":{"id":"m","model":"x","usage":{"input_tokens":1,"speed":"fast","service_tier":"priority","inference_geo":"us"}}}`,
			entry("m ", "x+fast+priority+us", usageapi.Tokens{Input: 1}),
		},
		"the most": {
			head + `"message":{"id":"m","model":"x","usage":{"input_tokens":999999999999}}}`, entry("m ", "x", usageapi.Tokens{Input: 999999999999}),
		},
	} {
		said, err := ParseUsage([]byte(c.text), "")
		if err != nil || !said.Called || cmp.Diff(c.want, said.Entry) != "" {
			t.Errorf("%s: %v, %v (-want +got):\n%s", name, said.Called, err, cmp.Diff(c.want, said.Entry))
		}
	}
}

// TestParseUsageLeavesAlone: lines that tell of no call, and lines that make no sense.
func TestParseUsageLeavesAlone(t *testing.T) {
	const call = `{"type":"assistant","uuid":"u","message":{"id":"m","usage":`
	for text, wrong := range map[string]bool{
		``:                false,
		`{}`:              false,
		`not JSON at all`: false,
		`{"type":"user","promptId":"p","message":{"content":"\"assistant\" \"usage\" {\"input_tokens\":5}"}}`: false,
		`{"type":"user","message":{"role":"assistant","usage":{"input_tokens":5}}}`:                           false,
		`{"type":"assistant","message":{"id":"m","model":"<synthetic>","usage":{"input_tokens":5}}}`:          false,
		`{"type":"assistant","message":{"id":"m","content":"\"usage\""}}`:                                     false,
		`{"type":"user","promptId":"p"`:                               false,
		call + `{"input_tokens":-1}}}`:                                true,
		call + `{"output_tokens":1000000000000}}}`:                    true,
		call + `{"input_tokens":1e3}}}`:                               true,
		call + `{"input_tokens":1.5}}}`:                               true,
		call + `{"input_tokens":"7"}}}`:                               true,
		call + `{"input_tokens":7`:                                    true,
		call + `[]}}`:                                                 true,
		call + strings.Repeat("[", 20000):                             true,
		`{"type":"assistant","message":{"usage":{"input_tokens":5}}}`: true, // nothing tells it from another
		`{"type":"assistant","timestamp":"yesterday","message":{"id":"m","usage":{"input_tokens":5}}}`: true,
	} {
		said, err := ParseUsage([]byte(text), "before")
		if said.Called || (err != nil) != wrong || said.State == "" {
			t.Errorf("%.80s: %+v, %v, %v; want nothing, and an error: %v", text, said.Entry, said.Called, err, wrong)
		}
	}
}

func FuzzParseUsage(f *testing.F) {
	f.Add([]byte(`{"type":"assistant","message":{"id":"m","model":"x","usage":{"input_tokens":1,"cache_creation":{"ephemeral_1h_input_tokens":2}}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		said, _ := ParseUsage(data, "")
		e := said.Entry
		for _, n := range []int64{e.Tokens.Input, e.Tokens.Output, e.Tokens.CacheRead, e.Tokens.CacheWrite5m, e.Tokens.CacheWrite1h} {
			if n < 0 || n >= usageapi.MostTokens {
				t.Errorf("%d tokens", n)
			}
		}
	})
}
