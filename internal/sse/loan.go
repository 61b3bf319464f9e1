package sse

import (
	"context"
	"net/http"
	"sync/atomic"
)

// Loan is a request that opens a stream. A handler has it until the stream is open; then the handler and net/http let
// go of it, and only the stream is left.
type Loan struct {
	// AtFlush says that the stream is open as soon as something was flushed. Without it the handler calls Take.
	AtFlush bool
	// Settle is told of the stream, which it must wait for, and gets nil when none was opened or the handler has served
	// it to its end. It may be set before Take is called, and is called once.
	Settle func(*Stream)

	taken atomic.Bool
	stop  context.CancelFunc // ends the handler's part
}

type loanKey struct{}

// LoanOf returns the loan that a request is served as, and nil when its connection cannot be taken over.
func LoanOf(ctx context.Context) *Loan {
	l, _ := ctx.Value(loanKey{}).(*Loan)
	return l
}

// Take ends the handler's part. What the handler writes from then on goes nowhere.
func (l *Loan) Take() {
	if !l.taken.Swap(true) {
		l.stop()
	}
}

// Lend serves a request with a handler that does what Loan says, and reports whether the connection was taken over.
// What the handler starts must have ended, or write nothing, when it returns.
func Lend(next http.Handler, w http.ResponseWriter, r *http.Request, l *Loan) (taken bool) {
	ctx, stop := context.WithCancel(r.Context())
	defer stop()
	var stream *Stream
	defer func() {
		if l.Settle != nil {
			l.Settle(stream)
		}
	}()
	if r.ProtoMajor != 1 || r.ProtoMinor != 1 || !canHijack(w) {
		next.ServeHTTP(w, r)
		return false
	}
	l.stop = stop
	out := &lent{ResponseWriter: w, control: http.NewResponseController(w), loan: l}
	next.ServeHTTP(out, r.WithContext(context.WithValue(ctx, loanKey{}, l)))
	if !l.taken.Load() {
		return false
	}
	if conn, _, err := out.control.Hijack(); err == nil {
		stream = Continue(conn)
	}
	return true
}

func canHijack(w http.ResponseWriter) bool {
	for {
		if _, can := w.(http.Hijacker); can {
			return true
		}
		inner, wraps := w.(interface{ Unwrap() http.ResponseWriter })
		if !wraps {
			return false
		}
		w = inner.Unwrap()
	}
}

// lent is a response that may be taken away.
type lent struct {
	http.ResponseWriter
	control *http.ResponseController
	loan    *Loan
}

// Unwrap serves http.ResponseController.
func (o *lent) Unwrap() http.ResponseWriter { return o.ResponseWriter }

// Write implements http.ResponseWriter.
func (o *lent) Write(data []byte) (int, error) {
	if o.loan.taken.Load() {
		return len(data), nil
	}
	return o.ResponseWriter.Write(data)
}

// FlushError serves http.ResponseController.
func (o *lent) FlushError() error {
	if o.loan.taken.Load() {
		return nil
	}
	err := o.control.Flush()
	if o.loan.AtFlush {
		o.loan.Take()
	}
	return err
}
