package boardapi

import "encoding/json"

// Choices is one value or a list of them.
type Choices []string

// UnmarshalJSON takes a string for a list of one.
func (c *Choices) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		*c = Choices{""}
		return json.Unmarshal(data, &(*c)[0])
	}
	return json.Unmarshal(data, (*[]string)(c))
}

// of returns the choices as words of a kind.
func of[T ~string](c Choices) []T {
	var all []T
	for _, s := range c {
		all = append(all, T(s))
	}
	return all
}
