// Package arch holds tests about the repository as a whole: who imports whom, and whether the code in the documents
// compiles. It has no code of its own:
//
//	go test ./internal/arch
//
// # Code in documents
//
// Every block of Go in README.md and docs/*.md is compiled against this module, so that what a reader copies works.
// Nothing needs to be marked in the usual cases:
//
//   - A block with "package main" is a whole program and is built as it stands.
//   - A block with any other package clause is a listing of that package's API: functions without bodies, types,
//     errors. Each of its lines is held against the package itself.
//   - Everything else is a fragment. Its functions, types and imports go to the top of a file, its statements into a
//     function that returns an error. Packages are imported by name, and names that fragments share (e, c, ctx, cache,
//     db, listProducts) are declared for it: see the tables in fragment_test.go.
//
// A comment before the block changes that:
//
//	<!-- snippet: continues -->        compile it together with the block before it
//	<!-- snippet: skip (the reason) --> do not compile it; the test run lists it as skipped
//
// The package does not test what the code does.
package arch
