// Package security holds tests about attacks on a cache: known ones, and those that this project thought of itself. It has
// no code of its own:
//
//	go test -race ./internal/security                                            # all cases, the counts of a few reduced
//	go test -race ./internal/security -full -run Cases                           # with the counts that they name
//	go test -race ./internal/security -responses=1000000 -run Load -timeout=1h   # a million answers, each for its asker
//
// testdata/cases.json holds 73 sequences of requests, each with what was published of it under "reference" (Kettle, Gil,
// the CPDoS paper, advisories of Next.js, Hono, Symfony, Flask and others). Each is run against every kind of store and every
// kind of policy for which it makes sense, and held against the same application without a cache.
//
// What the cache does about each class of them stands in docs/SECURITY-MODEL.md.
package security
