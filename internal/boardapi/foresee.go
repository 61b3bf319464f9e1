package boardapi

// PredictIn is the arguments of orchestron_predict_completion.
type PredictIn struct {
	TaskID  string `json:"taskId,omitempty" jsonschema:"a task with all below it"`
	Sprint  string `json:"sprint,omitempty"`
	Project string `json:"project,omitempty" jsonschema:"a board; without it that of the git repository you work in"`
}

// BoardIn is the arguments of operations on a whole board.
type BoardIn struct {
	Project string `json:"project,omitempty" jsonschema:"a board; without it that of the git repository you work in"`
}
