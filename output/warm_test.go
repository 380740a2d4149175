package output_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/echocache/echocache/output"
)

// asking makes requests of targets on shop.example, as a client would.
func asking(t *testing.T, targets ...string) []*http.Request {
	t.Helper()
	requests := make([]*http.Request, len(targets))
	for i, target := range targets {
		method := http.MethodGet
		if m, rest, ok := strings.Cut(target, " "); ok {
			method, target = m, rest
		}
		r, err := http.NewRequestWithContext(t.Context(), method, "http://shop.example"+target, nil)
		if err != nil {
			t.Fatal(err)
		}
		requests[i] = r
	}
	return requests
}

// warm calls Warm, which must not fail.
func warm(t *testing.T, app http.Handler, requests []*http.Request, c output.WarmConfig) output.WarmReport {
	t.Helper()
	report, err := output.Warm(t.Context(), app, requests, c)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// told is a result in short.
func told(r output.WarmResult) string {
	s := fmt.Sprintf("%d %d", r.Status, r.Bytes)
	for word, is := range map[string]bool{"stored": r.Stored, "hit": r.Hit, "collapsed": r.Collapsed} {
		if is {
			s += " " + word
		}
	}
	if r.Reason != "" {
		s += " " + r.Reason
	}
	if r.TTL != 0 {
		s += " " + r.TTL.String()
	}
	if r.Err != nil {
		s += ": " + r.Err.Error()
	}
	return s
}

func toldAll(r output.WarmReport) []string {
	var all []string
	for _, one := range r.Results {
		all = append(all, told(one))
	}
	return all
}

// bazaar has a route for every way in which a request can end.
func bazaar(cache *output.Cache) http.Handler {
	mux := http.NewServeMux()
	page := output.For(time.Minute).Jitter(0)
	mux.Handle("/pages/{id}", cache.Handler(page, slow(0)))
	mux.Handle("GET /basket", cache.Handler(page, set("Set-Cookie", "a=b")))
	mux.Handle("GET /off", cache.Handler(output.Off(), slow(0)))
	mux.Handle("GET /plain", slow(0))
	mux.Handle("GET /silent", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	mux.Handle("GET /panics", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("oh") }))
	mux.Handle("GET /cached-panics", cache.Handler(page, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("oh") })))
	mux.Handle("GET /aborts", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		panic(http.ErrAbortHandler)
	}))
	mux.Handle("GET /exits", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { runtime.Goexit() }))
	mux.Handle("GET /wrong-status", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(7) }))
	mux.Handle("GET /streams", cache.Handler(page, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		_, _ = io.WriteString(w, "part")
		w.(http.Flusher).Flush()
		_, _ = io.WriteString(w, "rest")
	})))
	mux.Handle("GET /none", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
		w.WriteHeader(http.StatusOK)
		if _, err := io.WriteString(w, "x"); !errors.Is(err, http.ErrBodyNotAllowed) {
			panic(err)
		}
	}))
	return mux
}

func TestWarm(t *testing.T) {
	t.Parallel()
	cache := newCache(t, output.Config{User: func(r *http.Request) string { return r.Header.Get("X-User") }})
	app := bazaar(cache)
	want := [][2]string{
		{"/pages/1", "200 4 stored 1m0s"},
		{"/pages/1?a=b", "200 4 stored 1m0s"},
		{"HEAD /pages/2", "200 0 head"},
		{"PUT /pages/3", "200 4 method"},
		{"/basket", "200 4 set-cookie"},
		{"/off", "200 4 policy-off"},
		{"/plain", "200 4 no-cache-status"},
		{"/silent", "200 0 no-cache-status"},
		{"/missing", "404 19 no-cache-status"},
		{"/streams", "200 8 streamed"},
		{"/none", "204 0 no-cache-status"},
		{"/panics", "0 0 panic: output: warm: the handler panicked: oh"},
		{"/cached-panics", "0 0 panic: output: warm: the handler panicked: oh"},
		{"/aborts", "200 4 panic: output: warm: the handler panicked: net/http: abort Handler"},
		{"/exits", "0 0 panic: output: warm: the handler ended its goroutine"},
		{"/wrong-status", "0 0 panic: output: warm: the handler panicked: invalid WriteHeader code 7"},
		{"/pages/4", "200 4 signed-in"},
	}
	var targets, results []string
	for _, row := range want {
		targets, results = append(targets, row[0]), append(results, row[1])
	}
	requests := asking(t, targets...)
	requests[len(requests)-1].Header.Set("X-User", "a")
	report := warm(t, app, requests, output.WarmConfig{Concurrency: 2})
	if d := cmp.Diff(results, toldAll(report)); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	for i, r := range report.Results {
		if r.Request != requests[i] {
			t.Errorf("result %d is of another request", i)
		}
		if errors.Is(r.Err, http.ErrAbortHandler) != (targets[i] == "/aborts") {
			t.Errorf("%s: %v", targets[i], r.Err)
		}
	}
	const line = "warmed 2 of 17: 2 stored, 0 hit; not stored: 5 panic, 4 no-cache-status, " +
		"1 head, 1 method, 1 policy-off, 1 set-cookie, 1 signed-in, 1 streamed"
	if s := report.String(); s != line {
		t.Errorf("%s\nnot %s", s, line)
	}

	// The second time they are there, for a HEAD as well.
	again := warm(t, app, asking(t, "/pages/1", "/pages/1?a=b", "HEAD /pages/1"), output.WarmConfig{})
	if s := again.String(); s != "warmed 3 of 3: 0 stored, 3 hit" || again.Hit != 3 {
		t.Error(s)
	}
	if r := again.Results[2]; told(r) != "200 0 hit 1m0s" && told(r) != "200 0 hit 59s" {
		t.Error(told(r))
	}
	// And there is nothing there for those who ask for another host.
	r := asking(t, "/pages/1")
	r[0].URL.Host = "other.example"
	r[0].Host = ""
	if s := told(warm(t, app, r, output.WarmConfig{}).Results[0]); s != "200 4 stored 1m0s" {
		t.Error(s)
	}
}

// What a real client then asks for over a real connection is there.
func TestWarmIsForRealClients(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(http.Handler) *httptest.Server{
		"http": httptest.NewServer, "https": httptest.NewTLSServer,
	} {
		cache := newCache(t, output.Config{User: func(r *http.Request) string { user, _, _ := r.BasicAuth(); return user }})
		mux := http.NewServeMux()
		mux.Handle("GET /", cache.Handler(output.For(time.Minute).PerUser(), slow(0)))
		server := start(mux)
		defer server.Close()
		address := strings.Replace(server.URL, "://", "://anna:secret@", 1) + "?a=%2f"
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		if s := warm(t, mux, []*http.Request{r}, output.WarmConfig{}).String(); s != "warmed 1 of 1: 1 stored, 0 hit" {
			t.Error(name, s)
		}
		answer, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := answer.Body.Close(); err != nil {
			t.Error(err)
		}
		if said := answer.Header.Get("Cache-Status"); !strings.Contains(said, "; hit;") {
			t.Error(name, said)
		}
	}
}

// Without a Cache-Status the pages are stored, and the report cannot say so. A short one says less.
func TestWarmWithLessStatus(t *testing.T) {
	t.Parallel()
	for mode, want := range map[output.Status]string{
		output.StatusShort: "warmed 1 of 3: 1 stored, 0 hit; not stored: 1 bypass, 1 uri-miss",
		output.StatusOff:   "warmed 0 of 3: 0 stored, 0 hit; not stored: 3 no-cache-status",
	} {
		app := bazaar(newCache(t, output.Config{Status: mode}))
		requests := asking(t, "/pages/1", "/off", "/basket")
		if s := warm(t, app, requests, output.WarmConfig{}).String(); s != want {
			t.Errorf("%d: %s", mode, s)
		}
		if mode == output.StatusOff && len(ask(app, http.MethodGet).Header()["Cache-Status"]) > 0 {
			t.Error("a Cache-Status")
		}
	}
}

// One URL asked for many times at once runs its handler once.
func TestWarmCollapsesDuplicates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := serve(t, output.Config{}, output.For(time.Minute).Jitter(0), slow(time.Second))
		report := warm(t, p, asking(t, "/", "/", "/", "/", "/"), output.WarmConfig{Concurrency: 3})
		if n := p.runs.Load(); n != 1 {
			t.Errorf("%d runs", n)
		}
		if s := report.String(); s != "warmed 5 of 5: 1 stored, 2 hit, 2 collapsed" {
			t.Error(s)
		}
		got := toldAll(report)
		slices.Sort(got)
		want := []string{"200 4 collapsed 1m0s", "200 4 collapsed 1m0s", "200 4 hit 1m0s", "200 4 hit 1m0s", "200 4 stored 1m0s"}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
	})
}

// As many are under way as it says, and never more.
func TestWarmConcurrency(t *testing.T) {
	for name, row := range map[string]struct{ given, requests, want int }{
		"one":                  {1, 5, 1},
		"three":                {3, 10, 3},
		"more than there are":  {50, 4, 4},
		"the default":          {0, 40, min(2*runtime.GOMAXPROCS(0), 16)},
		"the default of a few": {0, 1, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			targets := make([]string, row.requests)
			for i := range targets {
				targets[i] = fmt.Sprint("/", i)
			}
			p := serve(t, output.Config{}, output.For(time.Minute), slow(time.Second))
			began := time.Now()
			report := warm(t, p, asking(t, targets...), output.WarmConfig{Concurrency: row.given})
			if top := int(p.top.Load()); top != row.want {
				t.Errorf("%s: %d at once, not %d", name, top, row.want)
			}
			if took, want := time.Since(began), time.Duration((row.requests+row.want-1)/row.want)*time.Second; took != want {
				t.Errorf("%s: took %s, not %s", name, took, want)
			}
			if report.Stored != row.requests || report.Results[0].Duration != time.Second {
				t.Errorf("%s: %s %s", name, report, report.Results[0].Duration)
			}
		})
	}
}

// Progress hears of the requests in the order in which they end, one at a time, and nothing new starts meanwhile.
func TestWarmProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		delays := map[string]time.Duration{"/a": 5 * time.Second, "/b": time.Second, "/c": 3 * time.Second, "/d": time.Second}
		var running, inProgress atomic.Int64
		app := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			running.Add(1)
			defer running.Add(-1)
			time.Sleep(delays[r.URL.Path])
		})
		var heard []string
		report := warm(t, app, asking(t, "/a", "/b", "/c", "/d"), output.WarmConfig{
			Concurrency: 3,
			Progress: func(p output.WarmProgress) {
				if inProgress.Add(1) != 1 {
					t.Error("two at a time")
				}
				defer inProgress.Add(-1)
				before := running.Load()
				synctest.Wait()
				if n := running.Load(); n != before {
					t.Errorf("%d running, %d before", n, before)
				}
				heard = append(heard, fmt.Sprint(p.Done, "/", p.Total, " ", p.Result.Request.URL.Path, " ", p.Result.Duration))
			},
		})
		want := []string{"1/4 /b 1s", "2/4 /d 1s", "3/4 /c 3s", "4/4 /a 5s"}
		if d := cmp.Diff(want, heard); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
		for i, path := range []string{"/a", "/b", "/c", "/d"} {
			if got := report.Results[i].Request.URL.Path; got != path {
				t.Errorf("result %d is of %s", i, got)
			}
		}
	})
}

func TestWarmMistakes(t *testing.T) {
	t.Parallel()
	app := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("something was started") })
	fine := asking(t, "/")[0]
	hostless, spaced := fine.Clone(t.Context()), fine.Clone(t.Context())
	hostless.Host, hostless.URL.Host = "", ""
	spaced.URL.Opaque = "//shop.example/\x00"
	for want, row := range map[string]struct {
		app      http.Handler
		requests []*http.Request
		config   output.WarmConfig
	}{
		"WarmConfig.Concurrency is -1: use 0": {app, []*http.Request{fine}, output.WarmConfig{Concurrency: -1}},
		"app is nil":                          {nil, []*http.Request{fine}, output.WarmConfig{}},
		"requests[1] has no URL":              {app, []*http.Request{fine, nil}, output.WarmConfig{}},
		"requests[0] has no URL":              {app, []*http.Request{{}}, output.WarmConfig{}},
		"requests[1] (/) names no host":       {app, []*http.Request{fine, hostless}, output.WarmConfig{}},
		"requests[0]: no server would take":   {app, []*http.Request{spaced}, output.WarmConfig{}},
	} {
		if report, err := output.Warm(t.Context(), row.app, row.requests, row.config); err == nil || !strings.Contains(err.Error(), want) || report.Requests != 0 {
			t.Errorf("%q: %v", want, err)
		}
	}
}
