package memstore

import (
	"math/bits"
	"unsafe"

	"github.com/echocache/echocache/store"
)

// What things occupy besides their own bytes. The two of maps are measured (see TestI8_HeapStaysWithinBudget): a slot
// is paid for whether it is in use or not, and where records come and go, two in five are.
const (
	slotBytes  = 96 // of a shard's map: string, interface and expiry are 40 bytes, and one of control
	fenceBytes = 40 // of the fence table: two words, and one byte of control
	viewBytes  = 16 // the box around a decoded form
	frontBytes = 8  // of the front: a pointer
)

// share is how many bytes of budget there are for each tag in the fence table, which so gets 4 % of the whole, and for
// each slot of the front, which gets 1 %. Records of this size are about as many.
const share = 1 << 10

// Bounds of the tables where memory is plentiful.
const (
	maxFences = 16 << 20
	maxFront  = 1 << 20
)

// fenceRoom returns how many evicted tags a store with a budget of maxBytes remembers.
func fenceRoom(maxBytes int64) int { return int(min(maxBytes/share, maxFences)) }

// frontSize returns the number of slots in the front for a budget of maxBytes, a power of two.
func frontSize(maxBytes int64) int {
	return 1 << (bits.Len64(uint64(min(maxBytes/share, maxFront))) - 1)
}

// weigh returns how many bytes a record occupies under its key.
func weigh(key string, r *store.Record) int64 {
	n := allocated(int(unsafe.Sizeof(item{}))) + slotBytes +
		allocated(len(key)) +
		allocated(cap(r.Value)) +
		allocated(cap(r.Tags)*int(unsafe.Sizeof(""))) +
		allocated((1+len(r.Tags))*8)
	for _, tag := range r.Tags {
		n += allocated(len(tag))
	}
	return n
}

// allocated returns what Go's allocator takes for n bytes: classes about an eighth apart, and pages of 8 KiB beyond
// 32 KiB (runtime/sizeclasses.go).
func allocated(n int) int64 {
	const smallest, page, large = 16, 8 << 10, 32 << 10
	if n <= 0 {
		return 0
	}
	step := max(smallest, 1<<max(0, bits.Len(uint(n-1))-4))
	if n > large {
		step = page
	}
	return int64((n + step - 1) / step * step)
}
