package orchestron

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
)

// NewToken makes an agent's token: 256 random bits. Only its hash is kept.
func NewToken() string {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails
	return "orc_" + hex.EncodeToString(raw[:])
}

// TokenHash is what is kept of a token.
func TokenHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
