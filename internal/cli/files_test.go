package cli_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orchestron/orchestron/internal/cli"
	"github.com/orchestron/orchestron/internal/config"
	"github.com/orchestron/orchestron/internal/console"
	"github.com/orchestron/orchestron/internal/console/consoletest"
	"github.com/orchestron/orchestron/internal/op"
)

// TestDoctorOnFiles: wrong prices and a wrong role keep the daemon from starting, a wrong template does not.
func TestDoctorOnFiles(t *testing.T) {
	dir := t.TempDir()
	found := func() (config.Config, error) {
		return config.Config{Dir: dir, RolesDir: filepath.Join(dir, "roles")}, nil
	}
	all := map[string]cli.Check{"prices.yaml": cli.CheckPrices(found), "roles/x.md": cli.CheckRoles(found), "templates/a.yaml": cli.CheckTemplates(found)}
	for _, check := range all {
		if f := check.Run(t.Context()); f.State != cli.OK {
			t.Errorf("without files of one's own the %s are found %v", check.Name, f)
		}
	}
	for _, test := range []struct {
		file, text string
		state      cli.State
		want       string
	}{
		{"prices.yaml", "date: 2026-11-21\nmodels: [{model: x}]\n", cli.Fail, ": line 2"},
		{"templates/a.yaml", "name: a\ncolour: red\n", cli.Warn, " is wrong in line 2: there is no setting colour"},
		{"roles/x.md", "---\nname: x\nlevel: mangler\n---\ntext\n", cli.Fail, " is wrong: line 3: "},
	} {
		path := filepath.Join(dir, test.file)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(test.text), 0o600)); err != nil {
			t.Fatal(err)
		}
		if f := all[test.file].Run(t.Context()); f.State != test.state || !strings.Contains(f.Detail, path+test.want) {
			t.Errorf("%s is found %v, want %s and %s%s", test.file, f, test.state, path, test.want)
		}
	}
	if f := all["templates/a.yaml"].Run(t.Context()); f.State != cli.Warn || f.Detail != "not checked" {
		t.Errorf("templates repeat the mistake in the roles: %v", f)
	}
}

// TestDoctorOnDaemon: a daemon that does not run is a warning, and so is one that runs with another configuration.
func TestDoctorOnDaemon(t *testing.T) {
	type state struct {
		Version string `json:"version"`
		Changed bool   `json:"config_changed"`
	}
	running := func(s state) func(context.Context, bool) (console.Daemon, error) {
		return func(_ context.Context, start bool) (console.Daemon, error) {
			if start {
				t.Error("doctor starts a daemon")
			}
			return consoletest.New(op.New("get_daemon_status", op.Read, "Status.", func(context.Context, op.Call, struct{}) (state, error) { return s, nil })), nil
		}
	}
	none := func(context.Context, bool) (console.Daemon, error) { return nil, console.ErrNoDaemon }
	wrong := func() error { return errors.New("wrong") }
	right := func() error { return nil }
	for _, test := range []struct {
		configured func() error
		dial       func(context.Context, bool) (console.Daemon, error)
		state      cli.State
		detail     string
	}{
		{wrong, none, cli.Warn, "not checked"},
		{right, none, cli.Warn, "no daemon runs"},
		{right, running(state{"1.0", false}), cli.OK, "1.0, process 0, "},
		{right, running(state{"1.0", true}), cli.Warn, "config.yaml changed since the daemon started"},
	} {
		if f := cli.CheckDaemon(test.configured, test.dial).Run(t.Context()); f.State != test.state || f.Detail != test.detail {
			t.Errorf("found %v, want %s: %s", f, test.state, test.detail)
		}
	}
}
