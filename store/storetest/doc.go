// Package storetest is the contract of [store.Backend] as tests, benchmarks and a property. A driver's own test file is
// little more than this:
//
//	func TestContract(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) store.Backend { return memstore.New(memstore.Config{}) })
//	}
//
// A backend that lives in this process runs in synctest bubbles: time passes only while everybody sleeps, so a test of
// a minute's TTL takes no time and is exact to the nanosecond, and a goroutine that outlives Close fails the test. For
// a backend that talks to a server see [Harness].
//
// Each clause of the contract is a function from a backend to an error, and the package's tests hold the clauses
// against backends that break the contract on purpose, each in one way.
//
// The package does not test what a backend does beyond the contract: how much it keeps, what it drops when it is full,
// and what becomes of it when its server fails.
package storetest
