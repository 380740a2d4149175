package breaker_test

import (
	"testing"

	"github.com/echocache/echocache/breaker"
	"github.com/echocache/echocache/store"
	"github.com/echocache/echocache/store/memstore"
	"github.com/echocache/echocache/store/storetest"
)

func overMemory(t *testing.T) store.Backend {
	t.Helper()
	return breaker.New(memstore.New(memstore.Config{}), breaker.Config{})
}

func TestBreakerKeepsTheContract(t *testing.T) {
	t.Parallel()
	storetest.Run(t, overMemory)
}

func TestBreakerAnswersAsTheModel(t *testing.T) {
	t.Parallel()
	storetest.Property(t, overMemory)
}
