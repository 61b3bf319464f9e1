package acpdriver

import (
	"testing"
	"time"

	"github.com/orchestron/orchestron/internal/driver/drivertest"
)

func TestContract(t *testing.T) {
	drivertest.Run(t, func(env []string) *Driver {
		return New(Settings{
			Name: "some", Argv: []string{"cat", "-u"}, Modes: map[string]string{"acceptEdits": "autoEdit"}, Environ: env, Hold: time.Minute,
		})
	}, "EDITOR", "VISUAL", "GIT_EDITOR", "ORCHESTRON_EDITOR")
}
