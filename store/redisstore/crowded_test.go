package redisstore_test

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/echocache/echocache/internal/testredis"
	"github.com/echocache/echocache/store/redisstore"
)

var tagged = flag.Int("tagged", 100_000, "how many records carry one tag in the test of what its eviction costs")

const (
	ten       = 10  // records that carry the other tag
	evictions = 101 // of each tag
	atATime   = 10_000
)

// What an eviction costs does not depend on how many records it evicts. Between two evictions of a tag the server is made
// to forget the first, so that each of them finds all of the tag's records fresh.
func TestAnEvictionOfManyCostsWhatOneOfFewDoes(t *testing.T) {
	// Not parallel: what it measures is time.
	client := patientClient(t, testredis.Start(t, "--maxmemory", "1gb"))
	s := open(t, client, redisstore.Config{})
	for i := range evictions {
		put(t, s, fmt.Sprint("many", i), "v", "many")
	}
	for i := range ten {
		put(t, s, fmt.Sprint("few", i), "v", "few")
	}
	for n := 0; n < *tagged; n += atATime {
		if err := s.Clone(t.Context(), "many0", n, min(n+atATime, *tagged)); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := client.DBSize(t.Context()).Result(); err != nil || int(n) != *tagged+evictions+ten+1 { // with the clock
		t.Fatalf("%d keys (%v)", n, err)
	}
	fresh(t, s, true)
	many, few := times(t, client, s)
	for i, what := range []string{"as its caller sees it", "at the server"} {
		ratio := float64(many[i]) / float64(few[i])
		t.Logf("%-22s evicting %d records took %v, %d records %v: %.2f times as long", what, *tagged, many[i], ten, few[i], ratio)
		if ratio > 2 {
			t.Errorf("%s: %.2f times as long, want at most 2", what, ratio)
		}
	}
	fresh(t, s, false)
}

// times evicts both tags by turns, and returns the medians of how long that took: seen from here, and at the server.
func times(t *testing.T, client redis.UniversalClient, s *redisstore.Store) (many, few [2]time.Duration) {
	t.Helper()
	took := map[string]*[2][]time.Duration{"many": {}, "few": {}}
	for round := range evictions {
		key := fmt.Sprint("many", round)
		tags := []string{"many", "few"}
		for i := range tags {
			tag := tags[(i+round)%2]
			if err := s.Unevict(t.Context(), tag); err != nil {
				t.Fatal(err)
			}
			if tag == "many" {
				hit(t, s, key, "v")
			}
			before, began := busy(t, client), time.Now()
			evict(t, s, tag)
			here := time.Since(began)
			took[tag][0] = append(took[tag][0], here)
			took[tag][1] = append(took[tag][1], busy(t, client)-before)
		}
		miss(t, s, key)
	}
	for i := range many {
		many[i], few[i] = median(took["many"][i]), median(took["few"][i])
	}
	return many, few
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

// busy returns for how long the server has run scripts so far.
func busy(t *testing.T, client redis.UniversalClient) time.Duration {
	t.Helper()
	info, err := client.Info(context.Background(), "commandstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	_, line, _ := strings.Cut(info, "cmdstat_evalsha:")
	_, usec, _ := strings.Cut(line, "usec=")
	usec, _, _ = strings.Cut(usec, ",")
	n, err := strconv.Atoi(usec)
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(n) * time.Microsecond
}

// fresh wants a sample of the clones to be fresh, or none of it.
func fresh(t *testing.T, s *redisstore.Store, want bool) {
	t.Helper()
	const sample = 1000
	var numbers []int
	for i := range sample {
		numbers = append(numbers, i*(*tagged/sample))
	}
	n, err := s.Fresh(t.Context(), "many0", numbers...)
	if wanted := map[bool]int{true: sample}[want]; err != nil || n != wanted {
		t.Fatalf("%d of %d are fresh, want %d (%v)", n, sample, wanted, err)
	}
}
