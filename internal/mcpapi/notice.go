package mcpapi

import (
	"bytes"
	"encoding/json"

	"github.com/orchestron/orchestron"
)

// noticeField is beside what an operation answers: what else its caller should know.
const noticeField = "notice"

// noted adds to an answer what else its caller should know. The field stands in the answer itself, because clients show
// a model the structured content and nothing else.
func (s *Server) noted(actor orchestron.Actor, answer json.RawMessage) json.RawMessage {
	if len(answer) < 2 || answer[0] != '{' {
		return answer
	}
	text := s.cfg.Catalogue.Notice(actor)
	if text == "" {
		return answer
	}
	field, err := json.Marshal(map[string]string{noticeField: text})
	if err != nil {
		return answer
	}
	if string(answer) == "{}" {
		return field
	}
	return append(append(append([]byte(nil), field[:len(field)-1]...), ','), answer[1:]...)
}

// withNotice is the schema of an answer to which a notice may be added.
func withNotice(schema json.RawMessage) json.RawMessage {
	const member = `"properties":{`
	at := bytes.Index(schema, []byte(member))
	if at < 0 || bytes.Count(schema[:at], []byte("{")) != 1 { // it is open, or says nothing of its own members
		return schema
	}
	at += len(member)
	field := `"` + noticeField + `":{"type":"string","description":"what waits for you"}`
	if schema[at] != '}' {
		field += ","
	}
	return append(append(append([]byte(nil), schema[:at]...), field...), schema[at:]...)
}
