package breaker

import (
	"context"
	"os"

	"github.com/echocache/echocache/store"
)

// OpenOn is New on a disk that may fail. A nil function is the operating system's.
func OpenOn(b store.Backend, c Config, sync func(*os.File) error, rename func(from, to string) error) *Breaker {
	d := osDisk
	if sync != nil {
		d.sync = sync
	}
	if rename != nil {
		d.rename = rename
	}
	return open(b, c, d)
}

// Kill ends b as the end of its process would: nothing is written any more, and nothing tried with success if the
// backend is away.
func (b *Breaker) Kill() {
	if b.file != nil {
		b.file.close()
	}
	b.closed.Store(true)
	b.ledger.end()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	b.keeper.end(ctx)
}

// Queue is the list of what is queued, as it stands in a file.
func (b *Breaker) Queue() string {
	text := ""
	for _, q := range b.ledger.pending() {
		text += string(q.kind) + q.text + " "
	}
	return text
}

// Classify is the breaker's own judgement.
func Classify(err error) Class { return classify(err) }

// Rewritten returns a journal file's names in a new file, and whether text is one.
func Rewritten(text []byte) (again []byte, names int, ok bool) {
	all, err := parseFile(text)
	again = []byte(fileHeader)
	if len(all) > 0 {
		again = append(again, formatLine(all)...)
	}
	return again, len(all), err == nil
}

// FileWith returns the text of a journal file that holds evictions of these tags.
func FileWith(tags ...string) []byte {
	return append([]byte(fileHeader), formatLine(named(ofTag, tags))...)
}
