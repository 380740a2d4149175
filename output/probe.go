package output

import "github.com/echocache/echocache/internal/mark"

// examined tells a probe what this mount is; see package outputtest.
func (m *Mount) examined(p *mark.Probe, x Exchange) {
	o := mark.Output{
		Route: x.Route(), Policy: m.policy.String(), Off: m.policy.off,
		Shared: !m.policy.perUser && !m.policy.public, Public: m.policy.public,
	}
	for _, t := range m.tags {
		o.Templates = append(o.Templates, t.String())
	}
	o.Tags, _ = m.expand(x, "")
	p.MetOutput(o)
}
