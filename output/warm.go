package output

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Reason words of a [WarmResult] that no Cache-Status field says.
const (
	reasonNoCacheStatus = "no-cache-status" // the route is not cached, or Config.Status is StatusOff
	reasonCancelled     = "cancelled"       // the request was cut short
)

// maxWarmers bounds the default of WarmConfig.Concurrency: the application may have its own traffic already.
const maxWarmers = 16

// WarmConfig says how [Warm] goes about it. The zero value works.
type WarmConfig struct {
	// Concurrency is how many requests are under way at once. More than the cache's MaxFills gains nothing: the excess
	// waits there, and may be refused. 0: twice GOMAXPROCS, at most 16.
	Concurrency int
	// Progress hears of every request that has ended, in the order in which they end. It is called in the goroutine that
	// called Warm, which starts no further request until it returns. Nil: nobody does.
	Progress func(WarmProgress)
	// Name is the Config.Name of the cache whose Cache-Status counts, for an application that passes on what other
	// caches say. Empty: that of the last cache the field names, which is the nearest to the client.
	Name string
}

// WarmProgress is how far [Warm] has come.
type WarmProgress struct {
	Done   int        // requests that have ended, with this one
	Total  int        // requests given
	Result WarmResult // of the one that has just ended
}

// WarmResult is what became of one request.
type WarmResult struct {
	Request *http.Request // as it was given
	Status  int           // of the answer; 0 if there was none
	Bytes   int64         // of the answer's body
	Stored  bool          // the request ran the handler, and its answer is kept
	Hit     bool          // the answer was there already
	// Collapsed says that the answer is one which another request was filling at the time. That request's result says
	// whether it is kept.
	Collapsed bool
	// Reason is empty if one of the above is true. Otherwise it is the word of the cache (see Stats.Reasons), with what
	// belongs to it after a colon; what RFC 9211 calls fwd if Config.Status is StatusShort; "no-cache-status" if no cache
	// says anything (the route is not cached, or StatusOff); "panic"; "cancelled"; or "error" if the request could not be
	// made.
	Reason string
	TTL    time.Duration // how long the answer is kept from now on, in whole seconds; 0 if that is not known
	// Err is that of a panic ([http.ErrAbortHandler] can be found in it), of a context that ended before there was an
	// answer to keep, or of GetBody. An answer that tells of an error has none: see Status.
	Err      error
	Duration time.Duration
}

// WarmReport is what became of all requests.
type WarmReport struct {
	Requests  int            // given
	Stored    int            //
	Hit       int            //
	Collapsed int            //
	NotStored map[string]int // the rest, by reason
	Results   []WarmResult   // of those that were started, in the order in which they were given
}

// String returns one line for a log: "warmed 12 of 14: 11 stored, 1 hit; not stored: 2 signed-in".
func (r WarmReport) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "warmed %d of %d: %d stored, %d hit", r.Stored+r.Hit+r.Collapsed, r.Requests, r.Stored, r.Hit)
	if r.Collapsed > 0 {
		fmt.Fprintf(&b, ", %d collapsed", r.Collapsed)
	}
	before := "; not stored: "
	byCount := func(a, b string) int { return cmp.Or(r.NotStored[b]-r.NotStored[a], strings.Compare(a, b)) }
	for _, reason := range slices.SortedFunc(maps.Keys(r.NotStored), byCount) {
		fmt.Fprintf(&b, "%s%d %s", before, r.NotStored[reason], reason)
		before = ", "
	}
	if left := r.Requests - len(r.Results); left > 0 {
		fmt.Fprintf(&b, "; not started: %d", left)
	}
	return b.String()
}

// Warm fills the cache before traffic comes, by asking app, the whole application, for pages as clients would. It
// returns when all requests have ended, and leaves no goroutine behind.
//
// Host and scheme are part of the key: the requests must name the host that clients will use, and where the application
// sees TLS an https URL (behind a proxy that ends TLS: the header by which the application knows). A request that carries
// credentials fills that user's entries. Only a GET fills anything.
//
// The requests are not changed and may be given again, but for a body without GetBody. What a server sets is set on
// copies. A panic of app is the result of the request at which it happens. Answers are counted, not kept.
//
// Each request runs in its own context, which ends with ctx as well. When ctx ends, no further request is started, and
// Warm returns ctx's error with the report so far once those under way have ended. A fill does not end before its
// handler does: give ctx a deadline, which the handler sees, rather than cancel it. Any other error is a mistake in the
// arguments, and then nothing was started. A page that was not stored is not an error: see the report.
//
// What was stored is read in the answers' Cache-Status. With StatusOff pages are stored, and the report cannot say so.
func Warm(ctx context.Context, app http.Handler, requests []*http.Request, c WarmConfig) (WarmReport, error) {
	if err := c.check(app, requests); err != nil {
		return WarmReport{}, err
	}
	limit := c.Concurrency
	if limit == 0 {
		limit = min(2*runtime.GOMAXPROCS(0), maxWarmers)
	}
	limit = min(limit, len(requests))
	w := &warming{
		app: app, config: c, report: WarmReport{Requests: len(requests), NotStored: map[string]int{}},
		results: make([]WarmResult, len(requests)), ended: make(chan int, limit),
	}
	err := w.run(ctx, requests, limit)
	w.report.Results = w.results[:w.started:w.started]
	return w.report, err
}

// check finds mistakes in what Warm is given.
func (c *WarmConfig) check(app http.Handler, requests []*http.Request) error {
	if c.Concurrency < 0 {
		return fmt.Errorf("output: WarmConfig.Concurrency is %d: use 0 for twice GOMAXPROCS, at most %d", c.Concurrency, maxWarmers)
	}
	if app == nil {
		return errors.New("output: Warm: app is nil: give the application's handler")
	}
	for i, r := range requests {
		switch {
		case r == nil || r.URL == nil:
			return fmt.Errorf("output: Warm: requests[%d] has no URL: make it with http.NewRequestWithContext", i)
		case r.Host == "" && r.URL.Host == "":
			return fmt.Errorf("output: Warm: requests[%d] (%s) names no host, which is part of the key: use an absolute URL", i, r.URL.Path)
		}
		if _, err := url.ParseRequestURI(r.URL.RequestURI()); err != nil {
			return fmt.Errorf("output: Warm: requests[%d]: no server would take its URL: %w", i, err)
		}
	}
	return nil
}

// warming is one call of Warm. Its fields belong to the caller's goroutine, but for the results of the requests under
// way, each of which is its own goroutine's until it has sent its index to ended.
type warming struct {
	app     http.Handler
	config  WarmConfig
	report  WarmReport
	results []WarmResult
	started int
	ended   chan int // has room for all that are under way, so that sending is the last thing a goroutine does
}

// run has every request run in a goroutine of its own, so that a handler which ends its goroutine costs one result.
func (w *warming) run(ctx context.Context, requests []*http.Request, limit int) error {
	inner, cancel := context.WithCancel(ctx)
	running, cut := 0, false
	defer func() {
		// Nothing is under way any more, unless Progress has panicked.
		cancel()
		for ; running > 0; running-- {
			<-w.ended
		}
	}()
	for done := 0; ; {
		for running < limit && w.started < len(requests) && ctx.Err() == nil {
			go w.ask(inner, requests[w.started], w.started)
			w.started++
			running++
		}
		if running == 0 {
			break
		}
		one := &w.results[<-w.ended]
		running--
		done++
		w.count(one)
		cut = cut || one.Err != nil && ctx.Err() != nil
		if w.config.Progress != nil {
			w.config.Progress(WarmProgress{Done: done, Total: len(requests), Result: *one})
		}
	}
	if err := ctx.Err(); err != nil && (cut || w.started < len(requests)) {
		return fmt.Errorf("output: warm: %w", err)
	}
	return nil
}

func (w *warming) count(one *WarmResult) {
	switch {
	case one.Stored:
		w.report.Stored++
	case one.Hit:
		w.report.Hit++
	case one.Collapsed:
		w.report.Collapsed++
	default:
		w.report.NotStored[one.Reason]++
	}
}

// ask runs one request and notes its result, whatever happens.
func (w *warming) ask(ctx context.Context, given *http.Request, index int) {
	began := time.Now()
	own, release := joined(given.Context(), ctx)
	answer := &warmWriter{ctx: own, header: http.Header{}, head: given.Method == http.MethodHead}
	result := &w.results[index]
	result.Request = given
	returned := false
	defer func() {
		if !returned {
			result.Reason, result.Err = reasonPanic, panicked(recover())
		}
		result.Status, result.Bytes = answer.status, answer.bytes
		result.Duration = time.Since(began)
		release()
		w.ended <- index
	}()
	r, err := served(own, given)
	if err != nil {
		returned = true
		result.Reason, result.Err = reasonError, fmt.Errorf("output: warm: open the request's body: %w", err)
		return
	}
	body := r.Body // the handler may put another one in its place
	w.app.ServeHTTP(answer, r)
	returned = true
	_ = body.Close() // as a server does
	result.settle(answer, own.Err(), w.config.Name)
}

// settle notes the answer of a handler that returned. ended is why its context has ended, or nil.
func (r *WarmResult) settle(w *warmWriter, ended error, name string) {
	if ended == nil {
		w.finish()
	}
	r.judge(w.said, name)
	if ended == nil || r.Reason == "" {
		return
	}
	r.Err = ended
	if r.Reason == reasonNoCacheStatus {
		r.Reason = reasonCancelled
	}
}
