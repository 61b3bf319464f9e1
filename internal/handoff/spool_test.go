package handoff

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/orchestron/orchestron"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// taker is a daemon that takes records.
type taker struct {
	mu      sync.Mutex
	got     []Record
	batches int
	ready   []int // how many records had been handled each time ready was called
	bad     map[string]int
	fail    int // how many times handle fails
	stop    func()
}

func take(t *testing.T, h Home, fail int) *taker {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	k := &taker{bad: map[string]int{}, fail: fail}
	done := make(chan error, 1)
	go func() {
		done <- h.Take(ctx, k.handle, func() {
			k.mu.Lock()
			defer k.mu.Unlock()
			k.ready = append(k.ready, len(k.got))
		}, func(file string, _ error) {
			k.mu.Lock()
			defer k.mu.Unlock()
			k.bad[filepath.Base(file)]++
		})
	}()
	k.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Take = %v", err)
		}
	})
	t.Cleanup(k.stop)
	return k
}

func (k *taker) handle(rs []Record) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.batches++
	if k.fail > 0 {
		k.fail--
		return errors.New("the disk is full")
	}
	k.got = append(k.got, rs...)
	return nil
}

func (k *taker) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		k.mu.Lock()
		fine := ok()
		k.mu.Unlock()
		if fine {
			return
		}
	}
	t.Fatalf("waited in vain until %s: %d records, ready %v, bad %v", what, len(k.got), k.ready, k.bad)
}

func put(t *testing.T, h Home, n int) {
	t.Helper()
	r := Record{Agent: agent, Generation: n, Kind: Hooked, Event: "Stop", Payload: json.RawMessage(`{"a":"<b>"}`)}
	if err := h.Put(r); err != nil {
		t.Fatal(err)
	}
}

func generations(rs []Record) []int {
	var out []int
	for _, r := range rs {
		out = append(out, r.Generation)
	}
	return out
}

func upTo(n int) []int {
	var out []int
	for i := range n {
		out = append(out, i)
	}
	return out
}

func TestTakeInOrder(t *testing.T) {
	h := Home{Root: t.TempDir()}
	const before, after = 3*maxBatch + 5, 20
	for i := range before {
		put(t, h, i)
	}
	k := take(t, h, 0)
	k.until(t, "it is ready", func() bool { return len(k.ready) > 0 })
	for i := range after {
		put(t, h, before+i)
	}
	k.until(t, "all came", func() bool { return len(k.got) == before+after })
	k.stop()
	if diff := cmp.Diff(upTo(before+after), generations(k.got)); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{before}, k.ready); diff != "" {
		t.Errorf("ready (-want +got):\n%s", diff)
	}
	if r := k.got[0]; r.Event != "Stop" || string(r.Payload) != `{"a":"<b>"}` || r.At.IsZero() || r.ID == "" {
		t.Errorf("record %+v", r)
	}
	if left, _ := os.ReadDir(h.Spool()); len(left) != 0 {
		t.Errorf("%d files are left", len(left))
	}
}

func TestTakeOfNothingIsReady(t *testing.T) {
	k := take(t, Home{Root: t.TempDir()}, 0)
	k.until(t, "it is ready", func() bool { return len(k.ready) == 1 })
}

func TestTakeAgainAfterAnError(t *testing.T) {
	h := Home{Root: t.TempDir()}
	for i := range 3 {
		put(t, h, i)
	}
	k := take(t, h, 2)
	k.until(t, "all came", func() bool { return len(k.got) == 3 })
	k.until(t, "it is ready", func() bool { return len(k.ready) == 1 && k.ready[0] == 3 })
	if diff := cmp.Diff(upTo(3), generations(k.got)); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

func TestTakeSetsGarbageAside(t *testing.T) {
	h := Home{Root: t.TempDir()}
	put(t, h, 0)
	good, _ := os.ReadDir(h.Spool())
	data, err := os.ReadFile(filepath.Join(h.Spool(), good[0].Name()))
	if err != nil {
		t.Fatal(err)
	}
	canary := filepath.Join(h.Root, "canary.json")
	if err := os.WriteFile(canary, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	garbage := map[string]string{
		"empty.json":    "",
		"cut.json":      string(data[:len(data)/2]),
		"list.json":     "[]",
		"binary.json":   "\x00\xff",
		"copied.json":   string(data), // says another name than its file
		"path.json":     `{"id":"../canary","agent":"exec_1","kind":"hooked"}`,
		"agent.json":    `{"id":"agent","agent":"../x","kind":"hooked"}`,
		"kind.json":     `{"id":"kind","agent":"exec_1","kind":"later"}`,
		"noexit.json":   `{"id":"noexit","agent":"exec_1","kind":"exited"}`,
		"nostart.json":  `{"id":"nostart","agent":"exec_1","kind":"started"}`,
		"0.json":        `{"id":"0","agent":"exec_1","kind":"hooked"} {}`,
		"toolarge.json": "",
	}
	for name, text := range garbage {
		if err := os.WriteFile(filepath.Join(h.Spool(), name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Truncate(filepath.Join(h.Spool(), "toolarge.json"), maxRecord+1); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(
		os.Mkdir(filepath.Join(h.Spool(), "dir.json"), 0o700),
		unix.Mkfifo(filepath.Join(h.Spool(), "fifo.json"), 0o600),
		os.Symlink(canary, filepath.Join(h.Spool(), "link.json")),
		os.WriteFile(filepath.Join(h.Spool(), ".tmp-123"), []byte("{"), 0o600),
		os.WriteFile(filepath.Join(h.Spool(), "other.txt"), nil, 0o600),
	); err != nil {
		t.Fatal(err)
	}
	put(t, h, 1)
	k := take(t, h, 0)
	k.until(t, "it is ready", func() bool { return len(k.ready) == 1 })
	put(t, h, 2)
	k.until(t, "all came", func() bool { return len(k.got) == 3 })
	k.stop()
	if diff := cmp.Diff(upTo(3), generations(k.got)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	for _, name := range append([]string{"dir.json", "fifo.json", "link.json"}, keys(garbage)...) {
		if k.bad[name] != 1 {
			t.Errorf("%s was reported %d times, want once", name, k.bad[name])
		}
		if _, err := os.Lstat(filepath.Join(h.Spool(), name+".bad")); err != nil {
			t.Errorf("%s was not set aside: %v", name, err)
		}
	}
	if _, err := os.Stat(canary); err != nil {
		t.Errorf("a record led to another file: %v", err)
	}
}

func keys(m map[string]string) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	return out
}

// A handler that fails on a later batch sees no record of the earlier ones again.
func TestTakeFailsInTheMiddle(t *testing.T) {
	h := Home{Root: t.TempDir()}
	for i := range maxBatch + 3 {
		put(t, h, i)
	}
	var got []Record
	calls := 0
	handle := func(rs []Record) error {
		calls++
		if calls == 2 {
			return errors.New("no")
		}
		got = append(got, rs...)
		return nil
	}
	bad := func(file string, err error) { t.Errorf("%s: %v", file, err) }
	in := intake{Home: h, handle: handle, bad: bad, now: time.Now, failures: map[string]failure{}}
	if err := in.drain(); err != nil { // one by one they succeed
		t.Error(err)
	}
	if diff := cmp.Diff(upTo(maxBatch+3), generations(got)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

// TestOneRecordHoldsUpNobodyElse: a record that cannot be handled is set aside after some time, those behind it of the same
// agent wait for that and stay in order, and those of others do not wait.
func TestOneRecordHoldsUpNobodyElse(t *testing.T) {
	h := Home{Root: t.TempDir()}
	for i := range 3 {
		put(t, h, i)
		if err := h.Put(Record{Agent: "spec_9", Generation: 10 + i, Kind: Hooked, Event: "Stop"}); err != nil {
			t.Fatal(err)
		}
	}
	var got []int
	handle := func(rs []Record) error {
		if slices.ContainsFunc(rs, func(r Record) bool { return r.Generation == 0 }) {
			return errors.New("it cannot be stored")
		}
		got = append(got, generations(rs)...)
		return nil
	}
	aside, clock := 0, time.Now()
	in := intake{Home: h, handle: handle, now: func() time.Time { return clock }, failures: map[string]failure{}, bad: func(string, error) { aside++ }}
	if err := in.drain(); err == nil {
		t.Error("nothing is said to have failed")
	}
	if diff := cmp.Diff([]int{10, 11, 12}, got); diff != "" {
		t.Errorf("those of others (-want +got):\n%s", diff)
	}
	for range 3 * mostFailures { // it is looked at again and again within a second
		_ = in.drain()
	}
	if aside != 0 {
		t.Error("within a second it was set aside")
	}
	for range mostFailures - 1 {
		clock = clock.Add(time.Second)
		_ = in.drain()
	}
	if diff := cmp.Diff([]int{10, 11, 12, 1, 2}, got); diff != "" || aside != 1 {
		t.Errorf("after %d times (%d set aside, -want +got):\n%s", mostFailures, aside, diff)
	}
	if left, _ := os.ReadDir(h.Spool()); len(left) != 1 || !strings.HasSuffix(left[0].Name(), ".bad") {
		t.Errorf("%d files are left", len(left))
	}
}

// TestAFullDiskSetsNothingAside: what fails for all waits for as long as it takes.
func TestAFullDiskSetsNothingAside(t *testing.T) {
	h := Home{Root: t.TempDir()}
	put(t, h, 0)
	handle := func([]Record) error { return orchestron.Errorf(orchestron.Unavailable, "storage is full") }
	in := intake{Home: h, handle: handle, now: time.Now, failures: map[string]failure{}, bad: func(file string, err error) { t.Errorf("%s: %v", file, err) }}
	for range 3 * mostFailures {
		if err := in.drain(); err == nil {
			t.Error("nothing is said to have failed")
		}
	}
}

func TestManyPutAtOnce(t *testing.T) {
	h := Home{Root: t.TempDir()}
	k := take(t, h, 0)
	const writers, each = 8, 20
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for i := range each {
				if err := h.Put(Record{Agent: agent, Generation: i, Kind: Hooked}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	k.until(t, "all came", func() bool { return len(k.got) == writers*each })
	k.stop()
	ids := map[string]bool{}
	for _, r := range k.got {
		ids[r.ID] = true
	}
	if len(ids) != writers*each {
		t.Errorf("%d different ids, want %d", len(ids), writers*each)
	}
}

func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"id":"x","agent":"exec_1","generation":1,"kind":"hooked","event":"Stop","payload":{"a":[1,null]}}`))
	f.Add([]byte(`{"id":"x","agent":"exec_1","kind":"exited","exit":{"code":-1,"signal":"SIGKILL"}}`))
	f.Add([]byte(`{"id":"x","agent":"exec_1","kind":"started","process":{"pid":-1}}`))
	f.Add([]byte(`[`))
	f.Fuzz(func(t *testing.T, data []byte) {
		h := Home{Root: t.TempDir()}
		if err := os.Mkdir(h.Spool(), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(h.Spool(), "x.json"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		var got []Record
		reported := 0
		in := intake{Home: h, handle: func(rs []Record) error { got = append(got, rs...); return nil }, bad: func(string, error) { reported++ }, now: time.Now, failures: map[string]failure{}}
		err := in.drain()
		if err != nil || len(got)+reported != 1 {
			t.Fatalf("drain = %v with %d records and %d reports, want one of them", err, len(got), reported)
		}
		for _, r := range got {
			if r.ID != "x" || !r.Agent.Valid() || r.Kind == Exited && r.Exit == nil || r.Kind == Started && r.Process == nil || r.Kind == Withdrawn && r.Of == "" {
				t.Errorf("took %+v", r)
			}
			r.ID = ""
			if err := h.Put(r); err != nil {
				t.Errorf("what was taken cannot be put: %v", err)
			}
		}
		names, _ := os.ReadDir(h.Spool())
		for _, n := range names {
			if n.Name() == "x.json" {
				t.Error("the file is still there")
			}
		}
	})
}

func TestNamesSortByTime(t *testing.T) {
	var names []string
	for range 1000 {
		names = append(names, unique())
	}
	if !slices.IsSortedFunc(names, func(a, b string) int { return strings.Compare(a[:20], b[:20]) }) {
		t.Error("names are not sorted by time")
	}
	slices.Sort(names)
	if n := len(slices.Compact(names)); n != 1000 {
		t.Errorf("%d different names of 1000", n)
	}
}
