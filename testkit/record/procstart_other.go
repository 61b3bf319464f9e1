//go:build !linux

package record

// procStart is not known here.
func procStart() string { return "" }
