package driver

import (
	"testing"

	"github.com/orchestron/orchestron/internal/driver/drivertest"
)

// TestContract gives the drivers a program that exists.
func TestContract(t *testing.T) {
	program := func(env []string) ClaudeSettings { return ClaudeSettings{Binary: "/bin/cat", Environ: env} }
	own := []string{
		"EDITOR", "VISUAL", "GIT_EDITOR", "ORCHESTRON_EDITOR", "IS_SANDBOX", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "CLAUDE_CONFIG_DIR",
		"CLAUDE_CODE_DISABLE_ALTERNATE_SCREEN", "CLAUDE_CODE_DISABLE_OFFICIAL_MARKETPLACE_AUTOINSTALL",
		"CLAUDE_CODE_ADDITIONAL_DIRECTORIES_CLAUDE_MD", "DISABLE_AUTOUPDATER",
	}
	t.Run("claude", func(t *testing.T) {
		drivertest.Run(t, func(env []string) *Claude { return NewClaude(program(env)) }, own...)
	})
	t.Run("scripted", func(t *testing.T) {
		drivertest.Run(t, func(env []string) *Claude { return NewScripted("/bin/cat", program(env)) }, own...)
	})
	t.Run("custom", func(t *testing.T) {
		drivertest.Run(t, func(env []string) *Custom {
			c, err := NewCustom(CustomSettings{Name: "cat", Argv: []string{"cat", "-u"}, Environ: env})
			if err != nil {
				t.Fatal(err)
			}
			return c
		}, "ORCHESTRON_CONTEXT", "ORCHESTRON_MCP_URL")
	})
}
