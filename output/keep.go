package output

import (
	"context"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/echocache/echocache/store"
)

// settle judges the answer of a handler that returned, stores it if it may be, and writes it.
func (f *Fill) settle(err error) error {
	w := f.recorder
	if w.through {
		w.finish()
		return err
	}
	if f.aside.Load() {
		return err
	}
	a := &answer{
		method: f.Request.Method, status: w.status, body: w.body, complete: w.complete(),
		err: err, late: f.context.Err() != nil,
	}
	if w.sent != nil {
		a.ops = difference(w.before, w.sent)
		a.header = w.sent
		a.said, a.told = f.told.by(w.sent)
	}
	ttl, reason := admit(a, &f.q.policy)
	switch {
	case f.around:
		reason = reasonAround
	case f.composed.Load() && reason == "":
		reason = reasonNested
	case f.flight == nil && reason == "":
		reason = f.why
	}
	var r store.Record
	var p *page
	if reason == "" {
		r, p, reason = f.record(a, ttl)
	}
	if reason == "" {
		return f.keep(a, p, r)
	}
	if status, failed := f.failure(a, reason); failed {
		if p, left := f.q.standIn(); p != nil {
			return f.failed(p, left, reason, status, err)
		}
	}
	f.commit(reason)
	return err
}

// record makes what is stored of an admitted answer.
func (f *Fill) record(a *answer, policyTTL time.Duration) (store.Record, *page, string) {
	q := f.q
	now := time.Now()
	added, ttl, exact, reason := f.entry.settle(policyTTL, now)
	if reason != "" {
		return store.Record{}, nil, reason
	}
	if !exact {
		ttl -= time.Duration(rand.Float64() * q.policy.jitter * float64(ttl))
		if ttl > time.Second {
			ttl = ttl.Truncate(time.Millisecond) // it takes fewer bytes
		}
	}
	ttl = min(ttl, maxTTL)
	tags := make([]string, 0, implicitTags+len(f.tags)+len(added))
	tags = append(tags, cacheTag(q.cache.config.Name), routeTag(q.x.Route()), pathTag(q.r.URL.Path))
	for _, t := range slices.Concat(f.tags, added) {
		if !slices.Contains(tags, t) {
			tags = append(tags, t)
		}
	}
	if len(tags) > store.MaxTags {
		return store.Record{}, nil, reasonTags
	}
	a.describe()
	if a.told {
		a.set(opCapped, "Cache-Control", a.header.Get("Cache-Control"))
	}
	w := &wire{status: a.status, ttl: ttl, tail: q.policy.tailFor(a.status), made: now.Unix(), body: a.body}
	if q.policy.compress {
		w.gzip, w.fixed = a.compress(q.compressesNow(), q.policy.maxBytes-int64(len(a.body)))
	}
	w.fields = *pack(a.stored(now))
	if modified := find(a.ops, "Last-Modified"); len(modified) == 1 {
		if t, err := http.ParseTime(modified[0]); err == nil && t.Unix() > 0 {
			w.modified = t.Unix()
		}
	}
	value := w.encode(q.key)
	if int64(len(value)) > q.policy.maxBytes && w.gzip != nil {
		w.gzip, w.fixed = nil, true
		value = w.encode(q.key)
	}
	if int64(len(value)) > q.policy.maxBytes {
		return store.Record{}, nil, reasonTooLarge
	}
	p, err := newPage(value, q.key)
	if err != nil {
		return store.Record{}, nil, reasonRefused
	}
	return store.Record{Value: value, Tags: tags, TTL: ttl + w.tail, Fence: f.fence}, p, ""
}

// keep stores the page, releases those who wait with the verdict, and answers this request.
func (f *Fill) keep(a *answer, p *page, r store.Record) error {
	q, c := f.q, f.q.cache
	c.counters.misses.Add(1)
	f.flight.Seal()
	c.at("seal")
	verdict, err := f.store(r)
	c.at("store")
	filled := q.filled()
	source, left := filled.doubts, p.ttl
	switch verdict {
	case store.Stored:
		c.counters.stored.Add(1)
		source = filled.stored
		c.retries.end([]byte(q.key))
		if q.renews() {
			q.during.settled.Store(true)
		}
		f.end(outcome{outcomeStored, p, p.ttl})
	case store.Fenced:
		c.counters.because(reasonFenced)
		if q.renews() {
			q.during.settled.Store(true) // the page is gone, which is as good
		}
		source, left = filled.fenced, 0 // what it shows is known to be old: nobody downstream is to keep it
		f.end(outcome{kind: outcomeFenced})
	case store.Refused:
		c.counters.because(reasonRefused)
		source = filled.refused
		f.end(outcome{outcomeKept, p, p.ttl})
	default:
		c.counters.because(reasonBackend)
		f.end(outcome{outcomeKept, p, p.ttl})
	}
	if err != nil {
		c.config.Logger.Warn("page not stored", "cache", c.config.Name, "route", q.x.Route(), "verdict", verdict, "error", err)
	}
	f.release()
	f.observe(Event{Status: a.status, Verdict: verdict.String(), TTL: p.ttl, Bytes: len(a.body), Err: err})
	return q.answer(p, pack(a.ops), left, source)
}

// store hands the page to the backend. Without a fence, because the look-up failed, nobody may keep it.
func (f *Fill) store(r store.Record) (store.Verdict, error) {
	if r.Fence.Epoch == ([16]byte{}) {
		return store.Unknown, nil
	}
	return f.q.cache.backend.Store(context.WithoutCancel(f.q.r.Context()), f.q.key, r)
}
