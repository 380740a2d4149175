package security_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

var full = flag.Bool("full", false, "repeat requests as often as the cases say")

// attack is one case of testdata/cases.json, which come from what others have published, or of testdata/own.json: an application, what it is asked, and what has to come of it.
type attack struct {
	ID        string     `json:"id"`
	Class     string     `json:"class"`
	Severity  string     `json:"severity"`
	Title     string     `json:"title"`
	Reference string     `json:"reference"`
	Stores    string     `json:"stores"` // "all", or "redis": those with a server
	Setup     setup      `json:"setup"`
	Requests  []ask      `json:"requests"`
	Expect    []expected `json:"expect"`
	Safe      string     `json:"expected_safe_behaviour"`
	// NeedsCache: without a cache it would not hold.
	NeedsCache bool `json:"needs_cache"`
}

type setup struct {
	Routes []*route `json:"routes"`
	Outer  string   `json:"outer_middleware"` // "sets Name: value", on every answer
	Order  string   `json:"order"`            // "cache_then_auth": authentication is mounted inside of the cache
	Pre    []string `json:"pre"`
	Inject string   `json:"inject"` // done at the server before the last request
	Store  string   `json:"store"`
	Writer *writer  `json:"writer"`
}

type writer struct {
	Path  string   `json:"path"`
	Evict []string `json:"evict"`
}

type route struct {
	Method      string   `json:"method"`
	Path        string   `json:"path"`
	Cache       *options `json:"cache"` // nil: not cached
	Handler     handler  `json:"handler"`
	Tags        []string `json:"tags"`
	Evict       []string `json:"evict"`
	RangeAware  bool     `json:"range_aware"`
	Conditional bool     `json:"conditional"`
}

// options are in neutral words; mount says what they are here.
type options struct {
	TTL           string   `json:"ttl"`
	StrictInputs  bool     `json:"strict_inputs"`
	UserScope     string   `json:"user_scope"`
	IgnoreQuery   []string `json:"ignore_query"`
	AllowQuery    []string `json:"allow_query"`
	Authorization bool     `json:"allow_authorization"`
	Downstream    string   `json:"response_headers"`
	MaxEntry      int64    `json:"max_entry_bytes"`
	Seal          string   `json:"hmac"`
	Debug         *bool    `json:"debug_header"`
}

type handler struct {
	Body    string      `json:"body"`
	Headers [][2]string `json:"headers"`
	Status  int         `json:"status"`
	When    []when      `json:"when"`
	Sleep   string      `json:"sleep"` // it works until what the case is about has happened
	Abort   string      `json:"abort"`
	Stream  string      `json:"stream"`
	Write   string      `json:"write"`
}

type when struct {
	Header string `json:"header"`
	Status int    `json:"status"`
	Body   string `json:"body"`
}

type ask struct {
	Method     string      `json:"method"`
	Target     string      `json:"target"`
	Host       string      `json:"host"`
	Headers    [][2]string `json:"headers"`
	Body       string      `json:"body"`
	Raw        string      `json:"raw"` // bytes on the wire
	Parallel   int         `json:"parallel"`
	Repeat     int         `json:"repeat"`
	Wait       string      `json:"wait"` // until everything asked before is over
	Disconnect string      `json:"disconnect_after"`
	Fault      string      `json:"fault"`
}

type expected struct {
	Req           int               `json:"req"`         // counted from 1; 0: all that was asked
	Transparent   []int             `json:"transparent"` // as without a cache; -1: all
	Status        int               `json:"status"`
	StatusIn      []int             `json:"status_in"`
	Body          *string           `json:"body"`
	Contains      string            `json:"body_contains"`
	NotContains   string            `json:"body_not_contains"`
	Length        int64             `json:"body_len"`
	Header        map[string]string `json:"header"`
	HeaderHas     map[string]string `json:"header_contains"`
	HeaderHasNot  map[string]string `json:"header_not_contains"`
	HeaderMatches map[string]string `json:"header_matches"`
	HeaderDiffers map[string]int    `json:"header_differs_from"`
	HeaderPresent []string          `json:"header_present"`
	NoHeader      []string          `json:"no_header"`
	Calls         map[string]int    `json:"handler_calls"` // when that request has been answered
	CallsMax      map[string]int    `json:"handler_calls_max"`
	FirstByte     string            `json:"first_byte_before"`
	CrossUser     *int              `json:"cross_user_bodies"`
	StoreHasNot   string            `json:"store_not_contains"`
	EntriesMax    int               `json:"store_entries_max"`
	VariantsMax   int               `json:"max_variants_per_resource"`
	StoreBytes    int64             `json:"max_store_bytes"`
	KeyBytes      int               `json:"max_redis_key_bytes"`
	FenceBytes    int64             `json:"redis_fence_bytes_max"`
	HeapBytes     int64             `json:"max_heap_growth_bytes"`
	Metric        string            `json:"metric"`
	Forged        *int              `json:"log_lines_forged"`
}

// attacks reads the cases. A word that is not known here is an error: no part of a case may be passed over.
func attacks(tb testing.TB, file string) []*attack {
	tb.Helper()
	text, err := os.ReadFile("testdata/" + file)
	if err != nil {
		tb.Fatal(err)
	}
	var all struct {
		Cases []*attack `json:"cases"`
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&all); err != nil {
		tb.Fatal(err)
	}
	return all.Cases
}

// heavy reports whether a case measures memory, so that nothing else may run meanwhile.
func (a *attack) heavy() bool {
	return slices.ContainsFunc(a.Expect, func(e expected) bool { return e.HeapBytes+e.StoreBytes+e.FenceBytes > 0 })
}

// often is how many requests of this kind are sent. In the everyday run the large numbers are smaller.
func (a *attack) often(n int) int {
	switch {
	case n <= 1000 || *full:
		return n
	case a.Setup.Writer != nil: // a write waits for its eviction; see flood
		return n / 1000
	default:
		return n / a.scale()
	}
}

// scale is by how much the everyday run is smaller, budgets included.
func (a *attack) scale() int {
	large := slices.ContainsFunc(a.Requests, func(r ask) bool { return r.Repeat > 1000 })
	if large && a.Setup.Writer == nil && !*full {
		return 50
	}
	return 1
}

func (a *attack) cached() []*route {
	return slices.DeleteFunc(slices.Clone(a.Setup.Routes), func(r *route) bool { return r.Cache == nil })
}

func (a *attack) scope() string { return a.cached()[0].Cache.UserScope }

func (o *options) ttl() time.Duration {
	d, err := time.ParseDuration(o.TTL)
	if err != nil {
		panic(err)
	}
	return d
}

func has(words, word string) bool { return strings.Contains(words, word) }
