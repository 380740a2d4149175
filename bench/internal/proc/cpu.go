package proc

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit in which Linux tells processor time, on every architecture that Go knows.
const tick = time.Second / 100

// CPU returns the processor time that the process and all of its descendants have used. It needs /proc, hence Linux.
func (p *Process) CPU() (time.Duration, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(stats) == 0 {
		return 0, fmt.Errorf("proc: no /proc: %w", os.ErrNotExist)
	}
	used, parents := map[int]time.Duration{}, map[int]int{}
	for _, name := range stats {
		line, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended meanwhile
		}
		if id, parent, cpu, err := parseStat(line); err == nil {
			used[id], parents[id] = cpu, parent
		}
	}
	if _, ok := used[p.ID()]; !ok {
		return 0, fmt.Errorf("proc: process %d has ended: %s", p.ID(), p.log)
	}
	var sum time.Duration
	for id, cpu := range used {
		if descends(id, p.ID(), parents) {
			sum += cpu
		}
	}
	return sum, nil
}

func descends(id, from int, parents map[int]int) bool {
	for range len(parents) { // a process that began while we read may make a circle
		if id == from {
			return true
		}
		parent, ok := parents[id]
		if !ok {
			return false
		}
		id = parent
	}
	return false
}

// parseStat reads a line of /proc/PID/stat. The name in it may contain blanks and parentheses.
func parseStat(line []byte) (id, parent int, cpu time.Duration, err error) {
	begin, end := bytes.IndexByte(line, '('), bytes.LastIndexByte(line, ')')
	if begin < 0 || end < begin {
		return 0, 0, 0, fmt.Errorf("proc: %q", line)
	}
	if id, err = strconv.Atoi(strings.TrimSpace(string(line[:begin]))); err != nil {
		return 0, 0, 0, fmt.Errorf("proc: %w", err)
	}
	fields := strings.Fields(string(line[end+1:])) // from the state on, which is the third field
	if len(fields) < 13 {
		return 0, 0, 0, fmt.Errorf("proc: %q", line)
	}
	user, err1 := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	parent, err3 := strconv.Atoi(fields[1])
	if err1 != nil || err2 != nil || err3 != nil {
		return 0, 0, 0, fmt.Errorf("proc: %q", line)
	}
	return id, parent, time.Duration(user+system) * tick, nil
}
