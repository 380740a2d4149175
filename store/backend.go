package store

import (
	"context"
	"time"
)

// Fence is a reading of a backend's eviction clock. It is logical: no wall clock is involved, and two fences compare
// only within one Epoch.
//
// A zero Epoch means that nothing may be stored: the backend could not read its clock, or has none.
type Fence struct {
	Epoch [16]byte // the life of the clock; a new one after the clock was lost
	Tick  uint64   // evictions counted in this Epoch
}

// Record is what a backend keeps under a key.
//
// WARNING: Value and Tags belong to the backend once stored and to everybody who looks them up: nobody may change
// them afterwards.
type Record struct {
	Value []byte
	Tags  []string
	TTL   time.Duration // from the moment it is stored; must be positive
	Fence Fence         // as it stood before Value was computed
	// Sliding, if positive, is for how long at most the record is kept without being looked up, within its TTL.
	// How soon a look-up counts is the backend's own affair, up to a quarter of it.
	Sliding time.Duration
}

// Found is the answer to the look-up of one key.
type Found struct {
	Record *Record       // nil = miss
	Fence  Fence         // for a fill of this key that begins now; given for a hit as for a miss
	Left   time.Duration // until the record expires; positive on a hit
}

// Verdict says what became of a [Record] handed to [Backend.Store].
type Verdict uint8

const (
	// Unknown: the backend cannot tell whether the record is kept. It is the zero value, so that a forgotten
	// verdict promises nothing.
	Unknown Verdict = iota
	// Stored: the record is kept, and no eviction of its tags had happened since its fence.
	Stored
	// Fenced: an eviction came in between; the record is not kept.
	Fenced
	// Refused: the record is not kept for another reason: no fence, too large, out of memory, closed.
	Refused
)

// String returns the verdict's name in lower case.
func (v Verdict) String() string {
	switch v {
	case Stored:
		return "stored"
	case Fenced:
		return "fenced"
	case Refused:
		return "refused"
	default:
		return "unknown"
	}
}

// Backend is what a driver implements. Package storetest checks the contract; all methods may be called concurrently.
//
// NOTE: once Evict or Delete has returned nil, no Lookup that begins afterwards, anywhere, may return a record whose
// fence was handed out before that call began and that carries one of the tags (or is stored under the key).
type Backend interface {
	// Lookup answers for every key, in the order of keys, in one trip. Absence is not an error. On an error
	// the result is nil, and nothing may be stored on its account.
	Lookup(ctx context.Context, keys ...string) ([]Found, error)
	// Store judges r against r.Fence and keeps it unless an eviction came in between. The error, if any, only
	// explains a verdict of Refused or Unknown.
	Store(ctx context.Context, key string, r Record) (Verdict, error)
	// Delete forgets keys, and beats a fill in flight as Evict does.
	Delete(ctx context.Context, keys ...string) error
	// Evict forgets every record that carries one of the tags. Nil means confirmed everywhere. The cost does
	// not depend on how many records there are.
	Evict(ctx context.Context, tags ...string) error
	// Check returns the configuration error with which the backend was made, if any. It does no I/O.
	Check() error
	// Close ends the backend's goroutines. Afterwards every look-up is a miss with a zero fence, and Store
	// refuses. A second call does nothing.
	Close() error
}

// Held is a record in the memory of this process, with room for the decoded form that its readers share.
type Held interface {
	// Record returns the record itself.
	Record() *Record
	// View returns what SetView was given last, or nil.
	View() any
	// SetView keeps a decoded form of the record beside it for later readers. size is what the form occupies,
	// in bytes, besides what it borrows from the record; it counts against the backend's budget.
	//
	// WARNING: the form is shared by all readers at once and must not change.
	SetView(view any, size int)
}

// Local is the optional ability of a backend that holds records in the memory of this process: a look-up of one key
// that copies nothing. The key's bytes may be reused as soon as Peek returns. A record that Peek returns has been
// checked like one that Lookup returns; a false ok says nothing about the fence, so a fill begins with Lookup.
type Local interface {
	Peek(key []byte) (held Held, left time.Duration, ok bool)
}

// Remote is the optional ability of a [Local] backend in front of a remote one to ask that although memory has an answer:
// it is Lookup, but that what memory holds does not count. What is found comes into memory.
type Remote interface {
	LookupRemote(ctx context.Context, keys ...string) ([]Found, error)
}

// Prompt is the optional ability of a backend to return from Lookup as soon as the context ends, whatever its server does.
// Who has to leave at that moment need not ask in a goroutine of its own.
type Prompt interface {
	// PromptLookup reports whether that is so.
	PromptLookup() bool
}

// Sweeper is the optional ability of a backend to free at once what it has evicted and would keep until somebody meets it,
// or until its time is over. It goes through everything, so it is not for a request's way; ctx ends it.
type Sweeper interface {
	Sweep(ctx context.Context) error
}

// Offline is the optional ability of a [Local] backend in front of a remote one to answer while that cannot be reached: with
// what was right when it was reached last, and may have been evicted elsewhere since. PeekOffline finds what Peek does
// not find for want of that certainty. Nobody may be given another one's answer this way: it is for what is everybody's.
type Offline interface {
	PeekOffline(key []byte) (held Held, left time.Duration, ok bool)
}

// Tier is the optional ability of a backend to name itself in a Cache-Status header: "memory", "redis".
type Tier interface {
	Tier() string
}

// Replacer is the optional ability of a backend to write a value that the caller has just changed at its source.
//
// In one step, Replace forgets what is stored or being filled under key and what carries one of tags, as Delete and
// Evict do, and then keeps r in its place, unless key or one of r's tags had been evicted since r's fence: then somebody
// else has written too, and nobody here can tell who was last. The verdict is about r alone and given as by
// [Backend.Store], but that a nil error says that the evictions are confirmed, whatever the verdict.
type Replacer interface {
	Replace(ctx context.Context, key string, r Record, tags ...string) (Verdict, error)
}

// Feed is the optional ability of a shared backend to let a process keep records in its own memory and answer from there
// without a trip, for as long as it is told in time what others evict. See package tiered.
//
// The backend consists of parts with a clock each, known by their numbers from 0 on.
type Feed interface {
	// Place returns the part in which the record under key lies, and the names by which news speaks of it: that of
	// its key and those of its tags.
	Place(key string, tags []string) (part int, names []string)
	// Poll returns for each part what was evicted since the fences of an earlier answer, or of no answer, if seen is
	// nil. The evictions of that answer must have been carried out before. With a holder the backend remembers who
	// asked and what it has seen: from then on, evictions wait until the holder has polled again, or for lease.
	Poll(ctx context.Context, holder string, lease time.Duration, seen []Fence) ([]News, error)
	// Hints calls f when a poll would bring something, until ctx ends. It may do so too often, too late, or never.
	Hints(ctx context.Context, f func())
}

// Fleet is the optional ability of a shared backend to let one of several processes fill a key while the others wait for it.
// It saves work; what may be answered is decided by fences alone, so a claim that is lost, or held twice, does no harm.
//
// Claim asks for key for lease, and returns at once, whoever has it. held says whether it is the caller's now. If it is,
// release gives it up, unless it is another's by then: a lease is not renewed, and ends by itself when its holder crashes.
// With an error, as while the backend is in trouble, the caller must not wait for anybody.
//
// NOTE: release must not wait for the backend: it is called on a request's way. It is nil unless held.
type Fleet interface {
	Claim(ctx context.Context, key string, lease time.Duration) (release func(), held bool, err error)
}

// News is what was evicted in one part of a backend.
type News struct {
	Fence Fence    // the part's clock, as of the poll; for a fill that begins afterwards
	Lost  bool     // what came before cannot be told: everything of this part is to be forgotten
	Names []string // of evicted keys and tags; see [Feed]
}

// As finds an optional ability T of b, or of a backend that b wraps: the first in the chain of Unwrap() Backend that
// implements it.
func As[T any](b Backend) (T, bool) {
	for b != nil {
		if t, ok := b.(T); ok {
			return t, true
		}
		w, ok := b.(interface{ Unwrap() Backend })
		if !ok {
			break
		}
		b = w.Unwrap()
	}
	var none T
	return none, false
}
