package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardapi"
	"github.com/orchestron/orchestron/internal/client"
	"github.com/orchestron/orchestron/internal/daemon"
	"github.com/orchestron/orchestron/testkit/audience"
)

const (
	boardTasks  = 100_000
	boardName   = "bench"
	boardMemory = 80 // MB
	listCalls   = 600
	updateCalls = 300
	claimers    = 32
	claimCalls  = 3200 // of all claimers together
	claimRate   = 500  // a second
	subscribers = 1000
	pushes      = 10
	pushTime    = 250 * time.Millisecond // for 99 of 100
)

// boardRows measures a board of 100,000 tasks, which come there by an import.
func boardRows(ctx context.Context, s setting) ([]row, error) {
	return with(ctx, s.program, func(h *house) ([]row, error) {
		took, err := h.fill(ctx, boardTasks)
		if err != nil {
			return nil, err
		}
		list, words, glance, err := h.lists(ctx, listCalls)
		if err != nil {
			return nil, err
		}
		filtered := list.against("task_list with three filters, 100,000 tasks", 5*time.Millisecond)
		filtered.beside(glance, "a call that reads nothing")
		filtered.Note = fmt.Sprintf("imported in %.1f s", took.Seconds())
		text := words.against("task_list by text, 100,000 tasks", 15*time.Millisecond)
		text.beside(glance, "a call that reads nothing")
		rows := []row{filtered, text}
		for _, more := range []func(context.Context) ([]row, error){h.updates, h.claims, h.weighed, h.push, h.weighed} {
			got, err := more(ctx)
			if rows = append(rows, got...); err != nil {
				return rows, err
			}
		}
		rows[len(rows)-1].Work = "the same, and after 1,000 subscribers"
		return rows, nil
	})
}

// fill imports a board from a file.
func (h *house) fill(ctx context.Context, n int) (time.Duration, error) {
	path := filepath.Join(h.dir, "board.jsonl")
	if err := writeBoard(path, n); err != nil {
		return 0, err
	}
	began := time.Now()
	var out boardapi.ImportOut
	err := h.call(ctx, "orchestron_import", boardapi.ImportIn{Path: path}, &out)
	if err == nil && out.Tasks != n {
		err = fmt.Errorf("%d of %d tasks were imported", out.Tasks, n)
	}
	return time.Since(began), err
}

// writeBoard writes a board as orchestron_export does.
func writeBoard(path string, n int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	out := json.NewEncoder(f)
	err = out.Encode(boardapi.Line{Board: 1})
	at := time.Now().Add(-90 * 24 * time.Hour).UTC()
	for i := 0; err == nil && i < 20; i++ {
		err = out.Encode(boardapi.Line{Sprint: &orchestron.Sprint{Project: boardName, Name: sprintName(i), State: orchestron.Planned, Created: at}})
	}
	random := rand.New(rand.NewPCG(1, 2))
	for i := 1; err == nil && i <= n; i++ {
		t := someTask(random, i, at)
		err = out.Encode(boardapi.Line{Task: &t})
	}
	return errors.Join(err, f.Close())
}

func sprintName(i int) string { return fmt.Sprintf("sprint %d", i) }
func workerName(i int) string { return fmt.Sprintf("worker %d", i) }

// someTask is a task as a project of some years has them: half are over, and every tenth waits for another.
func someTask(random *rand.Rand, i int, at time.Time) orchestron.Task {
	at = at.Add(time.Duration(i) * time.Minute)
	t := orchestron.Task{
		ID: orchestron.TaskIDOf(int64(i)), Project: boardName, Title: prose(random, 6), Description: prose(random, 40),
		Type: orchestron.TaskTypes[1+random.IntN(4)], Priority: orchestron.Priorities[random.IntN(4)], Status: orchestron.ToDo,
		Labels:  []string{fmt.Sprintf("area%d", random.IntN(50)), fmt.Sprintf("label%d", random.IntN(5))},
		Created: at, Updated: at, CreatedBy: "operator", Version: 1,
	}
	if random.IntN(4) > 0 {
		t.Assignee = workerName(random.IntN(50))
	}
	if random.IntN(2) > 0 {
		t.Sprint = sprintName(random.IntN(20))
	}
	switch n := random.IntN(20); {
	case n < 10:
		t.Status, t.Progress, t.Started, t.Finished = orchestron.Done, 100, at, at.Add(time.Hour)
	case n < 12:
		t.Status, t.Progress, t.Started = orchestron.InProgress, random.IntN(100), at
	case n < 13:
		t.Status, t.Progress, t.Started = orchestron.InReview, 100, at
	case n < 15 && i > 1:
		t.DependsOn = []orchestron.TaskID{orchestron.TaskIDOf(1 + random.Int64N(int64(i-1)))}
	}
	return t
}

// prose is words of which few are frequent and many are rare, as in a language.
func prose(random *rand.Rand, n int) string {
	words := make([]string, n)
	for i := range words {
		words[i] = word(int(random.ExpFloat64() * 400))
	}
	return strings.Join(words, " ")
}

func word(i int) string {
	const syllables = "bacidofegumalenipotirusavowexyzo"
	var b strings.Builder
	for i += 17; i > 0; i /= 16 {
		b.WriteString(syllables[i%16*2 : i%16*2+2])
	}
	return b.String()
}

// lists times lists by filters and by words, in turns with calls that read no board.
func (h *house) lists(ctx context.Context, n int) (filters, words, glance times, err error) {
	random := rand.New(rand.NewPCG(3, 4))
	var status daemon.Status
	for range n {
		began := time.Now()
		if err := h.call(ctx, "get_daemon_status", nil, &status); err != nil {
			return nil, nil, nil, err
		}
		glance = append(glance, time.Since(began))
		took, err := h.timeTasks(ctx, threeFilters(random))
		if err != nil {
			return nil, nil, nil, err
		}
		filters = append(filters, took)
		in := boardapi.TaskListIn{Project: boardName, Limit: 50, Text: word(random.IntN(1500))}
		if random.IntN(2) > 0 {
			in.Text += " " + word(random.IntN(300))
		}
		if took, err = h.timeTasks(ctx, in); err != nil {
			return nil, nil, nil, err
		}
		words = append(words, took)
	}
	return filters, words, glance, nil
}

// threeFilters asks as people do: for a status, and for two things besides.
func threeFilters(random *rand.Rand) boardapi.TaskListIn {
	in := boardapi.TaskListIn{Project: boardName, Limit: 50}
	in.Status = boardapi.Choices{string([]orchestron.TaskStatus{orchestron.ToDo, orchestron.InProgress, orchestron.Done}[random.IntN(3)])}
	switch random.IntN(4) {
	case 0:
		in.Type, in.Priority = boardapi.Choices{string(orchestron.Job)}, boardapi.Choices{string(orchestron.Priorities[random.IntN(4)])}
	case 1:
		in.Assignee, in.Sprint = workerName(random.IntN(50)), sprintName(random.IntN(20))
	case 2:
		in.Label, in.Priority = fmt.Sprintf("label%d", random.IntN(5)), boardapi.Choices{string(orchestron.Critical), string(orchestron.High)}
	default:
		in.Label, in.Assignee = fmt.Sprintf("area%d", random.IntN(50)), workerName(random.IntN(50))
	}
	return in
}

func (h *house) timeTasks(ctx context.Context, in boardapi.TaskListIn) (time.Duration, error) {
	began := time.Now()
	raw, err := h.client.Call(ctx, "orchestron_task_list", in, "", nil)
	took := time.Since(began)
	var out boardapi.TaskListOut
	if err == nil {
		err = json.Unmarshal(raw, &out)
	}
	if err == nil && out.Count > in.Limit {
		err = fmt.Errorf("%+v has %d tasks", in, out.Count)
	}
	return took, err
}

// updates times changes of tasks, in turns with bare commits, so that both see the same disk.
func (h *house) updates(ctx context.Context) (rows []row, err error) {
	commit, done, err := bareCommit(ctx, filepath.Join(h.dir, "bare.db"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, done()) }()
	var ours, bare times
	for i := range updateCalls {
		began := time.Now()
		if err := commit(); err != nil {
			return nil, err
		}
		middle := time.Now()
		progress := i % 100
		in := boardapi.TaskUpdateIn{TaskID: string(orchestron.TaskIDOf(int64(1 + i*331))), Notes: fmt.Sprintf("what happened, %d", i)}
		if i%2 == 0 {
			in.Estimate = new(float64)
			*in.Estimate = float64(progress)
		}
		if err := h.call(ctx, "orchestron_task_update", in, nil); err != nil {
			return nil, err
		}
		bare, ours = append(bare, middle.Sub(began)), append(ours, time.Since(middle))
	}
	return []row{ours.over("task_update acknowledged, durable, 100,000 tasks", bare, "a bare FULL commit", 2, 0)}, nil
}

// claims measures how many tasks claimers get that claim at once, each as fast as it is answered.
func (h *house) claims(ctx context.Context) ([]row, error) {
	var mu sync.Mutex
	owner := map[orchestron.TaskID]int{}
	var took times
	var trouble error
	var g sync.WaitGroup
	began := time.Now()
	for i := range claimers {
		g.Go(func() {
			err := h.claim(ctx, i, func(id orchestron.TaskID, d time.Duration) {
				mu.Lock()
				defer mu.Unlock()
				owner[id]++
				took = append(took, d)
			})
			mu.Lock()
			defer mu.Unlock()
			trouble = errors.Join(trouble, err)
		})
	}
	g.Wait()
	rate := claimCalls / time.Since(began).Seconds()
	if trouble == nil && len(owner) != claimCalls {
		trouble = fmt.Errorf("%d claims gave %d tasks: some twice", claimCalls, len(owner))
	}
	r := row{
		Work: "claims by 32 at once, 100,000 tasks", Bar: fmt.Sprintf(">= %d /s, none double", claimRate), N: claimCalls, P50: rate, P99: rate, Unit: "/s",
		Note: fmt.Sprintf("each p50 %.1f p99 %.1f ms", ms(took.quantile(0.5)), ms(took.quantile(0.99))),
	}
	return []row{r.judged(claimRate / rate)}, trouble
}

// claim is one claimer, with a connection of its own.
func (h *house) claim(ctx context.Context, i int, given func(orchestron.TaskID, time.Duration)) error {
	c := client.Dial(filepath.Join(h.root, "run", "daemon.sock"), "")
	defer c.Close()
	for range claimCalls / claimers {
		began := time.Now()
		raw, err := c.Call(ctx, "orchestron_task_claim", boardapi.TaskClaimIn{Project: boardName, Assignee: "claimer " + workerName(i), Minutes: 60}, "", nil)
		if err != nil {
			return err
		}
		var t orchestron.Task
		if err := json.Unmarshal(raw, &t); err != nil {
			return err
		}
		given(t.ID, time.Since(began))
	}
	return nil
}

// push measures how long a thousand subscribers of one task wait until they are told that it changed.
func (h *house) push(ctx context.Context) ([]row, error) {
	var rows []row
	for _, modern := range []bool{false, true} {
		took, err := h.told(ctx, modern)
		if err != nil {
			return rows, err
		}
		r := took.row("one change told to 1,000 subscribers, " + map[bool]string{false: "2025-11-25", true: "2026-07-28"}[modern])
		r.Bar = fmt.Sprintf("p99 <= %g ms", ms(pushTime))
		rows = append(rows, r.judged(r.P99/ms(pushTime)))
	}
	return rows, nil
}

func (h *house) told(ctx context.Context, modern bool) (times, error) {
	var status daemon.Status
	if err := h.call(ctx, "get_daemon_status", nil, &status); err != nil {
		return nil, err
	}
	token, err := os.ReadFile(filepath.Join(h.root, "operator.token"))
	if err != nil {
		return nil, err
	}
	web := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	defer web.CloseIdleConnections()
	id := string(orchestron.TaskIDOf(boardTasks))
	crowd, err := audience.Gather(ctx, subscribers, "orchestron://tasks/"+id, func(int) audience.Door {
		return audience.Door{URL: status.URL + "/mcp", Token: strings.TrimSpace(string(token)), Modern: modern, HTTP: web}
	})
	if err != nil {
		return nil, err
	}
	defer crowd.Close()
	var all times
	for i := range pushes {
		took, err := crowd.Hear(ctx, func() error {
			return h.call(ctx, "orchestron_task_clarify", boardapi.TaskClarifyIn{TaskID: id, Text: fmt.Sprintf("something, %d", i)}, nil)
		})
		if err != nil {
			return nil, err
		}
		all = append(all, took...)
	}
	return all, nil
}

// weighed is the daemon's memory after all of that.
func (h *house) weighed(context.Context) ([]row, error) {
	r := row{Work: "daemon with 100,000 tasks, memory", Bar: fmt.Sprintf("peak <= %d MB", boardMemory), Unit: "MB", N: 1}
	if runtime.GOOS != "linux" {
		return []row{notMeasured(r.Work, r.Bar, "the system's /proc is needed")}, nil
	}
	pid := h.daemon.Process.Pid
	var err error
	if r.P50, err = resident(pid); err != nil {
		return nil, err
	}
	if r.P99, err = most(pid); err != nil {
		return nil, err
	}
	r.Note = "p50 is what it has at the end, p99 the most it ever had"
	return []row{r.judged(r.P99 / boardMemory)}, nil
}
