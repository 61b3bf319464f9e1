package cli_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orchestron/orchestron/internal/cli"
	"github.com/orchestron/orchestron/internal/config"
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
