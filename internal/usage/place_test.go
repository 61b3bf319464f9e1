package usage

import (
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/usageapi"
)

// TestTaskOf: what was held when, from what is known of the time around.
func TestTaskOf(t *testing.T) {
	at := func(second int) time.Time {
		if second == 0 {
			return time.Time{}
		}
		return noon.Add(time.Duration(second) * time.Second)
	}
	hold := func(task orchestron.TaskID, since, until int) usageapi.Hold {
		return usageapi.Hold{Task: task, Since: at(since), Until: at(until)}
	}
	for name, c := range map[string]struct {
		holds []usageapi.Hold
		want  string // the task at seconds 1, 3, 5, 7 and 9
	}{
		"nothing":              {nil, "     "},
		"held still":           {[]usageapi.Hold{hold("1", 3, 0)}, " 1111"},
		"held before":          {[]usageapi.Hold{hold("1", 0, 4)}, "11   "},
		"taken and given up":   {[]usageapi.Hold{hold("1", 3, 0), hold("1", 0, 7)}, " 11  "},
		"given up, taken":      {[]usageapi.Hold{hold("1", 0, 3), hold("1", 7, 0)}, "1  11"},
		"told twice":           {[]usageapi.Hold{hold("1", 3, 0), hold("1", 3, 0), hold("1", 0, 6), hold("1", 0, 6)}, " 11  "},
		"two, the last counts": {[]usageapi.Hold{hold("1", 1, 0), hold("2", 5, 0), hold("2", 0, 8)}, "11221"},
		"one in another":       {[]usageapi.Hold{hold("1", 0, 9), hold("2", 3, 0), hold("2", 0, 6)}, "1221 "},
	} {
		got := ""
		for second := 1; second < 10; second += 2 {
			task := taskOf(c.holds, at(second))
			if task == "" {
				task = " "
			}
			got += string(task)
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestTurnOf(t *testing.T) {
	turns := []usageapi.Turn{{ID: 1, Prompt: "p", Started: noon}, {ID: 2, Prompt: "p", Started: noon.Add(time.Minute)}, {ID: 3, Started: noon.Add(time.Hour)}}
	for _, c := range []struct {
		prompt string
		after  time.Duration
		want   int64
	}{{"", -1, 0}, {"", 0, 1}, {"", time.Minute, 2}, {"p", 2 * time.Minute, 1}, {"q", 2 * time.Minute, 2}, {"q", 2 * time.Hour, 3}} {
		if got := turnOf(turns, c.prompt, noon.Add(c.after)).ID; got != c.want {
			t.Errorf("prompt %q after %s belongs to turn %d, want %d", c.prompt, c.after, got, c.want)
		}
	}
}
