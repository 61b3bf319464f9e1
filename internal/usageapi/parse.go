package usageapi

import (
	"fmt"
	"strconv"
)

// Parser reads one line of the records that an agent's program keeps of its model calls. Most lines tell of none. state
// is what the parser said of the line before, and empty at the beginning of a file. An error means that the line may
// have told of a call and makes no sense.
type Parser func(line []byte, state string) (Line, error)

// Line is what a line says.
type Line struct {
	Entry  Entry
	Called bool   // Entry is a call
	State  string // what the parser wants to be told again with the next line; it is kept durably
}

// MostTokens is more than any call takes. What claims more is no record of a call.
const MostTokens = 1_000_000_000_000

// Count is a number of tokens. Anything else that stands in its place is refused: a total with a wrong number in it
// would be worse than one without.
type Count int64

// UnmarshalJSON reads a whole number from 0 to MostTokens, and null as 0.
func (c *Count) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	n, err := strconv.ParseInt(string(data), 10, 64)
	if err != nil || n < 0 || n >= MostTokens {
		return fmt.Errorf("%.40s is no number of tokens", data)
	}
	*c = Count(n)
	return nil
}
