package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/echocache/echocache/bench/internal/record"
	"github.com/echocache/echocache/bench/internal/target"
)

// inProcess measures a hit without a network. Each measurement has a process of its own, so that what one cache leaves
// behind, to the collector or in goroutines, is not paid for by the next.
func (r *runner) inProcess(ctx context.Context) error {
	names := []string{
		target.Echo, target.Ours, target.GinCache, target.Gin, target.Stampede, target.HTTPCache, target.EchoHTTP, target.Souin,
	}
	out := map[string]bool{}
	for round := range r.rounds {
		for _, size := range sizes {
			for _, parallel := range []bool{false, true} {
				name := record.Mode(size.name, parallel)
				for _, who := range shuffled(names) {
					if out[name+who] {
						continue
					}
					cost, err := r.hitOf(ctx, who, size.bytes, parallel)
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

func (r *runner) hitOf(ctx context.Context, who string, size int, parallel bool) (target.Cost, error) {
	var cost target.Cost
	self, err := os.Executable()
	if err != nil {
		return cost, err
	}
	command := exec.CommandContext(ctx, self, roleHit, "-target", who, "-size", strconv.Itoa(size),
		fmt.Sprintf("-parallel=%t", parallel), "-benchtime", (r.duration() / 5).String())
	var complaint strings.Builder
	command.Stderr = &complaint
	out, err := command.Output()
	if err != nil {
		return cost, errors.Join(err, errors.New(strings.TrimSpace(complaint.String())))
	}
	return cost, json.Unmarshal(out, &cost)
}
