package record

import (
	"fmt"
	"os"
	"strings"
)

// procStart is when this process started, in the kernel's clock ticks.
func procStart() string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", os.Getpid()))
	if err != nil {
		return ""
	}
	_, after, _ := strings.Cut(string(stat), ") ") // the name may hold anything but this
	if fields := strings.Fields(after); len(fields) > 19 {
		return fields[19]
	}
	return ""
}
