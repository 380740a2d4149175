// Package breaker puts a circuit breaker around any [store.Backend], so that a backend in trouble costs requests
// nothing, and a journal, so that it costs no eviction:
//
//	remote := breaker.New(backend, breaker.Config{Name: "redis", JournalFile: "/var/lib/shop/evictions"})
//	entries := store.New(remote, store.Config{Namespace: "shop"})
//
// While the breaker is open, look-ups are misses and nothing is stored, at once. What is evicted meanwhile is queued,
// honoured by this process, retried until the backend confirms it, and confirmed before anything that the backend keeps
// is believed again.
//
// It does not keep a second copy of anything: while the backend is away there are no hits.
package breaker
