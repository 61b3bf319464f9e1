package coordinate

import "github.com/orchestron/orchestron/internal/coordinateapi"

// manager is one that tasks can be given to.
type manager struct {
	load int  // what it has to do already
	away bool // it can begin nothing now
}

// share divides tasks among managers. It returns the indexes of the tasks that each gets, and how many are left over:
// those for which capacity-aware finds no room. slots is the room of each. Whoever is away has no room, and gets
// something of least-loaded only when all are.
func share(strategy coordinateapi.Strategy, tasks []int, managers []manager, slots int) (given [][]int, left []int) {
	given = make([][]int, len(managers))
	managers = append([]manager{}, managers...)
	for i, task := range tasks {
		if len(managers) == 0 {
			return given, tasks[i:]
		}
		to := i % len(managers)
		if strategy != coordinateapi.RoundRobin {
			to = least(managers)
		}
		if strategy == coordinateapi.CapacityAware && (managers[to].away || managers[to].load >= slots) {
			return given, tasks[i:]
		}
		given[to] = append(given[to], task)
		managers[to].load++
	}
	return given, nil
}

// least is the first of those that are there with the smallest load, and of all when none is there.
func least(managers []manager) int {
	best := 0
	for i, m := range managers {
		if b := managers[best]; m.away == b.away && m.load < b.load || b.away && !m.away {
			best = i
		}
	}
	return best
}
