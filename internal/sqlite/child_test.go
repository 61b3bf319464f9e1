package sqlite

func writeUntilKilled(path string) {}

func failFsync(path string) {}
