// Package driver knows agent programs: how each is started and given prompts, and what its hooks, files and screen
// say. It knows a program and no agent's state; the caller decides what facts mean.
package driver

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/orchestron/orchestron"
)

// Names of the environment that a driver gives to an agent's program.
const (
	envToken  = "ORCHESTRON_TOKEN"
	envEditor = "ORCHESTRON_EDITOR" // the person's own editor, for when a person asks for it
)

// noTodos is the todo list of a program that keeps none.
const noTodos = "[]"

// find returns the absolute path of a program that a path or a bare name stands for, looked up in a PATH.
func find(name, path string) (string, error) {
	if strings.ContainsRune(name, filepath.Separator) {
		abs, err := filepath.Abs(name)
		if err != nil {
			return "", err
		}
		return abs, runnable(abs)
	}
	for _, dir := range filepath.SplitList(path) {
		if !filepath.IsAbs(dir) {
			continue // a program must not depend on where the daemon was started
		}
		if file := filepath.Join(dir, name); runnable(file) == nil {
			return file, nil
		}
	}
	return "", fmt.Errorf("%q is not in PATH", name)
}

func runnable(file string) error {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return err
	case info.IsDir() || info.Mode()&0o111 == 0:
		return fmt.Errorf("%s is no program", file)
	}
	return nil
}

// write puts data at path, whole or not at all, with a mode. It leaves a file alone that holds the data already.
func write(path string, data []byte, mode os.FileMode) error {
	if old, err := os.ReadFile(path); err == nil && string(old) == string(data) {
		return os.Chmod(path, mode)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(mode), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// writeJSON is write for a value.
func writeJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return write(path, append(data, '\n'), 0o600)
}

// unwritable tells a caller that Orchestron's own directory cannot be written.
func unwritable(err error) error {
	return orchestron.Errorf(orchestron.Unavailable, "the agent's files cannot be written: %w", err).
		Try("check the free space and the permissions of Orchestron's directory")
}
