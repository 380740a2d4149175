package soak_test

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// diary is what happened of late: who wants to understand a violation needs what came before it.
type diary struct {
	mu    sync.Mutex
	lines [300]string
	next  int
}

func (d *diary) note(format string, args ...any) {
	line := time.Now().Format("15:04:05.0000 ") + fmt.Sprintf(format, args...)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines[d.next%len(d.lines)] = line
	d.next++
}

// last returns what is remembered, the oldest first.
func (d *diary) last() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var text strings.Builder
	for i := range d.lines {
		if line := d.lines[(d.next+i)%len(d.lines)]; line != "" {
			text.WriteString("\n  " + line)
		}
	}
	return text.String()
}
