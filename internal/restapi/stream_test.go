package restapi

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// broken is a caller that stopped reading.
type broken struct{ *httptest.ResponseRecorder }

func (broken) Write([]byte) (int, error) { return 0, errors.New("deadline exceeded") }

func TestCallerThatDoesNotReadEndsTheOperation(t *testing.T) {
	ended := 0
	l := &lines{w: broken{httptest.NewRecorder()}, gone: func() { ended++ }}
	l.write(1)
	l.write(2)
	if ended != 1 {
		t.Errorf("the operation was ended %d times, want once", ended)
	}
}

func TestLinesStayWhole(t *testing.T) {
	recorder := httptest.NewRecorder()
	l := &lines{w: recorder, gone: func() { t.Error("the caller is there") }}
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for range 100 {
				l.write("line")
			}
		})
	}
	writers.Wait()
	l.last(http.StatusOK, "last")
	l.write("too late")
	want := strings.Repeat("\"line\"\n", 800) + "\"last\"\n"
	if got := recorder.Body.String(); got != want {
		t.Errorf("got %d bytes, want %d lines of their own", len(got), 801)
	}
}
