package storetest

import (
	"time"

	"pgregory.net/rapid"

	"github.com/echocache/echocache/store"
)

// Names returns the clauses of the contract.
func Names() []string {
	var names []string
	for _, c := range clauses {
		names = append(names, c.name)
	}
	return names
}

// Hold runs one clause against b, in the bubble that the caller is in, or on time that sleep lets pass.
func Hold(clause string, b store.Backend, sleep func(time.Duration)) error {
	for _, c := range clauses {
		if c.name == clause {
			return c.hold(b, sleep)
		}
	}
	panic("no such clause: " + clause)
}

// CheckModel runs the property for whom t is.
func CheckModel(t rapid.TB, open func() store.Backend) { Harness{}.property(t, open) }
