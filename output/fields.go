package output

import (
	"iter"
	"net/http"
	"slices"
	"unsafe"

	"github.com/echocache/echocache/response"
)

// fields are ops as all answers with them share them. What goes into the header maps are parts of text.
type fields struct {
	few  [8]step // what stands for each op, in their order, unless there are more
	many []step
	n    int
	text []string
	// Which of the text are not spelt yet, counted from 1; 0 = none. See spell.
	date, tag uint32
}

// step is an op whose strings are those of the text from the end of the one before to its own end.
type step struct {
	end  uint32
	word uint8 // the name's place in the dictionary; 0: the name is the first of the strings
	kind opKind
}

// pack returns ops as fields.
func pack(ops []op) *fields {
	f := &fields{text: make([]string, 0, 2*len(ops))}
	steps := f.sized(len(ops))
	for i := range ops {
		o := &ops[i]
		place := dictionary[o.name]
		if place == 0 {
			f.text = append(f.text, o.name)
		}
		f.text = append(f.text, o.values...)
		steps[i] = step{end: uint32(len(f.text)), word: uint8(place), kind: o.kind}
	}
	return f
}

// sized makes room for n steps, and returns it.
func (f *fields) sized(n int) []step {
	f.n = n
	if n > len(f.few) {
		f.many = make([]step, n)
	}
	return f.steps()
}

func (f *fields) steps() []step {
	if f.n > len(f.few) {
		return f.many
	}
	return f.few[:f.n]
}

// field is a step with its strings: the values have no room to spare.
type field struct {
	step

	name   string
	values []string
}

// read returns a field, whose strings begin at from.
func (f *fields) read(s step, from uint32) (name string, values []string) {
	values = f.text[from:s.end:s.end]
	if s.word != 0 {
		return words[s.word], values
	}
	return values[0], values[1:]
}

// all goes through the fields.
func (f *fields) all() iter.Seq[field] {
	return func(yield func(field) bool) {
		var from uint32
		for _, s := range f.steps() {
			name, values := f.read(s, from)
			if !yield(field{s, name, values}) {
				return
			}
			from = s.end
		}
	}
}

// apply replays the fields on h. Their values are shared by all answers; an append makes a copy of them. Every hit does this:
// it goes through the steps itself, and leaves to change what is seldom.
func (f *fields) apply(h http.Header, unchanged bool) {
	var from uint32
	for _, s := range f.steps() {
		name, values := f.read(s, from)
		from = s.end
		if s.kind == opSet && !unchanged {
			h[name] = values
		} else {
			change(h, s.kind, name, values, unchanged)
		}
	}
}

// change replays one field. A 304 carries all but those that describe the body it does not have (RFC 9110, section 15.4.5).
func change(h http.Header, kind opKind, name string, values []string, unchanged bool) {
	if unchanged && response.DescribesBody(name) {
		return
	}
	switch kind {
	case opSet, opCapped:
		h[name] = values
	case opAdd:
		h[name] = added(h[name], values)
	case opOnce:
		if old := h[name]; !namesEncoding(old) {
			h[name] = added(old, values)
		}
	default:
		delete(h, name)
	}
}

// repeat does to h what made after of before.
func repeat(h, before, after http.Header) { pack(difference(before, after)).apply(h, false) }

func added(old, more []string) []string {
	if len(old) == 0 {
		return more
	}
	return slices.Concat(old, more)
}

// room is the memory of what a page's answers share, so that it is one piece. It must not be used again: header maps refer to
// it for as long as they live.
type room struct {
	text   [7]string // of the fields, unless there are more
	length [1]string // the value of Content-Length
	date   [dateLen]byte
	tag    [tagLen]byte
	digits [10]byte // of length, unless there are more
}

// spell spells the words that do not stand in an entry as they are, into the room.
func (f *fields) spell(room *room, made int64) {
	if f.date > 0 {
		f.text[f.date-1] = asString(appendDate(room.date[:0], made))
	}
	if f.tag > 0 {
		f.text[f.tag-1] = asString(appendTag(room.tag[:0], f.text[f.tag-1]))
	}
}

// asString returns bytes that never change again as a string.
func asString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// apart returns what the fields take that is neither in them nor in a room, in bytes.
func (f *fields) apart() int {
	size := cap(f.many) * int(unsafe.Sizeof(step{}))
	if cap(f.text) > len(room{}.text) {
		size += cap(f.text) * int(unsafe.Sizeof(""))
	}
	return size
}
