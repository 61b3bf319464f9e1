package daemon

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agents"
	"github.com/orchestron/orchestron/internal/crew"
	"github.com/orchestron/orchestron/internal/quota"
	"github.com/orchestron/orchestron/internal/role"
	"github.com/orchestron/orchestron/internal/sqlite"
)

// newCrew makes what starts teams from templates.
func (d *daemon) newCrew(w workers, roles role.Set) *crew.Service {
	return crew.New(recruits{w, d.db}, crew.Settings{
		Dir: d.cfg.Templates(), Roles: roles, Caps: d.caps(), Startable: d.startable,
	}, time.Now, d.Log)
}

// startable is nil when agents of a driver can be started.
func (d *daemon) startable(ctx context.Context, name string) error {
	name = cmp.Or(name, d.cfg.Driver)
	at := slices.IndexFunc(d.drivers, func(v agents.Driver) bool { return v.Name() == name })
	if at < 0 {
		return orchestron.Errorf(orchestron.Invalid, "there is no driver %q", orchestron.Quotable(name)).Try("orchestron help config shows which there are")
	}
	_, err := d.drivers[at].Check(ctx)
	return err
}

// caps is how many agents there may be.
func (d *daemon) caps() quota.Caps {
	return quota.Caps{Agents: d.cfg.MaxInstances, Depth: d.cfg.MaxDepth, Children: d.cfg.MaxChildren, Spawns: d.cfg.MaxSpawns}
}

// recruits is the agents as teams from templates see them.
type recruits struct {
	workers
	db *sqlite.DB
}

// Made reports whether the actor's spawn with the key has made an agent before.
func (r recruits) Made(ctx context.Context, actor orchestron.Actor, key string) (bool, error) {
	return made(ctx, r.db, actor, "spawn", key)
}

// made reports whether the actor's call of an operation with the key has made something before.
func made(ctx context.Context, db *sqlite.DB, actor orchestron.Actor, operation, key string) (bool, error) {
	_, made, err := db.Keyed(ctx, actor.String(), key, operation, [32]byte{})
	if err != nil && orchestron.KindOf(err) == orchestron.Conflict { // it stands for a call with arguments, as all have
		return true, nil
	}
	return made, err
}

// Do calls an operation as the actor.
func (r recruits) Do(ctx context.Context, actor orchestron.Actor, key, operation string, in map[string]any, out any) error {
	return r.call(ctx, actor, key, operation, in, out)
}
