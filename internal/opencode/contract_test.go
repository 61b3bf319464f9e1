package opencode

import (
	"testing"

	"github.com/orchestron/orchestron/internal/bin"
	"github.com/orchestron/orchestron/internal/driver/drivertest"
)

func TestContract(t *testing.T) {
	drivertest.Run(t, func(env []string) *Driver { return New(bin.Settings{Binary: "/bin/cat", Environ: env}) },
		"EDITOR", "VISUAL", "GIT_EDITOR", "ORCHESTRON_EDITOR", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "OPENCODE_CONFIG_CONTENT", "OPENCODE_TUI_CONFIG", "OPENCODE_PERMISSION",
		"OPENCODE_DISABLE_PROJECT_CONFIG", "OPENCODE_DISABLE_AUTOUPDATE", "OPENCODE_DISABLE_MOUSE")
}
