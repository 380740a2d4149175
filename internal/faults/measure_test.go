package faults_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/echocache/echocache/store/tiered"
)

// result is what came of one fault.
type result struct {
	fault  fault
	all    []answer
	first  []answer // of the first second of the fault
	later  []answer // from the second second on
	opened time.Duration
	back   time.Duration // from the fault's end to the first hit
	whole  time.Duration // to a closed breaker and nine hits of ten
	fills  int64         // of the page that was filled most, once the breaker was closed and nothing queued
	peak   int64         // requests at once
	err    error
}

const (
	never     = -1
	recovery  = 15 * time.Second
	countTime = 500 * time.Millisecond

	crowdEvery = 500 * time.Millisecond
)

// measure lets a fault happen under load.
func measure(r *rig, f fault) *result {
	res := &result{fault: f, opened: never, back: never, whole: never}
	l := &load{handler: r.handler, site: r.site}
	ctx, stop := context.WithCancel(context.Background())
	writing, stopWriting := context.WithCancel(ctx)
	ended, wrote := make(chan struct{}), make(chan error, 1)
	l.began = time.Now()
	go func() {
		defer close(ended)
		switch {
		case f.crowd > 0:
			l.run(ctx, crowdEvery, f.crowd, f.crowd)
		case *faultSeconds > 0:
			l.run(ctx, 2500*time.Microsecond, 1, pages)
		default:
			l.run(ctx, 10*time.Millisecond, 1, pages)
		}
	}()
	go func() { wrote <- r.write(writing) }()
	time.Sleep(time.Second) // until the pages are there
	begun := l.since()
	heal := func() {}
	if f.begin != nil {
		heal = f.begin(r)
	}
	time.Sleep(begun + lasting() - l.since())
	stopWriting()
	res.err = <-wrote
	heal()
	l.heal()
	healed := l.healed
	if opened := r.opened.Load(); opened > 0 {
		res.opened = max(0, time.Unix(0, opened).Sub(l.began)-begun)
	}
	if f.begin != nil {
		res.recover(r, l)
	}
	stop()
	<-ended
	res.all, res.peak = l.between(0, l.since()), l.peak
	res.first, res.later = l.between(begun, begun+time.Second), l.between(begun+time.Second, healed)
	if err := r.close(); res.err == nil {
		res.err = err
	}
	return res
}

// recover watches how a fault is forgotten.
func (res *result) recover(r *rig, l *load) {
	window := 100 * time.Millisecond
	if res.fault.crowd > 0 {
		window = crowdEvery
	}
	for next := l.since() + window; l.since() < l.healed+recovery; time.Sleep(10 * time.Millisecond) {
		r.site.count(!r.open() && r.guard.Pending() == 0)
		if l.since() < next {
			continue
		}
		next += window
		if l.look() && !r.open() {
			res.whole = l.since() - l.healed
			r.site.count(true)
			time.Sleep(countTime)
			res.fills = r.site.most()
			break
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.back > 0 {
		res.back = l.back
	}
}

// judge holds a result against what was promised. bare and calm are what came of no cache and of no fault: how long it
// took means nothing on a machine so busy that a breaker opened where nothing was wrong.
func (res *result) judge(t *testing.T, bare, calm *result) {
	t.Helper()
	if res.err != nil {
		t.Error(res.err)
	}
	for _, a := range res.all {
		if a.wrong != "" {
			t.Errorf("at %s: %s", a.at, a.wrong)
		}
	}
	if len(res.all) == 0 || len(res.later) == 0 {
		t.Fatal("nothing was asked")
	}
	if calm.opened != never {
		return
	}
	// How busy the machine is shows in what the bare handler takes at the same time.
	slack95, slack99, patience := 25*time.Millisecond, 150*time.Millisecond, 8*time.Second
	if res.fault.calm {
		slack95 = slack99 // the budgets: a breaker that stays closed waits as long for a Redis that is busy as well
	}
	if *faultSeconds > 0 {
		slack95, slack99, patience = 2*time.Millisecond, 5*time.Millisecond, 2*time.Second
	}
	for _, bound := range []struct {
		percent int
		slack   time.Duration
	}{{95, slack95}, {99, slack99}} {
		most := max(handlerTime, percentile(bare.later, bound.percent)) + res.fault.extra + bound.slack
		if got := percentile(res.later, bound.percent); got > most {
			t.Errorf("p%d from the second second on: %s, want at most %s", bound.percent, got, most)
		}
	}
	if res.fault.begin == nil {
		return
	}
	if !res.fault.calm && res.opened == never {
		t.Error("the breaker never opened")
	}
	if *faultSeconds > 0 && !res.fault.calm {
		// Before a lease is over nobody asks.
		most := 200 * time.Millisecond
		if res.fault.tiered {
			most += tiered.DefaultLease
		}
		if res.opened > most+res.fault.begins {
			t.Errorf("the breaker opened after %s, want at most %s", res.opened, most+res.fault.begins)
		}
	}
	if most := patience + res.fault.late; res.back == never || res.back > most {
		t.Errorf("the first hit came %s after the fault was over, want at most %s", after(res.back), most)
	}
	if res.whole == never {
		t.Errorf("hits did not come back within %s", recovery)
	}
	// A crowd asks for each page once, and again for what found no connection free to be stored.
	if res.fills > mostFills && res.fault.crowd == 0 {
		t.Errorf("a page was filled %d times when the breaker was closed and nothing queued, want at most %d", res.fills, mostFills)
	}
}

// mostFills is one for a page, and one whose record came too late for an eviction.
const mostFills = 2

const columns = "%-22s %6s %5s | %6s %6s %6s | %6s %6s %6s %5s | %7s %7s %7s %5s %4s\n"

func table(results []*result) string {
	var b strings.Builder
	fmt.Fprintf(&b, columns, "", "", "", "first", "second", "", "later", "", "", "", "", "", "", "", "")
	fmt.Fprintf(&b, columns, "fault", "asked", "wrong", "p50", "p95", "p99", "p50", "p95", "p99", "hits", "opened", "1st hit",
		"healed", "fills", "peak")
	for _, r := range results {
		wrong := 0
		for _, a := range r.all {
			if a.wrong != "" {
				wrong++
			}
		}
		row := []any{r.fault.name, fmt.Sprint(len(r.all)), fmt.Sprint(wrong)}
		for _, part := range [][]answer{r.first, r.later} {
			for _, percent := range []int{50, 95, 99} {
				row = append(row, fmt.Sprintf("%.1f", percentile(part, percent).Seconds()*1000))
			}
		}
		row = append(row, fmt.Sprintf("%d%%", 100*hits(r.later)/max(1, len(r.later))), after(r.opened), after(r.back),
			after(r.whole), fmt.Sprint(r.fills), fmt.Sprint(r.peak))
		fmt.Fprintf(&b, columns, row...)
	}
	b.WriteString("milliseconds; 1st hit, healed (90 % hits, breaker closed): from the fault's end on; fills: of one page, once nothing was queued\n")
	return b.String()
}

func after(d time.Duration) string {
	if d == never {
		return "-"
	}
	return fmt.Sprint(d.Milliseconds())
}
