package testkit

import (
	"fmt"
	"strconv"
	"strings"
)

// Usage is what an answer costs in tokens, as the Anthropic API and Claude Code's transcripts spell it.
type Usage struct {
	Input      int `json:"input_tokens"`
	Output     int `json:"output_tokens"`
	CacheWrite int `json:"cache_creation_input_tokens"`
	CacheRead  int `json:"cache_read_input_tokens"`
	Reasoning  int `json:"-"` // what of the output no reader sees; only other vendors tell it
}

// Set changes the numbers that the directive @@usage names, as in in=100 out=5 cache_read=7 cache_write=1.
func (u *Usage) Set(pairs string) error {
	for _, pair := range strings.Fields(pairs) {
		key, value, _ := strings.Cut(pair, "=")
		n, err := strconv.Atoi(value)
		if err != nil {
			return fmt.Errorf("@@usage needs numbers such as in=100 out=5, not: %s", pair)
		}
		switch key {
		case "in":
			u.Input = n
		case "out":
			u.Output = n
		case "cache_read":
			u.CacheRead = n
		case "cache_write":
			u.CacheWrite = n
		case "reasoning":
			u.Reasoning = n
		default:
			return fmt.Errorf("@@usage knows in, out, cache_read, cache_write and reasoning, not: %s", key)
		}
	}
	return nil
}
