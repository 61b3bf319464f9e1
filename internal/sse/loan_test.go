package sse

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// lendTo serves requests with a handler, and sends what becomes of each over the channel.
func lendTo(t *testing.T, handler http.HandlerFunc) (string, chan *Stream) {
	t.Helper()
	settled := make(chan *Stream, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		Lend(handler, w, r, &Loan{AtFlush: r.Method == http.MethodGet, Settle: func(s *Stream) { settled <- s }})
	}))
	t.Cleanup(server.Close)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	return server.URL, settled
}

func TestLend(t *testing.T) {
	url, settled := lendTo(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "first\n")
		_ = http.NewResponseController(w).Flush()
		if l := LoanOf(r.Context()); r.Method == http.MethodPost {
			_, _ = io.WriteString(w, "second\n")
			_ = http.NewResponseController(w).Flush()
			l.Take()
			l.Take()
		}
		<-r.Context().Done()
		_, _ = io.WriteString(w, "nobody hears this\n")
		_ = http.NewResponseController(w).Flush()
	})
	for method, want := range map[string]string{http.MethodGet: "first\n", http.MethodPost: "first\nsecond\n"} {
		req, err := http.NewRequest(method, url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		stream := <-settled
		if stream == nil {
			t.Fatalf("%s: no stream was opened", method)
		}
		if err := stream.Send([]byte("{}")); err != nil {
			t.Error(err)
		}
		stream.Close()
		got, err := io.ReadAll(res.Body)
		if want += "event: message\ndata: {}\n\n"; string(got) != want || err != nil {
			t.Errorf("%s: the client read %q and %v, want %q", method, got, err, want)
		}
		_ = res.Body.Close()
	}
}

// A handler that refuses, or that is asked over a connection that cannot be taken, has the response for itself.
func TestLendNothing(t *testing.T) {
	refuse := func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusConflict) }
	url, settled := lendTo(t, refuse)
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if stream := <-settled; stream != nil || res.StatusCode != http.StatusConflict {
		t.Errorf("a refusal: %s and %v, want 409 and no stream", res.Status, stream)
	}
	served := ""
	hear := func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "all")
		_ = http.NewResponseController(w).Flush()
		served = fmt.Sprint(LoanOf(r.Context()) == nil, r.Context().Err())
	}
	record := httptest.NewRecorder()
	told := false
	taken := Lend(http.HandlerFunc(hear), record, httptest.NewRequest(http.MethodGet, "/", nil), &Loan{AtFlush: true, Settle: func(s *Stream) { told = s == nil }})
	if taken || !told || served != "true <nil>" || record.Body.String() != "all" {
		t.Errorf("a recorder: taken %v, told of no stream %v, loan and context %s, body %q", taken, told, served, record.Body)
	}
}
