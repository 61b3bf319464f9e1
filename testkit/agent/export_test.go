package agent

// GetModes lets tests look at the terminal.
const GetModes = getModes
