package daemon

import (
	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/driver"
)

type screenless struct{ *driver.Claude }

func (screenless) Screen(string) []orchestron.Fact { return nil }
