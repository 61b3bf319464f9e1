package teamcli

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/console"
	"github.com/orchestron/orchestron/internal/permission"
)

// template is a role as the command shows it.
type template struct {
	Name  string           `json:"name"`
	Title string           `json:"title"`
	Level orchestron.Level `json:"level"`
}

// shown is what orchestron roles shows.
type shown struct {
	Roles       []template       `json:"roles"`
	Permissions []permission.Row `json:"permissions"`
}

// roles is orchestron roles. It asks no daemon.
func (r *room) roles() *cobra.Command {
	cmd := &cobra.Command{
		Use: "roles", Short: "Show the roles, and who may call what",
		Long: "Show the levels and the roles that agents can be made from, and the table of who may call what. An executive leads managers\n" +
			"and specialists, a manager leads specialists, a specialist leads nobody. You may do everything; agents reach as far as\n" +
			"the table says: who calls is known from the credential, never from what is said.",
		Example: "orchestron roles", Args: console.Need(), ValidArgsFunction: console.Words(),
	}
	cmd.RunE = console.Do(func(context.Context, *cobra.Command, []string) error {
		known, err := r.templates()
		if err != nil {
			return err
		}
		all := shown{Permissions: permission.Table()}
		for _, name := range slices.Sorted(maps.Keys(known)) {
			all.Roles = append(all.Roles, template{name, known[name].Title, known[name].Level})
		}
		slices.SortStableFunc(all.Roles, func(a, b template) int { return a.Level.Rank() - b.Level.Rank() })
		raw, err := json.Marshal(all)
		if err != nil {
			return err
		}
		return r.Show(raw, func() error { return r.tables(all) })
	})
	return cmd
}

func (r *room) tables(all shown) error {
	roles := &console.Table{Header: []string{"ROLE", "LEVEL", "TITLE"}}
	for _, one := range all.Roles {
		roles.Row(console.Cell(one.Name), string(one.Level), console.Cell(one.Title))
	}
	rights := &console.Table{Header: []string{"OPERATION", "EXECUTIVE", "MANAGER", "SPECIALIST", "REACHES"}}
	for _, row := range all.Permissions {
		may := func(level orchestron.Level) string {
			if row.Allows(level) {
				return "yes"
			}
			return "-"
		}
		rights.Row(row.Operation, may(orchestron.Executive), may(orchestron.Manager), may(orchestron.Specialist), strings.TrimSpace(row.Reach.Say()))
	}
	if err := r.PrintTable(roles); err != nil {
		return err
	}
	if err := r.Print(""); err != nil {
		return err
	}
	return r.PrintTable(rights)
}
