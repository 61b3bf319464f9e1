package agent

import (
	"encoding/json"
	"fmt"
	"os"
	"time"
)

// script changes what the agent does without directives.
type script struct {
	StartDelay string `json:"start_delay"` // before the input box appears
	TurnDelay  string `json:"turn_delay"`  // before each turn's first step
	Answer     string `json:"answer"`      // directives for prompts that have none

	startDelay, turnDelay time.Duration
}

func loadScript(file string) (script, error) {
	var s script
	if file == "" {
		return s, nil
	}
	data, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	if err == nil && s.StartDelay != "" {
		s.startDelay, err = time.ParseDuration(s.StartDelay)
	}
	if err == nil && s.TurnDelay != "" {
		s.turnDelay, err = time.ParseDuration(s.TurnDelay)
	}
	if err != nil {
		return s, fmt.Errorf("--script %s: %w", file, err)
	}
	return s, nil
}
