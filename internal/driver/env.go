package driver

import (
	"slices"
	"strings"
)

// environ is an environment as a list of KEY=value.
type environ []string

// get returns the last value of a variable, as the system would.
func (e environ) get(name string) string {
	for _, entry := range slices.Backward(e) {
		if value, found := strings.CutPrefix(entry, name+"="); found {
			return value
		}
	}
	return ""
}

// pick returns the variables whose names allow, each once, split into those anybody may see and those that are
// written only where secrets are.
func (e environ) pick(allow func(name string) bool) (open, secret []string) {
	seen := map[string]bool{}
	for _, entry := range e {
		name, _, found := strings.Cut(entry, "=")
		if !found || seen[name] || !allow(name) {
			continue
		}
		seen[name] = true
		entry = name + "=" + e.get(name)
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

// basic reports whether every agent program may see a variable: what a person's programs need to run at all.
func basic(name string) bool {
	switch name {
	case "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR", "SSH_AUTH_SOCK", "COLORTERM",
		"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
		"SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME",
		"GOPATH", "GOROOT", "GOPROXY", "JAVA_HOME", "CARGO_HOME", "RUSTUP_HOME", "NVM_DIR", "PYENV_ROOT", "VIRTUAL_ENV":
		return true
	}
	return strings.HasPrefix(name, "LC_") || strings.HasPrefix(name, "GIT_AUTHOR_") || strings.HasPrefix(name, "GIT_COMMITTER_")
}

// claudes reports whether a variable configures Claude Code itself. Those that tie a process to a running session of
// Claude are not among them: the daemon may have been started from one.
func claudes(name string) bool {
	switch name {
	case "CLAUDE_CODE_OAUTH_TOKEN", "CLAUDE_CODE_MAX_OUTPUT_TOKENS", "CLAUDE_CODE_MAX_RETRIES", "CLAUDE_CODE_SUBAGENT_MODEL",
		"CLAUDE_CODE_EFFORT_LEVEL", "CLAUDE_CODE_API_KEY_HELPER_TTL_MS", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
		"CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY",
		"CLAUDE_CODE_SKIP_BEDROCK_AUTH", "CLAUDE_CODE_SKIP_VERTEX_AUTH", "CLAUDE_CODE_SKIP_FOUNDRY_AUTH",
		"IS_SANDBOX", "MAX_THINKING_TOKENS", "API_TIMEOUT_MS", "MCP_TIMEOUT", "BASH_DEFAULT_TIMEOUT_MS", "BASH_MAX_TIMEOUT_MS",
		"DISABLE_TELEMETRY", "DISABLE_ERROR_REPORTING", "DISABLE_PROMPT_CACHING":
		return true
	}
	return strings.HasPrefix(name, "ANTHROPIC_")
}

// clouds reports whether a variable is needed to reach Claude through the cloud that an environment chooses.
func (e environ) clouds(name string) bool {
	switch {
	case strings.HasPrefix(name, "AWS_"):
		return e.get("CLAUDE_CODE_USE_BEDROCK") != ""
	case name == "GOOGLE_APPLICATION_CREDENTIALS", name == "CLOUD_ML_REGION", strings.HasPrefix(name, "VERTEX_REGION_"):
		return e.get("CLAUDE_CODE_USE_VERTEX") != ""
	case strings.HasPrefix(name, "AZURE_"):
		return e.get("CLAUDE_CODE_USE_FOUNDRY") != ""
	}
	return false
}

// hasKey reports whether an environment lets Claude Code work without a login.
func (e environ) hasKey() bool {
	for _, name := range []string{
		"ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN",
		"CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY",
	} {
		if e.get(name) != "" {
			return true
		}
	}
	return false
}
