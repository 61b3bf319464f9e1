package orchestron

import "time"

// The bounds of replies.
const (
	MaxReplies     = 100      // that a recipient is given at once
	MaxReplyText   = 64 << 10 // bytes of all that it is given at once; a longer one comes alone
	MaxOpenReplies = 50       // of one sender that have not reached one recipient
)

// Reply is what an agent answers to whoever sent it a message, in its own time. To an agent it goes as a message of the
// same id; others fetch it.
type Reply struct {
	ID      MessageID `json:"reply_id"`
	Message MessageID `json:"correlation_id" jsonschema:"the message that it answers"`
	From    AgentID   `json:"from"`
	To      string    `json:"to" jsonschema:"operator, or an agent"`
	Text    string    `json:"reply_message"`
	Created time.Time `json:"created"`
	Taken   time.Time `json:"taken,omitzero" jsonschema:"when it reached whom it is for"`
}
