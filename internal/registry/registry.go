// Package registry is the list of all agents as a file that other programs read.
package registry

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/orchestron/orchestron"
)

// registry is the whole file: all agents by id.
type registry struct {
	Instances map[orchestron.AgentID]entry `json:"instances"`
}

type entry struct {
	InstanceID  orchestron.AgentID   `json:"instanceId"`
	Role        string               `json:"role"`
	ParentID    *orchestron.AgentID  `json:"parentId"`
	SessionName string               `json:"sessionName"`
	ProjectDir  string               `json:"projectDir"`
	PaneTarget  string               `json:"paneTarget"`
	Status      string               `json:"status"` // active, or how it ended
	State       orchestron.Status    `json:"state"`
	Created     time.Time            `json:"created"`
	Children    []orchestron.AgentID `json:"children"`
}

// Write puts all agents into the file at path, whole or not at all. Children are in the order of agents.
func Write(path string, agents []orchestron.Agent) error {
	all := registry{Instances: map[orchestron.AgentID]entry{}}
	for _, a := range agents {
		e := entry{
			InstanceID: a.ID, Role: a.Role, SessionName: a.SessionName(), ProjectDir: a.Workspace, PaneTarget: a.PaneTarget(),
			Status: string(a.Status), State: a.Status, Created: a.Created, Children: []orchestron.AgentID{},
		}
		if a.Alive() {
			e.Status = "active"
		}
		if a.Parent != "" {
			e.ParentID = &a.Parent
		}
		all.Instances[a.ID] = e
	}
	for _, a := range agents { // in their order, so that the file stays the same while nothing changes
		if parent, ok := all.Instances[a.Parent]; ok {
			parent.Children = append(parent.Children, a.ID)
			all.Instances[a.Parent] = parent
		}
	}
	data, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".instances-*")
	if err != nil {
		return err
	}
	_, err = f.Write(append(data, '\n'))
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
