package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"github.com/echocache/echocache/bench/internal/record"
)

// machine describes where we are, without a name of anybody.
func machine() record.Machine {
	return record.Machine{
		CPU: field("/proc/cpuinfo", "model name"), Cores: runtime.NumCPU(), Memory: memory(),
		Kernel: kernel(), Go: runtime.Version(), LoadAvg: loadAverage(),
	}
}

// field returns the value of the first line "name : value" of a file, or "unknown".
func field(file, name string) string {
	data, err := os.ReadFile(file)
	if err != nil {
		return "unknown"
	}
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

func memory() string {
	kilobytes, err := strconv.Atoi(strings.TrimSuffix(field("/proc/meminfo", "MemTotal"), " kB"))
	if err != nil {
		return "unknown"
	}
	return fmt.Sprintf("%d GiB", (kilobytes+(1<<19))>>20)
}

// release is the part of a kernel's version that says which one it is; what follows may name a builder.
var release = regexp.MustCompile(`^\d+(\.\d+)*`)

func kernel() string {
	data, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return runtime.GOOS
	}
	return "Linux " + release.FindString(string(data))
}

func loadAverage() string {
	data, err := os.ReadFile("/proc/loadavg")
	fields := strings.Fields(string(data))
	if err != nil || len(fields) == 0 {
		return "unknown"
	}
	return fields[0]
}

// compared are the modules whose versions matter.
var compared = []string{
	"github.com/labstack/echo/v4", "github.com/SporkHubr/echo-http-cache", "github.com/darkweak/souin",
	"github.com/go-chi/stampede", "github.com/victorspringer/http-cache", "github.com/gin-gonic/gin",
	"github.com/chenyahui/gin-cache", "github.com/redis/go-redis/v9", "github.com/patrickmn/go-cache",
	"github.com/maypok86/otter/v2", "github.com/Yiling-J/theine-go", "github.com/viccon/sturdyc", "github.com/go-redis/cache/v9",
}

var programs = []struct {
	name string
	args []string
}{
	{"redis-server", []string{"--version"}}, {"wrk", []string{"-v"}}, {"varnishd", []string{"-V"}}, {"nginx", []string{"-v"}},
}

// versions records what is compared: modules as this binary was built with, or else as go.mod has them for the tests,
// and programs as they say themselves.
func (r *runner) versions(ctx context.Context) {
	built := map[string]string{}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			built[m.Path] = m.Version
		}
	}
	for path, version := range required(filepath.Join(r.root, "bench", "go.mod")) {
		if built[path] == "" {
			built[path] = version
		}
	}
	for _, path := range compared {
		r.results.Versions = append(r.results.Versions, record.Version{Name: path, Version: built[path]})
	}
	for _, p := range programs {
		out, _ := exec.CommandContext(ctx, p.name, p.args...).CombinedOutput() // wrk -v ends with a status of 1
		if v := number.FindString(string(out)); v != "" {
			r.results.Versions = append(r.results.Versions, record.Version{Name: p.name, Version: v})
		}
	}
}

var number = regexp.MustCompile(`\d+\.\d+(\.\d+)*`)

// required reads the requirements of a go.mod.
func required(file string) map[string]string {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	versions := map[string]string{}
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); len(fields) >= 2 && slices.Contains(compared, fields[0]) {
			versions[fields[0]] = fields[1]
		}
	}
	return versions
}
