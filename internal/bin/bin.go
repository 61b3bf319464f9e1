// Package bin is what all programs of agents have in common: finding and starting them, the environment they may see, their
// files, and prompts as they take them.
package bin

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/orchestron/orchestron"
)

// Names of the environment that a driver gives to an agent's program.
const (
	EnvToken  = "ORCHESTRON_TOKEN"
	EnvEditor = "ORCHESTRON_EDITOR" // the person's own editor, for when a person asks for it
)

// NoTodos is the todo list of a program that keeps none.
const NoTodos = "[]"

// Find returns the absolute path of a program that a path or a bare name stands for, looked up in a PATH.
func Find(name, path string) (string, error) {
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

// Write puts data at path, whole or not at all, with a mode. It leaves a file alone that holds the data already.
func Write(path string, data []byte, mode os.FileMode) error {
	if old, err := os.ReadFile(path); err == nil && string(old) == string(data) {
		return os.Chmod(path, mode)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return err
	}
	return fill(f, path, data, mode)
}

// WriteAlone is Write for a file that nobody writes at the same time, in a directory where a write that was cut off shall
// leave nothing: the next one takes its remains away.
func WriteAlone(path string, data []byte, mode os.FileMode) error {
	remains := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".orchestron")
	if err := os.Remove(remains); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if old, err := os.ReadFile(path); err == nil && string(old) == string(data) {
		return os.Chmod(path, mode)
	}
	f, err := os.OpenFile(remains, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	return fill(f, path, data, mode)
}

// fill writes a new file and puts it in the place of another.
func fill(f *os.File, path string, data []byte, mode os.FileMode) error {
	_, err := f.Write(data)
	err = errors.Join(err, f.Chmod(mode), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// WriteJSON is Write for a value.
func WriteJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return Write(path, append(data, '\n'), 0o600)
}

// Unwritable tells a caller that Orchestron's own directory cannot be written.
func Unwritable(err error) error {
	return orchestron.Errorf(orchestron.Unavailable, "the agent's files cannot be written: %w", err).
		Try("check the free space and the permissions of Orchestron's directory")
}

// Environ is an environment as a list of KEY=value.
type Environ []string

// Get returns the last value of a variable, as the system would.
func (e Environ) Get(name string) string {
	for _, entry := range slices.Backward(e) {
		if value, found := strings.CutPrefix(entry, name+"="); found {
			return value
		}
	}
	return ""
}

// Pick returns the variables whose names allow, each once, split into those anybody may see and those that are
// written only where secrets are.
func (e Environ) Pick(allow func(name string) bool) (open, secret []string) {
	seen := map[string]bool{}
	for _, entry := range e {
		name, _, found := strings.Cut(entry, "=")
		if !found || seen[name] || !allow(name) {
			continue
		}
		seen[name] = true
		entry = name + "=" + e.Get(name)
		if isSecret(name) {
			secret = append(secret, entry)
		} else {
			open = append(open, entry)
		}
	}
	return open, secret
}

// isSecret judges a variable by its name. Proxies and headers often carry a password.
func isSecret(name string) bool {
	name = strings.ToUpper(name)
	return slices.ContainsFunc([]string{"KEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIAL", "HEADERS", "PROXY"}, func(part string) bool {
		return strings.Contains(name, part)
	})
}

// Basic reports whether every agent program may see a variable: what a person's programs need to run at all.
func Basic(name string) bool {
	switch name {
	case "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR", "SSH_AUTH_SOCK", "COLORTERM",
		"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
		"SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME",
		"GOPATH", "GOROOT", "GOPROXY", "JAVA_HOME", "CARGO_HOME", "RUSTUP_HOME", "NVM_DIR", "PYENV_ROOT", "VIRTUAL_ENV":
		return true
	}
	return strings.HasPrefix(name, "LC_") || strings.HasPrefix(name, "GIT_AUTHOR_") || strings.HasPrefix(name, "GIT_COMMITTER_")
}
