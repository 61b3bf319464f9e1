package main

import (
	"context"
	"time"
)

func claudeRows(ctx context.Context, s setting) ([]row, error) {
	_ = ctx
	_ = s
	return []row{notMeasured("x", "y", time.Now().String())}, nil
}
