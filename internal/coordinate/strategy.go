package coordinate

import "github.com/orchestron/orchestron/internal/coordinateapi"

// share divides tasks among managers that have so much to do already. It returns the indexes of the tasks that each
// gets, and how many are left over: those for which capacity-aware finds no room. slots is the room of each.
func share(strategy coordinateapi.Strategy, tasks []int, loads []int, slots int) (given [][]int, left []int) {
	given = make([][]int, len(loads))
	loads = append([]int{}, loads...)
	for i, task := range tasks {
		to := i % max(len(loads), 1)
		switch strategy {
		case coordinateapi.RoundRobin:
		case coordinateapi.LeastLoaded, coordinateapi.CapacityAware:
			to = least(loads)
		}
		if len(loads) == 0 || strategy == coordinateapi.CapacityAware && loads[to] >= slots {
			return given, tasks[i:]
		}
		given[to] = append(given[to], task)
		loads[to]++
	}
	return given, nil
}

// least is the first of those with the smallest load.
func least(loads []int) int {
	best := 0
	for i, load := range loads {
		if load < loads[best] {
			best = i
		}
	}
	return best
}
