package orchestron

// Key is a key of a terminal by tmux's name for it, as in Enter, Escape, C-x. Keys are named by drivers and never
// come from a message.
type Key string
