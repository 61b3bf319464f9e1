package foresight

// item is a node with what it is ordered by.
type item struct {
	key  float64
	node int32
}

func (a item) before(b item) bool { return a.key < b.key || a.key == b.key && a.node < b.node }

// heap is items of which the first is known. It is the standard library's, without the boxing of each item.
type heap []item

func (h *heap) push(x item) {
	all := append(*h, x)
	*h = all
	for i := len(all) - 1; i > 0; {
		up := (i - 1) / 2
		if !all[i].before(all[up]) {
			return
		}
		all[i], all[up] = all[up], all[i]
		i = up
	}
}

// pop takes the first out of a heap that is not empty.
func (h *heap) pop() item {
	all := *h
	first, last := all[0], len(all)-1
	all[0] = all[last]
	all = all[:last]
	*h = all
	for i := 0; ; {
		down := 2*i + 1
		if down >= last {
			return first
		}
		if down+1 < last && all[down+1].before(all[down]) {
			down++
		}
		if !all[down].before(all[i]) {
			return first
		}
		all[i], all[down] = all[down], all[i]
		i = down
	}
}
