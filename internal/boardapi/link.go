package boardapi

import "github.com/orchestron/orchestron"

// Link is what a task of a file says of others.
type Link struct {
	Line      int
	Was, ID   orchestron.TaskID // in the file, and where it is imported
	Parent    orchestron.TaskID
	DependsOn []orchestron.TaskID
}

// Circle finds a task that depends on itself through others, and the one it depends on for that.
func Circle(links []Link) (*Link, orchestron.TaskID) {
	const under, done = 1, 2
	at := map[orchestron.TaskID]*Link{}
	for i := range links {
		at[links[i].Was] = &links[i]
	}
	state := make(map[orchestron.TaskID]int, len(links))
	type visit struct {
		link *Link
		next int
	}
	for i := range links {
		if state[links[i].Was] == done {
			continue
		}
		state[links[i].Was] = under
		for stack := []visit{{link: &links[i]}}; len(stack) > 0; {
			top := &stack[len(stack)-1]
			if top.next == len(top.link.DependsOn) {
				state[top.link.Was] = done
				stack = stack[:len(stack)-1]
				continue
			}
			on := top.link.DependsOn[top.next]
			top.next++
			switch other := at[on]; {
			case on == top.link.Was, state[on] == under:
				return top.link, on
			case other != nil && state[on] == 0:
				state[on] = under
				stack = append(stack, visit{link: other})
			}
		}
	}
	return nil, ""
}
