package main

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestReadConfig(t *testing.T) {
	t.Parallel()
	defaults := config{Addr: "127.0.0.1:8080", Latency: 20 * time.Millisecond, Version: "dev", PageTTL: 5 * time.Minute}
	for name, row := range map[string]struct {
		env  map[string]string
		want config
		err  string
	}{
		"defaults": {nil, defaults, ""},
		"all": {
			map[string]string{"ADDR": ":1", "DATABASE": "x.db", "DB_LATENCY": "1s", "VERSION": "v2", "WARM": "1", "PAGE_TTL": "2s", "FAIL_RATE": "0.5"},
			config{Addr: ":1", Database: "x.db", Latency: time.Second, Version: "v2", Warm: true, PageTTL: 2 * time.Second, FailRate: 0.5}, "",
		},
		"no latency":       {map[string]string{"DB_LATENCY": "0"}, config{Addr: "127.0.0.1:8080", Version: "dev", PageTTL: 5 * time.Minute}, ""},
		"a mere number":    {map[string]string{"DB_LATENCY": "20"}, config{}, `DB_LATENCY is "20"`},
		"cold":             {map[string]string{"WARM": "0"}, defaults, ""},
		"lukewarm":         {map[string]string{"WARM": "yes"}, config{}, `WARM is "yes"`},
		"pages of no time": {map[string]string{"PAGE_TTL": "0"}, config{}, `PAGE_TTL is "0"`},
		"more than all":    {map[string]string{"FAIL_RATE": "1.1"}, config{}, `FAIL_RATE is "1.1"`},
		"not a number":     {map[string]string{"FAIL_RATE": "NaN"}, config{}, `FAIL_RATE is "NaN"`},
		"before it is due": {map[string]string{"DB_LATENCY": "-1s"}, config{}, `DB_LATENCY is "-1s"`},
	} {
		got, err := readConfig(func(key string) string { return row.env[key] })
		if got != row.want || (err == nil) != (row.err == "") || err != nil && !strings.Contains(err.Error(), row.err) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// A shop says which release it is; the cache has it in every key.
func TestVersion(t *testing.T) {
	t.Parallel()
	s := testShop(t)
	type stats struct{ Name, Version string }
	if got := body[stats](t, get(t, s, "/debug/cache", http.StatusOK, "")); got != (stats{"shop", "test"}) {
		t.Errorf("%+v", got)
	}
	get(t, s, "/healthz", http.StatusOK, "")
}

// A start that fails leaves nothing behind.
func TestFailedStart(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	env := map[string]string{"ADDR": "127.0.0.1:no-such-port"}
	err := run(t.Context(), func(key string) string { return env[key] }, quiet())
	if err == nil || !strings.Contains(err.Error(), "ADDR") {
		t.Errorf("%v", err)
	}
}
