package codex

import (
	"testing"

	"github.com/orchestron/orchestron/internal/bin"
	"github.com/orchestron/orchestron/internal/driver/drivertest"
)

func TestContract(t *testing.T) {
	drivertest.Run(t, func(env []string) *Driver { return New(bin.Settings{Binary: "/bin/cat", Environ: env}) },
		"EDITOR", "VISUAL", "GIT_EDITOR", "ORCHESTRON_EDITOR", "CODEX_TUI_RECORD_SESSION", "CODEX_TUI_SESSION_LOG_PATH")
}
