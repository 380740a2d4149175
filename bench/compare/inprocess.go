package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/echocache/echocache/bench/internal/record"
	"github.com/echocache/echocache/bench/internal/target"
)

// inProcess measures a hit without a network. Each measurement has a process of its own, so that what one cache leaves
// behind, to the collector or in goroutines, is not paid for by the next.
func (r *runner) inProcess(ctx context.Context) error {
	names := []string{
		target.Echo, target.Ours, target.GinCache, target.Gin, target.Stampede, target.HTTPCache, target.EchoHTTP, target.Souin,
	}
	temp, err := os.MkdirTemp("", "compare")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(temp) }()
	out := map[string]bool{}
	for round := range r.rounds {
		program, err := r.laidOut(ctx, temp, round)
		if err != nil {
			return err
		}
		for _, size := range sizes {
			for _, parallel := range []bool{false, true} {
				name := record.Mode(size.name, parallel)
				for _, who := range shuffled(names) {
					if out[name+who] {
						continue
					}
					cost, err := hitOf(ctx, program, who, size.bytes, parallel, r.duration()/5)
					if ctx.Err() != nil {
						return ctx.Err()
					}
					if err != nil {
						out[name+who] = true
						r.drop(record.InProcess, name, who, err)
						continue
					}
					r.results.Add(record.InProcess, name, who, round, map[string]float64{
						record.Nanoseconds: cost.Nanoseconds, record.Bytes: cost.Bytes, record.Allocs: cost.Allocs,
					})
				}
			}
		}
	}
	return nil
}

// laidOut returns this program with its functions in the order of a round: the first is the linker's own. The order alone makes
// a tenth of what a hit takes, so that one order, whichever it is, would be measured with the code.
func (r *runner) laidOut(ctx context.Context, temp string, round int) (string, error) {
	if round == 0 {
		return os.Executable()
	}
	program := filepath.Join(temp, "compare")
	layout := fmt.Sprintf("-ldflags=-randlayout=%d", round)
	return program, goTool(ctx, filepath.Join(r.root, "bench"), "build", layout, "-o", program, "./compare")
}

// hitOf has a program measure one target.
func hitOf(ctx context.Context, program, who string, size int, parallel bool, lasts time.Duration) (target.Cost, error) {
	var cost target.Cost
	command := exec.CommandContext(ctx, program, roleHit, "-target", who, "-size", strconv.Itoa(size),
		fmt.Sprintf("-parallel=%t", parallel), "-benchtime", lasts.String())
	var complaint strings.Builder
	command.Stderr = &complaint
	out, err := command.Output()
	if err != nil {
		return cost, errors.Join(err, errors.New(strings.TrimSpace(complaint.String())))
	}
	return cost, json.Unmarshal(out, &cost)
}
