package testredis

import (
	"strconv"
	"strings"
)

// Slot returns the hash slot of a key.
func (s *Server) Slot(key string) int {
	s.t.Helper()
	n, err := strconv.Atoi(s.Must("CLUSTER", "KEYSLOT", key))
	if err != nil {
		s.t.Fatalf("testredis: %v", err)
	}
	return n
}

// Owner returns the node of a cluster that has a slot.
func Owner(nodes []*Server, slot int) *Server {
	for _, n := range nodes {
		own := n.Must("CLUSTER", "MYID")
		for line := range strings.Lines(n.Must("CLUSTER", "NODES")) {
			fields := strings.Fields(line)
			if len(fields) < 9 || fields[0] != own {
				continue
			}
			for _, span := range fields[8:] {
				first, last, _ := strings.Cut(span, "-")
				from, err := strconv.Atoi(first)
				to, err2 := strconv.Atoi(last)
				if err2 != nil {
					to = from
				}
				if err == nil && from <= slot && slot <= to {
					return n
				}
			}
		}
	}
	return nil
}

// Migrate moves a slot from one master of a cluster to another, a key at a time, as an operator does who reshards. Between
// two keys, and before the first and after the last, it calls step.
func Migrate(nodes []*Server, slot int, from, to *Server, step func()) {
	from.t.Helper()
	name := strconv.Itoa(slot)
	source, target := from.Must("CLUSTER", "MYID"), to.Must("CLUSTER", "MYID")
	to.Must("CLUSTER", "SETSLOT", name, "IMPORTING", source)
	from.Must("CLUSTER", "SETSLOT", name, "MIGRATING", target)
	step()
	for {
		key := from.Must("CLUSTER", "GETKEYSINSLOT", name, "1")
		if key == "" {
			break
		}
		// What came there meanwhile, because nothing else was here, is older than what is here, or was made anew.
		from.Must("MIGRATE", "127.0.0.1", strconv.Itoa(to.port), key, "0", "5000", "REPLACE")
		step()
	}
	to.Must("CLUSTER", "SETSLOT", name, "NODE", target)
	from.Must("CLUSTER", "SETSLOT", name, "NODE", target)
	for _, n := range nodes {
		if n != from && n != to {
			n.Must("CLUSTER", "SETSLOT", name, "NODE", target)
		}
	}
}
