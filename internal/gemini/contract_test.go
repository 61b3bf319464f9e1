package gemini

import (
	"testing"

	"github.com/orchestron/orchestron/internal/bin"
	"github.com/orchestron/orchestron/internal/driver/drivertest"
)

func TestContract(t *testing.T) {
	drivertest.Run(t, func(env []string) *Driver { return New(bin.Settings{Binary: "/bin/cat", Environ: env}, nil) },
		"EDITOR", "VISUAL", "GIT_EDITOR", "ORCHESTRON_EDITOR", "GEMINI_CLI_HOME", "GEMINI_CLI_NO_RELAUNCH", "GEMINI_DEBUG_LOG_FILE")
}
