package team

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/op"
)

func messageID(n int) orchestron.MessageID {
	return orchestron.MessageID(fmt.Sprintf("0199aaaa-bbbb-7ccc-8ddd-%012d", n))
}

func as(id orchestron.AgentID) op.Call {
	return op.Call{Actor: orchestron.Actor{Kind: orchestron.AgentCall, Agent: id}, Report: func(orchestron.Progress) {}}
}

func operator() op.Call {
	return op.Call{Actor: orchestron.Actor{Kind: orchestron.Operator}, Report: func(orchestron.Progress) {}}
}

// sent gives an agent a message of somebody's.
func (c *crew) sent(t *testing.T, from op.Call, to orchestron.AgentID) orchestron.MessageID {
	t.Helper()
	m, err := c.Send(t.Context(), from, agentapi.SendIn{InstanceID: string(to), Text: "work"})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.give(t, to); got.ID != m.MessageID {
		t.Fatalf("%s was given %s, not %s", to, got.ID, m.MessageID)
	}
	return m.MessageID
}

func wantKind(t *testing.T, what string, err error, kind orchestron.Kind) {
	t.Helper()
	if err == nil || orchestron.KindOf(err) != kind {
		t.Errorf("%s: %v, want %s", what, err, kind)
	}
}

// TestWhoIsTheCaller: a reply goes to whoever sent the message whose turn is open, or the one named; where that is not
// clear it is refused.
func TestWhoIsTheCaller(t *testing.T) {
	s, c := house(t)
	reply := func(in agentapi.ReplyIn) (agentapi.ReplyOut, error) {
		return s.reply(t.Context(), as("spec_1_1_1"), in)
	}
	_, err := reply(agentapi.ReplyIn{ReplyMessage: "x"})
	wantKind(t, "with nothing under way", err, orchestron.Conflict)
	_, err = s.reply(t.Context(), operator(), agentapi.ReplyIn{ReplyMessage: "x"})
	wantKind(t, "by an operator", err, orchestron.Invalid)
	_, err = reply(agentapi.ReplyIn{ReplyMessage: "x", InstanceID: "spec_1_1_2"})
	wantKind(t, "as another", err, orchestron.Forbidden)

	first := c.sent(t, as("mgr_1_1"), "spec_1_1_1")
	got, err := reply(agentapi.ReplyIn{ReplyMessage: "x", InstanceID: "spec_1_1_1"})
	if err != nil || got.To != "mgr_1_1" || got.CorrelationID != first {
		t.Errorf("the reply went to %+v, %v", got, err)
	}
	system := op.Call{Actor: orchestron.Actor{Kind: orchestron.System}, Report: func(orchestron.Progress) {}}
	notice := c.sent(t, system, "spec_1_1_1")
	if got, err = reply(agentapi.ReplyIn{ReplyMessage: "x"}); err != nil || got.To != "mgr_1_1" {
		t.Errorf("beside a notice of Orchestron's the reply went to %+v, %v", got, err)
	}
	_, err = reply(agentapi.ReplyIn{ReplyMessage: "x", CorrelationID: string(notice)})
	wantKind(t, "to Orchestron itself", err, orchestron.Invalid)
	second := c.sent(t, operator(), "spec_1_1_1")
	_, err = reply(agentapi.ReplyIn{ReplyMessage: "x"})
	wantKind(t, "with two callers", err, orchestron.Conflict)
	if !strings.Contains(err.Error(), string(first)) || !strings.Contains(err.Error(), string(second)) {
		t.Errorf("the refusal names not both: %v", err)
	}
	if got, err = reply(agentapi.ReplyIn{ReplyMessage: "x", CorrelationID: string(second)}); err != nil || got.To != "operator" {
		t.Errorf("the reply to %s went to %+v, %v", second, got, err)
	}
	strange := c.sent(t, as("mgr_1_1"), "spec_1_1_2")
	_, err = reply(agentapi.ReplyIn{ReplyMessage: "x", CorrelationID: string(strange)})
	wantKind(t, "to another's message", err, orchestron.NotFound)
	if err := c.end(t.Context(), "mgr_1_1"); err != nil {
		t.Fatal(err)
	}
	_, err = reply(agentapi.ReplyIn{ReplyMessage: "x", CorrelationID: string(first)})
	wantKind(t, "to an agent that has ended", err, orchestron.Conflict)
}

// TestReplyWaitsForTheWord: an agent that is quicker than the word that it has its message is answered for it.
func TestReplyWaitsForTheWord(t *testing.T) {
	s, c := house(t)
	m, err := c.Send(t.Context(), as("mgr_1_1"), agentapi.SendIn{InstanceID: "spec_1_1_1", Text: "work"})
	if err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	c.states["spec_1_1_1"].Inbox[0].State = orchestron.Attempting
	c.mu.Unlock()
	type result struct {
		out agentapi.ReplyOut
		err error
	}
	done := make(chan result, 1)
	go func() {
		out, err := s.reply(t.Context(), as("spec_1_1_1"), agentapi.ReplyIn{ReplyMessage: "quick"})
		done <- result{out, err}
	}()
	select {
	case r := <-done:
		t.Fatalf("it did not wait: %+v, %v", r.out, r.err)
	case <-time.After(50 * time.Millisecond):
	}
	c.give(t, "spec_1_1_1")
	if r := <-done; r.err != nil || r.out.CorrelationID != m.MessageID {
		t.Errorf("the quick reply: %+v, %v", r.out, r.err)
	}
}

// TestSameReplyOnce: the same call with the same key is one reply, also at the same time and after the turn.
func TestSameReplyOnce(t *testing.T) {
	s, c := house(t)
	for _, from := range []op.Call{operator(), as("mgr_1_1")} {
		c.sent(t, from, "spec_1_1_1")
		call := as("spec_1_1_1")
		call.Key = "key for " + from.Actor.String()
		ids := make([]orchestron.MessageID, 8)
		var all sync.WaitGroup
		for i := range ids {
			all.Go(func() {
				out, err := s.reply(t.Context(), call, agentapi.ReplyIn{ReplyMessage: "x"})
				if err != nil {
					t.Error(err)
				}
				ids[i] = out.ReplyID
			})
		}
		all.Wait()
		c.finish(t, "spec_1_1_1", "done")
		again, err := s.reply(t.Context(), call, agentapi.ReplyIn{ReplyMessage: "x"})
		for _, id := range ids {
			if err != nil || id != again.ReplyID {
				t.Errorf("the same call made %s and %s, %v", id, again.ReplyID, err)
			}
		}
		got, err := s.replies(t.Context(), from, agentapi.RepliesIn{})
		if err != nil || got.Count != 1 || got.Replies[0].ID != again.ReplyID {
			t.Errorf("%s has %+v, %v", from.Actor, got.Replies, err)
		}
		_, err = s.reply(t.Context(), call, agentapi.ReplyIn{ReplyMessage: "something else"})
		wantKind(t, "another reply under the key", err, orchestron.Conflict)
	}
}

// TestPendingReplies: one's own are taken once, whether many ask or one waits; another's are only shown.
func TestPendingReplies(t *testing.T) {
	s, c := house(t)
	c.sent(t, operator(), "spec_1_1_1")
	waiting := make(chan agentapi.RepliesOut, 1)
	go func() {
		out, err := s.replies(t.Context(), operator(), agentapi.RepliesIn{WaitFor: 60})
		if err != nil {
			t.Error(err)
		}
		waiting <- out
	}()
	if _, err := s.reply(t.Context(), as("spec_1_1_1"), agentapi.ReplyIn{ReplyMessage: "awaited"}); err != nil {
		t.Fatal(err)
	}
	if out := <-waiting; out.Count != 1 || out.Replies[0].Text != "awaited" || out.Replies[0].Taken.IsZero() {
		t.Errorf("who waited has %+v", out)
	}
	c.finish(t, "spec_1_1_1", "")
	c.sent(t, as("mgr_1_1"), "spec_1_1_1")
	for range 5 {
		if _, err := s.reply(t.Context(), as("spec_1_1_1"), agentapi.ReplyIn{ReplyMessage: "x"}); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := s.replies(t.Context(), as("exec_1"), agentapi.RepliesIn{InstanceID: "mgr_1_1"}); err != nil || out.Count != 5 {
		t.Errorf("whoever leads it sees %d replies, %v", out.Count, err)
	}
	_, err := s.replies(t.Context(), as("mgr_1_2"), agentapi.RepliesIn{InstanceID: "mgr_1_1"})
	wantKind(t, "a peer's replies", err, orchestron.NotFound)
	typed := c.give(t, "mgr_1_1")
	if notice := s.Notice(as("mgr_1_1").Actor); !strings.HasPrefix(notice, "4 messages wait for you from spec_1_1_1") {
		t.Errorf("beside its answers it is told %q", notice)
	}
	seen := map[orchestron.MessageID]int{typed.ID: 1}
	var mu sync.Mutex
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			out, err := s.replies(t.Context(), as("mgr_1_1"), agentapi.RepliesIn{})
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, r := range out.Replies {
				seen[r.ID]++
			}
		})
	}
	all.Wait()
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%s came %d times", id, n)
		}
	}
	if len(seen) != 5 || s.Notice(as("mgr_1_1").Actor) != "" || s.Notice(operator().Actor) != "" {
		t.Errorf("%d replies came, and then %q waits", len(seen), s.Notice(as("mgr_1_1").Actor))
	}
}

// TestGather: a broadcast goes to those alive, each is asked for itself, and whoever replies or ends is not waited for.
func TestGather(t *testing.T) {
	s, c := house(t)
	call := as("mgr_1_1")
	call.Key = "one"
	var progress []string
	var mu sync.Mutex
	call.Report = func(p orchestron.Progress) {
		mu.Lock()
		defer mu.Unlock()
		progress = append(progress, p.Message)
	}
	out := make(chan agentapi.BroadcastOut, 1)
	go func() {
		got, err := s.broadcast(t.Context(), call, agentapi.BroadcastIn{Message: "all of you", Wait: true, Timeout: 60})
		if err != nil {
			t.Error(err)
		}
		out <- got
	}()
	for _, id := range []orchestron.AgentID{"spec_1_1_1", "spec_1_1_2"} {
		for deadline := time.Now().Add(20 * time.Second); len(c.Inbox(id)) == 0; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s was told nothing", id)
			}
		}
	}
	c.give(t, "spec_1_1_1")
	if _, err := s.reply(t.Context(), as("spec_1_1_1"), agentapi.ReplyIn{ReplyMessage: "mine"}); err != nil {
		t.Fatal(err)
	}
	if err := c.end(t.Context(), "spec_1_1_2"); err != nil {
		t.Fatal(err)
	}
	got := <-out
	if got.Count != 2 || got.Answered != 1 || got.Failed != 1 || got.Sent[0].Replies[0].Text != "mine" || got.Sent[1].Message.State != orchestron.Undeliverable {
		t.Errorf("the broadcast came to %+v", got)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(progress) == 0 || progress[len(progress)-1] != "2 of 2 have answered" {
		t.Errorf("the progress was %q", progress)
	}
	_, err := s.broadcast(t.Context(), as("mgr_1_2"), agentapi.BroadcastIn{Message: "anybody?"})
	wantKind(t, "with nobody to tell", err, orchestron.Conflict)
	_, err = s.broadcast(t.Context(), as("mgr_1_2"), agentapi.BroadcastIn{ParentID: "mgr_1_1", Message: "obey"})
	wantKind(t, "to a peer's children", err, orchestron.NotFound)
}

// TestSee: an agent sees what is below it, and of what is beside it only that it is there.
func TestSee(t *testing.T) {
	s, _ := house(t)
	ids := func(out agentapi.TeamOut, err error) string {
		if err != nil {
			return err.Error()
		}
		var all []string
		for _, m := range out.Instances {
			all = append(all, fmt.Sprint(m.Depth, " ", m.ID))
		}
		return strings.Join(all, ", ")
	}
	tree := func(call op.Call, id string) string {
		return ids(s.tree(t.Context(), call, agentapi.TreeIn{InstanceID: id}))
	}
	peers := func(call op.Call, id string) string {
		return ids(s.peers(t.Context(), call, agentapi.PeersIn{InstanceID: id}))
	}
	for what, c := range map[string][2]string{
		"everybody":         {tree(operator(), ""), "0 exec_1, 1 mgr_1_1, 2 spec_1_1_1, 2 spec_1_1_2, 1 mgr_1_2"},
		"a tree":            {tree(as("mgr_1_1"), ""), "0 mgr_1_1, 1 spec_1_1_1, 1 spec_1_1_2"},
		"another's tree":    {tree(as("mgr_1_1"), "exec_1"), `there is no agent "exec_1" (list shows the agents)`},
		"peers":             {peers(as("mgr_1_1"), ""), "0 mgr_1_2"},
		"a child's peers":   {peers(as("mgr_1_1"), "spec_1_1_1"), "0 spec_1_1_2"},
		"peers of the top":  {peers(as("exec_1"), ""), ""},
		"children":          {ids(s.children(t.Context(), as("mgr_1_1"), agentapi.ChildrenIn{})), "0 spec_1_1_1, 0 spec_1_1_2"},
		"nobody's children": {ids(s.children(t.Context(), operator(), agentapi.ChildrenIn{})), "0 exec_1"},
	} {
		if diff := cmp.Diff(c[1], c[0]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	_, err := s.peers(t.Context(), operator(), agentapi.PeersIn{})
	wantKind(t, "an operator's peers", err, orchestron.Invalid)
}

// TestTell: who sent what could not be delivered is told once, however often Orchestron starts.
func TestTell(t *testing.T) {
	s, c := house(t)
	m, err := c.Send(t.Context(), as("mgr_1_1"), agentapi.SendIn{InstanceID: "spec_1_1_1", Text: "never read"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Send(t.Context(), operator(), agentapi.SendIn{InstanceID: "spec_1_1_1", Text: "never read"}); err != nil {
		t.Fatal(err)
	}
	if err := c.end(t.Context(), "spec_1_1_1"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- s.Run(ctx) }()
		for deadline := time.Now().Add(20 * time.Second); len(c.Inbox("mgr_1_1")) == 0; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the sender is told nothing")
			}
		}
		cancel()
		if err := <-ran; err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	told := c.Inbox("mgr_1_1")
	if len(told) != 1 || told[0].From != "orchestron" || !strings.Contains(told[0].Text, string(m.MessageID)) || !strings.Contains(told[0].Text, "the agent was terminated") {
		t.Errorf("the sender is told %+v", told)
	}
}

// TestAnAnswerThatIsLost: a call that is repeated with its key is given the same replies again, one that nobody waits for
// any more takes none.
func TestAnAnswerThatIsLost(t *testing.T) {
	s, c := house(t)
	for _, me := range []op.Call{operator(), as("mgr_1_1")} {
		c.sent(t, me, "spec_1_1_1")
		if _, err := s.reply(t.Context(), as("spec_1_1_1"), agentapi.ReplyIn{ReplyMessage: "mine"}); err != nil {
			t.Fatal(err)
		}
		gone, leave := context.WithCancel(t.Context())
		leave()
		if out, err := s.replies(gone, me, agentapi.RepliesIn{}); !errors.Is(err, context.Canceled) || out.Count != 0 {
			t.Errorf("%s had gone and was given %+v, %v", me.Actor, out, err)
		}
		call := me
		call.Key = "one"
		for range 3 {
			if out, err := s.replies(t.Context(), call, agentapi.RepliesIn{WaitFor: 60}); err != nil || out.Count != 1 || out.Replies[0].Text != "mine" {
				t.Errorf("%s asks under one key and is given %+v, %v", me.Actor, out, err)
			}
		}
		if out, err := s.replies(t.Context(), me, agentapi.RepliesIn{}); err != nil || out.Count != 0 {
			t.Errorf("%s is given %+v twice, %v", me.Actor, out, err)
		}
		c.finish(t, "spec_1_1_1", "")
	}
	if waits := c.Inbox("mgr_1_1"); len(waits) != 0 {
		t.Errorf("what was fetched waits to be typed: %+v", waits)
	}
}

// TestRepliesHaveABound: at most so many of one sender wait for a recipient, and at most so many are given at once.
func TestRepliesHaveABound(t *testing.T) {
	s, c := house(t)
	senders := []orchestron.AgentID{"mgr_1_1", "mgr_1_2", "exec_1"}
	for _, from := range senders {
		c.sent(t, operator(), from)
		for n := range orchestron.MaxOpenReplies + 1 {
			_, err := s.reply(t.Context(), as(from), agentapi.ReplyIn{ReplyMessage: fmt.Sprint(n)})
			if n == orchestron.MaxOpenReplies {
				wantKind(t, "one reply too many", err, orchestron.Limit)
			} else if err != nil {
				t.Fatal(err)
			}
		}
	}
	var got []string
	for _, want := range []agentapi.RepliesOut{{Count: orchestron.MaxReplies, More: true}, {Count: orchestron.MaxOpenReplies}, {}} {
		out, err := s.replies(t.Context(), operator(), agentapi.RepliesIn{})
		if err != nil || out.Count != want.Count || out.More != want.More {
			t.Errorf("given %d, more %v, %v, want %d", out.Count, out.More, err, want.Count)
		}
		for _, r := range out.Replies {
			got = append(got, fmt.Sprint(r.From, " ", r.Text))
		}
	}
	var want []string
	for _, from := range senders {
		for n := range orchestron.MaxOpenReplies {
			want = append(want, fmt.Sprint(from, " ", n))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the replies (-want +got):\n%s", diff)
	}
	for _, text := range []string{"there is room again", strings.Repeat("x", orchestron.MaxReplyText), "z"} {
		if _, err := s.reply(t.Context(), as("exec_1"), agentapi.ReplyIn{ReplyMessage: text}); err != nil {
			t.Error(err)
		}
	}
	for n, more := range []bool{true, true, false} { // they do not fit together
		if out, err := s.replies(t.Context(), operator(), agentapi.RepliesIn{}); err != nil || out.Count != 1 || out.More != more {
			t.Errorf("part %d has %d replies, more %v, %v", n, out.Count, out.More, err)
		}
	}
}

// TestTheSameBroadcast: under one key it goes to whom it went first, whoever has come or ended since.
func TestTheSameBroadcast(t *testing.T) {
	s, c := house(t)
	call := as("exec_1")
	call.Key = "one"
	first, err := s.broadcast(t.Context(), call, agentapi.BroadcastIn{Message: "all"})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.end(t.Context(), "mgr_1_1"); err != nil {
		t.Fatal(err)
	}
	c.add(t, "mgr_1_3", "exec_1", orchestron.Manager)
	second, err := s.broadcast(t.Context(), call, agentapi.BroadcastIn{Message: "all"})
	if err != nil || len(second.Sent) != 2 || second.Sent[0].AgentID != "mgr_1_1" || second.Sent[1].Message.MessageID != first.Sent[1].Message.MessageID {
		t.Errorf("the same call again is %+v, %v", second, err)
	}
	if n := len(c.Inbox("mgr_1_3")); n != 0 {
		t.Errorf("who came later was told %d times", n)
	}
	_, err = s.broadcast(t.Context(), call, agentapi.BroadcastIn{Message: "something else"})
	wantKind(t, "another broadcast under the key", err, orchestron.Conflict)
}

// TestTerminateGenerations: those below end before those above, whatever the order they are named in.
func TestTerminateGenerations(t *testing.T) {
	s, _ := house(t)
	ids := []string{"exec_1", "spec_1_1_2", "mgr_1_1", "nobody", "mgr_1_2", "spec_1_1_1"}
	out, err := s.terminate(t.Context(), operator(), agentapi.TerminateManyIn{InstanceIDs: ids})
	if err != nil || out.Succeeded != 5 || out.Failed != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	for i, r := range out.Results {
		if r.ID != ids[i] {
			t.Errorf("result %d is of %s, want %s", i, r.ID, ids[i])
		}
	}
}

// TestSeeTheLiving: those that have ended are shown when asked for, or when somebody below them lives.
func TestSeeTheLiving(t *testing.T) {
	s, c := house(t)
	for _, id := range []orchestron.AgentID{"spec_1_1_2", "mgr_1_1", "mgr_1_2"} {
		if err := c.end(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	shown := func(out agentapi.TeamOut, err error) string {
		if err != nil {
			return err.Error()
		}
		var all []string
		for _, m := range out.Instances {
			all = append(all, string(m.ID))
		}
		return strings.Join(all, " ")
	}
	for want, got := range map[string]string{
		"exec_1 mgr_1_1 spec_1_1_1":                    shown(s.tree(t.Context(), operator(), agentapi.TreeIn{})),
		"exec_1 mgr_1_1 spec_1_1_1 spec_1_1_2 mgr_1_2": shown(s.tree(t.Context(), operator(), agentapi.TreeIn{All: true})),
		"mgr_1_1 mgr_1_2":                              shown(s.children(t.Context(), as("exec_1"), agentapi.ChildrenIn{All: true})),
		"spec_1_1_1":                                   shown(s.children(t.Context(), as("mgr_1_1"), agentapi.ChildrenIn{})),
		"spec_1_1_2":                                   shown(s.peers(t.Context(), operator(), agentapi.PeersIn{InstanceID: "spec_1_1_1", All: true})),
	} {
		if got != want {
			t.Errorf("shown are %q, want %q", got, want)
		}
	}
	for what, got := range map[string]string{
		"children": shown(s.children(t.Context(), as("exec_1"), agentapi.ChildrenIn{})),
		"peers":    shown(s.peers(t.Context(), operator(), agentapi.PeersIn{InstanceID: "spec_1_1_1"})),
	} {
		if got != "" {
			t.Errorf("the %s that have ended are shown: %q", what, got)
		}
	}
}
