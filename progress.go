package orchestron

// Progress is how far a long operation has come. Done grows; Total is 0 when unknown.
type Progress struct {
	Done    float64 `json:"done"`
	Total   float64 `json:"total,omitempty"`
	Message string  `json:"message"`
}
