package usage

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/usageapi"
)

func builtIn(t testing.TB) *Prices {
	t.Helper()
	p, err := LoadPrices(filepath.Join(t.TempDir(), "none.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func own(t testing.TB, text string) (*Prices, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "prices.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return LoadPrices(file)
}

// TestCost compares with sums done by hand from the vendors' lists.
func TestCost(t *testing.T) {
	november := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		model  string
		at     time.Time
		tokens usageapi.Tokens
		want   string
	}{
		{"claude-opus-5-5", november, usageapi.Tokens{Input: 12454, Output: 2}, "0.049856"}, // what Claude Code says itself
		{"claude-opus-5-5", november, usageapi.Tokens{Input: 1, Output: 1, CacheRead: 1, CacheWrite5m: 1, CacheWrite1h: 1}, "0.0000372"},
		{"claude-opus-4-20250514", november, usageapi.Tokens{Input: 1_000_000, Output: 1_000_000}, "90"},
		{"claude-sonnet-5-5", november, usageapi.Tokens{CacheRead: 1_000_000}, "0.1"},
		{"claude-sonnet-5-5", time.Date(2026, 10, 6, 23, 59, 59, 0, time.UTC), usageapi.Tokens{CacheRead: 1_000_000}, "0.2"},
		{"claude-haiku-5-5", november, usageapi.Tokens{Input: 40_000, CacheRead: 60_000, Output: 1000}, "0.0051"},
		{"claude-haiku-5-5", november, usageapi.Tokens{Input: 40_001, CacheRead: 60_000, Output: 1000}, "0.0255005"},
		{"claude-haiku-5-5", november, usageapi.Tokens{CacheWrite5m: 1}, "0.000000125"},
		{"gpt-5-codex", november, usageapi.Tokens{Input: 8, Output: 1, CacheRead: 8}, "0.000021"},
		{"claude-sonnet-4-5-20250929", november, usageapi.Tokens{Input: 100_000, CacheRead: 100_000, Output: 1000, CacheWrite5m: 0}, "0.345"},
		{"claude-sonnet-4-5", november, usageapi.Tokens{Input: 100_001, CacheRead: 100_000, Output: 1000}, "0.682506"},
		{"us.anthropic.claude-sonnet-4-20250514-v1:0", november, usageapi.Tokens{Input: 1000, CacheWrite5m: 1000}, "0.00675"},
		{"arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.anthropic.claude-3-7-sonnet-20250219-v1:0", november, usageapi.Tokens{Output: 1000, CacheWrite1h: 1000}, "0.021"},
		{"anthropic.claude-haiku-4-5-20251001-v1:0", november, usageapi.Tokens{Output: 1000}, "0.005"},
		{"claude-opus-4-5@20251101", november, usageapi.Tokens{Output: 1000}, "0.025"},
		{"global.anthropic.claude-opus-5-5[1m]", november, usageapi.Tokens{Output: 1000}, "0.02"},
		{"us.anthropic.claude-opus-5-5-v1:0+fast", november, usageapi.Tokens{Input: 1}, "no price"},
		{"arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/abc123", november, usageapi.Tokens{Input: 1}, "no price"},
		{"notanthropic.claude-opus-5-5", november, usageapi.Tokens{Input: 1}, "no price"},
		{"claude-opus-5-5+fast", november, usageapi.Tokens{Input: 1}, "no price"},
		{"claude-opus-9", november, usageapi.Tokens{Input: 1}, "no price"},
		{"", november, usageapi.Tokens{Input: 1}, "no price"},
		{"claude-opus-4-1", november, usageapi.Tokens{Input: usageapi.MostTokens - 1}, "9223372.036854775807"}, // it stays at the most
	} {
		got := "no price"
		if cost, priced := builtIn(t).Cost(usageapi.Entry{Model: c.model, At: c.at, Tokens: c.tokens}); priced {
			got = cost.String()
		}
		if got != c.want {
			t.Errorf("%s %+v costs %s, want %s", c.model, c.tokens, got, c.want)
		}
	}
}

func TestOwnPricesComeFirst(t *testing.T) {
	p, err := own(t, `
date: 2026-11-01
source: our contract
models:
  - {model: claude-opus-5-5, input: 0.106251, output: 1}
  - {model: "house-*", input: 1, output: 2, cache_read: 0}
  - {model: "router/*/claude*-5", input: 3, output: 2, cache_read: 0}
  - {model: "eu.anthropic.*", input: 4, output: 2, cache_read: 0}
  - {model: "*", above: 5000000, input: 9, output: 9}
`)
	if err != nil {
		t.Fatal(err)
	}
	for model, want := range map[string]string{
		"claude-opus-5-5": "0.212502", "house-3": "1", "house-a/b/c": "1", "claude-opus-5": "5.5",
		"router/a/b/claude-opus-5": "3", "eu.anthropic.claude-opus-5-v1:0": "4", "us.anthropic.claude-opus-5-v1:0": "5.5",
	} {
		cost, priced := p.Cost(usageapi.Entry{Model: model, Tokens: usageapi.Tokens{Input: 1e6, CacheRead: 1e6}})
		if cost.String() != want || !priced {
			t.Errorf("%s costs %s, %v; want %s", model, cost, priced, want)
		}
	}
	for _, model := range []string{"a-house-3", "router/claude-5x", "router/a/claude-5x", "router/claude-5", "Eu.anthropic.x"} {
		if cost, priced := p.Cost(usageapi.Entry{Model: model, Tokens: usageapi.Tokens{Input: 1e6}}); priced {
			t.Errorf("%s costs %s, and nothing names it", model, cost)
		}
	}
	lists := p.Lists()
	if len(lists) != 2 || cmp.Diff(usageapi.List{Date: "2026-11-01", Source: "our contract"}, lists[0]) != "" || lists[1].Date == "" || lists[1].Source == "" {
		t.Errorf("the prices come from %v", lists)
	}
	if p.mark == builtIn(t).mark {
		t.Error("other prices have the same mark")
	}
}

func TestWrongPricesNameTheLine(t *testing.T) {
	for text, want := range map[string]string{
		"date: 2026-11-01\nmodels:\n  - {model: a, input: 1, output: x}\n":           "line 3",
		"date: 2026-11-01\nmodels:\n  - {model: a, input: 1, output: -1}\n":          "line 3",
		"date: 2026-11-01\nmodels:\n  - {model: a, input: 1, output: 0.1234567}\n":   "line 3",
		"date: 2026-11-01\nmodels:\n  - {model: a, input: 1}\n":                      "line 3",
		"date: 2026-11-01\nmodels:\n  - {input: 1, output: 1}\n":                     "line 3",
		"date: 2026-11-01\nmodels:\n  - {model: a, input: 1, output: 1, inptu: 1}\n": "line 3",
		"date: yesterday\n": "line 1",
		"models: []\n":      "line 1",
		"date: [\n":         "L2",
		"":                  "no documents",
		"- a\n":             "line 1",
	} {
		_, err := own(t, text)
		if orchestron.KindOf(err) != orchestron.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want an Invalid error that says %s", text, err, want)
		}
	}
}
