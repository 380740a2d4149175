package bench_test

import "testing"

// TestSharing changes what is behind the slice that one caller got, and looks at what the next one gets. It holds the
// comments in peers_test.go to what they say.
func TestSharing(t *testing.T) {
	t.Parallel()
	shares := map[string]bool{
		"echocache Immutable": true, // the caller gave its word not to do this
		"echocache JSON":      false, "echocache MessagePack": false,
		"otter": true, "theine": true, "sturdyc": true,
		"go-redis/cache": false,
	}
	for _, p := range ofShared() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			s := newSource(sharedOf, "product:7")
			get := p.open(t, s)
			var tags [3]string
			for i := range tags { // the first one loads, the second one finds
				v, err := get(t.Context(), "product:7")
				if err != nil {
					t.Fatal(err)
				}
				tags[i] = v.Tags[0]
				v.Tags[0] = "changed"
			}
			s.loaded(t, 1)
			if got, want := tags[2] == "changed", shares[p.name]; got != want {
				t.Errorf("the third caller got %q: shared %t, want %t", tags[2], got, want)
			}
		})
	}
}
