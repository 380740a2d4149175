package redisstore_test

import (
	"testing"
	"time"

	"github.com/echocache/echocache/breaker"
	"github.com/echocache/echocache/internal/testredis"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
	"github.com/echocache/echocache/store/redisstore"
	"github.com/echocache/echocache/store/storetest"
	"github.com/echocache/echocache/store/tiered"
)

// guarded returns a breaker around a store in a namespace of its own, with timeouts that do not mind a busy machine.
func guarded(t *testing.T, open func() *redisstore.Store) *breaker.Breaker {
	t.Helper()
	const patience = 5 * time.Second
	return breaker.New(open(), breaker.Config{LookupTimeout: patience, StoreTimeout: patience, EvictTimeout: patience})
}

// The contract holds behind a breaker, and with memory in front of that, as an application has it.
func TestContractGuarded(t *testing.T) {
	t.Parallel()
	const lease = 300 * time.Millisecond
	for name, front := range map[string]func(b *breaker.Breaker) store.Backend{
		"breaker": func(b *breaker.Breaker) store.Backend { return b },
		"tiered over breaker": func(b *breaker.Breaker) store.Backend {
			s := tiered.New(memstore.New(memstore.Config{}), b, tiered.Config{Lease: lease})
			for began := time.Now(); !s.Info().Leased && time.Since(began) < 10*time.Second; {
				time.Sleep(time.Millisecond)
			}
			return s
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := patientClient(t, testredis.Start(t))
			storetest.Harness{
				Sleep: time.Sleep,
				Open: func(t *testing.T) store.Backend {
					t.Helper()
					return front(guarded(t, func() *redisstore.Store {
						return redisstore.New(client, patient(redisstore.Config{Namespace: namespace(), Lease: lease}))
					}))
				},
			}.Run(t)
		})
	}
}
