package testredis

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// slots is how many hash slots a cluster has.
const slots = 16384

// StartCluster runs a cluster of as many masters, without replicas, and waits until all of them know it. options are
// given to each.
func StartCluster(tb testing.TB, masters int, options ...string) []*Server {
	tb.Helper()
	nodes := make([]*Server, masters)
	for i := range nodes {
		nodes[i] = Start(tb, append([]string{
			"--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-config-file", "nodes.conf",
		}, options...)...)
	}
	for i, node := range nodes {
		first, last := i*slots/masters, (i+1)*slots/masters-1
		node.Must("CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(first), strconv.Itoa(last))
		node.Must("CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1))
	}
	for _, node := range nodes[1:] {
		nodes[0].Must("CLUSTER", "MEET", "127.0.0.1", strconv.Itoa(node.port))
	}
	for deadline := time.Now().Add(startWait); ; time.Sleep(20 * time.Millisecond) {
		if agreed(nodes) {
			return nodes
		}
		if time.Now().After(deadline) {
			tb.Fatalf("testredis: %d masters did not become a cluster within %s", masters, startWait)
		}
	}
}

// agreed reports whether every node sees the whole cluster and finds it in order.
func agreed(nodes []*Server) bool {
	for _, node := range nodes {
		info, err := node.Do("CLUSTER", "INFO")
		if err != nil || !strings.Contains(info, "cluster_state:ok") ||
			!strings.Contains(info, fmt.Sprintf("cluster_known_nodes:%d\r", len(nodes))) ||
			!strings.Contains(info, fmt.Sprintf("cluster_slots_ok:%d\r", slots)) {
			return false
		}
	}
	return true
}
