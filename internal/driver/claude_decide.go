package driver

import (
	"encoding/json"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/claudehook"
)

// Decide returns what the hook of a permission question writes to Claude Code for a decision, where input is the
// arguments of the tool that it asks about. It is Invalid when the decision leaves a question open.
//
// What Claude Code 2.1.329 does while the hook of a PermissionRequest runs, as measured with terminals in tmux:
//
//   - The dialog is on the screen at once and stays; the state file says waiting. A hook that answered after 16 s and one
//     that answered after 124 s closed it, the tool ran, and the transcript says "Allowed by PermissionRequest hook".
//   - deny with a message: the tool does not run, the message is the tool's result word for word, the turn goes on.
//   - Yes in the terminal: the tool runs; the hook is neither ended nor listened to any more. The state file says busy.
//   - No or Escape in the terminal: the hook gets SIGTERM at once, the turn ends without a Stop hook.
//   - A hook that is killed, or that its timeout ends with SIGTERM: the dialog stays and the terminal decides.
//   - A Claude Code that is killed leaves the hook running, under another parent.
//   - updatedPermissions with a rule for the session let the next matching call run without a dialog and without a hook.
//     It is not used: nobody would hear of such calls.
//   - AskUserQuestion: allow alone changes nothing, the dialog stays; with updatedInput.answers it is answered.
//   - The hook is not told the id of the tool call.
func (c *Claude) Decide(input json.RawMessage, d orchestron.Decision) (json.RawMessage, error) {
	return claudehook.Decide(input, d)
}
