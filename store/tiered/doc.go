// Package tiered puts the memory of this process in front of a shared backend, and keeps it honest by leases.
//
// A record that was found at the backend, or kept there, is kept in memory as well, and from then on found without a
// trip. That is right for as long as this process knows what others evict. So it asks the backend for news several times
// in each lease (250 ms), carries out what it is told, and answers from memory only while its last question is not older
// than a lease. Whoever evicts waits until all processes that ask have been told, or until their leases are over: once
// Evict has returned, no memory anywhere answers with what was evicted (I-1).
//
// # Why
//
// Let E be an eviction of a tag of record R that has returned, and P a look-up in the memory of a process that begins
// afterwards. The lease that P relies on begins when a question was sent, before it reached the backend.
//
//   - If the backend answered that question after E, the answer named the tag, and it was carried out in memory before the
//     lease began to count: R is not there. Neither is a copy of R that was on its way to memory: its local fence was
//     taken before the backend was asked for R, and that was before E, so before the answer was carried out.
//   - If the backend answered it before E, the process had not acknowledged E when E was carried out, and E returned only
//     when it had, by a later question, or when more than a lease had passed since. Then this lease is over.
//
// Nothing here compares clocks of different machines; that they run at the same rate within a tenth is assumed.
package tiered
