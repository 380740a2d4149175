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

	"github.com/echocache/echocache/bench/internal/record"
	"github.com/echocache/echocache/bench/internal/target"
)

// inProcess measures a hit without a network. Each measurement has a process of its own, so that what one cache leaves
// behind, to the collector or in goroutines, is not paid for by the next; and each round has a program of its own, in which
// the linker has put the functions in another order: where they lie makes a tenth of such a figure.
func (r *runner) inProcess(ctx context.Context) (err error) {
	temp, err := os.MkdirTemp("", "layouts")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	names := []string{
		target.Echo, target.Ours, target.GinCache, target.Gin, target.Stampede, target.HTTPCache, target.EchoHTTP, target.Souin,
	}
	out := map[string]bool{}
	for round := range r.rounds {
		program, err := r.laidOut(ctx, temp, round+1)
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
					cost, err := r.hitOf(ctx, program, who, size.bytes, parallel)
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

// laidOut builds this program in an order of its functions that no other round has. It takes the place of the one before.
func (r *runner) laidOut(ctx context.Context, dir string, round int) (string, error) {
	program := filepath.Join(dir, "compare")
	command := exec.CommandContext(ctx, "go", "build", "-ldflags=-randlayout="+strconv.Itoa(round), "-o", program, "./compare")
	command.Dir, command.Env = filepath.Join(r.root, "bench"), append(os.Environ(), "GOWORK=off")
	if out, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the program of round %d: %w: %s", round, err, out)
	}
	return program, nil
}

// hitOf has a program measure a target.
func (r *runner) hitOf(ctx context.Context, program, who string, size int, parallel bool) (target.Cost, error) {
	var cost target.Cost
	command := exec.CommandContext(ctx, program, roleHit, "-target", who, "-size", strconv.Itoa(size),
		fmt.Sprintf("-parallel=%t", parallel), "-benchtime", (r.duration() / 5).String())
	var complaint strings.Builder
	command.Stderr = &complaint
	out, err := command.Output()
	if err != nil {
		return cost, errors.Join(err, errors.New(strings.TrimSpace(complaint.String())))
	}
	return cost, json.Unmarshal(out, &cost)
}
