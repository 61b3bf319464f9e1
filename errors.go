package orchestron

import (
	"context"
	"errors"
	"fmt"
)

// Kind says what a caller can do about an error. Each transport maps a kind once.
type Kind string

// The kinds of error.
const (
	Invalid     Kind = "invalid"     // the request is wrong; change it
	NotFound    Kind = "not_found"   // the thing named does not exist
	Conflict    Kind = "conflict"    // the thing is in a state that forbids this
	Forbidden   Kind = "forbidden"   // the caller may not do this
	Limit       Kind = "limit"       // a configured limit is reached
	Unavailable Kind = "unavailable" // something outside is missing or down; try later or repair it
	Internal    Kind = "internal"    // a fault of Orchestron; the details are in its log
)

// Error is an error that a caller may see: what happened, to what, and what to do about it.
type Error struct {
	Kind    Kind   `json:"kind"`
	Message string `json:"message"`
	Remedy  string `json:"remedy,omitempty"`
	cause   error
}

func (e *Error) Error() string {
	if e.Remedy == "" {
		return e.Message
	}
	return e.Message + " (" + e.Remedy + ")"
}

// Unwrap returns what Errorf was given with %w, if anything.
func (e *Error) Unwrap() error { return e.cause }

// Try returns a copy of e that tells the caller what to do.
func (e *Error) Try(format string, args ...any) *Error {
	out := *e
	out.Remedy = fmt.Sprintf(format, args...)
	return &out
}

// Errorf makes an Error of a kind. A cause given with %w stays reachable through errors.Is and errors.As.
func Errorf(kind Kind, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Kind: kind, Message: err.Error(), cause: errors.Unwrap(err)}
}

// KindOf returns the kind of the first Error in err's chain, and Internal when there is none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}

// Visible returns what a caller may see of err: the first Error in its chain, or an Internal one that hides the rest.
// What it hides must be logged.
func Visible(err error) *Error {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, context.Canceled):
		return Errorf(Unavailable, "the call was cancelled")
	case errors.Is(err, context.DeadlineExceeded):
		return Errorf(Unavailable, "the call ran out of time")
	}
	return Errorf(Internal, "the call failed inside Orchestron").Try("orchestron doctor, and the daemon's log, say more")
}
