package driver

import (
	"strings"

	"github.com/orchestron/orchestron/internal/bin"
)

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
func clouds(e bin.Environ, name string) bool {
	switch {
	case strings.HasPrefix(name, "AWS_"):
		return e.Get("CLAUDE_CODE_USE_BEDROCK") != ""
	case name == "GOOGLE_APPLICATION_CREDENTIALS", name == "CLOUD_ML_REGION", strings.HasPrefix(name, "VERTEX_REGION_"):
		return e.Get("CLAUDE_CODE_USE_VERTEX") != ""
	case strings.HasPrefix(name, "AZURE_"):
		return e.Get("CLAUDE_CODE_USE_FOUNDRY") != ""
	}
	return false
}

// hasKey reports whether an environment lets Claude Code work without a login.
func hasKey(e bin.Environ) bool {
	for _, name := range []string{
		"ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN",
		"CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY",
	} {
		if e.Get(name) != "" {
			return true
		}
	}
	return false
}
